"""Attaching to CNI's networks on a host in memory: order, versions, what is cached, what is tried again."""

import contextlib
import json
from typing import Any

import pytest
from orchestrator_networks.client import TRIES, Client
from orchestrator_networks.network import Network

from orchestrator.plugin import Container, HostFailed
from orchestrator.testing.plugin_host import Killed
from tests.plugins.helpers_cni import FOLDER, CniHost, make_container

CONFLIST: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "lan",
    "plugins": [
        {"type": "one", "capabilities": {"ips": True, "mac": False}},
        {"type": "two", "capabilities": {"portMappings": True}, "key": [1]},
    ],
}
NETWORK = Network(conflist=CONFLIST, arguments={"ips": ["10.1.0.2/24"], "portMappings": [], "mac": "02:00:00:00:00:01"})
NEWER = Network(conflist={**CONFLIST, "cniVersions": ["0.4.0", "1.0.0", "1.1.0"]})


def client(cni: CniHost, container: Container | None = None, pauses: list[float] | None = None) -> Client:
    return Client(container or make_container(), cni.host, sleep=(pauses if pauses is not None else []).append)


def test_plugins_are_added_in_order_and_deleted_in_reverse() -> None:
    cni = CniHost.with_plugins("one", "two")
    result = client(cni).attach(NETWORK)
    assert cni.verbs() == ["ADD one", "ADD two"]
    first, second = cni.calls
    assert "prevResult" not in first.config
    assert second.config["prevResult"]["last"] == "one"
    assert result["last"] == "two"
    client(cni).detach(NETWORK, result)
    assert cni.verbs()[2:] == ["DEL two", "DEL one"]
    assert all(call.config["prevResult"] == result for call in cni.calls[2:])
    assert leavings(cni) == []


def test_a_plugin_is_told_what_it_declares() -> None:
    cni = CniHost.with_plugins("one", "two")
    client(cni).attach(NETWORK)
    first, second = cni.calls
    assert first.config == {
        "type": "one",
        "cniVersion": "1.0.0",
        "name": "lan",
        "runtimeConfig": {"ips": ["10.1.0.2/24"]},
    }
    assert second.config["runtimeConfig"] == {"portMappings": []}
    assert second.config["key"] == [1]
    assert first.env["CNI_CONTAINERID"] == "web-1"
    assert first.env["CNI_IFNAME"] == "eth0"
    assert first.env["CNI_NETNS"] == "/run/own/web-1/netns"
    assert first.env["CNI_PATH"].split(":")[0] == FOLDER


def test_plugins_are_where_the_environment_says() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.host.environ["CNI_PATH"] = "/nowhere:relative:/opt/cni/bin"
    client(cni).attach(NETWORK)
    assert cni.calls[0].env["CNI_PATH"] == "/nowhere:/opt/cni/bin"


def test_a_plugin_that_is_not_there_is_named() -> None:
    cni = CniHost.with_plugins("one")
    with pytest.raises(HostFailed, match=r'no CNI plugin "two" in /opt/cni/bin, .*apt-get install'):
        client(cni).attach(NETWORK)


def test_the_newest_version_that_all_speak_is_spoken_and_asked_once() -> None:
    cni = CniHost.with_plugins("one", "two")
    result = client(cni).attach(NEWER)
    assert cni.verbs() == ["VERSION one", "VERSION two", "ADD one", "ADD two"]
    assert {call.config["cniVersion"] for call in cni.calls} == {"1.0.0"}
    client(cni).detach(NEWER, result)
    client(cni).attach(NEWER)
    assert cni.verbs().count("VERSION one") == 1


def test_no_version_that_all_speak() -> None:
    cni = CniHost.with_plugins("one", "two", versions=("0.2.0",))
    with pytest.raises(
        HostFailed, match=r"may speak 1\.1\.0, 1\.0\.0, 0\.4\.0, but one speaks 0\.2\.0; two speaks 0\.2\.0"
    ):
        client(cni).attach(NEWER)


def test_a_plugin_that_was_exchanged_is_asked_anew() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.fail("one", "ADD", 1, "incompatible CNI versions")
    with pytest.raises(HostFailed, match="CNI plugin one: ADD: incompatible CNI versions"):
        client(cni).attach(NEWER)
    client(cni).detach(NEWER, None)
    client(cni).attach(NEWER)
    assert cni.verbs().count("VERSION one") == 2


def test_what_a_plugin_says_is_told_in_one_line() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.fail("two", "ADD", 100, "no room", details="the pool\nis empty")
    with pytest.raises(HostFailed) as raised:
        client(cni).attach(NETWORK)
    assert str(raised.value) == "CNI plugin two: ADD: no room: the pool is empty"


def test_what_the_kernel_lacks_is_said_where_to_look() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.fail("one", "ADD", 999, "operation not supported")
    with pytest.raises(HostFailed, match="does the kernel have it"):
        client(cni).attach(NETWORK)


