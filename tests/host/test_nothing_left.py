"""Nothing is left: the host before and after containers that came, changed, crashed and were killed, compared.

Also after creates that were killed in the middle, by a script that stands in for the runtime and kills itself; and of
what was exec'd into a container and lost its parent.
"""

import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from tests.host.agent_process import AgentProcess, definition
from tests.host.host_view import (
    find_cgroups,
    find_members,
    find_processes,
    list_children,
    list_descriptors,
    list_files,
    namespaces_of,
    read_mounts,
    read_process_state,
)

pytestmark = pytest.mark.real

QUICK = {"delay": "0ms", "max_delay": "0ms", "jitter": 0.0}
NEVER_AGAIN = {"delay": "1h", "max_delay": "1h"}


@frozen
class Witness:
    """Looks at an agent's containers while they run, so that it can say afterwards what is left of them."""

    agent: AgentProcess
    own: set[str] = field(factory=lambda: namespaces_of(os.getpid()))
    namespaces: set[str] = field(factory=set)

    def look(self) -> None:
        """Remember the namespaces of what runs now."""
        of_agent = namespaces_of(self.agent.pid)
        for row in self.agent.rows().values():
            if row["pid"] is not None:
                self.namespaces.update(namespaces_of(row["pid"]) - of_agent - self.own)

    def ids(self) -> set[str]:
        """Every instance that the agent has told of."""
        return set(re.findall(r"[a-z0-9._-]+-[0-9a-f]{10}\b", self.agent.output()))

    def remains(self) -> dict[str, object]:
        """What is left on the host, by kind, now that the agent has ended: empty if nothing is."""
        left = {
            "mounts": mounts_of(self.agent, "self"),
            "namespaces": find_members(self.namespaces, self.agent.layout),
            "control groups": find_cgroups(self.agent.cgroup_root),
            "processes": find_processes(self.agent.layout, self.ids()),
            "files": files_of(self.agent),
        }
        return {kind: each for kind, each in left.items() if each}


MAY_STAY = "|".join(
    (
        r"state/logs/[a-z0-9]+\.log(\.marks)?",
        r"state/events\.log",
        r"state/generations(/.*)?",
        r"run/notify",
        r"(state|run)/lock",
        r"state/(bundles|logs|roots|skeletons)",
        r"run/(held|instances|names|runtime)",
    )
)
"""Logs and their marks, the event log, the lock files, and the empty folders."""


def files_of(agent: AgentProcess) -> list[str]:
    """What is in the agent's directories and may not stay there."""
    return [path for path in list_files(agent.layout) if not re.fullmatch(MAY_STAY, path)]


def mounts_of(agent: AgentProcess, pid: int | str) -> list[str]:
    """The mounts that a process sees and that have to do with the agent: of or on what is below its directories. Others
    of the host come and go, as other tests make them."""
    return [mount for mount in read_mounts(pid) if str(agent.base) in mount]


def at_rest(agent: AgentProcess) -> dict[str, list[str]]:
    """What an agent without containers holds: descriptors, mounts, children, files."""
    return {
        "descriptors": [re.sub(r"\d+", "N", name) for name in list_descriptors(agent.pid)],
        "mounts": mounts_of(agent, agent.pid),
        "children": [f"{pid} {read_process_state(pid)}" for pid in list_children(agent.pid)],
        "files": files_of(agent),
    }


def wait_rest(agent: AgentProcess, before: dict[str, list[str]]) -> None:
    """Wait until the agent holds what it held; fails with the difference."""
    try:
        agent.wait_until(lambda: at_rest(agent) == before, "the agent to be as it was")
    except AssertionError:
        after = at_rest(agent)
        gone = {kind: sorted(set(before[kind]) - set(after[kind])) for kind in before}
        new = {kind: sorted(set(after[kind]) - set(before[kind])) for kind in before}
        assert (gone, new) == ({}, {})
        raise


def end_and_compare(agent: AgentProcess, witness: Witness) -> None:
    """End the agent; nothing may be left."""
    assert witness.namespaces, "it has seen some"
    assert agent.end() == 0
    assert witness.remains() == {}


