"""Agents for the tests on real runtimes: one for a file of tests, or one of its own for a test.

What an agent does by itself, whichever runtime it was given, is tried with the first one alone; with
``ORCHESTRATOR_TEST_RUNTIMES=every`` with each of them, minutes more.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import RUNTIMES, AgentProcess, find_program
from tests.host.host_view import make_busybox_root

WITH_THE_FIRST_ALONE = frozenset(
    {
        "test_adoption_damaged",
        "test_bridge",
        "test_closures",
        "test_exec_plugins",
        "test_failed_update",
        "test_follow_edits",
        "test_generations",
        "test_health",
        "test_log_rotation",
        "test_log_targets",
        "test_operations",
        "test_order",
        "test_plugin_files",
        "test_resolv_conf",
        "test_sockets_held",
        "test_volumes",
    }
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("ORCHESTRATOR_TEST_RUNTIMES") == "every":
        return
    spared = [each for each in items if is_spared(each)]
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = [each for each in items if not is_spared(each)]


def is_spared(item: pytest.Item) -> bool:
    """Whether this is a test of the agent alone, with a further runtime."""
    if item.path.parent != Path(__file__).parent or item.path.stem not in WITH_THE_FIRST_ALONE:
        return False
    return hasattr(item, "callspec") and item.callspec.params.get("runtime") in RUNTIMES[1:]


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime in turn; one that is missing is a failure."""
    name: str = request.param
    find_program(name)
    return name


@pytest.fixture(scope="module")
def agent(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """A running agent for all tests of a file: each uses names of its own."""
    with AgentProcess(tmp_path_factory.mktemp("host"), runtime) as agent:
        yield agent.start()
        assert agent.end() == 0, agent.describe()


@pytest.fixture
def own_agent(runtime: str, tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent for one test, not started yet."""
    with AgentProcess(tmp_path, runtime) as agent:
        yield agent


@pytest.fixture
def leaving(own_agent: AgentProcess) -> AgentProcess:
    """An agent whose containers go on when a signal ends it."""
    own_agent.exit_policy = "leave"
    return own_agent


@pytest.fixture
def busybox_root(tmp_path: Path) -> Path:
    """A root file system in a folder, where mistakes and writes are a test's own."""
    return make_busybox_root(tmp_path / "rootfs", find_program("busybox"))
