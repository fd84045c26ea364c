"""An agent after one that was killed, over state files that are damaged or gone: no container is lost by that."""

import os
import shutil
from pathlib import Path

import pytest

from orchestrator.system.states import read_start_time
from tests.host.agent_process import AgentProcess, definition
from tests.host.host_view import find_cgroups, is_running
from tests.host.left_view import count_events, events_since, expect_instances

pytestmark = pytest.mark.real


@pytest.mark.parametrize("damage", ["", '{"schema": 1}', "a folder", "gone"])
def test_a_state_file_that_is_damaged_costs_no_container(leaving: AgentProcess, damage: str) -> None:
    leaving.start()
    rows = {name: leaving.start_container(name) for name in ("file", "name", "both", "whole")}
    began = {name: read_start_time(row["pid"]) for name, row in rows.items()}
    leaving.kill()
    harmed = [Path(leaving.layout.instance_state(rows[name]["instance"])) for name in ("file", "both")]
    harmed += [Path(leaving.layout.name_state(name)) for name in ("name", "both")]
    for path in harmed:
        path.unlink()
        match damage:
            case "gone":
                continue
            case "a folder":
                path.mkdir()
            case _:
                path.write_text(damage)
    known, said = count_events(leaving), len(leaving.output())
    leaving.start()
    for name, row in rows.items():
        after = leaving.row(name)
        assert is_running(row["pid"], began[name])
        assert (after["pid"], after["instance"], after["state"]) == (row["pid"], row["instance"], "running")
        assert after["edit"] == row["edit"]
    output = leaving.output()[said:]
    for path in harmed if damage != "gone" else ():
        (line,) = (line for line in output.splitlines() if line.startswith(f"{path}: "))
        assert line.startswith(f"{path}: the state file is damaged: ")
        assert line.endswith(f"; moved to {leaving.layout.damaged}/{path.name}")
    for name in ("file", "both"):
        assert f"found {rows[name]['instance']} again" in output
    assert events_since(leaving, known) == []
    expect_instances(leaving, *rows.values())
    # All that a next agent goes by is whole again.
    leaving.kill()
    leaving.start()
    assert {name: row["pid"] for name, row in leaving.rows().items()} == {
        name: row["pid"] for name, row in rows.items()
    }
    assert "found" not in leaving.output()[said + len(output) :]
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0


def test_a_damaged_file_that_cannot_be_moved_away_ends_no_agent(leaving: AgentProcess) -> None:
    row = leaving.start().start_container("mine")
    leaving.kill()
    for path in (leaving.layout.instance_state(row["instance"]), leaving.layout.name_state("mine")):
        Path(path).write_text("damaged")
    Path(leaving.layout.damaged).touch()
    leaving.start()
    after = leaving.row("mine")
    assert (after["pid"], after["instance"], after["state"]) == (row["pid"], row["instance"], "running")
    assert leaving.output().count("the state file is damaged: it is not JSON: Expecting value") == 2
    assert leaving.output().count(f"; cannot move {leaving.run}/") == 2
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0


@pytest.mark.parametrize("lost", ["its files", "its bundle", "its folder"])
def test_what_nothing_is_known_of_goes_on_by_the_name_in_its_id(leaving: AgentProcess, lost: str) -> None:
    leaving.start()
    text = definition(readonly=False, resources={"memory": "64M"})
    row, other = leaving.start_container("left", text), leaving.start_container("other")
    began, cgroup = read_start_time(row["pid"]), leaving.cgroup("left")
    leaving.kill()
    layout, instance = leaving.layout, row["instance"]
    for path in (layout.instance_state(instance), layout.origin(instance), layout.name_state("left")):
        os.unlink(path)
    match lost:
        case "its bundle":
            os.unlink(layout.made_from(instance))
        case "its folder":
            shutil.rmtree(layout.instance(instance))
    leaving.start()
    assert f"found {instance} again" in leaving.output()
    leaving.let_it_look()
    after = leaving.row("left")
    assert is_running(row["pid"], began)
    assert (after["pid"], after["instance"], after["state"]) == (row["pid"], instance, "running")
    expect_instances(leaving, after, other)
    # An edit is carried out as ever, and nothing is left of it then.
    leaving.define("left", definition(readonly=False, env={"NEW": "1"}))
    new = leaving.wait_replaced("left", row)
    leaving.wait_until(lambda: not is_running(row["pid"], began), "the old one to end")
    leaving.wait_until(lambda: not find_cgroups(cgroup), "its control group to be removed")
    leaving.wait_until(lambda: os.listdir(layout.roots) == [new["instance"]], "its writable root to be removed")
    leaving.remove("other")
    expect_instances(leaving, new)
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0