def test_a_plugin_that_says_to_try_again_is_tried_again_from_the_beginning() -> None:
    cni, pauses = CniHost.with_plugins("one", "two"), list[float]()
    cni.fail("two", "ADD", 11, times=2)
    client(cni, pauses=pauses).attach(NETWORK)
    again = ["ADD one", "ADD two", "DEL two", "DEL one"]
    assert cni.verbs() == [*again, *again, "ADD one", "ADD two"]
    assert pauses == [0.25, 0.5]


def test_trying_again_has_an_end() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.fail("one", "ADD", 11, "busy", times=TRIES)
    with pytest.raises(HostFailed, match="one: ADD: busy"):
        client(cni).attach(NETWORK)
    assert cni.verbs().count("ADD one") == TRIES


def test_status_is_asked_where_plugins_have_it() -> None:
    cni = CniHost.with_plugins("one", "two", versions=("1.0.0", "1.1.0"))
    result = client(cni).attach(NEWER)
    assert cni.verbs()[2:] == ["GC one", "GC two", "STATUS one", "STATUS two", "ADD one", "ADD two"]
    client(cni).detach(NEWER, result)
    for code in (50, 51):
        cni.fail("two", "STATUS", code, "no daemon")
        with pytest.raises(HostFailed, match="two: STATUS: no daemon"):
            client(cni, make_container("web-2")).attach(NEWER)
    assert cni.verbs().count("ADD one") == 1


def test_plugins_hear_once_a_boot_who_is_valid() -> None:
    cni = CniHost.with_plugins("one", "two", versions=("1.1.0",))
    client(cni).attach(NEWER)
    client(cni, make_container("web-2")).attach(NEWER)
    (collected,) = (call for call in cni.calls if (call.plugin, call.command) == ("one", "GC"))
    assert collected.config["cni.dev/valid-attachments"] == []
    assert "CNI_CONTAINERID" not in collected.env
    cni.host.remove("/run/shared/cni/seen/lan")
    client(cni, make_container("web-3")).attach(NEWER)
    *_, collected = (call for call in cni.calls if call.command == "GC")
    assert collected.config["cni.dev/valid-attachments"] == [
        {"containerID": "web-1", "ifname": "eth0"},
        {"containerID": "web-2", "ifname": "eth0"},
    ]


def test_no_collection_where_it_is_disabled_and_none_that_fails_matters() -> None:
    disabled = Network(conflist={**NEWER.conflist, "disableGC": True})
    cni = CniHost.with_plugins("one", "two", versions=("1.1.0",))
    client(cni).attach(disabled)
    assert "GC one" not in cni.verbs()
    cni = CniHost.with_plugins("one", "two", versions=("1.1.0",))
    cni.fail("one", "GC", 100)
    client(cni).attach(NEWER)
    assert "ADD two" in cni.verbs()


def test_an_attachment_that_is_there_is_deleted_before_it_is_added_again() -> None:
    cni = CniHost.with_plugins("one", "two")
    client(cni).attach(NETWORK)
    client(cni).attach(NETWORK)
    assert cni.verbs() == ["ADD one", "ADD two", "DEL two", "DEL one", "ADD one", "ADD two"]


def test_what_outlived_a_boot_is_deleted_by_who_comes_next() -> None:
    cni = CniHost.with_plugins("one", "two")
    client(cni).attach(NETWORK)
    cni.host.remove("/run/shared")
    cni.host.remove("/run/own")
    client(cni, make_container("web-2")).attach(NETWORK)
    assert cni.verbs()[2:] == ["DEL two", "DEL one", "ADD one", "ADD two"]
    deleted = cni.calls[2]
    assert deleted.env["CNI_CONTAINERID"] == "web-1"
    assert deleted.env["CNI_NETNS"] == ""
    assert cni.host.list_folder("/var/kept/cni/attached/lan") == ("web-2-eth0.json",)


def test_who_attaches_meanwhile_is_not_taken_for_what_outlived_a_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    cni = CniHost.with_plugins("one", "two")
    list_folder, others = cni.host.list_folder, [make_container("web-2")]

    def list_and_attach_another(path: str) -> tuple[str, ...]:
        listed = list_folder(path)
        if path.endswith("/attached/lan") and others:
            # It was let in before, and writes itself down between two looks of this one.
            other = Client(others.pop(), cni.host)
            monkeypatch.setattr(other, "_clear_up", lambda record: None)
            with monkeypatch.context() as patched:
                patched.setattr(cni.host, "lock", lambda name: contextlib.nullcontext())
                other.attach(NETWORK)
        return listed

    monkeypatch.setattr(cni.host, "list_folder", list_and_attach_another)
    client(cni).attach(NETWORK)
    assert cni.verbs() == ["ADD one", "ADD two"] * 2
    assert list_folder("/var/kept/cni/attached/lan") == ("web-1-eth0.json", "web-2-eth0.json")


def test_the_namespace_is_there_for_del_until_it_is_lost() -> None:
    cni = CniHost.with_plugins("one", "two")
    result = client(cni).attach(NETWORK)
    client(cni, make_container(pid=None)).detach(NETWORK, result)
    assert cni.calls[-1].env["CNI_NETNS"] == "/run/own/web-1/netns"
    result = client(cni).attach(NETWORK)
    cni.host.unmount("/run/own/web-1/netns")
    client(cni, make_container(pid=None)).detach(NETWORK, result)
    assert cni.calls[-1].env["CNI_NETNS"] == ""


