"""Attaching a container to a bridge and detaching it, against the same plugins run one after the other by a script.

In a network namespace of the bench's own, beside a container that is on the bridge the whole time, so that neither side
makes the bridge or takes it away. Both sides in turn, each with a namespace of its own, which is there still when it is
detached.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from orchestrator.core.plugged import PluggedUse
from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.kinds import Use
from orchestrator.model.layout import Layout
from orchestrator.model.registry import Group
from orchestrator.system.attaching import HostAttacher
from orchestrator.system.entrypoints import load_registry
from orchestrator.system.facts import HostWorld
from orchestrator.system.reaper import Children
from tests.bench.measure import Ratio, Result

BOUND = 1.2
PORTS = ("8080:80",)


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both sides in turn, after two rounds that are not counted. No runtime takes part."""
    inner = ["unshare", "--net", sys.executable, "-m", "tests.bench.attach", str(rounds)]
    taken = json.loads(subprocess.run(inner, capture_output=True, text=True, check=True).stdout)
    return [
        Ratio(f"{what} a bridge", taken["ours"][what][2:], taken["bare"][what][2:], BOUND, "its plugins")
        for what in ("attach to", "detach from")
    ]


class _Ours:
    """The agent's own part, without the agent: the kind, called as it calls it."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(f"{folder}/state", f"{folder}/run")
        registry = load_registry()
        self._attacher = HostAttacher(self.layout, Children(), lambda: registry)
        kind = registry.of(Group.NETWORKS)["bridge"](ports=PORTS)
        self._used = PluggedUse(Group.NETWORKS, ("network",), Use("bench"), kind)

    async def plan(self) -> tuple[PlannedAttachment, ...]:
        """What is to be done for each instance."""
        facts = await HostWorld.probe().gather(self._used.ask())
        contribution = self._used.contribute(facts)
        assert not contribution.faults, contribution.faults
        return tuple(self._used.plan(contribution))

    async def attach(self, plan: tuple[PlannedAttachment, ...], instance: str, pid: int) -> list[Attached]:
        states = [await self._attacher.attach(each, "bench", instance, pid) for each in plan]
        return [Attached(plan=each, begun=True, state=state) for each, state in zip(plan, states, strict=True)]

    async def detach(self, attached: list[Attached], instance: str) -> None:
        for each in reversed(attached):
            await self._attacher.detach(each, "bench", instance)

    def read_conflist(self) -> dict[str, Any]:
        """What the plugins are told, as it was written down."""
        (file,) = Path(self.layout.shared).glob("bridge/*/attached/*/*.json")
        record: dict[str, Any] = json.loads(file.read_text())
        return record


def _run_bare(record: Mapping[str, Any], command: str, instance: str, netns: str, result: object) -> object:
    """What a script would do: the plugins one after the other, each with what the one before has said."""
    plugins = record["conflist"]["plugins"]
    environ = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "CNI_PATH": "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni",
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": instance,
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
    }
    for plugin in plugins if command == "ADD" else reversed(plugins):
        config = {**plugin, "cniVersion": record["version"], "name": record["conflist"]["name"]}
        config["runtimeConfig"] = {"portMappings": [{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}]}
        if result is not None:
            config["prevResult"] = result
        path = next(
            path for folder in environ["CNI_PATH"].split(":") if os.path.exists(path := f"{folder}/{plugin['type']}")
        )
        ran = subprocess.run([path], input=json.dumps(config).encode(), env=environ, capture_output=True, check=True)
        if command == "ADD":
            result = json.loads(ran.stdout)
    return result


@contextmanager
def _make_namespace() -> Iterator[int]:
    """A process with a network namespace of its own."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


async def _measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    taken: dict[str, dict[str, list[float]]] = {side: {"attach to": [], "detach from": []} for side in ("ours", "bare")}

    def note(side: str, what: str, began: float) -> None:
        taken[side][what].append(time.perf_counter() - began)

    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-", dir="/dev/shm") as folder,
        _make_namespace() as first,
    ):
        ours = _Ours(Path(folder))
        plan = await ours.plan()
        standing = await ours.attach(plan, "bench-first", first)
        record = ours.read_conflist()
        for number in range(rounds + 2):
            with _make_namespace() as pid:
                began = time.perf_counter()
                attached = await ours.attach(plan, f"bench-{number}", pid)
                note("ours", "attach to", began)
                began = time.perf_counter()
                await ours.detach(attached, f"bench-{number}")
                note("ours", "detach from", began)
            with _make_namespace() as pid:
                netns = f"/proc/{pid}/ns/net"
                began = time.perf_counter()
                result = _run_bare(record, "ADD", f"bare-{number}", netns, None)
                note("bare", "attach to", began)
                began = time.perf_counter()
                _run_bare(record, "DEL", f"bare-{number}", netns, result)
                note("bare", "detach from", began)
        await ours.detach(standing, "bench-first")
    return taken


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    measured: Callable[[int], Any] = _measure
    json.dump(trio.run(measured, int(sys.argv[1])), sys.stdout)
