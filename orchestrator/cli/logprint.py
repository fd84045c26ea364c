"""Prints the logs of containers: of files and of the journal, one or several, and what comes after. Floor: cli.

The command line for it is `orchestrator.cli.logs`.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import trio
from attrs import frozen

from orchestrator.cli.errors import FAILED, INTERRUPTED, warn
from orchestrator.cli.logview import NamedOutput, Output, make_outputs
from orchestrator.core.marks import Section, find_previous
from orchestrator.core.output import identify_stream
from orchestrator.model.bundle import LogTarget
from orchestrator.model.layout import Layout
from orchestrator.model.state import NameState
from orchestrator.ports import OutsideError, single_errors
from orchestrator.system.journal import JournalQuery, become_journalctl, read_journal
from orchestrator.system.logfollow import LogFollower, follow_journal
from orchestrator.system.logmarks import find_start, read_marks
from orchestrator.system.logs import CHUNK, LogReader, Piece
from orchestrator.system.sharing import SharedInotify
from orchestrator.system.states import read_name, read_names


class LogUnreadable(OutsideError):
    """The log of a container cannot be read."""


@frozen(kw_only=True)
class View:
    """What of each log is shown: the last ``lines`` (None: all) of what was written since a moment (epoch seconds), or
    by the instance before the last one; and with ``follow`` what comes."""

    lines: int | None
    since: float | None = None
    previous: bool = False
    follow: bool = False


def list_all(layout: Layout) -> list[str]:
    """The names of all containers that keep a log; where nothing is known of any, those of all logs."""
    known = read_names(layout) if layout.run else None
    if known is not None and known.states:
        return [state.name for state in known.states if state.log_target is not LogTarget.NONE]
    try:
        return _list_logs(layout)
    except FileNotFoundError:
        raise LogUnreadable(f"there are no logs ({layout.logs}): has an agent ever run?") from None
    except OSError as error:
        raise LogUnreadable(f"cannot look for logs in {layout.logs}: {error.strerror}") from None


def print_logs(layout: Layout, names: Sequence[str], view: View, *, every: bool = False) -> int:
    """Write what is asked for of the containers' logs to standard output, with ``view.follow`` until interrupted.
    Returns the exit code: 1 if one of several cannot be shown. every: not all of them need have a log.

    Raises LogUnreadable where the only one has no log (to follow, it is waited for), NoWatchesLeft,
    JournalUnavailable, and BrokenPipeError when the reader of the output has gone.
    """
    targets = {name: find_target(layout, name) for name in names}
    outputs = make_outputs(names)
    try:
        if len(names) == 1:
            _print_one(layout, names[0], targets[names[0]], view, outputs[names[0]])
            return 0
        if view.follow:
            trio.run(partial(_follow_several, layout, targets, view, outputs, quiet=every))
        return _print_several(layout, targets, view, outputs, every=every)
    except BaseException as error:
        if all(isinstance(leaf, KeyboardInterrupt) for leaf in single_errors(error)):
            return INTERRUPTED
        raise


def find_target(layout: Layout, name: str) -> LogTarget:
    """Where the output of a container goes, as far as that is known: else to a file."""
    if "/" in name or name in ("", ".", ".."):
        raise LogUnreadable(f'there is no container "{name}": a name has no slash')
    state = read_name(layout, name) if layout.run else None
    return state.log_target if isinstance(state, NameState) else LogTarget.FILE


def _print_one(layout: Layout, name: str, target: LogTarget, view: View, output: Output | NamedOutput) -> None:
    match target:
        case LogTarget.NONE:
            raise LogUnreadable(f'{name} keeps no log: its definition says log = "none"')
        case LogTarget.JOURNAL:
            query = _query_of(layout, name, view)
            if query.counts_from_moment:
                output.write(Piece(read_journal(query)))
            else:
                sys.stdout.flush()
                become_journalctl(query)
        case LogTarget.FILE if view.follow:
            trio.run(_follow_file, layout, name, view, output)
        case LogTarget.FILE:
            _print_file(layout, name, view, output)


def _print_several(
    layout: Layout,
    targets: Mapping[str, LogTarget],
    view: View,
    outputs: Mapping[str, Output | NamedOutput],
    *,
    every: bool,
) -> int:
    """One log after the other: when a line was written is not known well enough to put them in one order."""
    code = 0
    for name, target in targets.items():
        if every and target is LogTarget.FILE and not os.path.exists(layout.log(name)):
            continue
        try:
            if target is LogTarget.JOURNAL:
                outputs[name].write(Piece(read_journal(_query_of(layout, name, view))))
            else:
                _print_one(layout, name, target, view, outputs[name])
            outputs[name].end_line()
        except OutsideError as error:
            warn(str(error))
            code = FAILED
    return code


def _print_file(layout: Layout, name: str, view: View, output: Output | NamedOutput) -> None:
    path = layout.log(name)
    section = _find_section(layout, name) if view.previous else None
    try:
        with LogReader(path) as reader:
            # The end as it is now: under a fast writer there would be no other.
            end = reader.seek_tail(view.lines, section.end if section is not None else None)
            if section is not None and reader.position < section.begin:
                reader.seek(section.begin)
            elif view.since is not None and reader.position < (begin := _find_begin(name, path, view.since)):
                reader.seek_line(begin)
            while reader.position < end and (piece := reader.read(min(CHUNK, end - reader.position))):
                output.write(piece)
    except BrokenPipeError:
        raise  # it is of the output, not of the log
    except OSError as error:
        raise _unreadable(layout, name, path, error) from None


async def _follow_several(
    layout: Layout,
    targets: Mapping[str, LogTarget],
    view: View,
    outputs: Mapping[str, Output | NamedOutput],
    *,
    quiet: bool,
) -> None:
    inotify = SharedInotify()
    async with trio.open_nursery() as nursery:
        for name, target in targets.items():
            if target is LogTarget.FILE:
                nursery.start_soon(partial(_follow_file, layout, name, view, outputs[name], inotify, quiet=quiet))
            elif target is LogTarget.JOURNAL:
                output = outputs[name]
                nursery.start_soon(
                    follow_journal, _query_of(layout, name, view), lambda data, output=output: output.write(Piece(data))
                )
            else:
                warn(f'{name} keeps no log: its definition says log = "none"')


async def _follow_file(
    layout: Layout,
    name: str,
    view: View,
    output: Output | NamedOutput,
    inotify: SharedInotify | None = None,
    *,
    quiet: bool = False,
) -> None:
    path = layout.log(name)
    try:
        with _open_follower(layout, name, view, inotify, quiet=quiet) as follower:
            async for piece in follower:
                output.write(piece)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unreadable(layout, name, path, error) from None


def _open_follower(layout: Layout, name: str, view: View, inotify: SharedInotify | None, *, quiet: bool) -> LogFollower:
    """Raises LogUnreadable where not even the folder of the logs is there: it is not made for somebody who asks."""
    path, begin = layout.log(name), 0
    if not os.path.isdir(layout.logs):
        raise _unreadable(layout, name, path, FileNotFoundError())
    if not os.path.exists(path):
        if not quiet:
            warn(f"there is no log of {name} yet, waiting for {path}")
    elif view.since is not None:
        begin = _find_begin(name, path, view.since)
    return LogFollower(path, view.lines, begin, inotify=inotify)


def _find_begin(name: str, path: str, since: float) -> int:
    """Where what was written since a moment begins, in a log that there is."""
    why = "nothing tells when all of it was written"
    try:
        start = find_start(path, since)
        if start.known:
            return start.position
    except OSError as error:
        why = f"cannot read {error.filename or path}: {error.strerror}"
    warn(f"{name}: beginning at the head of its log: {why}")
    return 0


def _find_section(layout: Layout, name: str) -> Section:
    """What the instance before the last one has written. Raises LogUnreadable where that is not known."""
    path = layout.log(name)
    try:
        section = find_previous(read_marks(path))
    except OSError as error:
        raise _unreadable(layout, name, path, error) from None
    if section is None:
        raise LogUnreadable(f"no instance of {name} before the last one is known")
    return section


def _query_of(layout: Layout, name: str, view: View) -> JournalQuery:
    """Of an earlier instance the journal knows no more than the time in which it was the container's."""
    identifier = identify_stream(layout.run, name)
    if view.previous:
        section = _find_section(layout, name)
        return JournalQuery(identifier=identifier, lines=view.lines, since=section.began_at, until=section.ended_at)
    query = JournalQuery(identifier=identifier, lines=view.lines, since=view.since, follow=view.follow)
    if query.follow and query.counts_from_moment:
        raise LogUnreadable(f"{name} writes to the journal: followed from --since on it has no last lines (--lines)")
    return query


def _unreadable(layout: Layout, name: str, path: str, error: OSError) -> LogUnreadable:
    if isinstance(error, FileNotFoundError):
        hint = _suggest_log(layout, name) or "has it ever run?"
        return LogUnreadable(f"there is no log of {name} ({path}): {hint}")
    return LogUnreadable(f"cannot read the log of {name} ({error.filename or path}): {error.strerror}")


def _suggest_log(layout: Layout, name: str) -> str:
    """What name was probably meant, by those that have a log."""
    from orchestrator.core.suggest import suggest_similar

    with contextlib.suppress(OSError):
        return suggest_similar(name, _list_logs(layout))
    return ""


def _list_logs(layout: Layout) -> list[str]:
    """The names that have a log. Raises OSError."""
    return sorted(file.removesuffix(".log") for file in os.listdir(layout.logs) if file.endswith(".log"))
