"""An edit whose new instance does not become ready, on a real runtime: what ran before comes back and stays."""

from pathlib import Path

import pytest

from tests.host.agent_process import STAYS, AgentProcess, definition

pytestmark = pytest.mark.real

GOOD = definition(STAYS, on_failed_update="rollback")
BAD = definition(["/no/such/program"], on_failed_update="rollback")


def test_what_cannot_be_started_is_taken_back_and_stays_so_over_an_agents_restart(own_agent: AgentProcess) -> None:
    own_agent.exit_policy = "leave"
    before = own_agent.start().start_container("web", GOOD)
    own_agent.define("web", BAD)
    back = own_agent.wait_row("web", lambda row: row["state"] == "running" and row["message"], "what ran before")
    assert back["message"].startswith("rolled back: ")
    assert "/no/such/program" in back["message"]
    assert (back["bundle"], back["ready"]) == (before["bundle"], True)
    assert back["instance"] != before["instance"]
    assert "rolled back: " in own_agent.output()
    own_agent.let_it_look()
    assert own_agent.row("web") == back, "the same text is not tried again"

    assert own_agent.end() == 0
    own_agent.start()
    own_agent.let_it_look()
    after = own_agent.row("web")
    assert (after["pid"], after["message"]) == (back["pid"], back["message"])

    own_agent.define("web", GOOD)
    own_agent.wait_row("web", lambda row: not row["message"], "the edit to be taken back")
    assert own_agent.row("web")["pid"] == back["pid"]
    assert Path(f"/proc/{back['pid']}").exists()
    assert own_agent.call("shutdown").returncode == 0
    assert own_agent.wait_end() == 0
    assert not Path(f"/proc/{back['pid']}").exists()


def test_without_it_the_edit_is_tried_again(own_agent: AgentProcess) -> None:
    before = own_agent.start().start_container("web")
    own_agent.define("web", definition(["/no/such/program"]))
    row = own_agent.wait_row("web", lambda row: row["restarts"] >= 1, "another try")
    assert row["bundle"] != before["bundle"]
    assert own_agent.end() == 0
