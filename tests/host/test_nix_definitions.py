"""Definitions that are Nix expressions, with a real nix and real containers: built in the background, again when what
they import is edited, and what runs goes on where a build fails."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess
from tests.nix.private_store import PrivateStore, make_private_store

pytestmark = pytest.mark.real


@pytest.fixture
def store(tmp_path: Path) -> PrivateStore:
    return make_private_store(tmp_path / "nix")


@pytest.fixture
def agent(tmp_path: Path, store: PrivateStore) -> Iterator[AgentProcess]:
    """An agent, not started yet, of which that store is the host's."""
    with AgentProcess(tmp_path, "runc") as agent:
        agent.environ |= store.environment | {"PATH": os.environ["PATH"]}
        write(agent, "lib/common.nix", f'{{ busybox = builtins.storePath {store.busybox}; word = "first"; }}\n')
        yield agent


WEB = """let common = import ./lib/common.nix; in {
  args = [ "${common.busybox}/bin/sh" "-c" "echo ${common.word}; exec ${common.busybox}/bin/sleep 100000" ];
  stop.signal = "KILL";
}
"""


def derive(name: str, script: str) -> str:
    """A derivation, as the language has it, of lines of the shell that say nothing of quotes."""
    words = f'name = "{name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "{script}" ];'
    return f"derivation {{ {words} }}"


def write(agent: AgentProcess, name: str, text: str) -> Path:
    """Put a file of the directory of definitions in place by rename."""
    path = agent.config / name
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.rename(path)
    return path


def test_it_is_built_and_again_when_what_it_imports_is_edited(agent: AgentProcess, store: PrivateStore) -> None:
    write(agent, "web.nix", WEB)
    agent.start()
    before = agent.wait_state("web", "running")
    assert agent.wait_log("web", "\n") == "first\n"
    assert Path(agent.layout.builds, "web").exists()
    store.collect_garbage()
    assert Path(agent.layout.builds, "web").exists()

    common = agent.config / "lib/common.nix"
    write(agent, "lib/common.nix", common.read_text() + "# a comment\n")
    agent.wait_until(lambda: common.stat().st_mtime < Path(agent.layout.builds, "web.log").stat().st_mtime, "a build")
    agent.wait_row("web", lambda row: row["message"] == "", "the build to end")
    assert agent.row("web")["pid"] == before["pid"]

    write(agent, "lib/common.nix", common.read_text().replace('"first"', '"second"'))
    agent.wait_replaced("web", before)
    agent.wait_log("web", "second\n")


def test_a_failed_build_leaves_what_runs_and_says_where(agent: AgentProcess) -> None:
    write(agent, "web.nix", WEB)
    agent.start()
    before = agent.wait_state("web", "running")
    file = write(agent, "lib/common.nix", "{\n  word = \n}\n")
    (problem,) = agent.wait_row("web", lambda row: row["problems"], "its problem")["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (str(file), 3, 1)
    assert problem["message"].startswith("syntax error")
    assert Path(agent.layout.builds, "web.log").name in problem["hint"]
    assert agent.row("web")["pid"] == before["pid"]

    script = "echo to the log; echo no luck >&2; exit 3"
    write(agent, "web.nix", f"{{ args = [ ({derive('luck', script)}) ]; }}\n")
    (problem,) = agent.wait_row("web", lambda row: "luck" in str(row["problems"]), "its problem")["problems"]
    assert problem["message"] == "the builder of luck failed (exit code 3): no luck"
    assert "to the log" in Path(agent.layout.builds, "web.log").read_text()
    assert agent.row("web")["pid"] == before["pid"]
    assert agent.call("check", str(agent.config)).returncode == 1


def test_a_mistake_has_the_place_that_nix_knows(agent: AgentProcess) -> None:
    write(agent, "lib/more.nix", '{\n  restart.delay = "soon";\n}\n')
    write(
        agent,
        "web.nix",
        WEB.replace("stop.signal", 'mounts."/x".source = "/gone";\n  stop.signal').rstrip()
        + " // import ./lib/more.nix\n",
    )
    agent.start()
    (problem,) = agent.wait_row("web", lambda row: row["problems"] and row["problems"][0]["line"] > 1, "places")[
        "problems"
    ]
    assert (Path(problem["file"]).name, problem["line"], problem["path"]) == ("more.nix", 2, "restart.delay")
    write(agent, "lib/more.nix", "{ }\n")
    found = agent.wait_row(
        "web", lambda row: row["problems"] and row["problems"][0]["line"] == 3, "the place of the next"
    )
    assert [(Path(each["file"]).name, each["path"]) for each in found["problems"]] == [
        ("web.nix", 'mounts."/x".source')
    ]


def test_an_agent_that_comes_back_has_nothing_to_build_and_replaces_nothing(agent: AgentProcess) -> None:
    agent.exit_policy = "leave"
    write(agent, "web.nix", WEB)
    agent.start()
    before = agent.wait_state("web", "running")
    assert agent.end() == 0
    agent.start()
    agent.let_it_look()
    assert agent.row("web")["pid"] == before["pid"]
    (agent.config / "web.nix").unlink()
    agent.wait_until(lambda: "web" not in agent.rows(), "web to go")
    assert os.listdir(agent.layout.builds) == []


def test_a_definition_that_is_not_built_yet_is_told_to_be(agent: AgentProcess) -> None:
    fifo = agent.base / "go"
    os.mkfifo(fifo)
    slow = derive("slow", f"read -r word < {fifo}; echo $word > $out")
    write(agent, "web.nix", WEB.replace("args =", f"env.SLOW = {slow};\n  args ="))
    agent.start(settled=False)
    row = agent.wait_row("web", lambda row: "building slow" in row["message"], "its progress")
    assert row["state"] == "building"
    agent.define("other", 'args = ["/bin/true"]\nrootfs = "host"\ntype = "oneshot"\n')
    agent.wait_state("other", "completed")
    fifo.write_text("done\n")
    agent.wait_state("web", "running")
    assert "built" not in agent.row("web")["message"]


def test_verbs_without_an_agent_build_it_too(agent: AgentProcess) -> None:
    file = write(agent, "web.nix", WEB)
    assert agent.call("check", str(agent.config)).stdout == "1 definition, 0 problems\n"
    built = agent.call("build", str(file), "-o", str(agent.base / "bundle"))
    assert built.returncode == 0, built
    assert "/bin/sh" in (agent.base / "bundle/config.json").read_text()
    shown = agent.call("show", "web", "--definition", "--config-dir", str(agent.config))
    assert '"KILL"' in shown.stdout or "SIGKILL" in shown.stdout
    planned = agent.call("plan", str(agent.config))
    assert (planned.returncode, planned.stdout.split()[:2]) == (2, ["web:", "start"]), planned
