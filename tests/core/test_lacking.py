"""What a definition may not ask of railcar, and what it may."""

from typing import Any

import attrs
import pytest
from orchestrator_mounts.bind import Bind

from orchestrator.core.lacking import RAILCAR, find_lacking
from orchestrator.model.confinement import Capabilities
from orchestrator.model.definition import Definition
from orchestrator.model.health import ExecHealth, HttpHealth, TcpHealth
from orchestrator.model.place import KeyPath
from orchestrator.model.policy import Ready
from orchestrator.model.resources import Resources
from orchestrator.model.sockets import Socket
from orchestrator.model.types import (
    AbsolutePath,
    Capability,
    Duration,
    MountPath,
    Size,
    SocketAddress,
    SocketName,
    Umask,
)

PLAIN = Definition(args=("true",))


def bind(*options: str) -> Bind:
    return Bind(source=AbsolutePath("/srv"), options=options)


LACKING: list[tuple[dict[str, Any], KeyPath, str]] = [
    ({"health": ExecHealth(args=("true",))}, ("health",), "run a further command"),
    ({"sockets": {SocketName("web"): Socket(stream=SocketAddress("*:80"))}}, ("sockets",), "hand over sockets"),
    ({"umask": Umask(0o027)}, ("umask",), r'umask "0027": it is always 0022'),
    ({"no_new_privileges": False}, ("no_new_privileges",), "newer than itself"),
    (
        {"capabilities": Capabilities(add=(Capability("CAP_CHOWN"), Capability("CAP_BPF")))},
        ("capabilities", "add", 1),
        'does not know "CAP_BPF"',
    ),
    ({"capabilities": Capabilities(add=(Capability("ALL"),))}, ("capabilities", "add", 0), 'cannot give "ALL"'),
    ({"mounts": {MountPath("/a..b"): bind()}}, ("mounts", "/a..b"), r'mount on "/a\.\.b"'),
    ({"mounts": {MountPath("/a"): bind("ro", "rslave")}}, ("mounts", "/a", "options", 1), 'make a mount "rslave"'),
    ({"mounts": {MountPath("/a"): bind("shared")}}, ("mounts", "/a", "options", 0), 'make a mount "shared"'),
    (
        {"masked_paths": (AbsolutePath("/proc/kcore"), AbsolutePath("/var/secret"))},
        ("masked_paths", 1),
        'hide "/var/secret"',
    ),
    ({"masked_paths": (AbsolutePath("/proc/a..b"),)}, ("masked_paths", 0), r'find "/proc/a\.\.b"'),
    ({"readonly_paths": (AbsolutePath("/proc/a..b"),)}, ("readonly_paths", 0), r'find "/proc/a\.\.b"'),
]


@pytest.mark.parametrize(("fields", "path", "message"), LACKING, ids=[".".join(map(str, each[1])) for each in LACKING])
def test_what_railcar_cannot_do_is_a_fault_of_the_field(fields: dict[str, Any], path: KeyPath, message: str) -> None:
    definition = attrs.evolve(PLAIN, **fields)
    (fault,) = find_lacking(definition, RAILCAR)
    assert fault.path == path
    with pytest.raises(AssertionError, match=f"railcar .*{message}"):
        raise AssertionError(fault.message)


def test_all_is_told_at_once() -> None:
    definition = attrs.evolve(PLAIN, umask=Umask(0o077), no_new_privileges=False)
    assert [fault.path for fault in find_lacking(definition, RAILCAR)] == [("umask",), ("no_new_privileges",)]


@pytest.mark.parametrize("runtime", ["", "crun", "runc", "youki", "railcar-ng"])
def test_other_runtimes_lack_nothing(runtime: str) -> None:
    for fields, _, _ in LACKING:
        assert find_lacking(attrs.evolve(PLAIN, **fields), runtime) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"health": HttpHealth(port=80)},
        {"health": TcpHealth(port=80)},
        {"ready": Ready.NOTIFY, "watchdog": Duration(10.0)},
        {"resources": Resources(memory=Size(2**26), memory_swap=Size(2**27), cpus=1.0, cpu_weight=5, io_weight=50)},
        {"capabilities": Capabilities(add=(Capability("CAP_NET_ADMIN"),), drop=(Capability("ALL"),))},
        {"mounts": {MountPath("/a"): bind("ro", "rprivate")}},
        {"masked_paths": (AbsolutePath("/proc/kcore"), AbsolutePath("/sys/firmware"))},
        {"annotations": {"org.example.team": "web"}},
        {"bundle": AbsolutePath("/srv/bundle"), "args": None},
    ],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_what_it_can_do_is_none(fields: dict[str, Any]) -> None:
    assert find_lacking(attrs.evolve(PLAIN, **fields), RAILCAR) == ()
