"""The networks with the plugins of Debian, in a namespace that is the agent's host: `cni`, `path`, and ports that two
publish. Fifty containers on a `bridge`: `test_bridge`."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import STAYS, AgentProcess, definition, find_program
from tests.host.host_view import list_files
from tests.host.network_view import HostNetwork, NetworkedAgent, make_network, mounts_of

pytestmark = pytest.mark.real

ADDRESSES = "ip -o -4 address | while read -r a b c d e; do echo $b $d; done; cat /sys/class/net/lo/flags 2>/dev/null"
SERVES = 'echo here >/tmp/index.html; trap "exit 0" TERM; busybox httpd -f -p 80 -h /tmp & wait'


@pytest.fixture(scope="module")
def network() -> Iterator[HostNetwork]:
    with make_network() as network:
        yield network


@pytest.fixture(scope="module")
def other() -> Iterator[HostNetwork]:
    """A namespace that somebody else has made, before the agent, which may have mounts of its own, is started."""
    with make_network() as other:
        other.run("ip", "address", "add", "10.98.0.1/32", "dev", "lo")
        yield other


@pytest.fixture(scope="module")
def agent(
    runtime: str, network: HostNetwork, other: HostNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    with NetworkedAgent(tmp_path_factory.mktemp("networks"), runtime) as agent:
        agent.network = network
        yield agent.start()
        assert agent.end() == 0, agent.describe()


@pytest.fixture
def conflist(tmp_path: Path) -> dict[str, object]:
    """A network as podman's default is, with leases and a bridge of its own."""
    name = f"t{uuid.uuid4().hex[:8]}"
    ranges, routes = [[{"subnet": "10.77.0.0/24"}]], [{"dst": "0.0.0.0/0"}]
    ipam = {"type": "host-local", "dataDir": str(tmp_path / "leases"), "ranges": ranges, "routes": routes}
    bridge = {"type": "bridge", "bridge": name, "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": name, "plugins": [bridge, portmap, {"type": "firewall"}, {"type": "tuning"}]}


def leases(conflist: dict[str, object], tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "leases" / str(conflist["name"])).glob("10.*"))


