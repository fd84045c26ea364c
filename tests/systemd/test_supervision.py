"""The unit of contrib/ under a real systemd: what it waits for, and what becomes of containers when the agent goes."""

import platform
from collections.abc import Iterator

import pytest

from tests.host.agent_process import STAYS, definition
from tests.systemd.machine import Machine

pytestmark = pytest.mark.real

PIDFD_TELLS_EXIT = (6, 15)
"""From this Linux on a pidfd tells how a process ended that was no child of whoever holds it."""

RELOADS_BY_NOTIFY = 253
"""From this systemd on Type=notify-reload is known."""
STORE_OUTLIVES_STOP = 254
"""From this systemd on FileDescriptorStorePreserve= is known."""

OUTSIDE = {"/srv": {"source": "/srv"}}
"""The mount of a definition by which a test sees what its container writes."""


def kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])


@pytest.fixture(autouse=True)
def fresh(machine: Machine) -> Iterator[None]:
    """Each test has a unit as it is in contrib/, stopped, and no container."""
    yield
    if machine.ask("ActiveState") != "inactive":
        if machine.ask("ActiveState") != "active":
            machine.systemctl("restart", "orchestrator")
        machine.orchestrator("shutdown")
        machine.wait_until(lambda: machine.ask("ActiveState") == "inactive", "the unit to be inactive")
    machine.clear()
    machine.drop_in("")


def test_a_start_returns_when_all_is_settled(machine: Machine) -> None:
    for name in ("one", "two", "three"):
        machine.define(name, definition())
    machine.define("broken", "args = 1")
    machine.systemctl("start", "orchestrator")
    told = machine.ask("StatusText")
    states = {name: row["state"] for name, row in machine.rows().items()}
    assert states == {"one": "running", "two": "running", "three": "running", "broken": "invalid"}
    assert "3 running" in told
    assert "1 invalid" in told


def test_a_reload_looks_again_and_disturbs_nothing(machine: Machine) -> None:
    machine.define("web", definition())
    machine.systemctl("start", "orchestrator")
    agent, before = machine.ask("MainPID"), machine.wait_running("web")
    machine.systemctl("reload", "orchestrator")
    machine.wait_until(lambda: machine.ask("ActiveState") == "active", "the reload to end")
    assert machine.ask("Type") == ("notify-reload" if machine.version() >= RELOADS_BY_NOTIFY else "notify")
    assert any("SIGHUP: looking at everything again" in line for line in machine.journal("-u", "orchestrator"))
    assert (machine.ask("MainPID"), machine.wait_running("web")) == (agent, before)


def test_a_restart_leaves_containers_as_they_are(machine: Machine) -> None:
    machine.define("web", definition())
    machine.systemctl("start", "orchestrator")
    agent, before = machine.ask("MainPID"), machine.wait_running("web")
    machine.systemctl("restart", "orchestrator")
    assert machine.ask("MainPID") != agent
    assert machine.wait_running("web") == before


def test_a_stop_leaves_containers_and_a_start_takes_them_over(machine: Machine) -> None:
    machine.define("web", definition())
    machine.systemctl("start", "orchestrator")
    before = machine.wait_running("web")
    machine.systemctl("stop", "orchestrator")
    assert (machine.ask("ActiveState"), machine.ask("Result")) == ("inactive", "success")
    assert machine.is_alive(before)
    machine.systemctl("start", "orchestrator")
    assert machine.wait_running("web") == before


def test_a_killed_agent_is_started_anew_and_finds_its_containers(machine: Machine) -> None:
    machine.drop_in("RestartSec=0\n")
    machine.define("web", definition())
    machine.systemctl("start", "orchestrator")
    agent, before = machine.ask("MainPID"), machine.wait_running("web")
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "orchestrator")
    machine.wait_until(lambda: machine.ask("NRestarts") == "1" and machine.ask("ActiveState") == "active", "another")
    assert machine.ask("MainPID") != agent
    assert machine.wait_running("web") == before


