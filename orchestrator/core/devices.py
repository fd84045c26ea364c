"""The devices of the host that an application may use: where they are inside, and what may be done with them.

Floor: core.
"""

from collections.abc import Iterable, Mapping

from orchestrator.core.suggest import quote
from orchestrator.model import oci
from orchestrator.model.definition import Device
from orchestrator.model.facts import DeviceAnswer
from orchestrator.model.place import KeyPath
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
    faults = []
    for index, device in enumerate(wanted):
        at = ("devices", index)
        inside = device.destination or device.path
        answer = answers[device.path]
        wrong = None
        if not answer.type:
            faults.append(Fault(at, f"cannot use {quote(device.path)}: {answer.detail}"))
        if answer.type or device.destination is not None:
            wrong = _check_destination(at, device)
        if wrong is not None:
            faults.append(wrong)
        elif inside in chosen:
            faults.append(Fault(at, f"there is a device at {quote(inside)} already, further up", "take one away"))
        else:
            chosen[inside] = oci.Device(
                path=inside,
                type=answer.type,
                major=answer.major,
                minor=answer.minor,
                mode=answer.mode,
                uid=answer.uid,
                gid=answer.gid,
                access=device.access,
            )
    return tuple(chosen[path] for path in sorted(chosen)), tuple(faults)


def _check_destination(at: KeyPath, device: Device) -> Fault | None:
    """Whether a device can be made where it is to be.

    Only /dev is a file system of the container's own that a runtime writes to before the application starts: elsewhere
    the node would be left behind in the root's folder on the host, and crun from 1.4 on makes none at the top.
    """
    inside = device.destination or device.path
    if device.destination is not None:
        at = (*at, "destination")
    if not inside.startswith("/dev/"):
        name = device.path.rpartition("/")[2]
        return Fault(
            at, f"cannot make a device at {quote(inside)}: it is not below /dev", f'write destination = "/dev/{name}"'
        )
    first = inside.split("/")[2]
    if first in OWN_NAMES:
        return Fault(at, f"cannot make a device at {quote(inside)}: every container has its own /dev/{first}")
    return None
