"""Builds a definition that is a Nix expression: `ports.NixBuilder` by the host's `nix-build`.

The expression is wrapped into a derivation whose output is the definition as JSON (`orchestrator/nix/build.nix`), so
that building it builds all that it names. Floor: system.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

import trio
from attrs import evolve, field, frozen

from orchestrator.core.nixlog import describe_progress, find_files, find_problem
from orchestrator.model.facts import PlaceQuestion, StampQuestion
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import Problem
from orchestrator.model.source import Built, NixPlace, Source
from orchestrator.model.store import Store
from orchestrator.ports.nix import InputQuestion, NixResult
from orchestrator.system.files import make_folders
from orchestrator.system.links import StepKind, walk_links
from orchestrator.system.nix import NixFailed, find_nix, open_memory, read_back
from orchestrator.system.reaper import Children
from orchestrator.system.spawn import CommandResult, clean_environment, run_command

LONGEST = 6 * 3600.0
"""Seconds that a build may take."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the log of a build that goes on, for its progress."""

MOST_BELOW = 1000
"""Files of a folder that was copied whose changes are seen one by one."""

_EXPRESSIONS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "nix")
LARGEST_LOG = 256 * 1024 * 1024
"""Bytes of a log that a build may write; of one that has written more its beginning is kept."""

MOST_LOOKED_AT = 1000
"""Entries of folders among which the links are looked for that files were found by."""

LOOKING_FOR_LINKS = 5.0
"""Seconds that this may take: what is linked to may lie on a file system that hangs."""

TO_CLEAR_UP = 5.0
"""Seconds that a build that is called off has to end its builders and remove their temporary folders."""

_OWN = (f"{_EXPRESSIONS}/", f"{os.path.realpath(_EXPRESSIONS)}/")
_LOG_PART = 4 * 1024 * 1024
"""Bytes of the beginning and of the end of a log that are read: the files come first, the error last."""
_PROGRESS_FROM = 8192
"""Bytes of the end of a log that are looked at for progress."""


