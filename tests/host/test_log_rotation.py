"""The log of a container that writes faster than anybody reads: bounded on disk, whole lines for readers."""

import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.core.trim import DEFAULT_BOUND
from tests.host.agent_process import PATIENCE, AgentProcess, definition, orchestrator

pytestmark = pytest.mark.real

WRITER = (
    "i=0; while :; do seq -f 'line %012.0f of the fast writer' $i $((i + 49999)); i=$((i + 50000)); sleep 0.05; done"
)
LINE = re.compile(r"line (\d{12}) of the fast writer\n")
A_LINE = "line 000000000000 of the fast writer\n"
ROUNDS = 4
"""How often the head is dropped while the test looks."""


def dropped_bytes(log: Path) -> int:
    record = log.with_name(f"{log.name}.dropped")
    return int(record.read_text() or 0) if record.exists() else 0


def test_a_fast_writer_stays_bounded_and_readers_get_whole_lines(own_agent: AgentProcess) -> None:
    own_agent.start().start_container("writer", definition(WRITER, stop={"signal": "SIGKILL"}))
    log = Path(own_agent.layout.log("writer"))
    follower = subprocess.Popen(
        (orchestrator(), "logs", "-f", "-n", "10", "--state", str(own_agent.state), "writer"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with follower:
        assert follower.stdout is not None
        largest, drops, seen = 0, 0, 0

        def look() -> bool:
            nonlocal largest, drops, seen
            largest = max(largest, log.stat().st_blocks * 512)
            if (count := dropped_bytes(log)) > seen:
                drops, seen = drops + 1, count
            return drops >= ROUNDS

        followed = [follower.stdout.readline()]  # so that it has begun
        own_agent.wait_until(look, f"{ROUNDS} drops")
        # The writer makes 2 MiB at a time and pauses; what comes between a look and its cut is allowed for.
        assert largest < 3 * DEFAULT_BOUND
        shown = own_agent.call("logs", "-n", "5000", "writer")
        followed += [follower.stdout.readline() for _ in range(200_000)]
        follower.terminate()
        _, complaints = follower.communicate(timeout=PATIENCE)
    assert len(shown.stdout.splitlines()) >= 5000, "and what is written while they are shown"
    assert_whole(shown.stdout, told_of_gaps="dropped" in shown.stderr)
    assert_whole("".join(followed), told_of_gaps="dropped" in complaints)
    assert own_agent.row("writer")["restarts"] == 0
    assert own_agent.end() == 0


def assert_whole(text: str, *, told_of_gaps: bool) -> None:
    """All are lines of the writer's, in their order. None is missing and none is torn unless the reader was told of
    dropped bytes: then a line that was begun may end before the gap."""
    lines = text.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines.pop()  # the writer is in the middle of it
    before, begun = None, False
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None:
            assert told_of_gaps, line
            assert not begun, line
            assert A_LINE.startswith(line.removesuffix("\n")[:5]), line
            assert len(line) < len(A_LINE), line
            begun = True
            continue
        number = int(match[1])
        if before is not None and number != before + 1:
            assert told_of_gaps, (before, number)
            assert number > before
        else:
            assert not begun, "a line is torn only where a gap follows"
        before, begun = number, False


def test_a_log_is_kept_bounded_by_the_next_agent(own_agent: AgentProcess) -> None:
    own_agent.exit_policy = "leave"
    own_agent.start().start_container("writer", definition(WRITER, stop={"signal": "SIGKILL"}))
    log = Path(own_agent.layout.log("writer"))
    dropped = own_agent.wait_until(lambda: dropped_bytes(log), "a first drop")
    own_agent.kill()
    # Nobody bounds it while there is no agent; that the application goes on writing is the point.
    own_agent.wait_until(lambda: log.stat().st_blocks * 512 > 4 * DEFAULT_BOUND, "a log that nobody bounds")
    own_agent.start()
    own_agent.wait_until(lambda: dropped_bytes(log) > dropped + 2 * DEFAULT_BOUND, "a drop by the next agent")
    own_agent.wait_until(lambda: log.stat().st_blocks * 512 < 3 * DEFAULT_BOUND, "a log that is bounded again")
    shown = own_agent.call("logs", "-n", "1000", "writer")
    assert len(shown.stdout.splitlines()) >= 1000
    assert_whole(shown.stdout, told_of_gaps="dropped" in shown.stderr)
    assert own_agent.row("writer")["restarts"] == 0
    assert own_agent.call("shutdown").returncode == 0
    assert own_agent.wait_end() == 0


def test_a_log_outlives_its_container_and_its_instances_follow_each_other(own_agent: AgentProcess) -> None:
    own_agent.start()
    own_agent.define("short", definition("echo $RUN", env={"RUN": "first"}, type="oneshot"))
    own_agent.wait_log("short", "first\n")
    own_agent.wait_state("short", "completed")
    own_agent.define("short", definition("echo $RUN", env={"RUN": "second"}, type="oneshot"))
    own_agent.wait_log("short", "second\n")
    own_agent.remove("short")
    assert own_agent.call("logs", "short").stdout == "first\nsecond\n"
    assert own_agent.call("logs", "-n", "1", "short").stdout == "second\n"
    missing = own_agent.call("logs", "never")
    assert missing.returncode == 1
    assert len(missing.stderr.splitlines()) == 1
    assert own_agent.end() == 0
