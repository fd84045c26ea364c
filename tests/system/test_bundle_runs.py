"""Bundles run under the real runtimes: what is written means what it says."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import trio
from attrs import evolve
from orchestrator_mounts.bind import Bind
from orchestrator_networks.host import HostNetwork

from orchestrator.core.questions import ask_questions
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.resources import Resources
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs
from orchestrator.model.types import AbsolutePath, EnvName, MountPath, Size, UserName
from orchestrator.system.facts import HostWorld
from tests.system.helpers_bundles import RUNTIMES, mounted_tmpfs, run_definition, shell, status_of

pytestmark = [pytest.mark.real, pytest.mark.parametrize("runtime", sorted(RUNTIMES))]

STATUS = "id; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; ls /etc; cat /proc/self/cgroup"

ROOT_BITS = f"{0x800405FB:016x}"
"""The eleven capabilities of the table, as /proc/PID/status shows them."""


def test_a_host_rootfs_as_root(runtime: str, folder: Path) -> None:
    ran = run_definition(shell(STATUS), runtime, folder)
    status = status_of(ran)
    assert ran.out.startswith("uid=0(root) gid=0(root)")
    assert {key: status[key] for key in ("CapPrm", "CapEff", "CapBnd")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapBnd"), ROOT_BITS
    )
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    listed = ran.out.splitlines()
    assert "passwd" in listed
    assert "shadow" not in listed
    assert all(line.endswith(":/") for line in listed if line.count(":") == 2 and line[0].isdigit())


def test_a_directory_as_a_user_by_name(runtime: str, folder: Path, busybox: DirectoryRootfs) -> None:
    definition = evolve(shell(f"{STATUS}; echo $HOME $HOSTNAME"), rootfs=busybox, user=UserName("app"))
    ran = run_definition(definition, runtime, folder)
    status = status_of(ran)
    assert ran.out.startswith("uid=1234(app) gid=1235(app) groups=")
    assert "1236(extra)" in ran.out.splitlines()[0]
    assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert ran.out.splitlines()[-1] == "/home/app t-bundle"


@pytest.mark.parametrize("readonly", [True, False])
def test_a_directory_is_written_to_unless_it_is_read_only(
    runtime: str, folder: Path, busybox: DirectoryRootfs, readonly: bool
) -> None:
    definition = evolve(shell("touch /made && echo made"), rootfs=busybox, readonly=readonly)
    ran = run_definition(definition, runtime, folder)
    assert (ran.out == "made\n") is not readonly
    assert Path(busybox.path, "made").exists() is not readonly


def test_the_built_in_deny_list_is_taken(runtime: str, folder: Path) -> None:
    world = HostWorld(evolve(HostWorld.probe().host, seccomp_profile=None))
    ran = run_definition(shell("unshare -U true; unshare -n true; echo $?"), runtime, folder, world)
    assert ran.out == "1\n"
    assert ran.err.count("Operation not permitted") == 2


def test_only_scratch_is_writable_in_a_host_rootfs(runtime: str, folder: Path) -> None:
    script = "for d in / /etc /usr /usr/bin /srv /run /tmp /dev/shm; do touch $d/x 2>/dev/null && echo $d; done"
    ran = run_definition(evolve(shell(script), cwd=AbsolutePath("/srv")), runtime, folder)
    assert ran.out.split() == ["/run", "/tmp", "/dev/shm"]


def test_scratch_is_writable_for_anybody(runtime: str, folder: Path) -> None:
    """/tmp has the mode of its mount, and not that of the folder below it."""
    script = "for d in / /run /tmp /dev/shm; do touch $d/x 2>/dev/null && echo $d; done; stat -c %a /tmp"
    ran = run_definition(evolve(shell(script), user=UserName("1234:1234")), runtime, folder)
    assert ran.out.split() == ["/tmp", "/dev/shm", "1777"]


def test_mounts_of_files_and_folders(runtime: str, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "own").write_text("own\n")
    mounts = {
        "/data": Bind(source=AbsolutePath(f"{data}")),
        "/data/in": Bind(source=AbsolutePath(f"{data}")),
        "/etc/app/own.conf": Bind(source=AbsolutePath(f"{data}/own"), options=("ro",)),
        "/etc/passwd": Bind(source=AbsolutePath(f"{data}/own")),
        "/bin/true": Bind(source=AbsolutePath(f"{data}/own")),
        "/run/own": Bind(source=AbsolutePath(f"{data}/own"), options=("bind", "noexec")),
    }
    script = "cat /data/own /data/in/own /etc/app/own.conf /etc/passwd /usr/bin/true /run/own; echo x > /data/made"
    definition = evolve(shell(script), mounts={MountPath(path): kind for path, kind in mounts.items()})
    ran = run_definition(definition, runtime, folder)
    assert (ran.out, ran.err) == ("own\n" * 6, "")
    assert (data / "made").read_text() == "x\n"


def test_read_only_is_also_what_is_mounted_below(runtime: str, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    mounts = {MountPath("/data"): Bind(source=AbsolutePath(f"{source}"), options=("ro",))}
    script = "ls /data; touch /data/x /data/below/x 2>/dev/null; test -e /data/below/x || echo kept"
    with mounted_tmpfs(source / "below"):
        ran = run_definition(evolve(shell(script), mounts=mounts), runtime, folder)
    assert ran.out == "below\nkept\n", ran.err


@pytest.mark.parametrize("own", [True, False])
def test_the_network_is_its_own_or_the_hosts(runtime: str, folder: Path, own: bool) -> None:
    definition = evolve(shell("readlink /proc/self/ns/net; ls /sys/class/net"), network=None if own else HostNetwork())
    ran = run_definition(definition, runtime, folder)
    namespace, *interfaces = ran.out.split()
    assert (namespace == os.readlink("/proc/self/ns/net")) is not own
    assert (interfaces == ["lo"]) is own


def test_memory_beyond_the_limit_is_refused(runtime: str, folder: Path) -> None:
    resources = Resources(memory=Size(64 * 2**20))
    ran = run_definition(evolve(shell("exec head -c 200M /dev/zero | tail"), resources=resources), runtime, folder)
    assert ran.out == ""
    assert ran.code != 0


SCRIPT = """\
set -e
echo "$0" | cat
id -u; echo 'it is "so"'
if echo > /dev/orchestrator/cmd; then echo written; fi
"""


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("user", ["0", "1234"])
def test_lines_run_as_a_script_and_leave_nothing_in_a_folder(
    runtime: str, folder: Path, busybox: DirectoryRootfs, user: str, readonly: bool
) -> None:
    # The mount points of /proc and the like must stand in a root that is read-only.
    for name in ("proc", "dev", "sys"):
        Path(busybox.path, name).mkdir()
    before = sorted(Path(busybox.path).rglob("*"))
    definition = Definition(cmd=SCRIPT, rootfs=busybox, user=UserName(user), readonly=readonly)
    ran = run_definition(definition, runtime, folder)
    assert ran.out.splitlines() == ["/dev/orchestrator/cmd", user, 'it is "so"'], ran.err
    assert "Read-only file system" in ran.err or "Permission denied" in ran.err
    assert sorted(Path(busybox.path).rglob("*")) == before


def test_lines_run_by_another_shell_in_a_host_rootfs(runtime: str, folder: Path) -> None:
    definition = Definition(
        cmd="[[ $BASH_VERSION ]] && echo yes", shell=AbsolutePath("/bin/bash"), rootfs=HostRootfs(), user=UserName("7")
    )
    assert run_definition(definition, runtime, folder).out == "yes\n"


def test_variables_of_files_are_inside(runtime: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A='two\nlines'\nHOME=/home/web\nOWN=lost\n")
    definition = evolve(
        shell('echo "$A" "$HOME" "$OWN" "$HOSTNAME"'),
        env={EnvName("OWN"): "kept"},
        env_files=(EnvFile(path=AbsolutePath(f"{tmp_path}/web.env")),),
    )
    assert run_definition(definition, runtime, folder).out == "two\nlines /home/web kept t-bundle\n"


def test_a_ready_bundle_of_the_runtimes_own_making(
    runtime: str, folder: Path, busybox: DirectoryRootfs, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    subprocess.run((runtime, "spec"), cwd=made, check=True)
    config = json.loads((made / "config.json").read_text())
    os.rename(busybox.path, made / "rootfs")
    (made / "data").mkdir()
    (made / "data/own").write_text("own\n")
    config["process"] |= {"terminal": False, "args": ["/bin/sh", "-c", "id; cat /data/own; ls -di /"]}
    config["mounts"].append({"destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "ro"]})
    (made / "config.json").write_text(json.dumps(config))
    (tmp_path / "link").symlink_to("made")
    ran = run_definition(Definition(bundle=AbsolutePath(f"{tmp_path}/link")), runtime, folder)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].startswith("uid=0(root)")
    assert ran.out.splitlines()[1] == "own"
    assert ran.out.split()[-2] == f"{(made / 'rootfs').stat().st_ino}"


def test_what_a_runtime_makes_wants_a_terminal(runtime: str, folder: Path) -> None:
    subprocess.run((runtime, "spec"), cwd=folder, check=True)
    definition = Definition(bundle=AbsolutePath(f"{folder}"))
    facts = trio.run(HostWorld.probe().gather, ask_questions("web", definition))
    faults = resolve_spec("web", definition, facts)
    assert isinstance(faults, tuple)
    assert [fault.hint for fault in faults] == ['write "terminal": false in its "process"']