def test_how_a_container_ended_without_an_agent_is_known(machine: Machine) -> None:
    # So long that what follows happens before systemd starts another.
    machine.drop_in("RestartSec=1h\n")
    machine.define(
        "web", definition("trap 'exit 7' TERM; echo up; sleep 100000 & wait", restart={"on_failure": "stop"})
    )
    machine.systemctl("start", "orchestrator")
    before = machine.wait_running("web")
    machine.wait_until(lambda: machine.ask("NFileDescriptorStore") == "1", "systemd to keep the pidfd")
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "orchestrator")
    machine.wait_until(lambda: machine.ask("SubState") == "auto-restart", "systemd to see it")
    machine.run("kill", "-TERM", str(before["pid"]))
    machine.wait_until(lambda: not machine.is_alive(before), "the container to end")
    machine.systemctl("restart", "orchestrator")
    after = machine.wait_row("web", lambda row: row["state"] == "failed", "to be told of")
    assert after["last_exit"]["code"] == (7 if kernel() >= PIDFD_TELLS_EXIT else None)
    assert machine.ask("NFileDescriptorStore") == "0"


def test_how_a_container_ended_while_the_unit_was_stopped_is_known(machine: Machine) -> None:
    script = "trap 'exit 7' TERM; echo up; sleep 100000 & wait"
    machine.define("web", definition(script, restart={"on_failure": "stop"}))
    machine.systemctl("start", "orchestrator")
    before = machine.wait_running("web")
    machine.systemctl("stop", "orchestrator")
    machine.run("kill", "-TERM", str(before["pid"]))
    machine.wait_until(lambda: not machine.is_alive(before), "the container to end")
    machine.systemctl("start", "orchestrator")
    after = machine.wait_row("web", lambda row: row["state"] == "failed", "to be told of")
    is_kept = machine.version() >= STORE_OUTLIVES_STOP and kernel() >= PIDFD_TELLS_EXIT
    assert after["last_exit"]["code"] == (7 if is_kept else None)
    assert machine.ask("NFileDescriptorStore") == "0"


def test_the_watchdog_bites_an_agent_that_hangs(machine: Machine) -> None:
    machine.drop_in("WatchdogSec=2\nRestartSec=0\n")
    machine.define("web", definition())
    machine.systemctl("start", "orchestrator")
    agent, before = machine.ask("MainPID"), machine.wait_running("web")
    machine.run("kill", "-STOP", agent)
    machine.wait_until(lambda: machine.ask("NRestarts") == "1" and machine.ask("ActiveState") == "active", "another")
    assert any("Watchdog timeout" in line for line in machine.journal("-u", "orchestrator"))
    assert machine.ask("MainPID") != agent
    assert machine.wait_running("web") == before


def test_shutdown_stops_containers_however_long_they_take(machine: Machine) -> None:
    # Shorter than the stop: the agent asks for more.
    machine.drop_in("TimeoutStopSec=1\n")
    slow = "trap 'sleep 3; echo done > /srv/slow; exit 0' TERM; sleep 100000 & wait"
    machine.define("slow", definition(slow, mounts=OUTSIDE, stop={"timeout": "30s"}))
    machine.systemctl("start", "orchestrator")
    before = machine.wait_running("slow")
    machine.orchestrator("shutdown")
    machine.wait_until(lambda: machine.ask("ActiveState") == "inactive", "the unit to be inactive")
    assert machine.ask("Result") == "success"
    assert not machine.is_alive(before)
    assert (machine.outside / "slow").read_text() == "done\n"


def test_the_journal_has_what_containers_write_by_their_names(machine: Machine) -> None:
    machine.define("speaker", definition(f"echo to out; echo to err >&2; {STAYS}", log="journal"))
    machine.define("other", definition(f"echo of another; {STAYS}", log="journal"))
    machine.systemctl("start", "orchestrator")
    machine.wait_running("speaker")

    def both() -> bool:
        return len(machine.journal("-t", "orchestrator/speaker")) >= 2

    machine.wait_until(both, "both lines in the journal")
    assert sorted(machine.journal("-t", "orchestrator/speaker")) == ["to err", "to out"]
    assert machine.orchestrator("logs", "other").splitlines()[-1].endswith("of another")
