"""What the doctor says of what was found: a good host, and one thing after the other that is not."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.doctor import FEW_OPEN_FILES, is_well, judge_checkup
from orchestrator.model.checkup import (
    AgentFound,
    CgroupsFound,
    Checkup,
    Finding,
    FolderFound,
    InotifyFound,
    KernelFound,
    Level,
    NetworksFound,
    NixFound,
    RuntimeTrial,
)

CRUN = RuntimeTrial("crun", "/usr/bin/crun", "crun version 1.14")
RUNC = RuntimeTrial("runc", "/usr/sbin/runc", "runc version 1.1.12")
YOUKI = RuntimeTrial("youki", None, refusal="not installed")
REFUSING = evolve(CRUN, refusal="cgroups in hybrid mode not supported")
CGROUPS = CgroupsFound(versions=frozenset({2}), controllers=frozenset({"memory", "swap", "cpu", "pids", "io"}))

NIX = NixFound(
    store="/nix/store",
    is_there=True,
    asks="/usr/bin/nix-store",
    builds="/usr/bin/nix-build",
    roots="/nix/var/nix/gcroots",
    keeps=True,
)

NETWORKS = NetworksFound(
    looked=("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"), folders=(("/opt/cni/bin", 16),), lacking=()
)

GOOD = Checkup(
    root=True,
    program_version="1",
    runtime="auto",
    trials=(CRUN, RUNC, YOUKI),
    cgroups=CGROUPS,
    inotify=InotifyFound(most_instances=128, most_watches=65536, instances=3, watches=100),
    open_files=524288,
    profile="/usr/share/containers/seccomp.json",
    journal=True,
    networks=NETWORKS,
    nix=NIX,
    kernel=KernelFound(
        release="6.18.0-amd64",
        version=(6, 18),
        pidfds=True,
        exit_info=True,
        seccomp=True,
        overlayfs=True,
        missing_namespaces=(),
    ),
    state=FolderFound(path="/s", asked="/s", tmpfs=False, collapses=True),
    run=FolderFound(path="/r", asked="/r", tmpfs=True),
    agent=AgentFound(run="/r", pid=7, version="1", control="/r/control.sock"),
    systemd=True,
    unit="/etc/systemd/system/orchestrator.service",
)


def news(checkup: Checkup) -> list[Finding]:
    """What is said of it and not of a good host."""
    good = judge_checkup(GOOD)
    return [finding for finding in judge_checkup(checkup) if finding not in good]


def test_a_good_host() -> None:
    findings = judge_checkup(GOOD)
    assert is_well(findings)
    assert {finding.subject for finding in findings if finding.level is not Level.OK} == {"runtime"}
    assert Finding("runtime", Level.OK, "--runtime auto takes crun (/usr/bin/crun)") in findings


def test_findings_of_one_subject_come_together() -> None:
    subjects = [finding.subject for finding in judge_checkup(GOOD)]
    assert len(set(subjects)) == sum(a != b for a, b in zip(subjects, [None, *subjects], strict=False))


def change(part: str, **changes: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the fields of a part
    return {part: evolve(getattr(GOOD, part), **changes)}


@pytest.mark.parametrize(
    ("changes", "subject", "level", "found", "mend"),
    [
        ({"root": False}, "rights", Level.NOTE, "this is not root", "sudo"),
        ({"trials": (REFUSING, RUNC)}, "runtime", Level.WARNING, "refuses: cgroups in hybrid mode", "use runc"),
        ({"trials": (REFUSING, RUNC)}, "runtime", Level.OK, "auto takes runc (/usr/sbin/runc)", ""),
        ({"trials": (REFUSING, YOUKI)}, "runtime", Level.ERROR, "crun: /usr/bin/crun (crun version 1.14) refuses", ""),
        ({"trials": (REFUSING, YOUKI)}, "runtime", Level.ERROR, "auto finds none that works", "apt-get install"),
        ({"trials": (REFUSING, RUNC), "runtime": "crun"}, "runtime", Level.ERROR, "crun finds none that works", "apt"),
        ({"runtime": "/usr/sbin/runc"}, "runtime", Level.OK, "--runtime /usr/sbin/runc takes runc", ""),
        ({"runtime": "railgun"}, "runtime", Level.ERROR, "--runtime railgun finds none that works", "apt-get"),
        ({"trials": (evolve(CRUN, tried=False),)}, "runtime", Level.NOTE, "crun version 1.14), not tried", ""),
        ({"trials": (evolve(CRUN, tried=False),)}, "runtime", Level.NOTE, "could not look: which one", ""),
        ({"trouble": "cannot try runtimes in /run"}, "runtime", Level.ERROR, "could not try: cannot try runtimes", ""),
        ({"cgroups": "cannot read /proc/self/mountinfo"}, "cgroups", Level.ERROR, "cannot read /proc", "mount"),
        (
            change("cgroups", versions=frozenset()),
            "cgroups",
            Level.ERROR,
            "no hierarchy is mounted",
            "mount -t cgroup2",
        ),
        (change("cgroups", versions=frozenset({1})), "cgroups", Level.OK, "v1", ""),
        (change("cgroups", versions=frozenset({1, 2})), "cgroups", Level.NOTE, "hybrid", "unified_cgroup_hierarchy"),
        (change("cgroups", controllers=frozenset({"cpu"})), "cgroups", Level.WARNING, "no limit by memory", "memory"),
        (change("cgroups", controllers=frozenset({"memory"})), "cgroups", Level.WARNING, "no limit by swap", "swapacc"),
        (change("cgroups", controllers=frozenset()), "cgroups", Level.OK, "controllers: none", ""),
        (change("cgroups", read_only=("/sys/fs/cgroup",)), "cgroups", Level.ERROR, "cannot be written to", "delegate"),
        (change("kernel", version=(4, 19), release="4.19.0"), "kernel", Level.ERROR, "Linux 4.19.0", "Linux 5.4"),
        (change("kernel", pidfds=False), "kernel", Level.ERROR, "pidfd_open(2) is refused", "pidfd_open"),
        (change("kernel", exit_info=False), "kernel", Level.NOTE, "PIDFD_GET_INFO tells no exits", "Linux 6.15"),
        (change("kernel", exit_info=None), "kernel", Level.NOTE, "could not look: whether PIDFD_GET_INFO", ""),
        (change("kernel", missing_namespaces=("net", "pid")), "kernel", Level.ERROR, "missing: net, pid", "kernel"),
        (change("kernel", overlayfs=False), "kernel", Level.NOTE, "no overlayfs", ""),
        (change("kernel", seccomp=False), "seccomp", Level.ERROR, "no filters of system calls", "CONFIG_SECCOMP"),
        ({"profile": None}, "seccomp", Level.NOTE, "the built-in list", "golang-github-containers-common"),
        ({"profile": None, "profile_trouble": "cannot use it"}, "seccomp", Level.ERROR, "cannot use it", "mend"),
        (change("inotify", instances=127), "inotify", Level.WARNING, "128 instances for a user, 127 in use", "=256"),
        (change("inotify", most_watches=8192, watches=8000), "inotify", Level.WARNING, "8192 watches", "watches=16384"),
        (change("inotify", most_watches=100, watches=None), "inotify", Level.WARNING, "100 watches", "watches=8000"),
        (change("inotify", most_watches=None), "inotify", Level.WARNING, "limit of watches cannot be read", ""),
        ({"open_files": FEW_OPEN_FILES - 1}, "open files", Level.WARNING, "4095 descriptors", "LimitNOFILE"),
        ({"open_files": -1}, "open files", Level.OK, "any number of descriptors", ""),
        (change("state", collapses=False), "directories", Level.NOTE, "FALLOC_FL_COLLAPSE_RANGE is refused", "ext4"),
        (change("state", collapses=None), "directories", Level.NOTE, "could not look: whether logs", ""),
        (change("state", tmpfs=True), "directories", Level.WARNING, "state directory /s, on tmpfs", "--state"),
        (change("run", tmpfs=False), "directories", Level.WARNING, "run directory /r, not on tmpfs", "/run"),
        (change("run", asked="/"), "directories", Level.OK, "run directory /r (missing as yet), on tmpfs", ""),
        (change("agent", pid=None), "agent", Level.NOTE, "none runs in /r", ""),
        (change("agent", pid=None, unreadable="cannot read it"), "agent", Level.WARNING, "cannot read it", ""),
        (change("agent", version="0"), "agent", Level.WARNING, "process 7 has version 0, this program 1", "restart"),
        (change("agent", refusal="connection refused"), "agent", Level.ERROR, "does not answer: connection", "restart"),
        (change("agent", refusal="denied", denied=True), "agent", Level.NOTE, "could not look: /r/control.sock", ""),
        ({"systemd": False}, "systemd", Level.NOTE, "process 1 is not systemd", ""),
        ({"unit": None}, "systemd", Level.NOTE, "the unit is not installed", "systemctl enable"),
        ({"journal": False}, "systemd", Level.NOTE, "the journal's socket is not there", "journald"),
        (
            {"networks": evolve(NETWORKS, folders=(), missing_plugins=("bridge", "portmap"))},
            "networks",
            Level.NOTE,
            "no CNI plugins bridge, portmap in /opt/cni/bin, /usr/lib/cni",
            "apt-get install containernetworking-plugins",
        ),
        (
            {"networks": evolve(NETWORKS, missing_programs=("ip", "iptables"), lacking=None)},
            "networks",
            Level.NOTE,
            "ip is not installed",
            "apt-get install iproute2",
        ),
        (
            {"networks": evolve(NETWORKS, lacking=("bridges", "marks"))},
            "networks",
            Level.WARNING,
            "the kernel lacks: bridges, marks",
            "boot a kernel with them",
        ),
        ({"networks": evolve(NETWORKS, lacking=None)}, "networks", Level.NOTE, "could not look: what the kernel", ""),
        (
            {"nix": evolve(NIX, asks=None, is_there=False)},
            "Nix",
            Level.NOTE,
            "not installed",
            "apt-get install nix-bin",
        ),
        ({"nix": evolve(NIX, is_there=False)}, "Nix", Level.NOTE, "there is no store /nix/store yet", ""),
        (
            {"nix": evolve(NIX, database="its schema is 11, known is 10")},
            "Nix",
            Level.NOTE,
            "the database of /nix/store is not read: its schema is 11",
            "",
        ),
        (
            {"nix": evolve(NIX, database="cannot open it", asks=None)},
            "Nix",
            Level.WARNING,
            "the database of /nix/store is not read: cannot open it",
            "apt-get install nix-bin",
        ),
        (
            {"nix": evolve(NIX, keeps=False)},
            "Nix",
            Level.WARNING,
            "/nix/var/nix/gcroots cannot be written to",
            "run the agent as its owner",
        ),
        ({"nix": evolve(NIX, builds=None)}, "Nix", Level.NOTE, "no nix-build", "apt-get install nix-bin"),
    ],
)
def test_what_is_said_of_what(changes: Mapping[str, Any], subject: str, level: Level, found: str, mend: str) -> None:
    said = news(evolve(GOOD, **changes))
    (finding,) = (each for each in said if each.subject == subject and found in each.found)
    assert finding.level is level
    assert mend in finding.mend
    if level in (Level.WARNING, Level.ERROR):
        assert finding.means, "what is wrong has a consequence"
    assert is_well(said) == all(each.level is not Level.ERROR for each in said)


def test_without_root_what_root_may_do_is_no_error() -> None:
    found = evolve(GOOD, root=False, cgroups=evolve(CGROUPS, read_only=("/sys/fs/cgroup",)))
    assert is_well(judge_checkup(found))
