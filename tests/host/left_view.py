"""What an agent tells and keeps of containers, looked at over the ends of agents."""

import json
import os
from pathlib import Path
from typing import Any

from tests.host.agent_process import AgentProcess, Row
from tests.host.host_view import find_cgroups


def events_since(agent: AgentProcess, start: int) -> list[dict[str, Any]]:
    """What the event log has of containers beyond its first lines."""
    records = [json.loads(line) for line in Path(agent.layout.events).read_text().splitlines()[start:]]
    return [record for record in records if record.get("name")]


def count_events(agent: AgentProcess) -> int:
    return len(Path(agent.layout.events).read_text().splitlines())


def instances_of(agent: AgentProcess) -> dict[str, list[str]]:
    """The instances that there are, as each side has them: the runtime, the state files, the control groups."""
    return {
        "runtime": sorted(name for name in os.listdir(agent.layout.runtime_root) if not name.startswith(".")),
        "files": sorted(name.removesuffix(".json") for name in os.listdir(agent.layout.instances) if ".json" in name),
        "cgroups": sorted(
            {group.name for folder in find_cgroups(agent.cgroup_root) for group in folder.iterdir() if group.is_dir()}
        ),
    }


def expect_instances(agent: AgentProcess, *rows: Row) -> None:
    """Nothing is there twice, and nothing that is not told of."""
    ids = sorted(str(row["instance"]) for row in rows)
    assert instances_of(agent) == {"runtime": ids, "files": ids, "cgroups": ids}
