"""Reading the definition files of a directory, as it is at this moment.

Nothing is watched here and nothing parsed; every way in which a file can be unreadable is said in its `Source`. The
functions block. Without trio, so that commands that only read are quick. Floor: system.
"""

import errno
import os
import stat

from orchestrator.core.shape import LARGEST_TEXT
from orchestrator.model.source import Listing, Source, form_of
from orchestrator.system.steps import Steps, finish

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Way:
    """Where a look at a directory leads, as far as one can look, and what it fails with on the way."""

    def __init__(self, end: str) -> None:
        self.end = end
        """The path of the directory, without links."""
        self.targets: dict[str, str] = {}
        """That of each file which is a link."""
        self.failures: set[int | None] = set()
        """The numbers of errors, errno(3)."""


def read_sources(directory: str, suffixes: tuple[str, ...]) -> Listing:
    """All definition files of ``directory``, sorted by name (two may share it). A file that vanishes meanwhile is
    left out."""
    return finish(read_in_steps(directory, suffixes))


def read_in_steps(directory: str, suffixes: tuple[str, ...], way: Way | None = None) -> Steps[Listing]:
    """The steps of `read_sources`. way: where it leads, if that is known; is told of every failure."""
    way = way or Way(directory)
    sources = []
    try:
        yield way.end
        # One descriptor for the whole reading: a directory that is replaced meanwhile gives no mixture of two.
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in os.listdir(folder):
                if is_visible(name, suffixes):
                    source = yield from _read_source(folder, directory, name, way)
                    sources += [source] if source is not None else []
        finally:
            os.close(folder)
    except OSError as error:
        way.failures.add(error.errno)
        return Listing((), f"cannot read the directory {directory}: {_reason(error)}")
    return Listing(tuple(sorted(sources, key=lambda source: (source.name, source.file))))


def is_visible(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether an entry may hold a definition: a known suffix with something before it, and no dot in front."""
    return not name.startswith(".") and name.endswith(suffixes) and name not in suffixes


def list_links(directory: str, suffixes: tuple[str, ...], way: Way) -> Steps[list[str]]:
    """The names of definition files that are links, sorted; empty where the directory cannot be read."""
    try:
        yield directory
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if is_visible(entry.name, suffixes) and entry.is_symlink())
    except OSError as error:
        way.failures.add(error.errno)
        return []


def _read_source(folder: int, directory: str, name: str, way: Way) -> Steps[Source | None]:
    # A name that is no UTF-8 must not break whoever prints it; as a container's name it is refused in any case.
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    stem, path, form = os.path.splitext(shown)[0], os.path.join(directory, shown), form_of(shown)
    try:
        yield way.targets.get(name, os.path.join(way.end, name))
        text, modified_at = _read_text(folder, name)
        return Source(stem, path, text, form=form, modified_at=modified_at)
    except FileNotFoundError:
        try:
            target = os.readlink(name, dir_fd=folder)
        except OSError:
            return None
        reason = f"it is a link to {target}, which does not exist"
        return Source(stem, path, None, f"cannot read the file: {reason}", form)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Source(stem, path, None, f"cannot read the file: line {line} is not UTF-8", form)
    except OSError as error:
        way.failures.add(error.errno)
        return Source(stem, path, None, f"cannot read the file: {_reason(error)}", form)


def _read_text(folder: int, name: str) -> tuple[str, float]:
    """The text of a file, and its mtime in epoch seconds: of the file that was read, not of one put in its place."""
    # To open a device or a FIFO may do something to it, so the kind is asked first; it is asked again of what was
    # opened, since the name may lead elsewhere by then (hence O_NONBLOCK, with which a FIFO does not wait).
    _refuse_irregular(os.stat(name, dir_fd=folder))
    file = os.open(name, _OPEN, dir_fd=folder)
    try:
        status = os.fstat(file)
        _refuse_irregular(status)
        content = b""
        while len(content) <= LARGEST_TEXT and (part := os.read(file, LARGEST_TEXT + 1 - len(content))):
            content += part
    finally:
        os.close(file)
    if len(content) > LARGEST_TEXT:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST_TEXT // 1024} KiB, the limit")
    return content.decode(), status.st_mtime


def _refuse_irregular(status: os.stat_result) -> None:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    for test, kind in kinds:
        if test(status.st_mode):
            raise OSError(errno.EINVAL, f"it is {kind}, not a regular file")


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def read_source(path: str) -> Source:
    """One file named by a person, whatever its name; a file that is missing is a source with that error."""
    directory, name = os.path.split(path)
    try:
        folder = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return Source(os.path.splitext(name)[0], path, None, f"cannot read the file: {_reason(error)}", form_of(name))
    try:
        source = finish(_read_source(folder, directory, name, Way(directory)))
    finally:
        os.close(folder)
    if source is None:
        error_text = "cannot read the file: no such file or directory"
        return Source(os.path.splitext(name)[0], path, None, error_text, form_of(name))
    return source
