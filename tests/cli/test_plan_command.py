"""`orchestrator plan`, beside an agent that is scripted, and by state files that the real disk has written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from orchestrator.cli import main
from orchestrator.cli.compiling import compile_directory
from orchestrator.core.generations import collect_texts, make_generation
from orchestrator.core.status import describe_pin
from orchestrator.model.action import FieldChange, Planned, Target, Verb
from orchestrator.model.generation import Pin
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Edit
from orchestrator.model.state import AgentState, InstanceState, NameState, PublicState, Step
from orchestrator.model.types import Size
from orchestrator.ports import Refused
from orchestrator.system.disk import HostDisk
from orchestrator.system.generations import HostGenerations
from orchestrator.system.states import read_start_time
from orchestrator.testing.operator import AGENT
from tests.cli.helpers_beside import beside_agent

WEB = 'args = ["/bin/sh", "-c", "exec sleep 100"]\nrootfs = "host"\n'
PROBLEM = Problem("/c/db.toml", 3, 7, "args", "cannot be empty", "write one")


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Directories of their own, and an empty one of definitions at ``config``."""
    monkeypatch.setenv("ORCHESTRATOR_RUN", f"{tmp_path}/run")
    monkeypatch.setenv("ORCHESTRATOR_STATE", f"{tmp_path}/state")
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", f"{tmp_path}/config")
    (tmp_path / "config").mkdir()
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def config(layout: Layout) -> Path:
    return Path(layout.state).parent / "config"


def target_of(config: Path, name: str) -> Target:
    """What a definition of the directory compiles to on this host."""
    target = compile_directory(str(config)).desired[name]
    assert isinstance(target, Target), target
    return target


