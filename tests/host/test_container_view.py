"""What an application sees in its container: root file system, mounts, user, rights, name, networks."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent_process import AgentProcess, definition

pytestmark = pytest.mark.real

PODMANS_LIST = (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31)
"""capabilities(7) by number: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE,
SYS_CHROOT, SETFCAP."""


def in_folder(folder: Path) -> dict[str, Any]:
    """``rootfs`` of a definition."""
    return {"type": "directory", "path": str(folder)}


def read_status(text: str) -> dict[str, str]:
    """/proc/PID/status as a dictionary."""
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


# Root file systems


def test_a_host_rootfs_has_the_hosts_programs_and_little_else(agent: AgentProcess) -> None:
    text = agent.run_to_end("hostroot", "ls /; echo; ls /etc; echo; readlink /bin /sbin; ls -A /tmp /run")
    top, etc, rest = text.split("\n\n", 2)
    assert {"usr", "bin", "lib", "etc", "proc", "dev", "sys", "tmp", "run"} <= set(top.split())
    assert not set(top.split()) & {"home", "root", "srv", "var", "boot", "work", "opt", "mnt"}
    assert {"passwd", "group", "hosts"} <= set(etc.split())
    assert "shadow" not in etc.split()
    assert rest.split()[:2] == ["usr/bin", "usr/sbin"]
    assert rest.split()[2:] == ["/run:", "/tmp:"]


def test_a_host_rootfs_is_read_only(agent: AgentProcess) -> None:
    script = (
        "for f in /new /usr/new /etc/new /etc/passwd; do touch $f && echo written; done 2>&1; touch /tmp/x; echo $?"
    )
    text = agent.run_to_end("hostro", script)
    assert text.lower().count("read-only file system") == 4
    assert "written" not in text
    assert text.splitlines()[-1] == "0"


def test_a_writable_host_rootfs_is_new_for_each_instance(agent: AgentProcess) -> None:
    script = "if [ -e /mark ]; then echo stale; else echo fresh; fi; touch /mark /etc/mark || echo failed; exit 1"
    agent.define("freshroot", definition(script, readonly=False, restart={"delay": "10ms", "factor": 1.0}))
    agent.wait_row("freshroot", lambda row: row["restarts"] >= 3, "three restarts")
    agent.remove("freshroot")
    assert set(agent.log("freshroot").split()) == {"fresh"}
    assert not list(Path(agent.layout.roots).glob("freshroot-*"))


def test_a_writable_host_rootfs_leaves_the_hosts_own_folders_read_only(agent: AgentProcess) -> None:
    text = agent.run_to_end("hostrw", "touch /new && echo made; touch /usr/new || echo refused", readonly=False)
    assert "made" in text
    assert "refused" in text
    assert not Path("/usr/new").exists()


def test_a_directory_is_used_in_place_and_writable(agent: AgentProcess, busybox_root: Path) -> None:
    text = agent.run_to_end("folder", "ls /; echo kept > /data/made", rootfs=in_folder(busybox_root))
    assert {"bin", "etc", "data"} <= set(text.split())
    assert "usr" not in text.split()
    assert (busybox_root / "data/made").read_text() == "kept\n"


def test_a_directory_is_read_only_where_that_is_asked_for(agent: AgentProcess, busybox_root: Path) -> None:
    for name in ("proc", "dev", "sys"):
        (busybox_root / name).mkdir()
    script = "touch /data/made && echo written; echo over"
    text = agent.run_to_end("folderro", script, rootfs=in_folder(busybox_root), readonly=True)
    assert "read-only file system" in text.lower()
    assert text.splitlines()[-1] == "over"
    assert not (busybox_root / "data/made").exists()


# Mounts


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder and a file to be mounted."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("of the host\n")
    return tmp_path / "shared"


@pytest.mark.parametrize("kind", ["host", "directory"])
def test_folders_and_files_are_mounted_writable_or_not(
    agent: AgentProcess, shared: Path, busybox_root: Path, kind: str
) -> None:
    for name in ("rw", "ro"):
        (shared / name).mkdir()
        (shared / f"{name}.conf").write_text(f"{name}\n")
    mounts: dict[str, dict[str, Any]] = {
        "/mnt/rw": {"source": str(shared / "rw")},
        "/mnt/ro": {"source": str(shared / "ro"), "options": ["ro"]},
        "/etc/app/rw.conf": {"source": str(shared / "rw.conf"), "type": "bind"},
        "/etc/app/ro.conf": {"source": str(shared / "ro.conf"), "options": ["ro"]},
    }
    script = (
        "cat /etc/app/*.conf; for f in /mnt/rw/x /mnt/ro/x /etc/app/rw.conf /etc/app/ro.conf; do echo new > $f; done"
    )
    rootfs = "host" if kind == "host" else in_folder(busybox_root)
    text = agent.run_to_end(f"mounts-{kind}", f"{script}; echo over", mounts=mounts, rootfs=rootfs)
    assert text.startswith("ro\nrw\n")
    assert text.splitlines()[-1] == "over"
    assert text.lower().count("read-only file system") == 2
    assert (shared / "rw/x").read_text() == "new\n"
    assert (shared / "rw.conf").read_text() == "new\n"
    assert not (shared / "ro/x").exists()
    assert (shared / "ro.conf").read_text() == "ro\n"


def test_a_mount_may_take_the_place_of_a_file_that_the_host_rootfs_has(agent: AgentProcess, shared: Path) -> None:
    (shared / "hosts").write_text("127.0.0.9 mine\n")
    mounts = {"/etc/hosts": {"source": str(shared / "hosts")}}
    assert agent.run_to_end("ownhosts", "cat /etc/hosts", mounts=mounts) == "127.0.0.9 mine\n"


# Users and their rights


def test_a_user_by_name_has_the_groups_of_the_rootfs(agent: AgentProcess, busybox_root: Path) -> None:
    script = "id -u; id -g; id -G; pwd; echo $HOME"
    text = agent.run_to_end("byname", script, rootfs=in_folder(busybox_root), user="app", cwd="/data")
    uid, gid, groups, folder, home = text.splitlines()
    assert (uid, gid) == ("1000", "1001")
    assert set(groups.split()) == {"1001", "2000", "2001"}
    assert (folder, home) == ("/data", "/data")


def test_a_user_by_name_in_a_host_rootfs_is_the_hosts(agent: AgentProcess) -> None:
    assert agent.run_to_end("hostuser", "id", user="nobody").startswith("uid=65534(nobody) gid=65534(nogroup)")


def test_a_user_other_than_root_may_do_nothing_more(agent: AgentProcess) -> None:
    status = read_status(agent.run_to_end("numeric", "cat /proc/self/status", user="12345:12346"))
    assert status["Uid"].split() == ["12345"] * 4
    assert status["Gid"].split() == ["12346"] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_root_has_podmans_capabilities_and_no_others(agent: AgentProcess) -> None:
    status = read_status(agent.run_to_end("rootcaps", "cat /proc/self/status"))
    expected = sum(1 << number for number in PODMANS_LIST)
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[kind], 16) == expected, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_the_kernels_own_files_are_hidden_or_read_only(agent: AgentProcess) -> None:
    hidden = "cat /proc/keys /proc/timer_list 2> /dev/null | wc -c; ls /sys/firmware | wc -l"
    text = agent.run_to_end("masked", f"{hidden}; echo x > /proc/sys/kernel/domainname || echo refused")
    assert text.split()[:2] == ["0", "0"]
    assert "read-only file system" in text.lower()


# Name, folder, environment


def test_host_name_folder_and_environment_are_as_written(agent: AgentProcess) -> None:
    script = "cat /proc/sys/kernel/hostname; pwd; env | sort"
    env = {"GREETING": 'two words "quoted" = $HOME', "PATH": "/usr/bin:/bin"}
    text = agent.run_to_end("named", script, hostname="inside.example", cwd="/usr/share", env=env)
    lines = text.splitlines()
    assert lines[:2] == ["inside.example", "/usr/share"]
    variables = dict(line.split("=", 1) for line in lines[2:])
    assert {name: variables[name] for name in env} == env
    assert variables.keys() <= {*env, "HOME", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_", "TERM"}


def test_the_host_name_is_the_containers_unless_written(agent: AgentProcess) -> None:
    assert agent.run_to_end("unnamed", "cat /proc/sys/kernel/hostname; echo $HOSTNAME") == "unnamed\nunnamed\n"


def test_a_container_sees_its_own_processes_only(agent: AgentProcess) -> None:
    assert agent.run_to_end("alone", "echo $$; echo /proc/[0-9]*") == "1\n/proc/1\n"


# Networks


def test_without_a_network_there_is_a_loopback_only(agent: AgentProcess) -> None:
    text = agent.run_to_end("offline", "cat /proc/net/dev; cat /sys/class/net/lo/flags; readlink /proc/self/ns/net")
    *table, flags, namespace = text.splitlines()
    assert [line.split(":")[0].strip() for line in table[2:]] == ["lo"]
    assert int(flags, 16) & 1, "up"
    assert namespace != os.readlink(f"/proc/{agent.pid}/ns/net")


def test_the_network_of_the_host_is_the_hosts(agent: AgentProcess) -> None:
    text = agent.run_to_end("online", "readlink /proc/self/ns/net", network="host")
    assert text.strip() == os.readlink(f"/proc/{agent.pid}/ns/net")
