"""systemd's journal: a stream for an application's output, and reading it again by journalctl(1). Floor: system."""

import os
import socket
import subprocess

from attrs import frozen

from orchestrator.ports import OutsideError

STREAM_SOCKET = "/run/systemd/journal/stdout"
"""Where systemd-journald.service(8) takes streams."""
_SEND_BUFFER = 8 * 1024 * 1024
"""Bytes that may be on their way before a write waits, as libsystemd asks for; the kernel may give less."""


class JournalUnavailable(OutsideError):
    """The journal cannot be written to, or not be read."""


def open_stream(identifier: str, path: str = STREAM_SOCKET) -> int:
    """A descriptor of which every line becomes an entry of the journal: as sd_journal_stream_fd(3), which says what the
    lines sent first mean.

    One for standard output and errors, as systemd.exec(5) has it (``StandardError=inherit``): the entries are in the
    order in which they were written, with priority info but where a line begins with another (``<3>``, sd-daemon(3)).
    Never blocks. Raises JournalUnavailable.
    """
    # A unit is for services of systemd's; 6 is info; prefixes are looked at; nothing is forwarded.
    header = f"{identifier}\n\n6\n1\n0\n0\n0\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as stream:
        try:
            # A journal that hangs refuses (EAGAIN) instead of holding up whoever asks.
            stream.setblocking(False)
            stream.connect(path)
            stream.shutdown(socket.SHUT_RD)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            stream.sendall(header.encode())
            stream.setblocking(True)  # for the application, which knows of no other
        except OSError as error:
            raise JournalUnavailable(f"cannot connect to the journal ({path}): {error.strerror}") from error
        return stream.detach()


@frozen(kw_only=True)
class JournalQuery:
    """Which entries of a container to show: the last ``lines`` (None: all) between two moments in epoch seconds, and
    with ``follow`` those to come. ``identifier``: see `orchestrator.core.output.identify_stream`."""

    identifier: str
    lines: int | None = None
    since: float | None = None
    until: float | None = None
    follow: bool = False

    @property
    def counts_from_moment(self) -> bool:
        """journalctl(1) shows the first so many lines since a moment, and not the last: those must be cut out here."""
        return self.lines is not None and (self.since is not None or self.until is not None)


def journalctl(query: JournalQuery) -> list[str]:
    """The command line that prints the messages of the entries, one a line; all of them if it would count otherwise."""
    lines = "all" if query.lines is None or query.counts_from_moment else str(query.lines)
    words = ["journalctl", "--quiet", "--no-pager", "--output=cat"]
    words += [f"--identifier={query.identifier}", f"--lines={lines}"]
    if query.since is not None:
        words.append(f"--since=@{query.since:.3f}")
    if query.until is not None:
        words.append(f"--until=@{query.until:.3f}")
    if query.follow:
        words.append("--follow")
    return words


def become_journalctl(query: JournalQuery) -> None:
    """Let journalctl(1) go on in place of this process, with its terminal, signals and exit code. Raises
    JournalUnavailable where there is none."""
    words = journalctl(query)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        raise no_journalctl(error) from error


def read_journal(query: JournalQuery) -> bytes:
    """What journalctl(1) prints. Raises JournalUnavailable."""
    try:
        done = subprocess.run(journalctl(query), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    except OSError as error:
        raise no_journalctl(error) from error
    if done.returncode != 0:
        raise JournalUnavailable(f"journalctl ended with exit code {done.returncode}")
    return _take_last(done.stdout, query.lines) if query.counts_from_moment else done.stdout


def _take_last(text: bytes, lines: int | None) -> bytes:
    every = text.splitlines(keepends=True)
    return b"".join(every if lines is None else every[max(len(every) - lines, 0) :])


def no_journalctl(error: OSError) -> JournalUnavailable:
    """journalctl(1) could not be started."""
    return JournalUnavailable(f"cannot run journalctl: {error.strerror}")
