"""An agent with another runtime than the one before it: what runs stays who made it's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.system.states import read_agent
from tests.host.agent_process import AgentProcess, definition, find_program
from tests.host.host_view import find_cgroups

pytestmark = pytest.mark.real


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    """On a host where both runtimes work."""
    with AgentProcess(tmp_path, "crun") as agent:
        agent.exit_policy = "leave"
        agent.program = find_program("runc")
        yield agent


def runtime_of(agent: AgentProcess) -> str:
    return str(getattr(read_agent(agent.layout), "runtime", ""))


def test_auto_stays_with_the_one_that_made_what_runs(agent: AgentProcess) -> None:
    agent.start().start_container("web")
    assert agent.end() == 0
    agent.program, runc = "auto", agent.program
    agent.start()
    assert runtime_of(agent) == runc
    agent.remove("web")
    assert agent.end() == 0
    agent.start()
    assert runtime_of(agent) == find_program("crun"), "the first that works, where nothing runs"
    assert agent.call("shutdown").returncode == 0


def test_what_another_one_made_goes_on_and_is_updated_and_replaced(agent: AgentProcess) -> None:
    agent.start()
    limited = agent.start_container("limited", definition(resources={"memory": "64M"}))
    old = agent.start_container("old")
    path = Path(agent.layout.instance_state(old["instance"]))
    agent.kill()
    path.write_text(path.read_text().replace('"step":"running"', '"step":"starting"'))
    agent.program, runc = find_program("crun"), agent.program
    agent.start()
    assert f"2 of what runs was made by {runc}, which is asked about that on" in agent.output()
    assert {name: row["pid"] for name, row in agent.rows().items()} == {"limited": limited["pid"], "old": old["pid"]}
    agent.define("limited", definition(resources={"memory": "65M"}))
    (folder,) = (path for path in find_cgroups(agent.cgroup("limited")) if (path / "memory.limit_in_bytes").exists())
    agent.wait_until(lambda: (folder / "memory.limit_in_bytes").read_text() == f"{65 << 20}\n", "the new limit")
    row = agent.wait_row("limited", lambda row: not row["message"], "no trouble")
    assert row["pid"] == limited["pid"]
    agent.define("old", definition(env={"NEW": "1"}))
    agent.wait_replaced("old", old)
    assert agent.call("shutdown").returncode == 0
    assert agent.wait_end() == 0
    assert not find_cgroups(agent.cgroup_root)