@frozen
class HostNix:
    """Implements `orchestrator.ports.NixBuilder`. ``store`` is the host's; ``folder`` is made with the
    first build: for each name it has the log, ``NAME.log``, and ``NAME``, a root of what came of it."""

    store: Store
    children: Children
    environ: Mapping[str, str]
    folder: str
    searches: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(2), eq=False, repr=False)
    """Of links, at a time: one that hangs holds its thread."""

    async def build(self, source: Source, tell: Callable[[str], None]) -> NixResult:
        """See `orchestrator.ports.NixBuilder`."""
        began = time.time_ns()
        path = f"{self.folder}/{source.name}.log"
        try:
            make_folders(self.folder, 0o750)
            with open_memory("nix-output") as output, open_log(path) as log:
                result = await self._build(source, tell, output.fileno(), log.fileno())
                said = await trio.to_thread.run_sync(_read_log, log.fileno())
                if result is None:
                    os.ftruncate(log.fileno(), _LOG_PART)
                printed = read_back(output).split()
        except NixFailed as error:
            return _fail(source, f"cannot be built: {error}", began, hint="apt-get install nix-bin, or see nixos.org")
        except OSError as error:
            return _fail(source, f"cannot be built: {path}: {error.strerror or error}", began)
        inputs = await self._find_inputs(source, said)
        if result is None:
            most = f"{LARGEST_LOG / 1024**2:g} MiB"
            return _fail(source, f"it wrote more than {most} to its log, {path}", began, inputs)
        if not result.success or not printed:
            why = await trio.to_thread.run_sync(find_problem, said, source.file, path)
            if result.timed_out:
                why = evolve(why, message=f"it took longer than {LONGEST / 3600:g} hours: {why.message}")
            return NixResult(None, why, inputs, began)
        try:
            text = await trio.to_thread.run_sync(_read, self.store.find_real(printed[-1]))
        except (OSError, UnicodeDecodeError) as error:
            return _fail(source, f"cannot read what it was built to: {printed[-1]}: {error}", began, inputs)
        return NixResult(Built(printed[-1], text), None, inputs, began)

    async def find_places(self, source: Source, keys: Sequence[KeyPath]) -> Built:
        """See `orchestrator.ports.NixBuilder`. Where nix does not say, there is none."""
        assert source.built is not None, "only of what was built there are places"
        wanted = json.dumps([list(key) for key in keys])
        arguments = ["--eval", "--strict", "--json", f"{_EXPRESSIONS}/places.nix", *_arguments(source)]
        try:
            with open_memory("nix-output") as output:
                await self._run("nix-instantiate", [*arguments, "--argstr", "keys", wanted], output.fileno(), None)
                found = json.loads(read_back(output))
            places = {tuple(key): _read_place(place) for key, place in zip(keys, found, strict=True) if place}
        except (NixFailed, OSError, ValueError, KeyError, TypeError):
            places = {}
        return evolve(source.built, places=places)

    def forget(self, name: str) -> None:
        """See `orchestrator.ports.NixBuilder`."""
        for path in (f"{self.folder}/{name}", f"{self.folder}/{name}.log"):
            with suppress(OSError):
                os.unlink(path)

    async def _build(self, source: Source, tell: Callable[[str], None], output: int, log: int) -> CommandResult | None:
        """Run nix; None where it was ended since its log grew too large. Raises NixFailed, OSError."""
        # -vv: which files are read. The link keeps what was built until the next build, and over an agent's end, so
        # that there is mostly nothing to build.
        link = f"{self.folder}/{source.name}"
        arguments = ["--out-link", link, "-vv", f"{_EXPRESSIONS}/build.nix", *_arguments(source)]
        result: CommandResult | None = None
        failed: NixFailed | OSError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow_progress, log, tell, nursery.cancel_scope)
            try:
                result = await self._run("nix-build", arguments, output, log)
            except (NixFailed, OSError) as error:  # a nursery would make a group of it
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed
        return result

    async def _run(self, name: str, arguments: Sequence[str], output: int, errors: int | None) -> CommandResult:
        """Raises NixFailed, OSError."""
        environ = clean_environment(self.environ)
        environ |= {"NIX_STORE_DIR": self.store.folder, "NIX_STATE_DIR": self.store.state}
        environ.setdefault("HOME", "/root")
        command = [find_nix(name, self.environ), *arguments]
        return await run_command(
            command,
            children=self.children,
            env=environ,
            deadline=LONGEST,
            stdout=output,
            stderr=errors,
            gently=TO_CLEAR_UP,
        )

    async def _find_inputs(self, source: Source, log: str) -> tuple[InputQuestion, ...]:
        """What another state of would be another definition."""
        files = await trio.to_thread.run_sync(find_files, log)
        found = await trio.to_thread.run_sync(self._ask_of_files, source, files, abandon_on_cancel=True)
        with trio.move_on_after(LOOKING_FOR_LINKS):
            found += await trio.to_thread.run_sync(
                self._ask_of_links, source, files, abandon_on_cancel=True, limiter=self.searches
            )
        return tuple(dict.fromkeys(found))

    def _ask_of_files(self, source: Source, files: Sequence[str]) -> list[InputQuestion]:
        """In a store nothing changes: of what lies there by a link, as channels do, only that link counts."""
        found: list[InputQuestion] = [StampQuestion(source.file)]
        for path in files:
            if _is_own(path) or self._is_stored(path):
                continue
            link = _find_link_to_store(path, self.store)
            if link is not None:
                found.append(PlaceQuestion(self.store, link, whole=True))
                continue
            found += (StampQuestion(each) for each in _list_below(path))
        return found

    def _ask_of_links(self, source: Source, files: Sequence[str]) -> list[InputQuestion]:
        """The links by which files were found, as nix names those only that they lead to: looked for near the
        definition and near each of the files, and below the former."""
        own = os.path.abspath(source.file)
        read = [path for path in files if not _is_own(path)]
        outside = [path for path in read if not self._is_stored(path)]
        led_to = {os.path.realpath(self.store.find_real(path) if self._is_stored(path) else path) for path in read}
        above = {folder for path in led_to for folder in _list_above(path)}
        found: list[InputQuestion] = []
        if self._is_stored(os.path.realpath(own)):
            found.append(PlaceQuestion(self.store, own, whole=True))
        near = dict.fromkeys(os.path.dirname(path) for path in (own, *outside))
        for link in _find_links(near, os.path.dirname(own)):
            real = os.path.realpath(link)
            if link == own or real not in led_to | above:
                continue
            if real.startswith(f"{self.store.real}/"):
                found.append(PlaceQuestion(self.store, link, whole=True))
            elif real in led_to:
                found.append(StampQuestion(link))
            elif not link.startswith(f"{real.rstrip('/')}/"):  # one to a folder above it leads to itself, too
                below = (path for path in sorted(led_to) if path.startswith(f"{real}/") and not self._is_stored(path))
                found += (StampQuestion(link + path[len(real) :]) for path in below)
        return found

    def _is_stored(self, path: str) -> bool:
        return path.startswith((f"{self.store.real}/", f"{self.store.folder}/"))


