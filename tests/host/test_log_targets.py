"""Where the output of an application goes, on real runtimes: a file with marks, the journal, nowhere."""

import os
import signal
from pathlib import Path

import pytest

from orchestrator.core.output import identify_stream
from orchestrator.system.logmarks import read_marks
from tests.host.agent_process import AgentProcess, definition
from tests.system.helpers_journal import run_with_journal

pytestmark = pytest.mark.real

CRASHES_ONCE = """
if [ -e /data/crashed ]; then echo up again; exec sleep 100000; fi
touch /data/crashed; echo first words; echo last words >&2; exit 3
"""
TALKS_ON_REQUEST = "trap 'seq 1 200000' USR1; echo up; while :; do sleep 100000 & wait; done"


def talking(max_size: str) -> str:
    """A definition of what writes 1.3 MB when it is sent SIGUSR1."""
    return definition(TALKS_ON_REQUEST, log={"type": "file", "max_size": max_size}, stop={"signal": "SIGKILL"})


def test_what_the_instance_before_a_crash_has_written(own_agent: AgentProcess, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    own_agent.start()
    mounts = {"/data": {"source": str(data)}}
    own_agent.define(
        "web", definition(CRASHES_ONCE, mounts=mounts, restart={"delay": "0s"}, stop={"signal": "SIGKILL"})
    )
    own_agent.wait_log("web", "up again\n")
    previous = own_agent.call("logs", "--previous", "web")
    assert (previous.returncode, previous.stdout, previous.stderr) == (0, "first words\nlast words\n", "")
    assert own_agent.call("logs", "--since", "1h", "web").stdout == "first words\nlast words\nup again\n"
    last = [mark for mark in read_marks(own_agent.layout.log("web")) if mark.instance is not None][-1]
    assert last.instance == own_agent.row("web")["instance"]
    explained = own_agent.call("status", "web").stdout.splitlines()
    assert explained[-3:] == ["  first words", "  last words", "  up again"]
    assert any("last exit: exited with code 3, " in line for line in explained)
    assert any(line.strip().startswith("processes: ") for line in explained)
    assert own_agent.end() == 0


def test_what_keeps_no_log_writes_nowhere(own_agent: AgentProcess) -> None:
    own_agent.start()
    own_agent.run_to_end("silent", "echo nobody reads this; echo nor this >&2", log="none")
    assert own_agent.row("silent")["log_target"] == "none"
    assert own_agent.row("silent")["log"] is None
    assert not Path(own_agent.layout.log("silent")).exists()
    told = own_agent.call("logs", "silent")
    assert (told.returncode, told.stdout) == (1, "")
    own_agent.define("broken", definition(["/no/such/program"], log="none", restart={"on_failure": "stop"}))
    row = own_agent.wait_state("broken", "failed")
    assert "/no/such/program" in row["message"], "in the runtime's own words, from its own log"
    assert own_agent.end() == 0


def test_another_bound_holds_for_what_runs(own_agent: AgentProcess) -> None:
    own_agent.start()
    row = own_agent.start_container("web", talking("8M"))
    own_agent.wait_log("web", "up\n")
    os.kill(row["pid"], signal.SIGUSR1)
    own_agent.wait_log("web", "200000\n")
    log = Path(own_agent.layout.log("web"))
    before = log.stat().st_blocks * 512
    assert before > 1_000_000
    own_agent.define("web", talking("64K"))
    own_agent.wait_until(lambda: log.stat().st_blocks * 512 < 200_000, "the log to be cut though nobody writes")
    assert own_agent.row("web")["instance"] == row["instance"]
    assert own_agent.call("logs", "-n", "1", "web").stdout == "200000\n"
    assert own_agent.end() == 0


THROUGH_THE_JOURNAL = """
identifier=$1; shift
"$@" >&2
journalctl --sync
journalctl -q -t "$identifier" -o cat
"""


def test_the_journal_takes_the_output_as_that_of_this_agents_container(own_agent: AgentProcess) -> None:
    """A oneshot and an agent that runs it once, beside a journal of their own."""
    text = definition("echo hello; echo '<3>bad' >&2", type="oneshot", log="journal")
    own_agent.define("talks", text)
    identifier = identify_stream(own_agent.layout.run, "talks")
    shown = run_with_journal(THROUGH_THE_JOURNAL, identifier, *own_agent.command("--once"))
    assert shown == "hello\nbad\n"
    assert not Path(own_agent.layout.log("talks")).exists()
    assert [mark.position for mark in read_marks(own_agent.layout.log("talks"))] == [0]
