"""`orchestrator logs` as a process: what it prints, how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from orchestrator.ports import LogBusy
from orchestrator.system.collapse import drop_head

ORCHESTRATOR = (sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a container named web, of ten lines."""
    path = tmp_path / "logs" / "web.log"
    path.parent.mkdir()
    path.write_text("".join(f"line {number}\n" for number in range(10)))
    return path


def run(log: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``orchestrator logs``."""
    environment = {**os.environ, "ORCHESTRATOR_STATE": str(log.parent.parent)}
    done = subprocess.run(
        [*ORCHESTRATOR, "logs", *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def following(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``orchestrator logs -f`` while it runs."""
    with subprocess.Popen(
        [*ORCHESTRATOR, "logs", "-f", "--state", str(log.parent.parent), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_all_of_a_short_log(log: Path) -> None:
    assert run(log, "web") == (0, log.read_text(), "")
    assert run(log, "web", "-n", "all") == (0, log.read_text(), "")


def test_the_last_lines(log: Path) -> None:
    assert run(log, "web", "-n", "2") == (0, "line 8\nline 9\n", "")
    assert run(log, "-n", "0", "web") == (0, "", "")


def test_bytes_come_as_they_are(log: Path) -> None:
    log.write_bytes(b"\xff\x00\x1b[31m no end")
    done = subprocess.run(
        [*ORCHESTRATOR, "logs", "web", "--state", str(log.parent.parent)], capture_output=True, timeout=30, check=True
    )
    assert done.stdout == b"\xff\x00\x1b[31m no end"


def test_one_line_for_a_name_without_a_log(log: Path) -> None:
    code, output, errors = run(log, "db")
    assert (code, output) == (1, "")
    assert errors == f"orchestrator: there is no log of db ({log.parent}/db.log): has it ever run?\n"
    assert run(log, "wed")[2].endswith('wed.log): did you mean "web"?\n')


@pytest.mark.parametrize("name", ["../web", "a/b", ".."])
def test_a_name_leads_nowhere_else(log: Path, name: str) -> None:
    code, output, errors = run(log, name)
    assert (code, output) == (1, "")
    assert errors == f'orchestrator: there is no container "{name}": a name has no slash\n'


@pytest.mark.parametrize("lines", ["-1", "x", "1.5", ""])
def test_wrong_usage(log: Path, lines: str) -> None:
    code, output, errors = run(log, "web", "-n", lines)
    assert (code, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert f'"{lines}" is neither a number of lines nor "all"' in errors


def test_a_log_that_is_a_folder(log: Path) -> None:
    log.unlink()
    log.mkdir()
    code, output, errors = run(log, "web")
    assert (code, output) == (1, "")
    assert errors == f"orchestrator: cannot read the log of web ({log}): Is a directory\n"


def test_follow_until_interrupted(log: Path) -> None:
    with following(log, "web", "-n", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line 9\n"
        with log.open("a") as application:
            application.write("more\n")
        assert process.stdout.readline() == b"more\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""


def test_follow_a_container_that_has_not_run_yet(log: Path) -> None:
    with following(log, "api") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"no log of api yet" in process.stderr.readline()
        log.with_name("api.log").write_text("hello\n")
        assert process.stdout.readline() == b"hello\n"


def stop_where_it_waits(process: "subprocess.Popen[bytes]") -> None:
    """Stop a follower once it waits for more, so that it holds no lock."""
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)


def test_follow_says_what_was_dropped(log: Path) -> None:
    with following(log, "web", "-n", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line 9\n"
        # Nobody reads its output, so it falls behind as soon as the pipe is full. It sees whole lines only.
        stop_where_it_waits(process)
        with log.open("a") as application:
            application.writelines(f"{number:063}\n" for number in range(10_000))
        process.send_signal(signal.SIGCONT)
        while True:
            with suppress(LogBusy):
                assert drop_head(str(log), 1000) > 0
                break
        lines = [process.stdout.readline()]
        while lines[-1] != b"%063d\n" % 9999:
            lines.append(process.stdout.readline())
        assert all(len(line) == 64 for line in lines)
        assert lines == sorted(lines)
        missing = (10_000 - len(lines)) * 64
        assert process.stderr.readline() == (
            f"orchestrator: {missing} bytes were dropped from the log before they could be shown\n".encode()
        )


def test_follow_ends_a_line_whose_end_was_dropped(log: Path) -> None:
    log.write_text("begun")
    with following(log, "web") as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"begun"
        stop_where_it_waits(process)
        with log.open("a") as application:
            application.writelines([" and ended\n", *(f"{number:063}\n" for number in range(1000))])
        assert drop_head(str(log), 1000) > 0
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == b"\n", "its end, before what follows"
        assert len(process.stdout.readline()) == 64


def test_a_reader_that_leaves_is_left_quietly(log: Path) -> None:
    log.write_text("x" * 100 + "\n" * 4_000_000)  # more than a pipe and its reader's buffer hold
    with subprocess.Popen(
        [*ORCHESTRATOR, "logs", "web", "-n", "all", "--state", str(log.parent.parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr.read() == b""
