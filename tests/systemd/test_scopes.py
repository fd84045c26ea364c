"""Control groups where process 1 is systemd: it makes them, and each container is a scope that it knows and shows."""

from collections.abc import Iterator

import pytest

from tests.host.agent_process import STAYS, definition, life_of
from tests.systemd.machine import Machine, Row

pytestmark = pytest.mark.real

SLICE = "orchestrator.slice"
QUICK = {"delay": "0s"}


@pytest.fixture(autouse=True)
def fresh(machine: Machine) -> Iterator[None]:
    """Each test has an agent without containers that runs, and leaves no scope."""
    machine.systemctl("start", "orchestrator")
    yield
    machine.orchestrator("shutdown")
    machine.wait_until(lambda: machine.ask("ActiveState") == "inactive", "the unit to be inactive")
    assert scopes(machine) == []
    machine.clear()
    machine.drop_in("")


def scopes(machine: Machine) -> list[str]:
    """All that systemd knows of, those that have failed too."""
    listed = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "orchestrator-*.scope")
    return sorted(line.split()[0] for line in listed.splitlines())


def scope_of(row: Row) -> str:
    return f"orchestrator-{row['instance']}.scope"


def ask(machine: Machine, unit: str, name: str) -> str:
    return machine.run("systemctl", "show", "--value", "--property", name, unit).strip()


def limit_of(machine: Machine, row: Row) -> int:
    """The memory that the kernel lets it have, as bytes: of v1, which has the controllers of this machine, or of v2."""
    group = f"{SLICE}/{scope_of(row)}"
    files = [
        machine.root / "sys/fs/cgroup" / path
        for path in (f"memory/{group}/memory.limit_in_bytes", f"{group}/memory.max")
    ]
    (found,) = (file for file in files if file.exists())
    return int(found.read_text())


def test_each_container_is_a_scope(machine: Machine) -> None:
    for name in ("one", "two"):
        machine.define(name, definition(resources={"memory": "64M"}))
    rows = [machine.wait_running(name) for name in ("one", "two")]
    assert scopes(machine) == sorted(map(scope_of, rows))
    for row in rows:
        assert ask(machine, scope_of(row), "Slice") == SLICE
        assert f"{SLICE}/{scope_of(row)}" in (machine.root / "proc" / str(row["pid"]) / "cgroup").read_text()
        assert limit_of(machine, row) == 64 << 20
    assert "its control groups made by systemd" in machine.orchestrator("doctor")


def test_a_limit_that_is_changed_while_it_runs_is_kept_by_systemd(machine: Machine) -> None:
    machine.define("web", definition(resources={"memory": "64M"}))
    before = machine.wait_running("web")
    machine.define("web", definition(resources={"memory": "96M"}))
    machine.wait_until(lambda: limit_of(machine, before) == 96 << 20, "the new limit")
    # It writes what it knows of each unit anew.
    machine.systemctl("daemon-reload")
    assert limit_of(machine, before) == 96 << 20
    assert life_of(machine.wait_running("web")) == life_of(before)


def test_one_that_ends_takes_its_scope_along(machine: Machine) -> None:
    machine.define("web", definition(STAYS, restart=QUICK))
    before = machine.wait_running("web")
    machine.run("kill", "-KILL", str(before["pid"]))
    after = machine.wait_row(
        "web", lambda row: row["state"] == "running" and row["pid"] != before["pid"], "to run again"
    )
    assert scopes(machine) == [scope_of(after)]


def test_a_scope_that_is_stopped_by_hand_is_an_end_like_any_other(machine: Machine) -> None:
    machine.define("web", definition(restart=QUICK))
    before = machine.wait_running("web")
    machine.systemctl("stop", scope_of(before))
    after = machine.wait_row(
        "web", lambda row: row["state"] == "running" and row["pid"] != before["pid"], "to run again"
    )
    assert scopes(machine) == [scope_of(after)]


def test_a_next_agent_goes_on_with_them(machine: Machine) -> None:
    machine.drop_in("RestartSec=0\n")
    machine.define("kept", definition(resources={"memory": "64M"}))
    machine.define("ends", definition(STAYS, restart=QUICK))
    kept, ends = machine.wait_running("kept"), machine.wait_running("ends")
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "orchestrator")
    machine.run("kill", "-KILL", str(ends["pid"]))
    machine.wait_until(lambda: machine.ask("NRestarts") == "1" and machine.ask("ActiveState") == "active", "another")
    again = machine.wait_row("ends", lambda row: row["state"] == "running" and row["pid"] != ends["pid"], "to run")
    assert machine.wait_running("kept") == kept
    assert scopes(machine) == sorted([scope_of(kept), scope_of(again)])
    machine.define("kept", definition(resources={"memory": "80M"}))
    machine.wait_until(lambda: limit_of(machine, kept) == 80 << 20, "the new limit")


def test_without_its_bus_the_runtime_makes_them_and_the_agent_says_so(machine: Machine) -> None:
    machine.define("before", definition())
    before = machine.wait_running("before")
    # What a runtime asks systemd over: the system's bus, and the private socket that it tries first.
    hidden = "/usr/bin/mount --bind /dev/null"
    sockets = ("/run/dbus/system_bus_socket", "/run/systemd/private")
    machine.drop_in("".join(f"ExecStartPre={hidden} {path}\n" for path in sockets))
    try:
        machine.systemctl("restart", "orchestrator")
        assert any("control groups are made by" in line for line in machine.journal("-u", "orchestrator"))
        machine.define("late", definition(resources={"memory": "64M"}))
        late = machine.wait_running("late")
        assert f"/orchestrator/{late['instance']}" in (machine.root / "proc" / str(late["pid"]) / "cgroup").read_text()
        assert machine.wait_running("before") == before
    finally:
        for path in sockets:
            machine.run("umount", path)
    machine.drop_in("")
    machine.systemctl("restart", "orchestrator")
    assert machine.wait_running("before") == before
    assert machine.wait_running("late") == late
