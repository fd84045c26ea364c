"""`orchestrator events`, from an event log that the real disk has written."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.model.action import FieldChange
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.layout import Layout
from orchestrator.model.life import Exit
from orchestrator.system.collapse import drop_head
from orchestrator.system.disk import HostDisk

ORCHESTRATOR = (sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())")

RECORDS = (
    Record(at=1000.0, kind=RecordKind.AGENT_STARTED, message="0.1.0 with runc"),
    Record(at=1001.0, kind=RecordKind.STARTED, name="web", instance="web-1", message="pid 7"),
    Record(at=1002.5, kind=RecordKind.EXITED, name="db", exit=Exit(code=3, at=1002.25)),
    Record(at=1003.0, kind=RecordKind.REPLACED, name="web", fields=(FieldChange("env.LANG", None, "C.UTF-8"),)),
)
LINES = [
    "1970-01-01 00:16:40  agent started: 0.1.0 with runc",
    "1970-01-01 00:16:41  web: started (pid 7, web-1)",
    "1970-01-01 00:16:42  db: exited with code 3",
    '1970-01-01 00:16:43  web: replaced: env.LANG: default → "C.UTF-8"',
]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("ORCHESTRATOR_STATE", f"{tmp_path}")
    return Layout(f"{tmp_path}", f"{tmp_path}/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    """A disk with the four records."""
    disk = HostDisk(layout)
    for record in RECORDS:
        disk.append_record(record)
    return disk


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines of ``orchestrator events``, which has nothing to complain of."""
    assert main(["events", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


@contextmanager
def following(layout: Layout, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``orchestrator events -f`` while it runs."""
    with subprocess.Popen(
        [*ORCHESTRATOR, "events", "-f", "--state", layout.state, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_all_that_has_happened(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == LINES


def test_the_last_ones(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "-n", "1") == LINES[3:]
    assert shown(capsys, "-n", "0") == []
    assert shown(capsys, "-n", "all") == LINES
    assert shown(capsys, "-n", "1", "db") == [LINES[2]]


def test_those_of_names(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "web") == [LINES[1], LINES[3]]
    assert shown(capsys, "web", "db") == LINES[1:]
    assert shown(capsys, "web", "--since", "2999-01-01") == []


def test_names_of_which_nothing_is_told(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "wbe", "db", "nobody"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [LINES[2]]
    assert err.splitlines() == [
        'orchestrator: there is no event of "wbe" (did you mean "web"?)',
        'orchestrator: there is no event of "nobody"',
    ]


def test_those_since_a_moment(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--since", "1970-01-01T00:16:42Z") == LINES[2:]
    assert shown(capsys, "--since", "1970-01-01T00:16:42Z", "-n", "1") == LINES[3:]
    assert shown(capsys, "--since", "10m") == []


def test_since_shows_more_than_what_is_shown_without(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(200):
        disk.append_record(Record(at=2000.0 + number, kind=RecordKind.OPERATOR, name="web", message="restart"))
    assert len(shown(capsys)) == 100
    assert len(shown(capsys, "--since", "1970-01-01")) == 204


def test_json_is_a_record_a_line(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert [json.loads(line)["kind"] for line in shown(capsys, "--json")] == [
        "agent started", "started", "exited", "replaced",
    ]  # fmt: skip
    (line,) = shown(capsys, "--json", "db")
    assert json.loads(line) == {
        "at": "1970-01-01T00:16:42.500Z",
        "kind": "exited",
        "name": "db",
        "instance": None,
        "message": "",
        "exit": {"code": 3, "signal": None, "oom": False, "at": "1970-01-01T00:16:42.250Z"},
        "retry_at": None,
        "fields": [],
        "problems": [],
    }


def test_damaged_lines_are_counted_and_the_rest_is_shown(
    disk: HostDisk, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(layout.events, "ab") as file:
        file.write(b'\xff\n[]\n{"at": 1}\n{"at": 1, "kind": "flew"}\n\n')
    disk.append_record(Record(at=1e300, kind=RecordKind.MENDED, name="web"))
    assert main(["events"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [*LINES, "9999-12-31 00:00:00  web: mended"]
    assert err == "orchestrator: 5 damaged lines of the event log left out\n"


def test_without_its_head(disk: HostDisk, layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """As the agent cuts it: whole blocks go, and what is left of a line is none."""
    for number in range(1000):
        disk.append_record(Record(at=2000.0 + number, kind=RecordKind.OPERATOR, name="web", message=f"{number}"))
    assert drop_head(layout.events, 20_000) > 0
    lines = shown(capsys, "-n", "all")
    assert 200 < len(lines) < 1000
    assert lines[-1].endswith("operator: 999")


def test_a_log_that_is_not_there(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"orchestrator: there is no event log ({layout.events}): has an agent ever run?\n"


def test_a_log_that_is_a_folder(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    Path(layout.events).mkdir()
    assert main(["events"]) == 1
    assert capsys.readouterr().err == f"orchestrator: cannot read the event log ({layout.events}): Is a directory\n"


@pytest.mark.parametrize("arguments", [("-n", "x"), ("-n", "-1"), ("--since", "yesterday"), ("--since", "600")])
def test_wrong_usage(layout: Layout, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f'"{arguments[1]}"' in line


def test_follow_until_interrupted(disk: HostDisk, layout: Layout) -> None:
    with following(layout, "-n", "1", "web") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"{LINES[3]}\n"
        disk.append_record(Record(at=2000.0, kind=RecordKind.STARTED, name="db"))
        disk.append_record(Record(at=2000.0, kind=RecordKind.STARTED, name="web"))
        assert process.stdout.readline() == "1970-01-01 00:33:20  web: started\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_follow_as_json(disk: HostDisk, layout: Layout) -> None:
    with following(layout, "-n", "1", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["kind"] == "replaced"
        disk.append_record(Record(at=2000.0, kind=RecordKind.STARTED, name="db"))
        assert json.loads(process.stdout.readline())["name"] == "db"


def test_follow_what_is_not_there_yet(layout: Layout) -> None:
    with following(layout) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == f"orchestrator: there is no event log yet, waiting for {layout.events}\n"
        HostDisk(layout).append_record(RECORDS[1])
        assert process.stdout.readline() == f"{LINES[1]}\n"


def test_a_message_cannot_write_to_the_terminal(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.append_record(Record(at=2000.0, kind=RecordKind.TROUBLE, name="web", message="first\nsecond \x1b[31mred"))
    assert shown(capsys, "-n", "1") == ["1970-01-01 00:33:20  web: first second \\x1b[31mred"]


def test_a_terminal_gets_colours(disk: HostDisk, layout: Layout) -> None:
    """On a pseudo-terminal, as a process of its own."""
    controller, terminal = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run(
        [*ORCHESTRATOR, "events", "db"], stdout=terminal, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\x1b[33mdb: exited with code 3\x1b[0m" in shown


def test_reading_alone_loads_neither_trio_nor_rich(disk: HostDisk) -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['events']); "
        "print(sorted({'trio', 'rich', 'cattrs', 'tree_sitter', 'asyncio'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
