"""Agents for the tests on real runtimes: one for a file of tests, or one of its own for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import RUNTIMES, AgentProcess, find_program
from tests.host.host_view import make_busybox_root


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