def test_nothing_is_left_of_a_changing_set(own_agent: AgentProcess, busybox_root: Path) -> None:
    agent, witness = own_agent.start(), Witness(own_agent)
    before = at_rest(agent)
    kinds: dict[str, dict[str, Any]] = {
        "host": {},
        "writable": {"readonly": False, "network": "host"},
        "folder": {"rootfs": {"type": "directory", "path": str(busybox_root)}, "user": "app"},
    }
    rows = {name: agent.start_container(name, definition(**fields)) for name, fields in kinds.items()}
    witness.look()
    # Its log is what the agent opens last of a container.
    logs = {agent.layout.log(name) for name in kinds}
    agent.wait_until(lambda: logs <= set(list_descriptors(agent.pid)), "all logs to be open")
    agent.let_it_look()
    agent.remove("canary1")
    # The directory as it is by now is written down off everybody's path, a little later.
    agent.wait_until(lambda: sorted(agent.state.glob("generations/*.jsonl")), "the first generation")
    agent.wait_until(lambda: not any("generations" in name for name in list_descriptors(agent.pid)), "it to be whole")
    busy = at_rest(agent)["descriptors"]

    # Replaced thirty times, three at a time.
    for number in range(10):
        for name, fields in kinds.items():
            agent.define(name, definition(env={"NUMBER": str(number)}, **fields))
        rows = {name: agent.wait_replaced(name, row) for name, row in rows.items()}
        witness.look()
    agent.wait_until(lambda: at_rest(agent)["descriptors"] == busy, f"these descriptors: {busy}")

    # Crashed, killed, refused, starved, and asked to end in vain.
    agent.define("crasher", definition("exit 1", restart={**QUICK, "delay": "1ms", "max_delay": "1ms"}))
    agent.define("missing", definition(["/bin/none"], rootfs=kinds["folder"]["rootfs"], restart=NEVER_AGAIN))
    agent.define("hungry", definition(["tail", "/dev/zero"], resources={"memory": "16M"}, restart=NEVER_AGAIN))
    stubborn = definition("trap '' TERM; while :; do sleep 100000; done", stop={"timeout": "100ms"})
    agent.start_container("stubborn", stubborn)
    agent.wait_state("missing", "backoff")
    agent.wait_state("hungry", "backoff")
    agent.wait_row("crasher", lambda row: row["restarts"] >= 5, "five restarts")
    os.kill(rows["host"]["pid"], signal.SIGKILL)
    agent.wait_replaced("host", rows["host"])
    witness.look()

    agent.remove("crasher", "missing", "hungry", "stubborn", *kinds)
    wait_rest(agent, before)
    end_and_compare(agent, witness)


def test_nothing_is_left_when_the_agent_ends_in_the_middle(own_agent: AgentProcess) -> None:
    """Asked to end while containers start, stop and wait."""
    witness = Witness(own_agent)
    own_agent.start().start_container("steady")
    witness.look()
    own_agent.define("crasher", definition("exit 1", restart=QUICK))
    for number in range(6):
        own_agent.define(f"new{'abcdef'[number]}", definition())
    own_agent.wait_row("newa", lambda row: row["state"] != "running", "to be on its way")
    end_and_compare(own_agent, witness)


# A runtime that is killed


@pytest.fixture
def cuts(own_agent: AgentProcess) -> Path:
    """A file of lines ``WHO SECONDS``: each create takes the next one, and after so long WHO is killed: ``self`` the
    runtime's command, ``group`` with all that it started, ``agent`` the agent. An empty file cuts nothing."""
    file = own_agent.base / "cuts"
    file.write_text("")
    stand_in(
        own_agent,
        f"""\
case " $* " in *" create --bundle {own_agent.layout.instances}/"*)
    if read -r who pause < {file}; then
        sed -i 1d {file}
        REAL "$@" &
        sleep "$pause"
        case $who in
            self) kill -9 $$ ;;
            group) kill -9 0 ;;
            agent) kill -9 $PPID; sleep 100000 ;;
        esac
    fi
esac
exec REAL "$@"
""",
    )
    return file


