"""The generations on disk: a file for each, the texts of their definitions each once by digest, and the pin.

Nothing is ever written to in place: a text is put beside the others before the generation that needs it, so whatever
is killed between two writes leaves what there was. All of it outlives a power cut (fsync(2)), since a file that such a
cut has emptied is what a last good definition is for. What a generation is made of is left to
`orchestrator.core.generations`. Loads nothing that is slow to load. Floor: system.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from orchestrator.core.encode import DamagedState
from orchestrator.core.generations import (
    choose_numbers_to_drop,
    decode_accepted,
    decode_generation,
    decode_head,
    decode_pin,
    digest_text,
    encode_generation,
    encode_pin,
)
from orchestrator.model.generation import Accepted, Generation, Head, Pin
from orchestrator.model.layout import Layout
from orchestrator.ports import Damaged, DiskFailed
from orchestrator.system.files import make_folders, remove_file, sync_folder, write_atomic

KEPT = 100
"""How many generations are kept at least, beside the one that is pinned."""
MORE = 20
"""How many more there may be before the old ones go: to find the texts that none has all of them are read."""

_FILE = re.compile(r"([1-9][0-9]{0,17})\.jsonl")
_NUMBERED = re.compile(r"([1-9][0-9]{0,17})\.jsonl(\..*)?")
_DIGEST = re.compile(rb'"digest":"([0-9a-f]{64})"')
"""The digest of a text in a generation's file: in a string of JSON the quotes would be escaped."""
_BUNDLE = re.compile(rb'"bundle":"([0-9a-f]{64})"')
"""That of a bundle."""


