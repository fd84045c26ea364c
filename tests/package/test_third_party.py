"""examples/git-mount, a plugin of somebody else: its own test, and in an agent that was installed beside it by pip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.host.agent_process import AgentProcess, definition, find_program
from tests.package.fresh_venv import build_wheel, make_venv

CHECKOUT = Path(__file__).parents[2]
PROJECT = CHECKOUT / "examples" / "git-mount"
SHOW = "cat /site/index.html; trap 'exit 0' TERM; sleep 100000 & wait"


@pytest.mark.parametrize("tool", ["pytest", "mypy"])
def test_its_own_test_passes(tool: str, tmp_path: Path) -> None:
    project = shutil.copytree(PROJECT, tmp_path / "project")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    command = [sys.executable, "-W", "error", "-m", tool]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the agent, the plugin, and two that were just begun."""
    begun = [tmp_path_factory.mktemp("begun") / noun for noun in ("mount", "network")]
    for folder in begun:
        assert main(["plugins", "new", folder.name, "mine", str(folder)]) == 0
    wheels = [build_wheel(project, tmp_path_factory.mktemp("wheel")) for project in (CHECKOUT, PROJECT, *begun)]
    return make_venv(tmp_path_factory.mktemp("installed") / "venv", *wheels)


@pytest.fixture
def agent(installed: Path, tmp_path: Path) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path, "crun") as agent:
        agent.orchestrator = f"{installed}/bin/orchestrator"
        yield agent.start()


class Repository:
    """A bare repository with one file, and a branch that moves on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(path))

    def push(self, text: str) -> str:
        """Another commit on the branch; its id."""
        blob = self._git("-C", str(self.path), "hash-object", "-w", "--stdin", given=text)
        tree = self._git("-C", str(self.path), "mktree", given=f"100644 blob {blob}\tindex.html\n")
        commit = self._git("-C", str(self.path), "commit-tree", "-m", "a change", tree)
        self._git("-C", str(self.path), "update-ref", "refs/heads/main", commit)
        return commit

    @staticmethod
    def _git(*arguments: str, given: str = "") -> str:
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        command = [find_program("git"), *who, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def site(repository: Repository, **options: str) -> str:
    mounts = {"/site": {"type": "git", "repository": f"{repository.path}", **options}}
    return definition(SHOW, mounts=mounts)


@pytest.mark.real
def test_a_push_is_an_edit(agent: AgentProcess, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "site.git")
    first = repository.push("one\n")
    before = agent.start_container("web", site(repository))
    agent.start_container("api", site(repository))
    agent.wait_log("web", "one")
    trees = Path(agent.layout.kept, "git")
    assert os.listdir(trees) == [first]
    second = repository.push("two\n")
    agent.wait_replaced("web", before)
    agent.wait_log("web", "two")
    agent.wait_log("api", "two")
    agent.wait_until(lambda: os.listdir(trees) == [second], "the old commit to be removed")
    agent.remove("web", "api")
    assert os.listdir(trees) == os.listdir(f"{agent.layout.shared}/git") == []


@pytest.mark.real
def test_a_mistake_is_shown_with_its_file_and_line(agent: AgentProcess, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "site.git")
    repository.push("one\n")
    before = agent.start_container("web", site(repository))
    agent.define("web", site(repository, revison="main"))
    agent.wait_row("web", lambda row: row["problems"], "the mistake to be seen")
    assert agent.row("web")["instance"] == before["instance"]
    done = agent.call("check", f"{agent.config}/web.toml")
    assert done.returncode == 1
    (head, *_) = done.stdout.splitlines()
    assert head.startswith(f"{agent.config}/web.toml:3:"), head
    assert 'mounts."/site".revison: unknown key "revison"\n' in done.stdout
    assert '  did you mean "revision"?\n' in done.stdout
    agent.define("web", site(repository, revision="mian"))
    done = agent.call("check", f"{agent.config}/web.toml")
    assert f'mounts."/site".revision: there is no branch or tag "mian" in {repository.path}' in done.stdout


@pytest.mark.real
def test_projects_that_were_just_begun_run(agent: AgentProcess) -> None:
    options = {
        "mounts": {"/data": {"type": "mine", "text": "hello"}},
        "network": {"type": "mine", "address": "10.9.8.7"},
    }
    told = agent.run_to_end("web", "cat /data/text; echo; ip -o address show dev lo", **options)
    assert told.startswith("hello\n")
    assert " 10.9.8.7/32 " in told
    agent.remove("web")
    assert str(agent.base) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.real
def test_what_git_refuses_is_told(agent: AgentProcess, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "site.git")
    agent.define("web", site(repository, revision="1" * 40))
    row = agent.wait_state("web", "backoff")
    assert f"cannot prepare the mount /site (git): git cannot check out {'1' * 40}: fatal: " in row["message"]
    assert os.listdir(f"{agent.layout.kept}/git") == []


def test_it_is_listed_with_its_version(installed: Path) -> None:
    done = subprocess.run([f"{installed}/bin/orchestrator", "plugins"], capture_output=True, text=True, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("mount    git "))
    assert "  orchestrator-mount-git 0.1.0  " in line