def test_a_network_of_cni_comes_and_goes(
    agent: AgentProcess, network: HostNetwork, conflist: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "lan.conflist"
    file.write_text(json.dumps(conflist))
    before = network.list_rules(), network.list_links(), mounts_of(agent)
    uses = {"type": "cni", "path": str(file), "ports": ["18080:80"], "interface": "net0"}
    agent.start_container("web", definition(f"{ADDRESSES}; {SERVES}", network=uses))
    assert network.read_urls(["http://127.0.0.1:18080/"]) == {"http://127.0.0.1:18080/": "here"}
    assert "net0 10.77.0.2/24" in agent.log("web")
    assert leases(conflist, tmp_path) == ["10.77.0.2"]

    # An edit of the conflist is one of the definition.
    first = agent.row("web")
    file.write_text(json.dumps({**conflist, "cniVersions": ["1.0.0"]}))
    agent.wait_replaced("web", first)
    assert network.read_urls(["http://127.0.0.1:18080/"]) == {"http://127.0.0.1:18080/": "here"}

    agent.remove("web")
    network.run("ip", "link", "delete", str(conflist["name"]))
    assert (network.list_rules(), network.list_links(), mounts_of(agent)) == before
    assert leases(conflist, tmp_path) == []
    kept = [file for file in list_files(agent.layout) if "/attached/" in file and file.endswith(".json")]
    assert kept == []


def test_a_plugin_that_refuses_says_why(agent: AgentProcess, conflist: dict[str, object]) -> None:
    plugins = conflist["plugins"]
    assert isinstance(plugins, list)
    plugins[0]["ipam"]["ranges"] = [[{"subnet": "10.77.0.0/24", "rangeStart": "10.78.0.1"}]]
    agent.define("refused", definition(network={"type": "cni", "text": json.dumps(conflist)}, restart={"delay": "1h"}))
    row = agent.wait_row("refused", lambda row: "CNI plugin" in str(row["message"]), "the plugin's own words")
    assert "cannot connect the network (cni): CNI plugin bridge: ADD: " in row["message"]
    assert "10.78.0.1" in row["message"]
    agent.remove("refused")


def test_a_fixed_address_and_the_loopback(agent: AgentProcess) -> None:
    uses = {
        "type": "bridge",
        "name": "fixed",
        "subnet": "10.79.0.0/24",
        "address": "10.79.0.9",
        "mac": "02:00:00:00:00:09",
    }
    said = agent.run_to_end(
        "fixed", f"{ADDRESSES}; cat /etc/hosts /sys/class/net/eth0/address /etc/resolv.conf", network=uses
    )
    assert "lo 127.0.0.1/8" in said
    assert "eth0 10.79.0.9/24" in said
    assert "10.79.0.9\tfixed" in said
    assert "127.0.0.1\tlocalhost" in said
    agent.remove("fixed")


def test_the_way_out(agent: AgentProcess, network: HostNetwork) -> None:
    """What lies beyond the host is reached by the host's address."""
    with make_network() as beyond:
        link = f"v{uuid.uuid4().hex[:8]}"
        network.run("ip", "link", "add", link, "type", "veth", "peer", "name", "beyond", "netns", beyond.name)
        network.run("ip", "address", "add", "10.99.0.1/30", "dev", link)
        network.run("ip", "link", "set", link, "up")
        beyond.run("ip", "address", "add", "10.99.0.2/30", "dev", "beyond")
        beyond.run("ip", "link", "set", "beyond", "up")
        server = subprocess.Popen(
            beyond.enter(
                find_program("python3"), "-m", "http.server", "80", "--directory", "/usr/share/common-licenses"
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            network.read_urls(["http://10.99.0.2/BSD"])
            ask = "from urllib.request import urlopen; print(urlopen('http://10.99.0.2/BSD').status)"
            assert agent.run_to_end("out", ["python3", "-c", ask], network="bridge").split() == ["200"]
        finally:
            server.terminate()
            _, said = server.communicate()
        assert {line.split()[0] for line in said.splitlines() if "GET" in line} == {"10.99.0.1"}
        agent.remove("out")


def test_two_that_publish_one_port(agent: AgentProcess, network: HostNetwork) -> None:
    def serves(port: int) -> str:
        return definition(SERVES, network={"type": "bridge", "ports": [f"{port}:80"]})

    first = agent.start_container("first", serves(19000))
    agent.define("second", serves(19000))
    agent.wait_state("second", "invalid")
    for name, other in (("first", "second"), ("second", "first")):
        (problem,) = agent.wait_row(name, lambda row: bool(row["problems"]), "its problem")["problems"]
        assert problem["path"] == "network.ports[0]"
        assert problem["message"] == f'port 19000/tcp of the host is also taken by "{other}"'
    assert agent.row("first")["pid"] == first["pid"], "what runs goes on"
    agent.kill()
    agent.start()
    assert agent.row("first")["pid"] == first["pid"], "with a next agent, too"
    assert agent.row("second")["state"] == "invalid"
    assert network.read_urls(["http://127.0.0.1:19000/"]) == {"http://127.0.0.1:19000/": "here"}
    checked = agent.call("check", str(agent.config))
    assert checked.stdout.count("port 19000/tcp") == 2, checked.stdout
    agent.remove("first")
    agent.wait_state("second", "running")
    assert agent.row("second")["problems"] == []
    assert network.read_urls(["http://127.0.0.1:19000/"]) == {"http://127.0.0.1:19000/": "here"}
    agent.remove("second")


def test_a_namespace_at_a_path(agent: AgentProcess, other: HostNetwork) -> None:
    said = agent.run_to_end("inside", ADDRESSES, network={"type": "path", "path": f"/run/netns/{other.name}"})
    assert "lo 10.98.0.1/32" in said
    agent.remove("inside")
    assert "10.98.0.1/32" in other.list_addresses(), "it is not ours to take away"


def test_leases_that_outlived_a_boot_are_given_back(
    agent: AgentProcess, conflist: dict[str, object], tmp_path: Path
) -> None:
    uses = {"type": "cni", "text": json.dumps(conflist)}
    agent.start_container("before", definition(STAYS, network=uses))
    assert leases(conflist, tmp_path) == ["10.77.0.2"]
    # As a boot does it: what was in memory is gone, and nobody has detached the container.
    attached = Path(agent.layout.shared) / "cni" / "attached" / str(conflist["name"])
    for file in attached.iterdir():
        file.unlink()
    agent.start_container("after", definition(STAYS, network=uses))
    assert leases(conflist, tmp_path) == ["10.77.0.3"]
    agent.remove("before", "after")
    assert leases(conflist, tmp_path) == []
    agent.network.run("ip", "link", "delete", str(conflist["name"]))  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "leases")


PLUGIN = """#!/bin/sh
cd FOLDER
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.0.0", "1.1.0"]}' ;;
ADD)
    echo "$CNI_CONTAINERID" >>begun
    if [ -e busy ]; then rm busy; echo '{"code": 11, "msg": "busy"}'; exit 1; fi
    if [ -e slow ]; then sleep 3; fi
    touch "added-$CNI_CONTAINERID"
    echo '{"cniVersion": "1.1.0"}'
    ;;
DEL) rm -f "added-$CNI_CONTAINERID" ;;
STATUS) if [ -e down ]; then echo '{"code": 50, "msg": "no daemon"}'; exit 1; fi ;;
GC) cat >valid ;;
esac
"""
"""A plugin after SPEC.md 1.1, which Debian's are older than."""


class OwnPlugin:
    """A plugin of the test's, and a definition that uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plugin, conflist = folder / "bin/own", folder / "own.conflist"
        plugin.parent.mkdir()
        plugin.write_text(PLUGIN.replace("FOLDER", str(folder)))
        plugin.chmod(0o755)
        written = {"cniVersion": "1.0.0", "cniVersions": ["1.1.0"], "name": "own", "plugins": [{"type": "own"}]}
        conflist.write_text(json.dumps(written))
        network, restart = {"type": "cni", "path": str(conflist)}, {"delay": "100ms", "factor": 1.0}
        self.definition = definition(network=network, restart=restart)

    def added(self) -> list[str]:
        return sorted(path.name.removeprefix("added-") for path in self.folder.glob("added-*"))

    def begun(self) -> list[str]:
        file = self.folder / "begun"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def own(tmp_path: Path) -> OwnPlugin:
    return OwnPlugin(tmp_path)


@pytest.fixture
def own_agent(runtime: str, network: HostNetwork, own: OwnPlugin, tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent whose environment says where plugins are, not started yet."""
    (tmp_path / "agent").mkdir()
    with NetworkedAgent(tmp_path / "agent", runtime) as agent:
        agent.network = network
        agent.environ["CNI_PATH"] = str(own.folder / "bin")
        yield agent


def test_a_plugin_of_the_newest_protocol(own_agent: AgentProcess, own: OwnPlugin) -> None:
    own_agent.start()
    (own.folder / "down").touch()
    own_agent.define("web", own.definition)
    own_agent.wait_row("web", lambda row: "own: STATUS: no daemon" in str(row["message"]), "what the plugin says")
    assert own.begun() == []
    (own.folder / "busy").touch()
    (own.folder / "down").unlink()
    row = own_agent.wait_state("web", "running")
    assert own.begun() == [row["instance"]] * 2, "it was asked to come back, and did"
    assert own.added() == [row["instance"]]
    assert json.loads((own.folder / "valid").read_text())["cni.dev/valid-attachments"] == []
    own_agent.remove("web")
    assert own.added() == []


def test_a_plugin_that_is_at_work_while_the_agent_is_killed(own_agent: AgentProcess, own: OwnPlugin) -> None:
    """It goes on and adds what the next agent must not have deleted before."""
    own_agent.start()
    (own.folder / "slow").touch()
    own_agent.define("web", own.definition)
    own_agent.wait_until(own.begun, "the plugin to begin")
    own_agent.kill()
    assert own.added() == []
    (own.folder / "slow").unlink()
    own_agent.start()
    row = own_agent.wait_state("web", "running")
    assert own.begun() == [own.begun()[0], row["instance"]]
    assert own.added() == [row["instance"]]
    own_agent.remove("web")
    assert own.added() == []
