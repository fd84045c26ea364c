"""The devices that an application may use."""

import pytest

from orchestrator.core.devices import OWN_NAMES, choose_devices, parse_access
from orchestrator.model import oci
from orchestrator.model.confinement import Device
from orchestrator.model.facts import DeviceAnswer
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault
from orchestrator.model.types import AbsolutePath, DeviceAccess, DeviceName
from tests.core.helpers_world import DEVICES

NO_DEVICE = DeviceAnswer("", detail="no such device")


def device(path: str, destination: str | None = None, access: str = "rw") -> Device:
    inside = None if destination is None else AbsolutePath(destination)
    return Device(path=DeviceName(path), destination=inside, access=DeviceAccess(access))


def choose(*wanted: Device) -> tuple[tuple[oci.Device, ...], tuple[Fault, ...]]:
    return choose_devices(wanted, {each.path: DEVICES.get(each.path, NO_DEVICE) for each in wanted})


def at(path: str, kind: str, major: int, minor: int, *, mode: int, gid: int, access: str) -> oci.Device:
    """A device of root's, inside."""
    return oci.Device(path=path, type=kind, major=major, minor=minor, mode=mode, uid=0, gid=gid, access=access)


@pytest.mark.parametrize(("text", "access"), [("r", "r"), ("rw", "rw"), ("wr", "rw"), ("mwr", "rwm")])
def test_access_is_kept_in_one_order(text: str, access: str) -> None:
    assert parse_access(text) == access


@pytest.mark.parametrize("text", ["", "rr", "rx", "R", "r w", "read"])
def test_another_access_is_a_fault(text: str) -> None:
    assert isinstance(parse_access(text), Fault)


def test_a_device_is_as_on_the_host_and_where_it_is_to_be() -> None:
    chosen, faults = choose(device("/dev/kvm"), device("/srv/dsp", "/dev/audio/in", "r"), device("/dev/sda1"))
    assert faults == ()
    assert chosen == (
        at("/dev/audio/in", "c", 14, 3, mode=0o600, gid=0, access="r"),
        at("/dev/kvm", "c", 10, 232, mode=0o660, gid=108, access="rw"),
        at("/dev/sda1", "b", 8, 1, mode=0o660, gid=6, access="rw"),
    )


def test_one_device_may_stand_at_two_places() -> None:
    chosen, faults = choose(device("/dev/kvm"), device("/dev/kvm", "/dev/kvm2"))
    assert faults == ()
    assert [each.path for each in chosen] == ["/dev/kvm", "/dev/kvm2"]


@pytest.mark.parametrize(
    ("wanted", "path", "message", "hint"),
    [
        (device("/dev/fues"), ("devices", 0), 'cannot use "/dev/fues": no such device', ""),
        (device("/srv/data"), ("devices", 0), 'cannot use "/srv/data": not a device: a directory', ""),
        (
            device("/srv/dsp"),
            ("devices", 0),
            'cannot make a device at "/srv/dsp": it is not below /dev',
            'write destination = "/dev/dsp"',
        ),
        (
            device("/dev/kvm", "/run/kvm"),
            ("devices", 0, "destination"),
            'cannot make a device at "/run/kvm": it is not below /dev',
            'write destination = "/dev/kvm"',
        ),
        (
            device("/dev/null"),
            ("devices", 0),
            'cannot make a device at "/dev/null": every container has its own /dev/null',
            "",
        ),
        (
            device("/dev/kvm", "/dev/pts/7"),
            ("devices", 0, "destination"),
            'cannot make a device at "/dev/pts/7": every container has its own /dev/pts',
            "",
        ),
    ],
)
def test_a_device_that_cannot_be(wanted: Device, path: KeyPath, message: str, hint: str) -> None:
    assert choose(wanted)[1] == (Fault(path, message, hint),)


def test_the_access_of_a_device_is_one_wherever_it_stands() -> None:
    _, (fault,) = choose(device("/dev/kvm"), device("/dev/kvm", "/dev/kvm2", "r"))
    assert fault == Fault(
        ("devices", 1),
        '"/dev/kvm2" is the device "/dev/kvm", further up, with other access',
        'write access = "rw": the kernel tells them apart by number only',
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    _, faults = choose(
        device("/dev/gone", "/etc/gone"), device("/dev/kvm"), device("/dev/fuse", "/dev/kvm"), device("/dev/tty", None)
    )
    assert [fault.path for fault in faults] == [
        ("devices", 0),
        ("devices", 0, "destination"),
        ("devices", 2),
        ("devices", 3),
    ]
    assert faults[2].message == 'there is a device at "/dev/kvm" already, further up'


def test_what_every_container_has_is_sorted() -> None:
    assert list(OWN_NAMES) == sorted(OWN_NAMES)
