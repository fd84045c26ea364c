"""Containers for the tests of railcar: scripts in them, and the edits of their config.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from orchestrator.model.bundle import Instance
from orchestrator.model.life import Exit
from orchestrator.ports import Process
from tests.system.helpers_runtime import Bench, Program


def make(bench: Bench, script: str = "exit 0", change: Callable[[dict[str, Any]], object] = str) -> Instance:
    """An instance that runs a script, with its config.json changed."""
    instance = bench.make_instance(Program.EXITS_0)
    change_file(instance, lambda config: config["process"].update(args=["/bin/sh", "-c", script]))
    change_file(instance, change)
    return instance


async def live(bench: Bench, instance: Instance) -> tuple[Exit, str]:
    """Its whole life: how it ended, and what it wrote."""
    process = await bench.runtime.create(instance)
    await bench.runtime.start(instance.id, instance.folder)
    with trio.fail_after(10):
        ended = await process.wait()
    process.close()
    await bench.remove(instance)
    return ended, read(instance.log)


async def undo(bench: Bench, instance: Instance, process: Process) -> None:
    """Remove it, and let nothing of it be a child still."""
    await bench.remove(instance)
    await process.wait()
    process.close()


def read(path: str) -> str:
    return Path(path).read_text()


def change_file(instance: Instance, change: Callable[[dict[str, Any]], object]) -> None:
    path = Path(instance.folder, "config.json")
    config = json.loads(path.read_bytes())
    change(config)
    path.write_text(json.dumps(config))


def state(bench: Bench, instance: Instance) -> Path:
    return Path(bench.runtime.root, instance.id)
