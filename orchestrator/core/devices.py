"""The devices of the host that an application may use: where they are inside, and what may be done with them.

Floor: core.
"""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.core.suggest import quote
from orchestrator.model import oci
from orchestrator.model.confinement import Device
from orchestrator.model.facts import DeviceAnswer
from orchestrator.model.problem import Fault
from orchestrator.model.types import DeviceAccess

OWN_NAMES = (
    "console",
    "core",
    "fd",
    "full",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
)
"""What a runtime makes in /dev by itself (runtime-spec config-linux.md, "Default Devices", and runtime-linux.md, "Dev
symbolic links") or mounts there."""


def parse_access(text: str) -> DeviceAccess | Fault:
    """Some of ``r``, ``w`` and ``m``, each once; kept in this order."""
    if text and set(text) <= set("rwm") and len(set(text)) == len(text):
        return DeviceAccess("".join(letter for letter in "rwm" if letter in text))
    return Fault(
        (), f'{quote(text)} is not made of "r", "w" and "m", each once', 'write "rw"; "m" is to make such a device'
    )


def choose_devices(
    wanted: Iterable[Device], answers: Mapping[str, DeviceAnswer]
) -> tuple[tuple[oci.Device, ...], tuple[Fault, ...]]:
    """``linux.devices``, sorted by path, and what is wrong with what is wanted. ``answers`` by path on the host."""
    chosen: dict[str, oci.Device] = {}
    faults: list[Fault] = []
    for index, wish in enumerate(wanted):
        answer = answers[wish.path]
        device = _place(wish, answer)
        found = [*_check_answer(wish, answer), *_check_neighbours(device, chosen)]
        # Where nothing stands, only a place that was written down is worth a word.
        if answer.type or wish.destination is not None:
            found += _check_destination(wish, device.path)
        faults += (fault.below("devices", index) for fault in found)
        if not found:
            chosen[device.path] = device
    return tuple(chosen[path] for path in sorted(chosen)), tuple(faults)


def _place(wish: Device, answer: DeviceAnswer) -> oci.Device:
    return oci.Device(
        path=wish.destination or wish.path,
        type=answer.type,
        major=answer.major,
        minor=answer.minor,
        mode=answer.mode,
        uid=answer.uid,
        gid=answer.gid,
        access=wish.access,
    )


def _check_answer(wish: Device, answer: DeviceAnswer) -> Iterator[Fault]:
    if not answer.type:
        yield Fault((), f"cannot use {quote(wish.path)}: {answer.detail}")


def _check_neighbours(device: oci.Device, above: Mapping[str, oci.Device]) -> Iterator[Fault]:
    """Whether a device goes together with those further up, by their paths inside."""
    if device.path in above:
        yield Fault((), f"there is a device at {quote(device.path)} already, further up", "take one away")
    for other in above.values():
        same = (device.type, device.major, device.minor) == (other.type, other.major, other.minor)
        if same and device.access != other.access:
            # The rules of a control group are by number, not by path: what one may do, the other may.
            message = f"{quote(device.path)} is the device {quote(other.path)}, further up, with other access"
            yield Fault(
                (), message, f"write access = {quote(other.access)}: the kernel tells them apart by number only"
            )


def _check_destination(wish: Device, inside: str) -> Iterator[Fault]:
    """Whether a device can be made where it is to be.

    Only /dev is a file system of the container's own that a runtime writes to before the application starts: elsewhere
    the node would be left behind in the root's folder on the host, and crun from 1.4 on makes none at the top.
    """
    at = () if wish.destination is None else ("destination",)
    trying = f"cannot make a device at {quote(inside)}"
    if not inside.startswith("/dev/"):
        name = wish.path.rpartition("/")[2]
        yield Fault(at, f"{trying}: it is not below /dev", f'write destination = "/dev/{name}"')
    elif (first := inside.split("/")[2]) in OWN_NAMES:
        yield Fault(at, f"{trying}: every container has its own /dev/{first}")
