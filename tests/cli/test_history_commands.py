"""`orchestrator history`, `diff` and `rollback`, by generations that the real disk has written, and beside an agent
that is scripted."""

import json
import os
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.core.generations import collect_texts, make_generation
from orchestrator.core.status import describe_pin
from orchestrator.model.action import Target
from orchestrator.model.generation import Changed, Generation, Listed, Pin, RolledBack
from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed
from orchestrator.system.generations import HostGenerations
from orchestrator.system.lock import hold_lock
from orchestrator.testing.operator import FakeOperator
from tests.cli.helpers_beside import Beside, beside_agent
from tests.core.helpers_generations import PLUGINS, PROBLEM, make_target, text_of

A, B = text_of("a"), text_of("b") + 'env.GREETING = "hello"\n'
NOBODY = "orchestrator: no agent is running (run directory {run}): written down for the next one\n"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Directories of their own; the state directory is there."""
    monkeypatch.setenv("ORCHESTRATOR_STATE", f"{tmp_path}/state")
    monkeypatch.setenv("ORCHESTRATOR_RUN", f"{tmp_path}/run")
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", f"{tmp_path}/config")
    monkeypatch.setenv("TZ", "UTC")
    (tmp_path / "state").mkdir()
    (tmp_path / "config").mkdir()
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def store(layout: Layout) -> HostGenerations:
    """Three generations, half a minute after each other."""
    store, newest = HostGenerations(layout), None
    for number, texts in enumerate(({"web": A, "old": A}, {"web": B, "db": A}, {"web": B, "db": B}), 1):
        newest = write(store, newest, {name: make_target(name, text) for name, text in texts.items()}, number)
    return store


def write(store: HostGenerations, newest: Generation | None, desired: dict[str, Target], number: int) -> Generation:
    generation = make_generation(desired, newest, PLUGINS, number=number, at=30.0 * number)
    assert generation is not None
    store.write_now(generation, collect_texts(desired))
    return generation


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_the_history(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "history")
    assert (code, err) == (0, "")
    assert [line.split(maxsplit=4) for line in out.splitlines()[1:]] == [
        ["1", "1970-01-01", "00:00:30", "2", "added old, web"],
        ["2", "1970-01-01", "00:01:00", "2", "added db; removed old; changed web"],
        ["3", "1970-01-01", "00:01:30", "2", "changed db                          live"],
    ]


def test_the_history_for_programs(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_pin_now(Pin(number=2, at=1.0))
    code, out, err = run(capsys, "history", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    assert [(each["number"], each["live"], each["pinned"]) for each in listed] == [
        (1, False, False),
        (2, True, True),
        (3, False, False),
    ]
    assert listed[1]["changed"] == {"added": ["db"], "removed": ["old"], "changed": ["web"], "plugins": []}


def test_a_pin_is_told(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_pin_now(Pin(number=1, at=1.0))
    code, out, err = run(capsys, "history")
    assert (code, err) == (0, f"orchestrator: {describe_pin(1)}\n")
    assert out.splitlines()[1].endswith("live, pinned")


def test_a_damaged_generation_is_left_out(
    store: HostGenerations, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(layout.generation(2))
    path.write_text("{")
    code, out, err = run(capsys, "history")
    assert (code, len(out.splitlines())) == (0, 3)
    assert err.startswith(f"orchestrator: generation 2 left out: {path} is damaged: it is not JSON")
    assert path.exists(), "who only reads moves nothing"
    code, out, err = run(capsys, "diff", "2")
    assert (code, out) == (1, "")
    assert "is damaged" in err


def test_how_two_differ(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "diff", "1", "2") == (
        0,
        'db: added\nold: removed\nweb: changed\n  args: ["a"] → ["b"]\n  env.GREETING: default → "hello"\n',
        "",
    )
    assert run(capsys, "diff", "2", "1")[1].splitlines()[-1] == '  env.GREETING: "hello" → default'


def test_the_live_one_is_compared_with(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "diff", "2") == run(capsys, "diff", "2", "3")
    store.write_pin_now(Pin(number=2, at=1.0))
    assert run(capsys, "diff", "2") == (0, "generations 2 and 2 do not differ\n", "")


def test_how_two_differ_for_programs(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "diff", "2", "3", "--json")
    assert (code, err) == (0, "")
    (change,) = json.loads(out)["names"]
    assert (change["name"], change["how"], change["fields"][0]["path"]) == ("db", "changed", "args")


@pytest.mark.parametrize("damage", ["", 'args = ["c"'])
def test_a_text_that_cannot_be_told_of(
    store: HostGenerations, layout: Layout, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    for text in os.listdir(layout.texts):
        Path(layout.texts, text).write_text(damage)
    code, out, _ = run(capsys, "diff", "2", "3")
    assert code == 0
    assert out.startswith("db: changed\n  its fields are not known: ")
    assert len(out.splitlines()) == 2


def test_a_text_that_this_version_refuses(store: HostGenerations, capsys: pytest.CaptureFixture[str]) -> None:
    write(store, store.read(3), {"web": make_target("web", "nonesuch = 1\n")}, 4)
    code, out, _ = run(capsys, "diff", "3")
    assert code == 0
    assert "  its fields are not known: to this version its text has problems: " in out


@pytest.mark.parametrize("words", [["diff", "9"], ["diff", "1", "9"], ["rollback", "9"]])
def test_numbers_that_are_none(store: HostGenerations, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(capsys, *words) == (1, "", "orchestrator: there is no generation 9 (there is 1 to 3)\n")


@pytest.mark.parametrize("words", [["history"], ["diff", "1"], ["rollback"], ["rollback", "--resume"]])
def test_where_no_agent_ever_ran(layout: Layout, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    line = f"orchestrator: there is no generation ({layout.generations}): has an agent ever run?\n"
    assert run(capsys, *words) == (1, "", line)
    assert os.listdir(layout.state) == []


# Without an agent


def test_a_roll_back_is_written_down(
    store: HostGenerations, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = NOBODY.format(run=layout.run)
    assert run(capsys, "rollback") == (0, f"{describe_pin(2)}\n", nobody)
    assert run(capsys, "rollback") == (0, f"{describe_pin(1)}\n", nobody)
    pin = store.read_pin()
    assert pin is not None
    assert pin.number == 1
    line = "orchestrator: there is no generation before 1, which is live\n"
    assert run(capsys, "rollback") == (1, "", line)
    assert run(capsys, "rollback", "--resume") == (0, "the directory is followed again\n", nobody)
    assert store.read_pin() is None
    code, out, err = run(capsys, "rollback", "--resume")
    assert (code, out, err) == (1, "", "orchestrator: no generation is pinned: the directory is followed\n")


def test_what_cannot_be_followed_is_not_pinned(
    store: HostGenerations, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in os.listdir(layout.texts):
        Path(layout.texts, text).unlink()
    code, out, err = run(capsys, "rollback", "1")
    assert (code, out) == (1, "")
    assert "is damaged: no such file or directory" in err
    assert store.read_pin() is None


def test_an_agent_with_another_run_directory(
    store: HostGenerations, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the state directory, and would not know."""
    with hold_lock(layout.state_lock):
        code, out, err = run(capsys, "rollback", "1")
    assert (code, out) == (1, "")
    assert f"another agent (pid {os.getpid()}) has {layout.state}" in err
    assert store.read_pin() is None


