"""The devices of the host that an application may use: where they are inside, and what may be done with them.

Floor: core.
"""

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from orchestrator.core.cdi_names import is_cdi_name
from orchestrator.core.suggest import quote
from orchestrator.model import oci
from orchestrator.model.confinement import Device
from orchestrator.model.facts import DeviceAnswer
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault
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


DEFAULT_ACCESS = DeviceAccess("rw")
"""What may be done with a device where nothing is said: not to make one of its numbers elsewhere."""


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
        if is_cdi_name(wish.path):
            faults += (fault.below("devices", index) for fault in _check_cdi(wish))
            continue
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


def join_devices(
    own: Iterable[oci.Device], asked: Iterable[tuple[KeyPath, oci.DeviceNode]], user: oci.User
) -> tuple[tuple[oci.Device, ...], tuple[Fault, ...]]:
    """The devices of a definition and those that others ask for, sorted by path: of two of these with one path the
    last stands. And what is wrong with them, by the path of who asks."""
    above = {device.path: device for device in own}
    chosen = dict(above)
    faults: list[Fault] = []
    for path, node in asked:
        device = oci.Device(
            path=node.path,
            type=node.type,
            major=node.major,
            minor=node.minor,
            mode=node.mode,
            uid=user.uid if node.uid is None else node.uid,
            gid=user.gid if node.gid is None else node.gid,
            access=node.access,
        )
        why = find_no_place(node.path)
        found = [Fault((), f"cannot make a device at {quote(node.path)}: {why}")] if why is not None else []
        found += (evolve(fault, hint="") for fault in _check_neighbours(device, above, ", by another entry"))
        faults += (fault.below(*path) for fault in found)
        chosen[node.path] = device
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
        access=wish.access or DEFAULT_ACCESS,
    )


def _check_cdi(wish: Device) -> Iterator[Fault]:
    for key in ("destination", "access"):
        if getattr(wish, key) is not None:
            yield Fault((key,), f"of {quote(wish.path)} the vendor's file says it", "take it away", At.KEY)


def _check_answer(wish: Device, answer: DeviceAnswer) -> Iterator[Fault]:
    if not answer.type:
        yield Fault((), f"cannot use {quote(wish.path)}: {answer.detail}")


def _check_neighbours(
    device: oci.Device, above: Mapping[str, oci.Device], where: str = ", further up"
) -> Iterator[Fault]:
    """Whether a device goes together with those ``above``, by their paths inside. where: they are, for people."""
    if device.path in above:
        yield Fault((), f"there is a device at {quote(device.path)} already{where}", "take one away")
        return
    for other in above.values():
        same = (device.type, device.major, device.minor) == (other.type, other.major, other.minor)
        if same and device.access != other.access:
            # The rules of a control group are by number, not by path: what one may do, the other may.
            message = f"{quote(device.path)} is the device {quote(other.path)}{where}, with other access"
            yield Fault(
                (), message, f"write access = {quote(other.access)}: the kernel tells them apart by number only"
            )


def _check_destination(wish: Device, inside: str) -> Iterator[Fault]:
    at = () if wish.destination is None else ("destination",)
    why = find_no_place(inside)
    if why is not None:
        name = wish.path.rpartition("/")[2]
        hint = "" if inside.startswith("/dev/") else f'write destination = "/dev/{name}"'
        yield Fault(at, f"cannot make a device at {quote(inside)}: {why}", hint)


def find_no_place(inside: str) -> str | None:
    """Why no device can be made at a path inside; None where it can.

    Only /dev is a file system of the container's own that a runtime writes to before the application starts: elsewhere
    the node would be left behind in the root's folder on the host, and crun from 1.4 on makes none at the top.
    """
    if not inside.startswith("/dev/"):
        return "it is not below /dev"
    first = inside.split("/")[2]
    return f"every container has its own /dev/{first}" if first in OWN_NAMES else None