class HostGenerations:
    """Implements `orchestrator.ports.GenerationStore`. There must be one writer at a time; readers need no agent."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._bundles: dict[int, frozenset[str]] = {}
        """By number: what is written once never changes."""

    def list_numbers(self) -> tuple[int, ...]:
        """See `orchestrator.ports.GenerationStore`."""
        return tuple(sorted(int(match[1]) for name in self._list() if (match := _FILE.fullmatch(name))))

    def last_number(self) -> int:
        """See `orchestrator.ports.GenerationStore`."""
        return max((int(match[1]) for name in self._list() if (match := _NUMBERED.fullmatch(name))), default=0)

    def read_head(self, number: int) -> Head:
        """See `orchestrator.ports.GenerationStore`."""
        path = self._layout.generation(number)
        with _reading(path), open(path, encoding="ascii") as file:
            return _check_number(decode_head(file.readline()), number)

    def read(self, number: int) -> Generation:
        """See `orchestrator.ports.GenerationStore`."""
        path = self._layout.generation(number)
        with _reading(path), open(path, encoding="ascii") as file:
            generation = decode_generation(file.read())
            _check_number(generation.head, number)
            return generation

    def read_text(self, digest: str) -> str:
        """See `orchestrator.ports.GenerationStore`."""
        path = f"{self._layout.texts}/{digest}"
        with _reading(path):
            with open(path, encoding="utf-8", newline="") as file:
                text = file.read()
            if digest_text(text) != digest:
                raise DamagedState("it is not what its name says")
            return text

    def find(self, name: str, bundle: str) -> Accepted | None:
        """See `orchestrator.ports.GenerationStore`."""
        for number in reversed(self.list_numbers()):
            path = self._layout.generation(number)
            # Only the lines that may be it are decoded: there may be a hundred thousand.
            with suppress(Damaged), _reading(path), open(path, encoding="ascii") as file:
                for line in file:
                    if bundle in line and (found := decode_accepted(line)).name == name and found.bundle == bundle:
                        return found
        return None

    def list_bundles(self) -> frozenset[str]:
        """The digests of all bundles that the generations name; of those that cannot be read none. Raises
        DiskFailed."""
        found = set[str]()
        for number in self.list_numbers():
            if number not in self._bundles:
                path = self._layout.generation(number)
                with suppress(Damaged), _reading(path), open(path, "rb") as file:
                    # Only this is looked for: there may be a hundred thousand lines.
                    self._bundles[number] = frozenset(digest.decode() for digest in _BUNDLE.findall(file.read()))
            found |= self._bundles.get(number, frozenset())
        return frozenset(found)

    async def write(self, generation: Generation, texts: Mapping[str, str]) -> None:
        """See `orchestrator.ports.GenerationStore`. In a thread, since disks take their time to be sure."""
        import trio

        await trio.to_thread.run_sync(self.write_now, generation, texts)

    async def clear_out(self) -> None:
        """See `orchestrator.ports.GenerationStore`."""
        import trio

        await trio.to_thread.run_sync(self.clear_out_now)

    def set_aside(self, damaged: Damaged) -> str:
        """See `orchestrator.ports.GenerationStore`."""
        aside = f"{damaged.file}.damaged"
        with _tried(f"cannot move {damaged.file}"), suppress(FileNotFoundError):
            os.rename(damaged.file, aside)
        return aside

    def read_pin(self) -> Pin | None:
        """See `orchestrator.ports.GenerationStore`."""
        path = self._layout.pin
        with _reading(path):
            try:
                with open(path, encoding="ascii") as file:
                    return decode_pin(file.read())
            except FileNotFoundError:
                return None

    async def write_pin(self, pin: Pin | None) -> None:
        """See `orchestrator.ports.GenerationStore`."""
        import trio

        await trio.to_thread.run_sync(self.write_pin_now, pin)

    def write_pin_now(self, pin: Pin | None) -> None:
        """`write_pin` for who has no loop. Raises DiskFailed."""
        path = self._layout.pin
        with _tried(f"cannot write {path}"):
            if pin is not None:
                write_atomic(path, encode_pin(pin).encode(), durable=True)
                return
            remove_file(path)
            sync_folder(self._layout.generations)

    def _list(self) -> list[str]:
        try:
            return os.listdir(self._layout.generations)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DiskFailed(f"cannot read {self._layout.generations}: {error.strerror}") from error

    def write_now(self, generation: Generation, texts: Mapping[str, str]) -> None:
        """`write` for who has no loop. Raises DiskFailed."""
        path = self._layout.generation(generation.head.number)
        with _tried(f"cannot write {path}"):
            make_folders(self._layout.generations, 0o700)  # definitions may hold what is private
            make_folders(self._layout.texts, 0o700)
            self._write_texts(texts)
            write_atomic(path, encode_generation(generation).encode(), durable=True)

    def _write_texts(self, texts: Mapping[str, str]) -> None:
        written = False
        for digest, text in texts.items():
            path, data = f"{self._layout.texts}/{digest}", text.encode()
            if not _has_size(path, len(data)):
                write_atomic(path, data, synced=True)
                written = True
        if written:
            sync_folder(self._layout.texts)

    def clear_out_now(self) -> None:
        """`clear_out` for who has no loop. Raises DiskFailed."""
        numbers = self.list_numbers()
        if len(numbers) <= KEPT + MORE:
            return
        pin = self.read_pin()
        dropped = choose_numbers_to_drop(numbers, keep=KEPT, pinned=pin.number if pin is not None else None)
        with _tried(f"cannot clear out {self._layout.generations}"):
            for number in dropped:
                remove_file(self._layout.generation(number))
            for name in self._list():
                match = _NUMBERED.fullmatch(name)
                if match is not None and match[2] and int(match[1]) <= dropped[-1]:
                    remove_file(f"{self._layout.generations}/{name}")  # it was set aside
            needed = set[str]()
            for number in self.list_numbers():
                with open(self._layout.generation(number), "rb") as file:
                    needed.update(digest.decode() for digest in _DIGEST.findall(file.read()))
            for name in os.listdir(self._layout.texts):
                if name not in needed:
                    remove_file(f"{self._layout.texts}/{name}")


def _check_number(head: Head, number: int) -> Head:
    if head.number != number:
        raise DamagedState(f"it is that of generation {head.number}")
    return head


def _has_size(path: str, size: int) -> bool:
    """Whether a text stands there already. What somebody has emptied or removed is put back."""
    try:
        return os.stat(path).st_size == size
    except FileNotFoundError:
        return False


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say what was read. Raises Damaged, DiskFailed."""
    try:
        yield
    except DamagedState as error:
        raise Damaged(path, str(error)) from error
    except UnicodeDecodeError as error:
        raise Damaged(path, "it holds bytes that it cannot hold") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Damaged(path, (error.strerror or "").lower()) from error
    except OSError as error:
        raise DiskFailed(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def _tried(what: str) -> Iterator[None]:
    """Say what was tried. Raises DiskFailed for OSError."""
    try:
        yield
    except OSError as error:
        raise DiskFailed(f"{what}: {error.strerror or error}") from error