def stand_in(agent: AgentProcess, script: str) -> None:
    """Give the agent a script in place of its runtime, of the same name; REAL in it is the runtime."""
    program = agent.base / "stand-in" / agent.runtime
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + script.replace("REAL", agent.program))
    program.chmod(0o755)
    agent.program = str(program)


def test_nothing_is_left_of_creates_that_were_killed(own_agent: AgentProcess, cuts: Path) -> None:
    agent, witness = own_agent.start(), Witness(own_agent)
    before = at_rest(agent)
    chance = random.Random(20260131)
    lines = [f"{who} {chance.uniform(0.001, 0.04):.4f}\n" for _ in range(8) for who in ("self", "group")]
    cuts.write_text("".join(lines))
    row = agent.start_container("cut", definition(restart=QUICK, readonly=False))
    witness.look()
    assert cuts.read_text() == ""
    assert row["restarts"] == len(lines)
    assert agent.output().count("killed") + agent.output().count("signal 9") >= len(lines) - 1
    # What runs is all that there is.
    identity = row["instance"]
    assert os.listdir(agent.layout.roots) == [identity]
    assert [name for name in os.listdir(agent.layout.runtime_root) if not name.startswith(".")] == [identity]
    assert sorted(os.listdir(agent.layout.instances)) == [identity, f"{identity}.json"]
    groups = {path.name for folder in find_cgroups(agent.cgroup_root) for path in folder.iterdir() if path.is_dir()}
    assert groups == {identity}
    assert list_children(agent.pid) == [row["pid"]]
    agent.remove("cut")
    wait_rest(agent, before)
    end_and_compare(agent, witness)


def test_nothing_is_left_of_agents_that_were_killed_in_a_create(own_agent: AgentProcess, cuts: Path) -> None:
    witness = Witness(own_agent)
    own_agent.define("cut", definition(readonly=False))
    for pause in (0.002, 0.01, 0.02, 0.04):
        cuts.write_text(f"agent {pause}\n")
        own_agent.start(settled=False)
        assert own_agent.wait_end() == -signal.SIGKILL
    own_agent.start()
    row = own_agent.wait_state("cut", "running")
    witness.look()
    assert os.listdir(own_agent.layout.roots) == [row["instance"]]
    assert list_children(own_agent.pid) == [row["pid"]]
    end_and_compare(own_agent, witness)


# Orphans


def test_what_was_execd_and_lost_its_parent_is_reaped(own_agent: AgentProcess) -> None:
    stand_in(
        own_agent,
        f"""\
case " $* " in *" start holder-"*)
    REAL "$@" || exit
    for id; do :; done
    for seconds in 0 0 100001 100002; do
        REAL --root {own_agent.layout.runtime_root} exec -d "$id" /bin/sleep $seconds
    done
    exit 0
esac
exec REAL "$@"
""",
    )
    agent, witness = own_agent.start(), Witness(own_agent)
    before = at_rest(agent)
    row = agent.start_container("holder")
    witness.look()
    # The runtime's command, its parent, is gone: the agent is, and the first two have ended and were reaped.
    agent.wait_until(lambda: len(list_children(agent.pid)) == 3, "two orphans beside the container")
    orphans = [pid for pid in list_children(agent.pid) if pid != row["pid"]]
    # A runtime that is asked to detach may return while what it began is still its own.
    sleeping = {b"/bin/sleep\x00100001\x00", b"/bin/sleep\x00100002\x00"}
    agent.wait_until(
        lambda: {Path(f"/proc/{pid}/cmdline").read_bytes() for pid in orphans} == sleeping, "the orphans to sleep"
    )
    os.kill(orphans[0], signal.SIGKILL)
    agent.wait_until(lambda: read_process_state(orphans[0]) is None, "the orphan to be reaped")
    assert agent.row("holder") == row
    # Were the other one not reaped, the container's first process could not end.
    agent.remove("holder")
    wait_rest(agent, before)
    end_and_compare(agent, witness)
