"""What there is of an agent's containers, looked at from outside, and what of it is not as it should be."""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from orchestrator.model.layout import Layout
from orchestrator.model.state import Step
from orchestrator.system import holder
from orchestrator.system.states import read_instances
from tests.faults.wishes import MEBIBYTES, Account, Role
from tests.host.agent_process import AgentProcess, Row
from tests.host.host_view import (
    find_cgroups,
    find_members,
    list_children,
    list_descriptors,
    list_pids,
    memory_limits,
    namespaces_of,
    read_mounts,
    read_process_state,
)

STATES = {
    Role.CRASHER: ("starting", "running", "stopping", "backoff", "waiting"),
    Role.ONESHOT: ("completed",),
    Role.FAILING: ("failed",),
}
"""What those may be that do not stay."""

IN_RUN = {
    ".spare",
    "agent.json",
    "control.sock",
    "held",
    "instances",
    "lock",
    "names",
    "notify",
    "runtime",
}
"""What an agent that runs has in its run directory."""
IN_STATE = {
    "bundles",
    "events.log",
    "generations",
    "lock",
    "logs",
    "roots",
    "skeletons",
}
"""What it has in its state directory."""
ACCEPTS = 1 << 16
"""SO_ACCEPTCON: the flag of a socket that listens."""
COME_AND_GO = {"damaged", "events.log.dropped", "holder.sock", "trash"}
"""What is in them only when there is something in itself."""


@frozen
class Application:
    """A process that was started as an application, by its command line."""

    pid: int
    name: str
    version: int


def find_applications(marks: Path) -> list[Application]:
    """Those of all containers of this harness. Their first processes alone have all of their arguments."""
    found = []
    for pid in list_pids():
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            if words[:2] == ["/bin/sh", "-c"] and words[-1] == str(marks) and read_process_state(pid) not in ("Z", "X"):
                found.append(Application(pid, words[3], int(words[4])))
    return found


def find_generations(layout: Layout) -> list[Path]:
    """Their files, the newest last."""
    return sorted(Path(layout.generations).glob("*.jsonl"), key=lambda path: int(path.stem))


def read_accepted(layout: Layout) -> dict[str, int]:
    """The version of each name in the newest generation that is in order: what a broken file runs by once what ran has
    ended, though it may have said something else since, which no agent has lived to write down."""
    for path in reversed(find_generations(layout)):
        with suppress(ValueError):
            accepted = [json.loads(line) for line in path.read_text().splitlines()][1:]
            texts = {each["name"]: Path(layout.texts, each["digest"]) for each in accepted}
            return {name: int(tomllib.loads(text.read_text())["args"][4]) for name, text in texts.items()}
    return {}


def is_listened_at(path: Path) -> bool:
    """Whether whoever connects there waits; nobody is made to. unix(7), /proc/net/unix."""
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return any(words[7:] == [str(path)] and int(words[3], 16) & ACCEPTS for words in lines)


def is_holder(pid: int) -> bool:
    """Whether a process is one that holds listening sockets."""
    try:
        return str(holder.__file__).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def at_rest(agent: AgentProcess) -> Counter[str]:
    """What an agent has open, without numbers, and without the plan of its death that it may be reading."""
    return Counter(re.sub(r"\d+", "N", name) for name in list_descriptors(agent.pid) if "plan.json" not in name)


def mounts_of(agent: AgentProcess, pid: int | str) -> list[str]:
    """The mounts that a process sees and that have to do with the agent."""
    return [mount for mount in read_mounts(pid) if str(agent.base) in mount]


