"""What confines an application, seen from inside under the real runtimes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.capabilities import KNOWN
from orchestrator.model.confinement import Capabilities, Device, Rlimit
from orchestrator.model.rootfs import DirectoryRootfs
from orchestrator.model.types import (
    AbsolutePath,
    AnnotationName,
    Capability,
    DeviceAccess,
    DeviceName,
    GroupName,
    RlimitName,
    RlimitValue,
    SeccompChoice,
    Umask,
    UserName,
)
from orchestrator.system.bounding import read_bounding_set
from tests.system.helpers_bundles import RUNTIMES, run_definition, shell, status_of

pytestmark = [pytest.mark.real, pytest.mark.parametrize("runtime", sorted(RUNTIMES))]

STATUS = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"

UNLIMITED = RlimitValue(2**64 - 1)


def bits(*names: str) -> str:
    """Capabilities as /proc/PID/status shows them."""
    return f"{sum(1 << KNOWN.index(f'CAP_{name}') for name in names):016x}"


def run(runtime: str, folder: Path, script: str, **changes: Any) -> str:  # noqa: ANN401 - fields of a definition
    """What a script prints that ends well and complains of nothing."""
    ran = run_definition(evolve(shell(script), **changes), runtime, folder)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


@pytest.mark.parametrize(("umask", "shown"), [(0o022, "0022 644"), (0o027, "0027 640"), (0, "0000 666")])
def test_the_umask(runtime: str, folder: Path, umask: int, shown: str) -> None:
    before = os.umask(0o077)
    try:
        out = run(runtime, folder, "touch /tmp/x; echo $(umask) $(stat -c %a /tmp/x)", umask=Umask(umask))
    finally:
        os.umask(before)
    assert out.strip() == shown


def test_the_groups(runtime: str, folder: Path, busybox: DirectoryRootfs) -> None:
    (Path(busybox.path) / "etc/group").write_text("app:x:1235:\nextra:x:1236:app\nvideo:x:44:\n")
    groups = (GroupName("video"), GroupName("777"))
    out = run(runtime, folder, "id -G", rootfs=busybox, user=UserName("app"), groups=groups)
    assert sorted(map(int, out.split())) == [44, 777, 1235, 1236]


def test_the_limits_of_a_process(runtime: str, folder: Path) -> None:
    limits = {
        RlimitName("core"): Rlimit(hard=RlimitValue(0)),
        RlimitName("nofile"): Rlimit(soft=RlimitValue(100), hard=RlimitValue(200)),
        RlimitName("cpu"): Rlimit(soft=RlimitValue(3600), hard=UNLIMITED),
    }
    shown = run(runtime, folder, "cat /proc/self/limits", rlimits=limits)
    lines = {line[:25].strip(): line[25:].split()[:2] for line in shown.splitlines()}
    assert lines["Max core file size"] == ["0", "0"]
    assert lines["Max open files"] == ["100", "200"]
    assert lines["Max cpu time"] == ["3600", "unlimited"]


def test_roots_capabilities_with_one_more_and_one_less(runtime: str, folder: Path) -> None:
    wanted = Capabilities(add=(Capability("CAP_SYS_TIME"),), drop=(Capability("CAP_CHOWN"),))
    out = run(runtime, folder, f"{STATUS}; chown 1 /tmp 2>/dev/null || echo refused", capabilities=wanted)
    kept = ("DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID")
    expected = bits(*kept, "SYS_CHROOT", "SYS_TIME")
    assert [line for line in out.splitlines() if line.startswith(("CapEff", "CapBnd"))] == [
        f"CapEff:\t{expected}",
        f"CapBnd:\t{expected}",
    ]
    assert out.endswith("refused\n")


def test_another_user_has_what_is_added_after_execve(runtime: str, folder: Path) -> None:
    wanted = Capabilities(add=(Capability("CAP_NET_BIND_SERVICE"),))
    ran = run_definition(evolve(shell(STATUS), user=UserName("1:1"), capabilities=wanted), runtime, folder)
    status = status_of(ran)
    assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {bits("NET_BIND_SERVICE")}


def test_all_are_those_that_the_agent_has_to_give(runtime: str, folder: Path) -> None:
    wanted = Capabilities(add=(Capability("ALL"),), drop=(Capability("CAP_SYS_MODULE"),))
    status = status_of(run_definition(evolve(shell(STATUS), capabilities=wanted), runtime, folder))
    given = read_bounding_set() & (2 ** len(KNOWN) - 1) & ~(1 << KNOWN.index("CAP_SYS_MODULE"))
    assert int(status["CapEff"], 16) == given


def test_none_are_left_if_all_are_dropped(runtime: str, folder: Path) -> None:
    wanted = Capabilities(drop=(Capability("ALL"),))
    status = status_of(run_definition(evolve(shell(STATUS), capabilities=wanted), runtime, folder))
    assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}


@pytest.mark.parametrize("user", ["0:0", "1:1"])
def test_privileges_may_be_gained_again_under_the_same_filter(runtime: str, folder: Path, user: str) -> None:
    definition = evolve(shell(STATUS), user=UserName(user), no_new_privileges=False)
    status = status_of(run_definition(definition, runtime, folder))
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("0", "2")


def test_unconfined_is_without_a_filter(runtime: str, folder: Path) -> None:
    definition = evolve(shell(STATUS), seccomp=SeccompChoice("unconfined"))
    status = status_of(run_definition(definition, runtime, folder))
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "0")


def test_a_profile_of_its_own(runtime: str, folder: Path, tmp_path: Path) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSPC"}
    unless = {**rule, "names": ["rmdir", "unlinkat"], "excludes": {"caps": ["CAP_SYS_TIME"]}}
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule, unless]}))
    script = "mkdir /tmp/x; rmdir /tmp; rm /tmp/y; touch /tmp/y && rm /tmp/y && echo gone"
    wanted = Capabilities(add=(Capability("CAP_SYS_TIME"),))
    choice = SeccompChoice(f"{profile}")
    ran = run_definition(evolve(shell(script), seccomp=choice, capabilities=wanted), runtime, folder)
    assert ran.out == "gone\n"
    assert "/tmp/x" in ran.err.splitlines()[0]
    assert ran.err.splitlines()[0].endswith("No space left on device")
    assert ran.err.count("No space left on device") == 1


def test_devices_with_the_access_that_is_given(runtime: str, folder: Path) -> None:
    control = Device(path=DeviceName("/dev/loop-control"), destination=AbsolutePath("/dev/loop/control"))
    fuse = Device(path=DeviceName("/dev/fuse"), access=DeviceAccess("r"))
    script = """stat -c '%n %t %T %a' /dev/loop/control /dev/fuse
        : < /dev/loop/control && : > /dev/loop/control && : < /dev/fuse && echo can
        (: > /dev/fuse) 2>/dev/null || echo cannot
        test -e /dev/kvm || echo none"""
    rights = [f"{os.stat(device.path).st_mode & 0o777:o}" for device in (control, fuse)]
    assert run(runtime, folder, script, devices=(control, fuse)).splitlines() == [
        f"/dev/loop/control a ed {rights[0]}",
        f"/dev/fuse a e5 {rights[1]}",
        "can",
        "cannot",
        "none",
    ]


def test_a_device_that_is_not_given_cannot_be_made_and_used(runtime: str, folder: Path) -> None:
    wanted = Capabilities(add=(Capability("CAP_MKNOD"),))
    script = "mknod /dev/own c 10 229; (: < /dev/own) 2>/dev/null || echo refused"
    assert run(runtime, folder, script, capabilities=wanted) == "refused\n"


def test_what_is_masked_cannot_be_read(runtime: str, folder: Path) -> None:
    script = "cat /proc/version /etc/passwd; ls /usr/share; wc -c < /proc/interrupts"
    masked = tuple(map(AbsolutePath, ("/proc/version", "/etc/passwd", "/usr/share")))
    assert run(runtime, folder, script) != "0\n"
    assert int(run(runtime, make_folder(folder), script, masked_paths=masked)) > 0


def test_the_default_masks_hide_until_a_list_takes_their_place(runtime: str, folder: Path) -> None:
    script = "cat /proc/interrupts | wc -c"
    assert int(run(runtime, folder, script)) == 0
    assert int(run(runtime, make_folder(folder), script, masked_paths=())) > 0


def test_what_is_read_only_cannot_be_written_to(runtime: str, folder: Path) -> None:
    script = "touch /tmp/x 2>/dev/null || echo refused; grep -c ' /proc/sys ' /proc/self/mountinfo"
    assert run(runtime, folder, script).split() == ["1"]
    paths = (AbsolutePath("/tmp"), AbsolutePath("/proc/sys"))
    assert run(runtime, make_folder(folder), script, readonly_paths=paths).split() == ["refused", "1"]


def test_annotations_are_the_runtimes_to_read(runtime: str, folder: Path) -> None:
    annotations = {AnnotationName("org.example.team"): "web"}
    assert run(runtime, folder, "env | grep -c web || true", annotations=annotations) == "0\n"
    assert json.loads((folder / "config.json").read_text())["annotations"] == {"org.example.team": "web"}


def make_folder(folder: Path) -> Path:
    """An empty one for a second container, whose name is the same: it lies deeper."""
    place = folder / folder.name
    place.mkdir()
    return place