def _fail(
    source: Source, message: str, began: int, inputs: tuple[InputQuestion, ...] = (), hint: str = ""
) -> NixResult:
    problem = Problem(source.file, 1, 1, "", message, hint)
    return NixResult(None, problem, inputs or (StampQuestion(source.file),), began)


def open_log(path: str) -> BinaryIO:
    """A new log in the place of one that there may be, which a build that is called off may still write to. Raises
    OSError."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640), "r+b")


def _read_log(log: int) -> str:
    """A log, of a long one its beginning and its end. Raises OSError."""
    size = os.fstat(log).st_size
    if size <= 2 * _LOG_PART:
        return os.pread(log, size, 0).decode(errors="replace")
    parts = (os.pread(log, _LOG_PART, 0), os.pread(log, _LOG_PART, size - _LOG_PART).partition(b"\n")[2])
    return "\n".join(part.decode(errors="replace") for part in parts)


async def _follow_progress(log: int, tell: Callable[[str], None], scope: trio.CancelScope) -> None:
    """Look at the end of a growing log now and then, until cancelled. No timer runs but for a build. scope: of the
    build, which is called off when its log grows too large."""
    while (size := os.fstat(log).st_size) <= LARGEST_LOG:
        tell(describe_progress(os.pread(log, _PROGRESS_FROM, max(0, size - _PROGRESS_FROM)).decode(errors="replace")))
        await trio.sleep(LOOK_EVERY)
    scope.cancel()


def _arguments(source: Source) -> list[str]:
    return ["--argstr", "name", source.name, "--argstr", "file", os.path.abspath(source.file)]


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _read_place(place: Mapping[str, object]) -> NixPlace:
    return NixPlace(str(place["file"]), Place(int(str(place["line"])), int(str(place["column"]))))


def _find_link_to_store(path: str, store: Store) -> str | None:
    """The link on the way to a path that leads into the store, if one does: what comes after it never changes."""
    for step in walk_links(path).steps:
        if step.kind is StepKind.LINK and os.path.realpath(step.path).startswith(f"{store.real}/"):
            return step.path
    return None


def _is_own(path: str) -> bool:
    """Whether it is one of the agent's own expressions."""
    return path.startswith(_OWN)


def _list_above(path: str) -> Iterator[str]:
    """The folders above a path, but not the topmost."""
    while (path := os.path.dirname(path)) != "/":
        yield path


def _find_links(folders: Iterable[str], top: str) -> Iterator[str]:
    """The links in these folders, and then in those below the top, nearest first; of so many entries and no more."""
    pending = deque(folders)
    seen: set[str] = set()
    left = MOST_LOOKED_AT
    while pending:
        folder = pending.popleft()
        if folder in seen:
            continue
        seen.add(folder)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    return
                if entry.is_symlink():
                    yield entry.path
                elif entry.is_dir(follow_symlinks=False) and f"{folder}/".startswith(f"{top}/"):
                    pending.append(entry.path)


def _list_below(path: str) -> Iterable[str]:
    """A file; or a folder and what is in it, of a large one the folder alone."""
    if not os.path.isdir(path):
        return (path,)
    below = []
    for each in _walk(path):
        below.append(each)
        if len(below) > MOST_BELOW:
            return (path,)
    return below


def _walk(path: str) -> Iterator[str]:
    for folder, _, files in os.walk(path):
        yield folder
        yield from (f"{folder}/{name}" for name in files)
