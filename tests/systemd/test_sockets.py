"""Listening sockets under a real systemd: they outlive the agent, however it goes, and whoever keeps them."""

import socket
from collections.abc import Iterator

import pytest

from tests.host.agent_process import definition
from tests.systemd.machine import Machine

pytestmark = pytest.mark.real

STORE_OUTLIVES_STOP = 254
"""From this systemd on FileDescriptorStorePreserve= is known."""

SERVER = 'open(my $l, "+<&=", 3); while (accept(my $c, $l)) { syswrite($c, "$ENV{MARK}\\n"); close $c }'
WAITS = {"delay": "1h", "max_delay": "1h"}


@pytest.fixture(autouse=True)
def fresh(machine: Machine) -> Iterator[None]:
    """Each test has a unit as it is in contrib/, stopped, and no container."""
    yield
    if machine.ask("ActiveState") != "active":
        machine.systemctl("restart", "orchestrator")
    machine.orchestrator("shutdown")
    machine.wait_until(lambda: machine.ask("ActiveState") == "inactive", "the unit to be inactive")
    machine.clear()
    machine.drop_in("")


def begin(machine: Machine) -> socket.socket:
    """The agent with a container that has ended and waits for its next try, and somebody who waits at its socket."""
    args = ["/usr/bin/perl", "-MSocket", "-e", SERVER]
    sockets = {"web": {"stream": "/srv/web.sock", "mode": "0600"}}
    machine.define("web", definition(args, env={"MARK": "hello"}, sockets=sockets, restart=WAITS))
    machine.systemctl("start", "orchestrator")
    before = machine.wait_running("web")
    with connect(machine) as answered:
        assert answered.recv(10) == b"hello\n"
    machine.run("kill", "-KILL", str(before["pid"]))
    machine.wait_row("web", lambda row: row["state"] == "backoff", "to wait")
    return connect(machine)


def connect(machine: Machine) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(machine.root / "srv/web.sock"))
    return connection


def finish(machine: Machine, waiting: socket.socket) -> None:
    """Whoever waited is answered by the next instance."""
    machine.orchestrator("start", "web")
    machine.wait_running("web")
    with waiting:
        assert waiting.recv(10) == b"hello\n"
    with connect(machine) as answered:
        assert answered.recv(10) == b"hello\n"


def holders(machine: Machine) -> list[str]:
    return machine.run("pgrep", "-f", "system/holder.py", check=False).split()


def test_they_outlive_a_restart_a_crash_and_a_stop(machine: Machine) -> None:
    machine.drop_in("RestartSec=0\n")
    waiting = begin(machine)
    is_kept = machine.version() >= STORE_OUTLIVES_STOP
    assert len(holders(machine)) == (0 if is_kept else 1)
    assert machine.ask("NFileDescriptorStore") == ("1" if is_kept else "0")
    machine.systemctl("restart", "orchestrator")
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "orchestrator")
    machine.wait_until(lambda: machine.ask("NRestarts") == "1" and machine.ask("ActiveState") == "active", "another")
    machine.systemctl("stop", "orchestrator")
    machine.systemctl("start", "orchestrator")
    finish(machine, waiting)


def test_where_a_stop_ends_all_of_the_unit_systemd_keeps_them_over_restarts(machine: Machine) -> None:
    machine.drop_in("KillMode=mixed\nRestartSec=0\n")
    waiting = begin(machine)
    assert holders(machine) == []
    assert machine.ask("NFileDescriptorStore") == "1"
    machine.systemctl("restart", "orchestrator")
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "orchestrator")
    machine.wait_until(lambda: machine.ask("NRestarts") == "1" and machine.ask("ActiveState") == "active", "another")
    finish(machine, waiting)


def test_without_a_store_a_process_holds_them(machine: Machine) -> None:
    machine.drop_in("FileDescriptorStoreMax=0\n")
    waiting = begin(machine)
    assert len(holders(machine)) == 1
    machine.systemctl("restart", "orchestrator")
    finish(machine, waiting)


def test_they_move_from_one_keeper_to_the_other(machine: Machine) -> None:
    machine.drop_in("KillMode=mixed\n")
    waiting = begin(machine)
    assert machine.ask("NFileDescriptorStore") == "1"
    machine.drop_in("FileDescriptorStorePreserve=restart\n")
    machine.systemctl("restart", "orchestrator")
    machine.wait_until(lambda: machine.ask("NFileDescriptorStore") == "0", "systemd to let go of it")
    assert len(holders(machine)) == 1
    machine.systemctl("stop", "orchestrator")
    machine.systemctl("start", "orchestrator")
    finish(machine, waiting)


def test_a_shutdown_leaves_none_and_nobody_who_holds_any(machine: Machine) -> None:
    with begin(machine):
        machine.orchestrator("shutdown")
        machine.wait_until(lambda: machine.ask("ActiveState") == "inactive", "the unit to be inactive")
    assert holders(machine) == []
    assert not (machine.root / "srv/web.sock").exists()
    machine.systemctl("start", "orchestrator")
    machine.wait_running("web")