def test_a_container_that_has_ended_is_not_attached() -> None:
    cni = CniHost.with_plugins("one", "two")
    with pytest.raises(HostFailed, match="no network namespace"):
        client(cni, make_container(pid=None)).attach(NETWORK)


def test_a_del_that_fails_ends_it_and_is_done_once_more() -> None:
    cni = CniHost.with_plugins("one", "two")
    result = client(cni).attach(NETWORK)
    cni.fail("two", "DEL", 100, "not now")
    with pytest.raises(HostFailed, match="two: DEL: not now"):
        client(cni).detach(NETWORK, result)
    assert "DEL one" not in cni.verbs()
    client(cni).detach(NETWORK, result)
    assert cni.host.resources == set()
    assert cni.host.mounts == ()


def test_a_plugin_that_did_not_add_it_need_not_delete_it() -> None:
    cni = CniHost.with_plugins("one", "two")
    cni.fail("two", "ADD", 7, "invalid network config")
    cni.fail("two", "DEL", 7, "invalid network config")
    with pytest.raises(HostFailed):
        client(cni).attach(NETWORK)
    client(cni).detach(NETWORK, None)
    assert cni.verbs() == ["ADD one", "ADD two", "DEL two", "DEL one"]
    assert leavings(cni) == []
    cni.fail("two", "ADD", 7)
    cni.fail("one", "DEL", 100, "not now")
    with pytest.raises(HostFailed):
        client(cni).attach(NETWORK)
    with pytest.raises(HostFailed, match="one: DEL: not now"):
        client(cni).detach(NETWORK, None)


def test_a_plugin_that_was_taken_away_is_named_when_it_is_to_delete() -> None:
    cni = CniHost.with_plugins("one", "two")
    result = client(cni).attach(NETWORK)
    cni.host.remove(f"{FOLDER}/two")
    with pytest.raises(HostFailed, match='there is no CNI plugin "two"'):
        client(cni).detach(NETWORK, result)


def test_a_plugin_that_a_killed_agent_has_started_is_waited_for() -> None:
    cni, pauses = CniHost.with_plugins("one", "two"), list[float]()
    cni.fail("two", "ADD", 100)
    with pytest.raises(HostFailed):
        client(cni).attach(NETWORK)
    for pid, words in (("99", "/bin/sh\0/opt/cni/bin/two"), ("98", "/usr/sbin/dnsmasq\0-k")):
        cni.host.write_file(f"/proc/{pid}/environ", b"A=1\0CNI_CONTAINERID=web-1\0")
        cni.host.write_file(f"/proc/{pid}/cmdline", words.encode())

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            cni.host.remove("/proc/99")

    Client(make_container(), cni.host, sleep=sleep).detach(NETWORK, None)
    assert len(pauses) == 3
    cni.host.write_file("/proc/99/environ", b"CNI_CONTAINERID=web-1\0")
    cni.host.write_file("/proc/99/cmdline", b"/opt/cni/bin/two\0")
    cni.fail("two", "ADD", 100)
    with pytest.raises(HostFailed):
        client(cni).attach(NETWORK)
    with pytest.raises(HostFailed, match="a CNI plugin is still at work for it: process 99"):
        client(cni).detach(NETWORK, None)


def leavings(cni: CniHost) -> list[str]:
    """What is on the host beside what was there before, folders and what is known of plugins left out."""
    lines = (line for line in cni.host.describe() if not line.split()[0].endswith("/"))
    return [line for line in lines if not line.startswith(("/opt/", "/proc/", "/run/shared/cni/"))]


def count_calls() -> int:
    """How many calls of the host an attachment and its end take."""
    cni = CniHost.with_plugins("one", "two", versions=("1.0.0", "1.1.0"))
    client(cni).detach(NEWER, client(cni).attach(NEWER))
    return len(cni.host.calls)


@pytest.mark.parametrize("calls", range(count_calls()))
def test_a_kill_at_any_step_leaves_nothing(calls: int) -> None:
    cni = CniHost.with_plugins("one", "two", versions=("1.0.0", "1.1.0"))
    cni.host.kill_after(calls)
    results: list[Any] = []

    def live() -> None:
        results.append(client(cni).attach(NEWER))
        client(cni).detach(NEWER, results[0])

    with pytest.raises(Killed):
        live()
    cni.host.restart()
    client(cni, make_container(pid=None)).detach(NEWER, results[0] if results else None)
    assert leavings(cni) == []
    assert cni.host.list_folder("/run/shared/cni/attached/lan") == ()


def test_what_is_written_down_is_whole() -> None:
    cni = CniHost.with_plugins("one", "two")
    client(cni).attach(NETWORK)
    (name,) = cni.host.list_folder("/run/shared/cni/attached/lan")
    record = json.loads(cni.host.read_file(f"/run/shared/cni/attached/lan/{name}") or b"")
    assert record["conflist"] == CONFLIST
    assert (record["container"], record["version"], record["result"]["last"]) == ("web-1", "1.0.0", "two")
