"""A journal of one's own: systemd-journald in a mount namespace with an empty /run, and a fake that keeps the bytes."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

JOURNALD = "/usr/lib/systemd/systemd-journald"

_BEGIN = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
{journald} >/run/journald.log 2>&1 &
journald=$!
trap 'kill $journald; wait $journald || :' EXIT
until [ -S /run/systemd/journal/stdout ]; do kill -0 $journald; sleep 0.02; done
"""


def run_with_journal(script: str, *arguments: str) -> str:
    """Run a script of sh beside a journal of its own, with ``arguments`` as $1 and on; returns what it printed. $PYTHON
    is the interpreter of the tests. Needs root; a journald that is missing is a failure."""
    assert os.path.exists(JOURNALD), f"{JOURNALD} is not there: apt-get install systemd"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{_BEGIN.format(journald=JOURNALD)}\n{script}", "sh", *arguments],
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


class FakeJournal:
    """A listener like the journal's, for one stream."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._received = bytearray()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while data := connection.recv(65536):
                self._received += data

    def received(self) -> bytes:
        """All that was sent, once the other end is closed."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "the stream is still open"
        return bytes(self._received)

    def close(self) -> None:
        self._listener.close()
