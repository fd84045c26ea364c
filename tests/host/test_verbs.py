"""Every verb where it cannot do its work: no agent, one that was killed or hangs, somebody without rights, names that
are not there, wrong usage. Each says so in a line for each thing that is wrong, and never with a traceback.

What it says stands in `tests.host.verb_tables`.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.cli.main import VERBS, main
from tests.host.agent_process import AgentProcess, definition, orchestrator
from tests.host.host_view import read_process_state
from tests.host.verb_calls import Places, Row, call, call_as_stranger, check_call, verbs_of, verbs_with
from tests.host.verb_tables import EMPTY, KILLED, MISSING, STRANGERS, UNHEARD, UNKNOWN, USAGE, WAITING

pytestmark = pytest.mark.real

HURRIED = """
import sys
from orchestrator.api import client
from orchestrator.cli import main
client.PATIENCE = 0.2
sys.exit(main())
"""
"""The program with less patience."""


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder that all may pass through, other than pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def agent(base: Path) -> Iterator[AgentProcess]:
    """An agent with a container ``web``."""
    with AgentProcess(base, "runc") as agent:
        start_web(agent)
        yield agent
        assert agent.end() == 0, agent.describe()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """An agent that was killed while its container ``web`` ran."""
    with AgentProcess(tmp_path_factory.mktemp("killed"), "runc") as agent:
        start_web(agent)
        agent.kill()
        yield agent


def start_web(agent: AgentProcess) -> None:
    """Start the agent and its container, and wait until all is told of it."""
    agent.start().start_container("web")
    events = Path(agent.layout.events)
    agent.wait_until(lambda: '"web"' in events.read_text(), "the start of web to be in the event log")
    agent.wait_until(lambda: os.path.exists(agent.layout.generation(1)), "the first generation")


def prepare(base: Path) -> Places:
    """The places below a folder, with a definition that nobody watches."""
    places = Places.below(base)
    places.scratch.mkdir(exist_ok=True)
    (places.scratch / "new.toml").write_text(definition())
    return places


@pytest.mark.parametrize(
    "table",
    [EMPTY, MISSING, KILLED, (*UNHEARD, *WAITING), STRANGERS, USAGE],
    ids=["empty", "missing", "killed", "hangs", "strangers", "usage"],
)
def test_every_verb_stands_in_each_table(table: tuple[Row, ...]) -> None:
    assert verbs_of(table) == set(VERBS)


def test_every_verb_that_takes_names_is_tried_with_those_that_are_not_there() -> None:
    assert verbs_of(UNKNOWN) == verbs_with("name", "names")


@pytest.mark.parametrize("row", EMPTY, ids=str)
def test_where_no_agent_ever_ran(tmp_path: Path, row: Row) -> None:
    places = prepare(tmp_path)
    for folder in (places.config, places.state, places.run):
        folder.mkdir()
    check_call(call(places, row), row, places)


@pytest.mark.parametrize("row", MISSING, ids=str)
def test_where_there_are_no_directories(tmp_path: Path, row: Row) -> None:
    places = prepare(tmp_path)
    check_call(call(places, row), row, places)
    if row.verb != "run":
        assert os.listdir(tmp_path) == ["scratch"], "who only asks makes nothing"


@pytest.mark.parametrize("row", USAGE, ids=str)
def test_wrong_usage(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(row.words.split())
    out, err = capsys.readouterr()
    check_call(subprocess.CompletedProcess(row.words, code, out, err), row)
    assert out == ""


@pytest.mark.parametrize("row", UNKNOWN, ids=str)
def test_names_that_are_not_there(agent: AgentProcess, row: Row) -> None:
    places, before = Places.below(agent.base), agent.row("web")
    done = call(places, row)
    check_call(done, row, places)
    assert agent.row("web") == before
    if row.verb not in ("logs", "events"):  # these show what there is
        assert done.stdout == ""


@pytest.mark.parametrize("row", STRANGERS, ids=str)
def test_a_stranger(agent: AgentProcess, tmp_path: Path, row: Row) -> None:
    prepare(tmp_path)
    places, before = prepare(agent.base), agent.row("web")
    done = call_as_stranger(places, row, tmp_path)
    check_call(done, row, places)
    assert (done.stdout == "") == (row.code != 0)
    assert agent.row("web") == before


@pytest.mark.parametrize("row", UNHEARD, ids=str)
def test_what_goes_on_while_the_agent_hangs(agent: AgentProcess, tmp_path: Path, row: Row) -> None:
    places = evolve(Places.below(agent.base), scratch=prepare(tmp_path).scratch)
    with hanging(agent):
        done = call(places, row)
    check_call(done, row, places, pid=agent.pid)


@pytest.mark.parametrize("row", WAITING, ids=str)
def test_who_waits_for_an_agent_that_hangs_can_be_interrupted(agent: AgentProcess, row: Row) -> None:
    places = Places.below(agent.base)
    with hanging(agent):
        waiting = count_waiting(agent)
        process = subprocess.Popen(
            [orchestrator(), *row.words.split()],
            env=places.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        agent.wait_until(lambda: count_waiting(agent) > waiting, f"{row} to connect")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    check_call(subprocess.CompletedProcess(row.words, process.returncode, out, err), row, places)
    assert out == ""


@pytest.mark.parametrize(
    ("words", "more"), [("show web", ""), ("stop web", "; what it was asked it does when it goes on")]
)
def test_who_has_waited_long_enough_is_told(agent: AgentProcess, words: str, more: str) -> None:
    places = Places.below(agent.base)
    agent.call("start", "web")
    with hanging(agent):
        done = call(places, Row(words), (sys.executable, "-c", HURRIED))
    line = f"the agent at {agent.layout.control} does not answer within 0.2 s{more}"
    check_call(done, Row(words, 1, line), places)
    if more:
        agent.wait_state("web", "stopped")


@pytest.mark.parametrize("row", KILLED, ids=str)
def test_after_an_agent_that_was_killed(killed: AgentProcess, row: Row) -> None:
    places = prepare(killed.base)
    check_call(call(places, row), row, places)
    if row.verb == "run":
        assert not killed.rows(), "it has ended what was left"
    else:
        assert killed.row("web")["state"] == "running"


@contextmanager
def hanging(agent: AgentProcess) -> Iterator[None]:
    """The agent does nothing for as long as the block takes."""
    agent.process.send_signal(signal.SIGSTOP)
    agent.wait_until(lambda: read_process_state(agent.pid) == "T", "the agent to stop")
    try:
        yield
    finally:
        agent.process.send_signal(signal.SIGCONT)


def count_waiting(agent: AgentProcess) -> int:
    """How many clients have connected that the agent has not accepted yet, and its socket (proc_net_unix(5))."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(f" {agent.layout.control}") for line in lines)
