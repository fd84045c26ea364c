"""The stream to systemd's journal and its reading: against a fake that keeps the bytes, and a real journald."""

import json
import os
import socket
from pathlib import Path

import pytest

from orchestrator.system.journal import (
    JournalQuery,
    JournalUnavailable,
    become_journalctl,
    journalctl,
    open_stream,
    read_journal,
)
from tests.system.helpers_journal import FakeJournal, run_with_journal

WEB = "orchestrator/web"


def test_the_header_is_that_of_sd_journal_stream_fd(tmp_path: Path) -> None:
    journal = FakeJournal(f"{tmp_path}/stdout")
    stream = open_stream(WEB, journal.path)
    assert os.get_blocking(stream), "an application expects no EAGAIN"
    assert not os.get_inheritable(stream)
    os.write(stream, b"hello\n")
    os.close(stream)
    assert journal.received() == b"orchestrator/web\n\n6\n1\n0\n0\n0\nhello\n"
    journal.close()


def test_no_journal_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable) as caught:
        open_stream("web", f"{tmp_path}/stdout")
    assert str(caught.value) == f"cannot connect to the journal ({tmp_path}/stdout): No such file or directory"


def test_a_journal_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/stdout")
        listener.listen(0)
        stream = open_stream("web", f"{tmp_path}/stdout")  # nobody accepts it, and there is no room for more
        with pytest.raises(JournalUnavailable, match="temporarily unavailable"):
            open_stream("web", f"{tmp_path}/stdout")
        os.close(stream)


def test_the_command_line_of_journalctl() -> None:
    common = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--identifier={WEB}"]
    assert journalctl(JournalQuery(identifier=WEB)) == [*common, "--lines=all"]
    assert journalctl(JournalQuery(identifier=WEB, lines=5, follow=True)) == [*common, "--lines=5", "--follow"]
    assert journalctl(JournalQuery(identifier=WEB, lines=5, since=1769860800.25)) == [
        *common, "--lines=all", "--since=@1769860800.250",
    ]  # fmt: skip
    assert journalctl(JournalQuery(identifier=WEB, since=1.0, until=2.0))[-2:] == ["--since=@1.000", "--until=@2.000"]


def test_without_journalctl_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    query = JournalQuery(identifier=WEB)
    for read in (read_journal, become_journalctl):
        with pytest.raises(JournalUnavailable, match=r"^cannot run journalctl: No such file or directory$"):
            read(query)


def test_a_journalctl_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(JournalUnavailable, match=r"^journalctl ended with exit code 4$"):
        read_journal(JournalQuery(identifier=WEB))


WRITE_AND_READ = """
$PYTHON -c '
import os, time
from orchestrator.system.journal import open_stream
for identifier, text in (
    ("orchestrator/web", b"hello\\n<3>bad\\n"), ("web", b"of the host\\n"), ("/srv/two/run/web", b"of another\\n"),
    ("orchestrator/web", b"again\\n"),
):
    stream = open_stream(identifier)
    os.write(stream, text)
    os.close(stream)
'
until journalctl --sync && [ "$(journalctl -q -o cat -t orchestrator/web | wc -l)" = 3 ]; do sleep 0.02; done
journalctl -q -t orchestrator/web -o json
$PYTHON -c '
import sys
from orchestrator.system.journal import *
sys.stdout.buffer.write(read_journal(JournalQuery(identifier="orchestrator/web")))
sys.stdout.buffer.write(read_journal(JournalQuery(identifier="orchestrator/web", lines=1, since=1.0)))
sys.stdout.buffer.write(read_journal(JournalQuery(identifier="orchestrator/web", lines=1)))
sys.stdout.buffer.write(read_journal(JournalQuery(identifier="orchestrator/web", since=1.0, until=2.0)))
'
"""


@pytest.mark.real
def test_a_real_journal_takes_lines_with_their_priority_and_gives_them_back() -> None:
    *entries, hello, bad, again, last, tail = run_with_journal(WRITE_AND_READ).splitlines()
    assert [
        (entry["MESSAGE"], entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["_TRANSPORT"])
        for entry in map(json.loads, entries)
    ] == [("hello", "6", WEB, "stdout"), ("bad", "3", WEB, "stdout"), ("again", "6", WEB, "stdout")]
    assert (hello, bad, again, last, tail) == ("hello", "bad", "again", "again", "again")