class Looker:
    """Compares what there is with what is wished."""

    def __init__(self, agent: AgentProcess, marks: Path) -> None:
        self._agent = agent
        self._marks = marks
        self.open_at_rest: dict[bool, Counter[str]] = {}
        """What an agent without containers has open, by whether it was asked anything."""
        self._namespaces = set[str]()
        """Those that instances were in."""

    def find_wrong(self, accounts: Mapping[str, Account]) -> list[str]:
        """What does not run, or is not told, as it is wished, or not yet; the rest is not looked at then."""
        rows = self._agent.rows()
        wrong = list(self._compare_rows(rows, accounts)) or list(self._compare_processes(accounts))
        wrong = wrong or list(self._compare_sockets(accounts))
        return wrong or list(self._compare_limits(rows, accounts))

    def find_leaks(self, accounts: Mapping[str, Account], *, was_asked: bool) -> set[str]:
        """What there is without being needed, or is missing, thing by thing: what has leaked is found at every look,
        and what is only on its way at one. was_asked: whether this agent was asked anything."""
        rows = self._agent.rows()
        return {
            *self._find_left(rows, accounts),
            *self._find_held(rows, accounts, self.open_at_rest[was_asked]),
            *self._find_in_namespaces(rows),
        }

    # The running set and the directory

    def _compare_rows(self, rows: Mapping[str, Row], accounts: Mapping[str, Account]) -> Iterable[str]:
        there = {name for name, account in accounts.items() if account.there}
        if rows.keys() != there:
            yield f"status tells of {sorted(rows.keys() - there)} too and not of {sorted(there - rows.keys())}"
        for name in sorted(rows.keys() & there):
            row, account = rows[name], accounts[name]
            why = self._judge_row(row, account)
            if why:
                yield f"{name} {why}: {account.wish}, held {account.held}: {row}"

    def _judge_row(self, row: Row, account: Account) -> str:
        wish = account.wish
        if bool(row["problems"]) != wish.broken:
            return "has other problems than its file"
        if account.held is not None and row["held"] != account.held:
            return "is not held as it was asked for"
        if row["held"]:
            return "" if row["state"] in ("stopped", "completed") else "is held and not at rest"
        fits = STATES.get(wish.role, ("running",))
        if row["state"] not in fits:
            # What ran goes on; what had to be made anew is made by the last good definition.
            goes_on = wish.role.stays and account.runs is not None and not account.disturbed
            is_known = not wish.broken or goes_on or row["name"] in read_accepted(self._agent.layout)
            return f"is not {' or '.join(fits)}" if is_known else ""
        if wish.role.stays and self._is_being_stopped(row):
            return "is being stopped, which an agent that has just begun does not tell yet"
        return "is not ready" if wish.role.stays and not wish.broken and not row["ready"] else ""

    def _is_being_stopped(self, row: Row) -> bool:
        """Whether an earlier agent has asked it to end: its name's file may be older than its instance's."""
        states = read_instances(self._agent.layout).states
        return any(state.instance == row["instance"] and state.step is Step.STOPPING for state in states)

    def _compare_limits(self, rows: Mapping[str, Row], accounts: Mapping[str, Account]) -> Iterable[str]:
        for name, row in sorted(rows.items()):
            wish = accounts[name].wish
            if wish.role.stays and not wish.broken and not row["held"]:
                limits = memory_limits(row["cgroups_path"])
                if limits != {MEBIBYTES[wish.memory] << 20}:
                    yield f"{name} has other limits than its file says: {limits}, {wish}"

    def _compare_processes(self, accounts: Mapping[str, Account]) -> Iterable[str]:
        running: dict[str, list[Application]] = {}
        for application in find_applications(self._marks):
            running.setdefault(application.name, []).append(application)
        for name, applications in sorted(running.items()):
            if len(applications) > 1:
                yield f"{name} runs {len(applications)} times: {applications}"
            account = accounts[name]
            if not account.there or account.held or applications[0].version not in account.fitting:
                yield f"{name} runs as {applications}, which is not {sorted(account.fitting)}: {account}"
        for name, account in sorted(accounts.items()):
            wish = account.wish
            wanted = account.there and wish.role.stays and account.held is False and not wish.broken
            if wanted and name not in running:
                yield f"{name} does not run"

    def _compare_sockets(self, accounts: Mapping[str, Account]) -> Iterable[str]:
        """Whoever connects waits at what is to run, and is refused by what is not."""
        for name, account in sorted(accounts.items()):
            if account.wish.role is not Role.LISTENING or account.held is None:
                continue
            answers = is_listened_at(self._marks / f"{name}.sock")
            if account.there and not account.held and not account.wish.broken and not answers:
                yield f"nobody listens for {name}"
            if (not account.there or account.held) and answers:
                yield f"somebody listens for {name}, which is not to run"

    # Leaks

    def _find_left(self, rows: Mapping[str, Row], accounts: Mapping[str, Account]) -> Iterable[str]:
        """Files, folders and control groups."""
        layout = self._agent.layout
        # What begins with a dot is being written, or was when an agent died.
        ids = {name.removesuffix(".json") for name in _list(layout.instances) if not name.startswith(".")}
        names = Counter(_name_of(identity) for identity in ids)
        yield from (f"there is more than one instance of {name}" for name, count in names.items() if count > 1)
        expected = {
            layout.instances: {*ids, *(f"{identity}.json" for identity in ids)},
            layout.names: {f"{name}.json" for name in rows},
            layout.held: {name for name, row in rows.items() if row["held"]},
            layout.roots: {identity for identity in ids if accounts[_name_of(identity)].wish.writable},
            layout.notify_folders: {each for each in ids if accounts[_name_of(each)].wish.role is Role.NOTIFYING},
            layout.logs: {name for name in _list(layout.logs) if name.partition(".")[0] in accounts},
            layout.run: IN_RUN,
            layout.state: IN_STATE,
            f"{layout.state}/trash": set[str](),
        }
        for folder, names_there in expected.items():
            yield from _compare(folder, set(_list(folder)) - COME_AND_GO, names_there)
        # Names with a dot are the runtime's own.
        known = {name for name in _list(layout.runtime_root) if not name.startswith(".")}
        yield from _compare(layout.runtime_root, known, ids)
        for group in find_cgroups(layout.cgroup_root):
            yield from _compare(str(group), {each.name for each in group.iterdir() if each.is_dir()}, ids)
        yield from self._find_useless_bundles(layout, accounts)

    def _find_useless_bundles(self, layout: Layout, accounts: Mapping[str, Account]) -> Iterable[str]:
        skeletons = set()
        for digest in _list(layout.bundles):
            folder = Path(layout.bundle(digest))
            *_, name, version, _ = json.loads((folder / "config.json").read_text())["process"]["args"]
            account = accounts[name]
            needed = {account.wish.version, *account.fitting}
            if not account.there or int(version) not in needed:
                yield f"a bundle is stored that nobody needs: {name}, version {version}"
            skeletons.add(os.path.basename(os.readlink(folder / "rootfs")))
        yield from _compare(layout.skeletons, set(_list(layout.skeletons)), skeletons)

    def _find_held(
        self, rows: Mapping[str, Row], accounts: Mapping[str, Account], open_at_rest: Counter[str]
    ) -> Iterable[str]:
        """What the agent holds of the kernel: descriptors, mounts, children."""
        agent = self._agent
        alive = [row for row in rows.values() if row["pid"] is not None]
        logs = Counter(re.sub(r"\d+", "N", row["log"]) for row in alive)
        sockets = sum(accounts[row["name"]].wish.role is Role.NOTIFYING for row in alive)
        listeners = sum(is_listened_at(path) for path in self._marks.glob("*.sock"))
        sockets += listeners + bool(listeners)  # and the connection to who holds them
        expected = open_at_rest + logs + Counter({"anon_inode:[pidfd]": len(alive), "socket:[N]": sockets})
        actual = at_rest(agent)
        # Without how many there are: of one that has leaked, more may be open at one look than at the next.
        yield from (f"the agent has {name} open more often than what runs needs" for name in actual - expected)
        yield from (f"the agent has {name} open less often than what runs needs" for name in expected - actual)
        own = [agent.layout.own(row["instance"]) for row in rows.values() if row["instance"] is not None]
        for pid in ("self", agent.pid):
            yield from (f"{pid} sees the mount {mount}" for mount in mounts_of(agent, pid) if not _is_of(mount, own))
        pids = {row["pid"] for row in alive}
        for child in list_children(agent.pid):
            if child not in pids and not (listeners and is_holder(child)):
                yield f"the agent has a child {child}"

    def _find_in_namespaces(self, rows: Mapping[str, Row]) -> Iterable[str]:
        """The processes that are in namespaces of instances that have ended."""
        current = set[str]().union(*(namespaces_of(row["pid"]) for row in rows.values() if row["pid"] is not None))
        current |= namespaces_of(os.getpid())
        self._namespaces |= current
        for pid, shared in find_members(self._namespaces - current, self._agent.layout).items():
            yield f"process {pid} is in the namespaces {sorted(shared)} of what has ended"


def _is_of(mount: str, folders: Iterable[str]) -> bool:
    """Whether a mount is in one of these folders."""
    return any(f"{folder}/" in mount for folder in folders)


def _name_of(identity: str) -> str:
    return identity.rpartition("-")[0]


def _list(folder: str) -> list[str]:
    """The names in a folder; none where there is no such folder."""
    with suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


def _compare(folder: str, actual: set[str], expected: set[str]) -> Iterable[str]:
    yield from (f"{folder} has {name}" for name in actual - expected)
    yield from (f"{folder} lacks {name}" for name in expected - actual)
