"""The command line's frame: verbs, options, exit codes, and one line for whatever goes wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.cli.errors import FAILED, INTERNAL, INTERRUPTED, UNREAD, guard, one_line
from orchestrator.cli.main import VERBS
from orchestrator.cli.settings import (
    config_option,
    default_run,
    layout_of,
    make_absolute,
    run_option,
    runtime_option,
    state_option,
)
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import DiskFailed, OutsideError, RuntimeFailed
from orchestrator.system.disk import HostDisk
from orchestrator.system.procstat import read_start_time

RUN = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ORCHESTRATOR_", "XDG_")):
            monkeypatch.delenv(name)


# verbs


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_a_command_of_its_own_module(verb: str) -> None:
    command = import_module(f"orchestrator.cli.{verb}").command
    assert isinstance(command, click.Command)
    assert command.name == verb


def test_help_names_all_verbs_and_loads_none() -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['--help']); "
        "print(*sorted(name for name in sys.modules if name.startswith('orchestrator.cli.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert done.stderr == "orchestrator.cli.errors orchestrator.cli.main\n"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"orchestrator {version('oci-orchestrator')}\n"


def test_no_verb_is_wrong_usage_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: orchestrator")


@pytest.mark.parametrize(
    ("arguments", "beginning", "end"),
    [
        (["stats"], 'there is no command "stats": did you mean "status"?', " (see orchestrator --help)"),
        (["zzz"], 'there is no command "zzz"', " (see orchestrator --help)"),
        (["status", "--jsn"], "No such option", " (see orchestrator status --help)"),
        (["status", "--run", ""], "Invalid value for '--run'", ": the path is empty (see orchestrator status --help)"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], beginning: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"orchestrator: {beginning}")
    assert err.endswith(f"{end}\n")
    assert err.count("\n") == 1


# errors


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (DiskFailed("cannot write /x: No space left on device"), FAILED, ["cannot write /x: No space left on device"]),
        (RuntimeFailed("two\nlines \x1b[0m"), FAILED, ["two lines \\x1b[0m"]),
        (KeyboardInterrupt(), INTERRUPTED, []),
        (click.Abort(), INTERRUPTED, []),
        (ExceptionGroup("nursery", [BrokenPipeError(), OutsideError("a")]), UNREAD, []),
        (BaseExceptionGroup("nursery", [KeyboardInterrupt()]), INTERRUPTED, []),
        (
            BaseExceptionGroup("nursery", [KeyboardInterrupt(), ExceptionGroup("inner", [OutsideError("a")])]),
            FAILED,
            ["a"],
        ),
        (
            KeyError("x"),
            INTERNAL,
            ["internal error: KeyError: 'x' (set ORCHESTRATOR_TRACEBACK=1 to see where)"],
        ),
        (
            ExceptionGroup("nursery", [OutsideError("a"), ValueError("b")]),
            INTERNAL,
            ["a", "internal error: ValueError: b (set ORCHESTRATOR_TRACEBACK=1 to see where)"],
        ),
    ],
)
def test_each_error_is_a_line_and_a_code(
    error: BaseException, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(raising(error)) == code
    assert capsys.readouterr().err == "".join(f"orchestrator: {line}\n" for line in lines)


def test_a_traceback_is_shown_to_who_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_TRACEBACK", "1")
    assert guard(raising(KeyError("x"))) == INTERNAL
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("orchestrator: internal error: KeyError: 'x'\n")


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3), ("text", 0)])
def test_what_a_command_returns_is_the_code(result: object, code: int) -> None:
    assert guard(lambda: result) == code


def test_an_exit_passes() -> None:
    with pytest.raises(SystemExit):
        guard(raising(SystemExit(5)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["status"],
        ["status", "--json"],
        ["check", "definitions"],
        ["build", "definitions/web.toml", "-o", "bundle"],
        ["logs", "web", "--state", "state"],
        ["logs", "-f", "web", "--state", "state"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_left_quietly(arguments: list[str], tmp_path: Path) -> None:
    for folder, file, text in (
        ("definitions", "web.toml", 'args = ["/bin/true"]\nrootfs = "host"\n'),
        ("state/logs", "web.log", "line\n" * 100_000),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).write_text(text)
    layout = layout_of(str(tmp_path / "state"), str(tmp_path / "run"))
    disk = HostDisk(layout)
    disk.write_name(NameState(name="web", state=PublicState.STOPPED, since=1.0))
    disk.write_agent(running_agent())
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "ORCHESTRATOR_RUN": layout.run}
    done = subprocess.run(
        [*RUN, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False, cwd=tmp_path, env=environment
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (UNREAD, b"")


def running_agent() -> AgentState:
    """This process as the agent, so that `status` has nothing to say of it."""
    return AgentState(
        pid=os.getpid(),
        pid_start_time=read_start_time(os.getpid()) or 0,
        version="1",
        started_at=1.0,
        config="/etc/orchestrator",
        state="/var/lib/orchestrator",
        runtime="/usr/bin/runc",
        runtime_name="runc",
    )


def test_a_full_disk_below_standard_output_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*RUN, "status", "--json", "--run", str(tmp_path)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == FAILED
    assert done.stderr.splitlines()[-1] == "orchestrator: cannot write to standard output: No space left on device"


def test_a_message_is_one_line_that_no_terminal_obeys() -> None:
    assert one_line("a\r\n\tb\x07 ü \udcff") == "a b\\x07 ü \\udcff"


# options


@click.command()
@config_option
@state_option
@run_option
@runtime_option
def show(config: str, state: str, run: str, runtime: str) -> None:
    click.echo(f"{config} {state} {run} {runtime}")


def shown(*arguments: str, **environment: str) -> list[str]:
    result = CliRunner(env=environment).invoke(show, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output.split()


def test_defaults_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert shown() == ["/etc/orchestrator", "/var/lib/orchestrator", "/run/orchestrator", "auto"]


def test_defaults_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home = {"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/1000/"}
    assert shown(**home)[:3] == [
        "/home/me/.config/orchestrator",
        "/home/me/.local/state/orchestrator",
        "/run/user/1000/orchestrator",
    ]
    assert shown(**home, XDG_CONFIG_HOME="/c", XDG_STATE_HOME="relative")[:2] == [
        "/c/orchestrator",
        "/home/me/.local/state/orchestrator",
    ]


def test_without_a_run_directory_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(click.UsageError, match="set XDG_RUNTIME_DIR or give --run DIR"):
        default_run()
    assert main(["status"]) == 2
    assert main(["status", "--help"]) == 0


def test_the_environment_gives_each_option_and_the_command_line_wins() -> None:
    environment = {
        "ORCHESTRATOR_CONFIG": "/a",
        "ORCHESTRATOR_STATE": "/b",
        "ORCHESTRATOR_RUN": "/c",
        "ORCHESTRATOR_RUNTIME": "crun",
    }
    assert shown(**environment) == ["/a", "/b", "/c", "crun"]
    assert shown("--run", "/d", "--runtime", "/usr//bin/runc", **environment) == ["/a", "/b", "/d", "/usr/bin/runc"]


def test_paths_are_made_absolute_and_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("/usr/share")
    monkeypatch.chdir(tmp_path / "here")
    assert make_absolute("x") == f"{tmp_path}/here/x"
    assert make_absolute(".") == f"{tmp_path}/here"
    assert make_absolute("../link/./x//") == f"{tmp_path}/link/x"
    assert make_absolute("../link/../x") == f"{tmp_path}/link/../x"
    assert make_absolute("../" * 40) == "/"
    assert make_absolute("/") == "/"
    assert make_absolute("//a/../b/") == "/a/../b"


def test_a_layout_of_two_paths() -> None:
    layout = layout_of("/s", "/r")
    assert (layout.state, layout.run) == ("/s", "/r")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["completion", "bash"]])
def test_a_full_output_is_no_bug_of_ours(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(Path(sys.executable).with_name("orchestrator")), *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    expected = "orchestrator: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, expected)
