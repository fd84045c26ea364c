"""Two agents on a host with directories of their own; and one whose run directory has a path longer than a socket's
address may be."""

import shlex
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.system.socketpath import LONGEST_ADDRESS
from tests.host.agent_process import AgentProcess, definition, orchestrator
from tests.host.verb_calls import Places, options_of, run_program, verbs_with

pytestmark = pytest.mark.real

OTHER = {"alpha": "beta", "beta": "alpha"}
"""The two agents, and the name of a container that only the one has."""

CALLS = {
    "check": ("{config}", "2 definitions, 0 problems"),
    "plan": ("", "2 unchanged"),
    "status": ("--json", '"{own}"'),
    "logs": ("web", "I am {own}"),
    "events": ("--json", '"{own}"'),
    "show": ("web", "echo I am {own};"),
    "exec": ("web -- sh -c 'echo $WHO'", "{own}\n"),
    "stop": ("--all --json", '"{own}"'),
    "start": ("--all --json", '"{own}"'),
    "restart": ("web {own}", "{own}: running"),
    "kill": ("{own} CONT", ""),
    "doctor": ("--runtime runc", "{run}/control.sock answers"),
    "history": ("--json", '"{own}"'),
    "diff": ("1 1 --json", '"old": 1'),
    "rollback": ("1", "generation 1"),
    "volumes": ("", ""),
}
"""What each verb is given, and what it says then."""


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, AgentProcess]]:
    """Each with a container of its own name and one called ``web``."""
    with (
        AgentProcess(tmp_path_factory.mktemp("one"), "runc") as alpha,
        AgentProcess(tmp_path_factory.mktemp("two"), "runc") as beta,
    ):
        agents = {"alpha": alpha, "beta": beta}
        for own, agent in agents.items():
            for name in ("web", own):
                script = f"echo I am {own}; trap 'exit 0' TERM; while :; do sleep 100000 & wait; done"
                agent.define(name, definition(script, env={"WHO": own}))
            agent.start(settled=False)
        for own, agent in agents.items():
            for name in ("web", own):
                agent.wait_log(name, "I am")
            agent.wait_settled()
            generations = agent.state / "generations"
            agent.wait_until(partial(_is_filled, generations), "the first generation")
        yield agents


def _is_filled(folder: Path) -> bool:
    return any(folder.glob("*.jsonl"))


def call(verb: str, words: str, agent: AgentProcess, other: AgentProcess) -> subprocess.CompletedProcess[str]:
    """A verb with the directories of one agent as options, and those of the other in its environment."""
    places = Places.below(agent.base)
    command = [orchestrator(), verb, *options_of(verb, places), *shlex.split(words)]
    return run_program(command, Places.below(other.base))


def test_every_verb_that_goes_by_directories_is_tried() -> None:
    by_option = verbs_with("config", "config_dir", "state", "run")
    assert CALLS.keys() == by_option - {"run", "shutdown"} | {"check"}


@pytest.mark.parametrize("own", OTHER)
@pytest.mark.parametrize("verb", CALLS)
def test_each_verb_reaches_its_own(agents: dict[str, AgentProcess], verb: str, own: str) -> None:
    agent, other = agents[own], agents[OTHER[own]]
    before = other.rows()
    words, said = (text.format(own=own, config=agent.config, run=agent.run) for text in CALLS[verb])
    done = call(verb, words, agent, other)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout
    for foreign in (OTHER[own], str(other.base)):
        assert foreign not in done.stdout
    assert other.rows() == before


@pytest.mark.parametrize("taken", ["run", "state"])
def test_a_second_agent_on_one_of_the_directories_is_refused(
    agents: dict[str, AgentProcess], taken: str, tmp_path: Path
) -> None:
    agent = agents["alpha"]
    before = agent.rows()
    given = {"config": agent.config, "state": tmp_path / "state", "run": tmp_path / "run"}
    given[taken] = getattr(agent, taken)
    words = [word for name, path in given.items() for word in (f"--{name}", str(path))]
    done = run_program([orchestrator(), "run", "--runtime", "runc", *words], Places.below(tmp_path))
    line = f"orchestrator: another agent (pid {agent.pid}) has {given[taken]}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert not (tmp_path / "run" / "control.sock").exists()
    assert agent.rows() == before
    assert call("plan", "", agent, agents["beta"]).returncode == 0


def test_one_is_shut_down_and_the_other_runs(agents: dict[str, AgentProcess]) -> None:
    alpha, beta = agents["alpha"], agents["beta"]
    before = beta.rows()
    done = call("shutdown", "", alpha, beta)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (alpha.wait_end(), beta.rows()) == (0, before)
    assert call("plan", "", beta, alpha).stdout == "2 unchanged\n"


def test_a_run_directory_whose_path_is_longer_than_a_sockets(tmp_path: Path) -> None:
    base = tmp_path / ("x" * LONGEST_ADDRESS) / ("y" * LONGEST_ADDRESS)
    base.mkdir(parents=True)
    with AgentProcess(base, "runc") as agent:
        agent.start().start_container("web")
        for verb, words, said in (
            ("status", "", "web "),
            ("plan", "", "1 unchanged\n"),
            ("exec", "web -- echo inside", "inside\n"),
            ("show", "web --config", '"process"'),
            ("stop", "web", "web: stopped\n"),
            ("start", "web", "web: running\n"),
            ("restart", "web", "web: running\n"),
            ("kill", "web CONT", ""),
            ("doctor", "--runtime runc", f"{agent.layout.control} answers\n"),
        ):
            done = call(verb, words, agent, agent)
            assert (done.returncode, done.stderr) == (0, ""), verb
            assert said in done.stdout
        assert call("shutdown", "", agent, agent).returncode == 0
        assert agent.wait_end() == 0
        done = call("stop", "web", agent, agent)
        line = f"orchestrator: no agent listens at {agent.layout.control}: start it with `orchestrator run`\n"
        assert (done.returncode, done.stderr) == (1, line)
        assert not Path(agent.layout.control).exists()
