"""The `bridge` network with the plugins of Debian, in a namespace that is the agent's host: 50 containers under runc,
and some under crun, whose wrapper gives the agent mounts of its own, which are gone with it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition
from tests.host.host_view import find_members, list_files, namespaces_of
from tests.host.network_view import HostNetwork, NetworkedAgent, make_network, mounts_of

pytestmark = pytest.mark.real

COUNTS = {"runc": 50, "crun": 12}
SERVES = 'echo {0} >/tmp/index.html; trap "exit 0" TERM; busybox httpd -f -p 80 -h /tmp & wait'
ASKS = "from urllib.request import urlopen\nfor name in {names}: print(name, urlopen('http://%s' % name).read())"


@pytest.fixture
def network() -> Iterator[HostNetwork]:
    with make_network() as network:
        yield network


@pytest.fixture
def agent(runtime: str, network: HostNetwork, tmp_path: Path) -> Iterator[AgentProcess]:
    with NetworkedAgent(tmp_path, runtime) as agent:
        agent.network = network
        yield agent


def port_of(name: str) -> int:
    return 20000 + int(name[1:])


def serves(name: str, **env: str) -> str:
    network = {"type": "bridge", "ports": [f"{port_of(name)}:80"]}
    return definition(SERVES.format(name), network=network, env=env, stop={"timeout": "5s"})


def expect_all(agent: AgentProcess, network: HostNetwork, names: Sequence[str]) -> None:
    """Each can be reached by its port on the host, and by its name from another."""
    urls = {f"http://127.0.0.1:{port_of(name)}/": name for name in names}
    assert network.read_urls(urls) == urls
    asked = agent.call("exec", names[-1], "--", "python3", "-c", ASKS.format(names=tuple(names)))
    assert asked.stdout.split() == [word for name in names for word in (name, f"b'{name}\\n'")], asked.stderr


def test_fifty_containers_on_a_bridge_leave_nothing(agent: AgentProcess, network: HostNetwork) -> None:
    agent.exit_policy = "leave"
    names = [f"c{number}" for number in range(COUNTS[agent.runtime])]
    some, others = names[:4], names[4 : 4 + len(names) // 3]
    before = network.list_addresses(), network.list_links(), network.list_rules(), mounts_of(agent)
    for name in names:
        agent.define(name, serves(name))
    agent.start()
    expect_all(agent, network, names)
    seen = {each for row in agent.rows().values() for each in namespaces_of(row["pid"])} - namespaces_of(os.getpid())

    # Some are restarted, and found again.
    rows = agent.rows()
    assert agent.call("restart", *some).returncode == 0
    for name in some:
        agent.wait_replaced(name, rows[name])
    expect_all(agent, network, names)

    # The agent is killed while some are replaced, and another one goes on.
    rows = agent.rows()
    for name in others:
        agent.define(name, serves(name, EDITED="1"))
    agent.wait_until(
        lambda: agent.row(others[0])["instance"] != rows[others[0]]["instance"], "the first to be replaced"
    )
    agent.kill()
    agent.start()
    for name in others:
        agent.wait_replaced(name, rows[name])
    expect_all(agent, network, names)
    assert len(network.list_links()) == len(names) + 2, "lo, the bridge, and one for each container"
    seen |= {each for row in agent.rows().values() for each in namespaces_of(row["pid"])} - namespaces_of(os.getpid())

    # All go.
    agent.remove(*names)
    assert agent.end() == 0
    assert (network.list_addresses(), network.list_links(), network.list_rules(), mounts_of(agent)) == before
    assert find_members(seen, agent.layout) == {}
    shared = [file for file in list_files(agent.layout) if file.startswith(("run/shared", "state/kept", "run/own"))]
    assert [file for file in shared if not (agent.base / file).is_dir()] == ["run/shared/cni/versions.json"]
