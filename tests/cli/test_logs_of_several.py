"""`orchestrator logs` of several containers, since a moment, of an earlier instance, and where there is no file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.model.bundle import LogTarget
from orchestrator.model.layout import Layout
from orchestrator.model.state import NameState, PublicState
from orchestrator.system.disk import HostDisk
from orchestrator.system.logmarks import mark_position, mark_start, marks_path

ORCHESTRATOR = (sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())")
NOW = time.time()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    os.makedirs(layout.logs)
    return layout


def write(layout: Layout, name: str, text: str) -> None:
    """What the application of a container does."""
    with open(layout.log(name), "a") as application:
        application.write(text)


def tell(layout: Layout, *names: str, target: LogTarget = LogTarget.FILE) -> None:
    """What the agent does."""
    disk = HostDisk(layout)
    for name in names:
        disk.write_name(NameState(name=name, state=PublicState.RUNNING, since=1.0, log_target=target))


def environment(layout: Layout) -> dict[str, str]:
    return {**os.environ, "ORCHESTRATOR_STATE": layout.state, "ORCHESTRATOR_RUN": layout.run}


def run(layout: Layout, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``orchestrator logs``."""
    done = subprocess.run(
        [*ORCHESTRATOR, "logs", *arguments],
        env=environment(layout), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@contextmanager
def following(layout: Layout, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``orchestrator logs -f`` while it runs."""
    with subprocess.Popen(
        [*ORCHESTRATOR, "logs", "-f", *arguments],
        env=environment(layout), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journalctl that prints what it was asked for, and then a line."""
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\necho an entry\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


# Several


def test_each_line_of_several_begins_with_the_name(layout: Layout) -> None:
    write(layout, "web", "one\ntwo\nno end")
    write(layout, "database", "three\n")
    assert run(layout, "web", "database", "web") == (
        0,
        "web      | one\nweb      | two\nweb      | no end\ndatabase | three\n",
        "",
    )
    assert run(layout, "-n", "1", "database", "web")[1] == "database | three\nweb      | no end\n"


def test_one_of_several_that_has_none_is_told_and_the_others_are_shown(layout: Layout) -> None:
    write(layout, "web", "one\n")
    code, output, errors = run(layout, "gone", "web")
    assert (code, output) == (1, "web  | one\n")
    assert errors == f"orchestrator: there is no log of gone ({layout.logs}/gone.log): has it ever run?\n"


def test_all_are_those_that_there_are(layout: Layout) -> None:
    for name in ("web", "api", "removed"):
        write(layout, name, f"of {name}\n")
    assert run(layout, "--all")[:2] == (0, "api     | of api\nremoved | of removed\nweb     | of web\n")
    tell(layout, "web", "api", "new")
    tell(layout, "silent", target=LogTarget.NONE)
    assert run(layout, "--all") == (0, "api | of api\nweb | of web\n", "")


@pytest.mark.parametrize("arguments", [(), ("--all", "web"), ("--previous", "-f", "web")])
def test_wrong_usage(layout: Layout, arguments: tuple[str, ...]) -> None:
    code, output, errors = run(layout, *arguments)
    assert (code, output, len(errors.splitlines())) == (2, "", 1)


def test_several_are_followed_by_whole_lines(layout: Layout) -> None:
    write(layout, "web", "first\n")
    with following(layout, "web", "api") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"no log of api yet" in process.stderr.readline()
        assert process.stdout.readline() == b"web | first\n"
        write(layout, "web", "begun ")
        write(layout, "api", "whole\n")
        assert process.stdout.readline() == b"api | whole\n"
        write(layout, "web", "and ended\n")
        assert process.stdout.readline() == b"web | begun and ended\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


def test_on_a_terminal_the_names_have_colours(layout: Layout) -> None:
    write(layout, "web", "one\n")
    write(layout, "api", "two\n")
    for variables, expected in (({}, b"\x1b[36mweb | \x1b[0mone\r\n"), ({"NO_COLOR": "1"}, b"web | one\r\n")):
        controller, terminal = os.openpty()
        subprocess.run(
            [*ORCHESTRATOR, "logs", "web", "api"],
            env={**environment(layout), "NO_COLOR": "", **variables}, stdout=terminal, check=True, timeout=30,
        )  # fmt: skip
        os.close(terminal)
        assert expected in os.read(controller, 4096)
        os.close(controller)


# Since


def test_since_begins_with_what_was_written_then(layout: Layout) -> None:
    now = time.time()
    path = layout.log("web")
    write(layout, "web", "long ago\n")
    mark_position(path, now - 7200)
    write(layout, "web", "an hour ago, ")
    mark_position(path, now - 3600)
    write(layout, "web", "and a little later\n")
    mark_position(path, now - 1800)
    write(layout, "web", "now\n")
    mark_position(path, now)
    assert run(layout, "--since", "15m", "web") == (0, "now\n", "")
    assert run(layout, "--since", "45m", "web") == (0, "an hour ago, and a little later\nnow\n", "")
    assert run(layout, "--since", "90m", "-n", "1", "web") == (0, "now\n", "")
    assert run(layout, "--since", "90m", "web")[1] == "an hour ago, and a little later\nnow\n"
    with following(layout, "--since", "15m", "web") as process:
        assert process.stdout is not None
        write(layout, "web", "next\n")
        assert [process.stdout.readline(), process.stdout.readline()] == [b"now\n", b"next\n"]


def test_since_shows_more_than_the_usual_last_lines(layout: Layout) -> None:
    now = time.time()
    mark_start(layout.log("web"), "web-1", now - 60)
    write(layout, "web", "line\n" * 500)
    mark_position(layout.log("web"), now - 50)
    assert run(layout, "--since", "2m", "web")[1] == "line\n" * 500
    assert run(layout, "--since", "10s", "web") == (0, "", "")


@pytest.mark.parametrize(
    "damage", ["", "nonsense\n", f"{NOW - 60:.3f} 999999 -\n"], ids=["none", "nonsense", "too far"]
)
def test_since_without_marks_begins_at_the_head_and_says_so(layout: Layout, damage: str) -> None:
    write(layout, "web", "first\nsecond\n")
    if damage:
        Path(marks_path(layout.log("web"))).write_text(damage)
    code, output, errors = run(layout, "--since", "10s", "web")
    assert (code, output) == (0, "first\nsecond\n")
    assert errors == ("orchestrator: web: beginning at the head of its log: nothing tells when all of it was written\n")


def test_since_something_that_is_no_moment(layout: Layout) -> None:
    code, _, errors = run(layout, "--since", "yesterday-ish", "web")
    assert (code, len(errors.splitlines())) == (2, 1)


# The instance before


def test_previous_is_what_the_instance_before_has_written(layout: Layout) -> None:
    path = layout.log("web")
    for instance, text in (("web-1", "first\n"), ("web-2", "second\nand its last words"), ("web-3", "third\n")):
        mark_start(path, instance, NOW)
        write(layout, "web", text)
    assert run(layout, "--previous", "web") == (0, "second\nand its last words", "")
    assert run(layout, "--previous", "-n", "1", "web") == (0, "and its last words", "")
    write(layout, "api", "other\n")
    mark_start(layout.log("api"), "api-1", NOW)
    code, output, errors = run(layout, "--previous", "web", "api")
    assert (code, output) == (1, "web | second\nweb | and its last words\n")
    assert errors == "orchestrator: no instance of api before the last one is known\n"


def test_previous_of_what_ran_once(layout: Layout) -> None:
    mark_start(layout.log("web"), "web-1", NOW)
    write(layout, "web", "first\n")
    assert run(layout, "--previous", "web") == (
        1, "", "orchestrator: no instance of web before the last one is known\n",
    )  # fmt: skip
    assert run(layout, "--previous", "--since", "1h", "web")[0] == 2


# Where there is no file


def test_a_container_that_keeps_no_log(layout: Layout) -> None:
    tell(layout, "web", target=LogTarget.NONE)
    write(layout, "web", "of an earlier definition\n")
    message = 'orchestrator: web keeps no log: its definition says log = "none"\n'
    assert run(layout, "web") == (1, "", message)
    assert run(layout, "-f", "web") == (1, "", message)


@pytest.mark.usefixtures("journalctl")
def test_the_journal_is_asked_for_what_is_written_there(layout: Layout) -> None:
    tell(layout, "web", target=LogTarget.JOURNAL)
    asked = f"--quiet --no-pager --output=cat --identifier={layout.run}/web"
    assert run(layout, "web") == (0, f"{asked} --lines=100\nan entry\n", "")
    assert run(layout, "-f", "-n", "3", "web") == (0, f"{asked} --lines=3 --follow\nan entry\n", "")
    assert run(layout, "--since", "2026-01-31T12:00:00Z", "web")[1] == (
        f"{asked} --lines=all --since=@1769860800.000\nan entry\n"
    )
    assert run(layout, "--since", "2026-01-31T12:00:00Z", "-n", "1", "web") == (0, "an entry\n", "")
    code, output, errors = run(layout, "--since", "1h", "-n", "1", "-f", "web")
    assert (code, output, len(errors.splitlines())) == (1, "", 1)


@pytest.mark.usefixtures("journalctl")
def test_an_earlier_instance_in_the_journal_is_the_time_in_which_it_was(layout: Layout) -> None:
    tell(layout, "web", target=LogTarget.JOURNAL)
    assert run(layout, "--previous", "web") == (
        1, "", "orchestrator: no instance of web before the last one is known\n",
    )  # fmt: skip
    for number in (1, 2, 3):
        mark_start(layout.log("web"), f"web-{number}", 1000.0 * number)
    assert (
        run(layout, "--previous", "web")[1].splitlines()[0].endswith("--lines=all --since=@2000.000 --until=@3000.000")
    )


@pytest.mark.usefixtures("journalctl")
def test_files_and_the_journal_together(layout: Layout) -> None:
    tell(layout, "web", target=LogTarget.JOURNAL)
    write(layout, "api", "of a file\n")
    code, output, errors = run(layout, "api", "web")
    assert (code, errors) == (0, "")
    assert [line.split(" | ")[0] for line in output.splitlines()] == ["api", "web", "web"]
    with following(layout, "api", "web") as process:
        assert process.stdout is not None
        lines = {process.stdout.readline() for _ in range(3)}
        assert {b"api | of a file\n", b"web | an entry\n"} <= lines


def test_without_a_run_directory_the_file_is_shown(layout: Layout) -> None:
    """Who is not root, and has no XDG_RUNTIME_DIR."""
    write(layout, "web", "first\n")
    variables = {key: value for key, value in environment(layout).items() if "RUN" not in key}
    code = f"import os; os.geteuid = lambda: 65534; {ORCHESTRATOR[2]}"
    done = subprocess.run(
        [sys.executable, "-c", code, "logs", "web"],
        env=variables, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\n", "")