def record(layout: Layout, name: str, target: Target, **changes: Any) -> None:  # noqa: ANN401 - fields of NameState
    """Write down that a container runs which was made from ``target``: its process is this one."""
    disk = HostDisk(layout)
    disk.make_folders()
    disk.store_bundle(target.bundle)
    start_time = read_start_time(os.getpid())
    state = NameState(
        name=name,
        state=PublicState.RUNNING,
        since=1000.0,
        instance=f"{name}-1",
        bundle=target.bundle.digest,
        pid=os.getpid(),
        pid_start_time=start_time,
        edit=Edit(file=f"{name}.toml", modified_at=1.0, digest="0"),
        fields=dict(target.fields),
    )
    disk.write_name(evolve(state, **changes))
    instance = InstanceState(
        name=name,
        instance=f"{name}-1",
        bundle=target.bundle.digest,
        runtime="/r",
        root="/r",
        folder="/f",
        rootfs="/f",
        cgroups_path="/g",
        log="/l",
        step=Step.RUNNING,
        created_at=1.0,
        resources=target.resources,
        policy=target.policy,
    )
    disk.write_instance(instance)


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of ``orchestrator plan`` where no agent runs."""
    code = main(["plan", *arguments])
    out, err = capsys.readouterr()
    assert err.splitlines()[0].endswith("comparing with the state files")
    return code, out.splitlines()


async def test_the_agent_is_asked(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        beside.operator.planned = (
            Planned(name="a", verb=Verb.NOTHING),
            Planned(name="db", verb=Verb.REPLACE, fields=(FieldChange("env.LANG", "C", "C.UTF-8"),)),
            Planned(name="held", verb=Verb.NOTHING, held=True),
            Planned(name="new", verb=Verb.START),
        )
        assert await beside.run("plan") == (
            2,
            'db: replace\n  env.LANG: "C" → "C.UTF-8"\nheld: nothing: an operator has stopped it\nnew: start\n'
            "1 to replace, 1 to start, 1 unchanged, 1 held\n",
            "",
        )
        code, out, err = await beside.run("plan", "--json")
        assert (code, err) == (2, "")
        assert json.loads(out)[1] == {
            "name": "db",
            "verb": "replace",
            "held": False,
            "fields": [{"path": "env.LANG", "old": "C", "new": "C.UTF-8"}],
            "problems": [],
        }


async def test_nothing_to_do(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        assert await beside.run("plan") == (0, "1 unchanged\n", "")


async def test_problems_are_an_error_whatever_else_is_to_do(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        beside.operator.planned = (
            Planned(name="db", verb=Verb.NOTHING, problems=(PROBLEM,)),
            Planned(name="web", verb=Verb.STOP),
        )
        assert await beside.run("plan") == (1, f"web: stop\n{PROBLEM}\n1 to stop, 1 with problems\n", "")


async def test_an_agent_that_refuses(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        beside.operator.fail("plan", Refused("cannot read the directory /c", (PROBLEM,)))
        assert await beside.run("plan") == (
            1,
            "",
            f"orchestrator: {PROBLEM}\norchestrator: cannot read the directory /c\n",
        )


async def test_a_pin_is_told(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        HostDisk(beside.layout).write_agent(evolve(beside.operator.agent, pinned=7))
        assert await beside.run("plan") == (0, "1 unchanged\n", f"orchestrator: {describe_pin(7)}\n")


async def test_another_directory_is_compared_and_the_agent_not_asked(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "new.toml").write_text(WEB)
    async with beside_agent(tmp_path, f"{tmp_path}/c") as beside:
        assert await beside.run("plan", str(other)) == (2, "new: start\n1 to start\n", "")
        assert await beside.run("plan", "--config", str(other)) == (2, "new: start\n1 to start\n", "")
        assert ("plan", None) not in beside.operator.calls
        (tmp_path / "c").symlink_to(other)
        assert (await beside.run("plan", str(other)))[1] == "1 unchanged\n", "it is the agent's own"


def keep(layout: Layout, config: Path) -> None:
    """Keep what the directory says as the first generation."""
    desired = compile_directory(str(config)).desired
    generation = make_generation(desired, None, {}, number=1, at=1.0)
    assert generation is not None
    HostGenerations(layout).write_now(generation, collect_texts(desired))


def test_without_an_agent_a_broken_file_starts_by_its_last_good_definition(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("held", "runs", "web"):
        (config / f"{name}.toml").write_text(WEB)
    keep(layout, config)
    record(layout, "runs", target_of(config, "runs"))
    HostDisk(layout).hold("held")
    for name in ("held", "runs", "web", "new"):
        (config / f"{name}.toml").write_text("args = 3\n")
    code, lines = plan(capsys)
    assert code == 1
    assert lines[:2] == ["held: nothing: an operator has stopped it", "web: start by its last good definition"]
    assert lines[-1] == "1 to start, 3 with problems"
    code, lines = plan(capsys, str(config))
    assert lines[-1] == "4 with problems", "of another directory nothing is kept"


def test_without_an_agent_what_would_wait_for_a_last_good_definition_that_waits_for_it_is_a_problem(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "a.toml").write_text(f'{WEB}after = ["b"]\n')
    (config / "b.toml").write_text(WEB)
    keep(layout, config)
    (config / "a.toml").write_text("args = 3\n")
    (config / "b.toml").write_text(f'{WEB}after = ["a"]\n')
    code, lines = plan(capsys)
    assert code == 1
    assert lines[:2] == ["a: start by its last good definition", "b: start by its last good definition"]
    assert any("they wait for each other: b → a → b" in line for line in lines)


def test_without_an_agent_what_is_pinned_counts(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "web.toml").write_text(WEB)
    keep(layout, config)
    (config / "web.toml").unlink()
    (config / "new.toml").write_text(WEB)
    HostGenerations(layout).write_pin_now(Pin(number=1, at=1.0))
    assert main(["plan"]) == 2
    out, err = capsys.readouterr()
    assert out == "web: start\n1 to start\n"
    assert err.splitlines()[1] == f"orchestrator: {describe_pin(1)}"


def test_without_an_agent_all_would_be_started(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "web.toml").write_text(WEB)
    assert plan(capsys) == (2, ["web: start", "1 to start"])


def test_what_runs_as_it_should(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    record(layout, "web", target_of(config, "web"))
    assert plan(capsys) == (0, ["1 unchanged"])


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ('env.LANG = "C"', ["web: replace", '  env.LANG: default → "C"', "1 to replace"]),
        ('resources.memory = "64M"', ["web: update", '  resources.memory: default → "64M"', "1 to update"]),
        ('restart.delay = "5s"', ["web: retune", '  restart.delay: default → "5s"', "1 to retune"]),
    ],
)
def test_what_an_edit_would_do(
    layout: Layout, config: Path, more: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "web.toml").write_text(WEB)
    record(layout, "web", target_of(config, "web"))
    (config / "web.toml").write_text(f"{WEB}{more}\n")
    assert plan(capsys) == (2, lines)


def test_what_is_only_written_in_another_way(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    record(layout, "web", target_of(config, "web"))
    (config / "web.toml").write_text(f'{WEB}network = "none"\n')
    assert plan(capsys) == (0, ["1 unchanged"])


def test_what_the_host_makes_of_the_same_text(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    target = target_of(config, "web")
    process = {**target.bundle.config["process"], "env": ["HOME=/old", "PATH=/bin"]}
    bundle = evolve(target.bundle, digest="0" * 64, config={**target.bundle.config, "process": process})
    record(layout, "web", evolve(target, bundle=bundle))
    code, lines = plan(capsys)
    assert (code, lines[0], lines[-1]) == (2, "web: replace", "1 to replace")
    assert '  host:process.env.HOME: "/old" → "/root"' in lines


def test_a_bundle_that_is_not_stored_any_more(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    target = target_of(config, "web")
    record(layout, "web", target, bundle="0" * 64)
    code, lines = plan(capsys)
    assert (code, lines[1]) == (2, f'  host:bundle: "{"0" * 12}" → "{target.bundle.digest[:12]}"')


def test_applied_limits_that_are_others(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An update that failed: the text is the same, what holds is not."""
    (config / "web.toml").write_text(WEB)
    record(layout, "web", evolve(target_of(config, "web"), resources=Resources(memory=Size(2**26))))
    assert plan(capsys)[1][0] == "web: update"


