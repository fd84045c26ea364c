"""Completion in a shell: in a real bash, and by what the scripts of the others call."""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from orchestrator.cli.completion import SHELLS, make_script
from orchestrator.cli.main import VERBS

CHECKOUT = Path(__file__).parents[2]
FILES = {"bash": "orchestrator.bash", "fish": "orchestrator.fish", "zsh": "_orchestrator"}
RUN = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Two containers that the agent knows, and one more that is defined."""
    for folder, files in (
        ("names", ["api.json", "web.json", ".web.json.new"]),
        ("config", ["web.toml", "worker.json"]),
    ):
        (tmp_path / folder).mkdir()
        for file in files:
            (tmp_path / folder / file).write_text("")
    (tmp_path / "config/plugins").mkdir()
    for file in ("snapshot.mount", "notes.txt", "kinds.py"):
        (tmp_path / "config/plugins" / file).write_text("")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "XDG_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ORCHESTRATOR_RUN": str(tmp_path),
        "ORCHESTRATOR_CONFIG": str(tmp_path / "config"),
    }


def complete_in_bash(environ: dict[str, str], *words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    script = (
        'eval "$(orchestrator completion bash)"; COMP_WORDS=(orchestrator "$@"); COMP_CWORD=$#; '
        '_orchestrator_completion orchestrator; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "--norc", "--noprofile", "-c", script, "bash", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def ask(environ: dict[str, str], shell: str, *words: str) -> str:
    """What the script of a shell gets when it calls the program."""
    written = {"COMP_WORDS": " ".join(["orchestrator", *words]), "_ORCHESTRATOR_COMPLETE": f"{shell}_complete"}
    written["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
    done = subprocess.run(RUN, env={**environ, **written}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_bash_knows_the_program(environ: dict[str, str]) -> None:
    script = 'eval "$(orchestrator completion bash)"; complete -p orchestrator'
    done = subprocess.run(["bash", "--norc", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "complete -o nosort -F _orchestrator_completion orchestrator\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["stat"], ["status"]),
        (["che"], ["check"]),
        (["--ver"], ["--version"]),
        (["status", ""], ["api", "web"]),
        (["status", "w"], ["web"]),
        (["status", "web", ""], ["api"]),
        (["status", "--js"], ["--json"]),
        (["exec", "a"], ["api"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["plugins", "bi"], ["bind"]),
        (["plugins", "ne"], ["new"]),
        (["plugins", "sn"], ["snapshot"]),
        (["plugins", "new", ""], ["mount", "network"]),
        (["run", "--exit-policy", ""], ["leave", "stop"]),
    ],
)
def test_bash_completes(environ: dict[str, str], words: list[str], offered: list[str]) -> None:
    assert complete_in_bash(environ, *words) == offered


def test_all_verbs_are_offered(environ: dict[str, str]) -> None:
    assert complete_in_bash(environ, "") == list(VERBS)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_gets_names_and_verbs(environ: dict[str, str], shell: str) -> None:
    assert "web" in ask(environ, shell, "status", "w")
    assert "api" not in ask(environ, shell, "status", "w")
    assert "status" in ask(environ, shell, "stat")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_that_is_here_reads_its_script(environ: dict[str, str], shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(make_script(shell))
    subprocess.run([program, "-n", str(script)], env=environ, check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_packagers_install_is_what_is_printed(shell: str) -> None:
    file = CHECKOUT / "contrib" / "completions" / FILES[shell]
    assert file.read_text() == make_script(shell), f"orchestrator completion {shell} > {file}"


def test_an_unknown_run_directory_offers_nothing(environ: dict[str, str]) -> None:
    assert complete_in_bash({**environ, "ORCHESTRATOR_RUN": "/no/such"}, "status", "") == []


def find_arguments(verb: str) -> list[click.Argument]:
    command = import_module(f"orchestrator.cli.{verb}").command
    return [parameter for parameter in command.params if isinstance(parameter, click.Argument)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_name_of_a_container_is_completed(verb: str) -> None:
    for argument in find_arguments(verb):
        if argument.name in ("name", "names"):
            assert argument._custom_shell_complete is not None, f"{verb}: shell_complete=complete_names"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("check", "build", "run", "plan", "doctor")])
def test_completion_waits_for_nothing_slow(environ: dict[str, str], verb: str) -> None:
    """trio and what comes with it takes longer to load than all the rest."""
    code = (
        "import os, sys\ntry:\n    from orchestrator.cli import main\n    main()\n"
        "finally:\n    sys.stdout.flush()\n    print(*sorted(sys.modules), file=sys.stderr)"
    )
    written = {"COMP_WORDS": f"orchestrator {verb} ", "COMP_CWORD": "2", "_ORCHESTRATOR_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**environ, **written}, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert not loaded & {"trio", "rich", "cattrs", "tree_sitter"}
