"""Builds a definition that is a Nix expression: `ports.NixBuilder` by the host's `nix-build`.

The expression is wrapped into a derivation whose output is the definition as JSON (`orchestrator/nix/build.nix`), so
that building it builds all that it names. Floor: system.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

import trio
from attrs import evolve, frozen

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
_LARGEST_LOG = 4 * 1024 * 1024
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

    async def build(self, source: Source, tell: Callable[[str], None]) -> NixResult:
        """See `orchestrator.ports.NixBuilder`."""
        began = time.time_ns()
        path = f"{self.folder}/{source.name}.log"
        try:
            make_folders(self.folder, 0o750)
            with open_memory("nix-output") as output, open_log(path) as log:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_follow_progress, log.fileno(), tell)
                    # -vv: which files are read. The link keeps what was built until the next build, and over an
                    # agent's end, so that there is mostly nothing to build.
                    link = f"{self.folder}/{source.name}"
                    arguments = ["--out-link", link, "-vv", f"{_EXPRESSIONS}/build.nix", *_arguments(source)]
                    result = await self._run("nix-build", arguments, output.fileno(), log.fileno())
                    nursery.cancel_scope.cancel()
                log.seek(0)
                said = log.read(_LARGEST_LOG).decode(errors="replace")
                printed = read_back(output).split()
        except NixFailed as error:
            return _fail(source, f"cannot be built: {error}", began, hint="apt-get install nix-bin, or see nixos.org")
        except OSError as error:
            return _fail(source, f"cannot be built: {path}: {error.strerror or error}", began)
        inputs = await trio.to_thread.run_sync(self._find_inputs, source, said, abandon_on_cancel=True)
        if not result.success or not printed:
            why = find_problem(said, source.file, path)
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

    async def _run(self, name: str, arguments: Sequence[str], output: int, errors: int | None) -> CommandResult:
        """Raises NixFailed, OSError."""
        environ = clean_environment(self.environ)
        environ |= {"NIX_STORE_DIR": self.store.folder, "NIX_STATE_DIR": self.store.state}
        environ.setdefault("HOME", "/root")
        command = [find_nix(name, self.environ), *arguments]
        return await run_command(
            command, children=self.children, env=environ, deadline=LONGEST, stdout=output, stderr=errors
        )

    def _find_inputs(self, source: Source, log: str) -> tuple[InputQuestion, ...]:
        """What another state of would be another definition. In a store nothing changes: of what lies there by a link,
        as channels do, only that link counts."""
        found: dict[InputQuestion, None] = {StampQuestion(source.file): None}
        for path in find_files(log):
            if path.startswith((f"{_EXPRESSIONS}/", f"{self.store.real}/", f"{self.store.folder}/")):
                continue
            link = _find_link_to_store(path, self.store)
            if link is not None:
                found[PlaceQuestion(self.store, link, whole=True)] = None
                continue
            found |= dict.fromkeys(StampQuestion(each) for each in _list_below(path))
        return tuple(found)


def _fail(
    source: Source, message: str, began: int, inputs: tuple[InputQuestion, ...] = (), hint: str = ""
) -> NixResult:
    problem = Problem(source.file, 1, 1, "", message, hint)
    return NixResult(None, problem, inputs or (StampQuestion(source.file),), began)


def open_log(path: str) -> BinaryIO:
    """A new log in the place of one that there may be. Raises OSError."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o640), "r+b")


async def _follow_progress(log: int, tell: Callable[[str], None]) -> None:
    """Look at the end of a growing log now and then, until cancelled. No timer runs but for a build."""
    while True:
        size = os.fstat(log).st_size
        tell(describe_progress(os.pread(log, _PROGRESS_FROM, max(0, size - _PROGRESS_FROM)).decode(errors="replace")))
        await trio.sleep(LOOK_EVERY)


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