# Beside an agent


def script(beside: Beside) -> FakeOperator:
    """Two generations."""
    beside.operator.generations = tuple(
        Listed(number=number, at=1.0, live=number == 7, pinned=False, definitions=1, changed=Changed(added=("web",)))
        for number in (6, 7)
    )
    return beside.operator


async def test_the_agent_is_asked(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        operator = script(beside)
        assert await beside.run("rollback") == (0, f"{describe_pin(6)}\n", "")
        assert await beside.run("rollback", "7") == (0, f"{describe_pin(7)}\n", "")
        assert await beside.run("rollback", "--resume") == (0, "the directory is followed again\n", "")
        assert operator.calls == [("roll_back", None), ("roll_back", 7), ("resume", None)]
        assert await beside.run("rollback", "9") == (1, "", "orchestrator: there is no generation 9\n")
        operator.fail("resume", DiskFailed("cannot write /x: No space left on device"))
        assert await beside.run("rollback", "--resume") == (
            1,
            "",
            "orchestrator: cannot write /x: No space left on device\n",
        )


async def test_what_comes_out_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with beside_agent(tmp_path, "/c") as beside:

        async def roll_back(number: int | None) -> RolledBack:
            return RolledBack(generation=6, differing=("a", "b", "c", "d"), problems=(PROBLEM,))

        monkeypatch.setattr(beside.operator, "roll_back", roll_back)
        assert await beside.run("rollback", "6") == (
            0,
            f"{describe_pin(6)}\n",
            f"orchestrator: {PROBLEM}\n"
            "orchestrator: of another bundle than they were then, since the host is another: a, b, c and 1 more\n",
        )