def test_names_without_a_file_are_stopped_and_what_is_gone_is_started(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "web.toml").write_text(WEB)
    target = target_of(config, "web")
    record(layout, "web", target, pid_start_time=1)
    record(layout, "old", target)
    record(layout, "older", target, pid_start_time=1)
    assert plan(capsys) == (2, ["old: stop", "web: start", "1 to start, 1 to stop"])


def test_what_is_held_is_not_started(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    record(layout, "web", target_of(config, "web"), pid=None, pid_start_time=None, held=True)
    HostDisk(layout).hold("web")
    assert plan(capsys) == (0, ["web: nothing: an operator has stopped it", "1 held"])


def test_what_is_held_is_not_started_after_an_agent_has_ended_in_order(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has removed what it told of its names; the next one goes by what an operator has stopped."""
    (config / "web.toml").write_text(WEB)
    disk = HostDisk(layout)
    disk.hold("web")
    disk.forget_names(())
    assert plan(capsys) == (0, ["web: nothing: an operator has stopped it", "1 held"])
    disk.release("web")
    assert plan(capsys) == (2, ["web: start", "1 to start"])


def test_problems_of_every_kind(layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "web.toml").write_text(WEB)
    record(layout, "web", target_of(config, "web"))
    (config / "web.toml").write_text("args = []\n")
    (config / "Bad.toml").write_text(WEB)
    (config / "two.toml").write_text(WEB)
    (config / "two.json").write_text("{}")
    code, lines = plan(capsys)
    assert code == 1
    assert [line.split(": ")[0].removeprefix(f"{config}/") for line in lines] == [
        "Bad.toml:1:1",
        "two.json:1:1",
        "two.toml:1:1",
        "web.toml:1:8",
        "2 with problems",
    ]
    assert main(["plan", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [each["name"] for each in json.loads(out) if each["problems"]] == ["two", "web"]
    assert "Bad.toml:1:1" in err


def test_names_that_wait_for_each_other_or_are_not_there(
    layout: Layout, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "web.toml").write_text(WEB + 'after = ["db"]\n')
    (config / "db.toml").write_text(WEB + 'requires = ["web"]\n')
    (config / "api.toml").write_text(WEB + 'requires = ["wbe"]\n')
    code, lines = plan(capsys)
    assert code == 1
    assert [line.partition(": ")[2] for line in lines[:-1]] == [
        'requires[0]: there is no definition of "wbe" (did you mean "web"?)',
        "requires[0]: they wait for each other: db → web → db (take one of them away)",
        "after[0]: they wait for each other: web → db → web (take one of them away)",
    ]


def test_a_directory_that_is_not_there(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "/nowhere"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1] == ("orchestrator: cannot read the directory /nowhere: no such file or directory")


async def test_a_socket_where_nobody_listens(tmp_path: Path) -> None:
    """An agent that lives and does not serve: one clear line."""
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    start_time = read_start_time(os.getpid()) or 0
    agent: AgentState = evolve(AGENT, pid=os.getpid(), pid_start_time=start_time)
    HostDisk(layout).make_folders()
    HostDisk(layout).write_agent(agent)
    command = ("plan", "--run", layout.run, "--state", layout.state)
    done = await trio.run_process(
        [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())", *command],
        stdin=subprocess.DEVNULL,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("orchestrator: ")
    assert layout.control in line
