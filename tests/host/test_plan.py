"""`orchestrator plan` beside a real agent, and by the state files that one has left which was killed: an edit of each
class, as data and for people."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.host.agent_process import AgentProcess, definition
from tests.host.verb_calls import Places, Row, call

pytestmark = pytest.mark.real

SCRIPT = "trap 'exit 0' TERM; while :; do sleep 100000 & wait; done"
BEFORE = definition(SCRIPT, env={"LANG": "C"}, restart={"delay": "1s"}, resources={"memory": "64M"})

EDITS: dict[str, tuple[str | None, str, list[tuple[str, Any, Any]]]] = {
    "commented": (f"# more of the same\n{BEFORE}", "nothing", []),
    "reordered": ("".join(reversed(BEFORE.splitlines(keepends=True))), "nothing", []),
    "patient": (BEFORE.replace("1s", "5s"), "retune", [("restart.delay", "1s", "5s")]),
    "larger": (BEFORE.replace("64M", "128M"), "update", [("resources.memory", "64M", "128M")]),
    "other": (BEFORE.replace('"C"', '"C.UTF-8"'), "replace", [("env.LANG", "C", "C.UTF-8")]),
    "everything": (
        BEFORE.replace("1s", "5s").replace("64M", "128M").replace('"C"', '"C.UTF-8"'),
        "replace",
        [("env.LANG", "C", "C.UTF-8"), ("resources.memory", "64M", "128M"), ("restart.delay", "1s", "5s")],
    ),
    "removed": (None, "stop", []),
    "held": (BEFORE, "nothing", []),
    "held-too": (BEFORE.replace('"C"', '"C.UTF-8"'), "nothing", []),
}
"""By name: the text after the edit (None: the file is removed), what is to be done, and the fields that differ. All
but the last two run."""
HELD = ("held", "held-too")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """An agent with a container for each edit, not made yet."""
    with AgentProcess(tmp_path_factory.mktemp("host"), "runc") as agent:
        for name in EDITS:
            agent.define(name, BEFORE)
        agent.start()
        for name in EDITS:
            agent.wait_state(name, "running")
        assert agent.call("stop", *HELD).returncode == 0
        yield agent


@pytest.fixture(scope="module")
def killed(agent: AgentProcess) -> AgentProcess:
    """The same after its death, and before any edit."""
    agent.kill()
    return agent


@pytest.fixture(scope="module")
def edited(killed: AgentProcess) -> AgentProcess:
    """The same with all edits made, and a file more."""
    for name, (text, _, _) in EDITS.items():
        if text is None:
            (killed.config / f"{name}.toml").unlink()
        else:
            killed.define(name, text)
    killed.define("new", BEFORE)
    return killed


def plan(agent: AgentProcess) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit code, entries by name, and what is said on stderr."""
    done = call(Places.below(agent.base), Row("plan --json"))
    entries = json.loads(done.stdout)
    assert [entry["name"] for entry in entries] == sorted(entry["name"] for entry in entries)
    assert {tuple(entry) for entry in entries} == {("name", "verb", "held", "fields", "problems")}
    return done.returncode, {entry["name"]: entry for entry in entries}, done.stderr


def check_nothing_to_do(code: int, entries: dict[str, dict[str, Any]]) -> None:
    assert code == 0
    assert {entry["verb"] for entry in entries.values()} == {"nothing"}
    assert {name for name, entry in entries.items() if entry["held"]} == set(HELD)
    assert entries.keys() == EDITS.keys()


def test_an_agent_that_runs_has_nothing_to_do(agent: AgentProcess) -> None:
    code, entries, said = plan(agent)
    check_nothing_to_do(code, entries)
    assert said == ""


def test_an_agent_that_runs_tells_problems(agent: AgentProcess) -> None:
    agent.define("commented", f"{BEFORE}ags = 1\n")
    code, entries, said = plan(agent)
    (problem,) = entries["commented"]["problems"]
    assert (code, said, entries["commented"]["verb"]) == (1, "", "nothing")
    assert problem["file"] == f"{agent.config}/commented.toml"
    assert (problem["line"], problem["path"]) == (len(BEFORE.splitlines()) + 1, "ags")
    agent.define("commented", BEFORE)
    agent.wait_row("commented", lambda row: not row["problems"], "to be mended")


def test_what_was_left_is_as_it_should_be(killed: AgentProcess) -> None:
    code, entries, said = plan(killed)
    check_nothing_to_do(code, entries)
    line = f"orchestrator: no agent is running (run directory {killed.run}): comparing with the state files\n"
    assert said == line


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_each_class(edited: AgentProcess, name: str) -> None:
    _, verb, fields = EDITS[name]
    code, entries, _ = plan(edited)
    entry = entries[name]
    assert (code, entry["verb"], entry["held"], entry["problems"]) == (2, verb, name in HELD, [])
    if name not in HELD:  # whatever differs, nothing is done about it
        assert [(each["path"], each["old"], each["new"]) for each in entry["fields"]] == fields


def test_a_new_file(edited: AgentProcess) -> None:
    assert plan(edited)[1]["new"] == {"name": "new", "verb": "start", "held": False, "fields": [], "problems": []}


def test_all_for_people(edited: AgentProcess) -> None:
    done = call(Places.below(edited.base), Row("plan"))
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "everything: replace",
        '  env.LANG: "C" → "C.UTF-8"',
        '  resources.memory: "64M" → "128M"',
        '  restart.delay: "1s" → "5s"',
        "held: nothing: an operator has stopped it",
        "held-too: nothing: an operator has stopped it",
        "larger: update",
        '  resources.memory: "64M" → "128M"',
        "new: start",
        "other: replace",
        '  env.LANG: "C" → "C.UTF-8"',
        "patient: retune",
        '  restart.delay: "1s" → "5s"',
        "removed: stop",
        "1 to retune, 1 to update, 2 to replace, 1 to start, 1 to stop, 2 unchanged, 2 held",
    ]
    assert edited.row("removed")["state"] == "running", "it only says so"


def test_a_problem_is_an_error_whatever_else_is_to_do(edited: AgentProcess) -> None:
    edited.define("broken", "args = []\n")
    code, entries, _ = plan(edited)
    assert code == 1
    assert entries["broken"]["problems"]
    assert entries["new"]["verb"] == "start"
