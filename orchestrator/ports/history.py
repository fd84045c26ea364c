"""The generations that are kept on disk, and which of them is pinned. Floor: ports."""

from collections.abc import Mapping
from typing import Protocol

from orchestrator.model.generation import Accepted, Generation, Head, Pin
from orchestrator.ports.errors import OutsideError


class Damaged(OutsideError):
    """What is kept in ``file`` cannot be gone by: somebody has altered it, or the disk has."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} is damaged: {reason}")
        self.file = file


class GenerationStore(Protocol):
    """The generations on disk. All methods raise DiskFailed; one that is read, Damaged."""

    def list_numbers(self) -> tuple[int, ...]:
        """The numbers of those that are kept, the oldest first."""
        ...

    def last_number(self) -> int:
        """The largest that was ever given, as far as is known; 0 where there is none. What was set aside counts."""
        ...

    def read_head(self, number: int) -> Head:
        """A generation without its definitions."""
        ...

    def read(self, number: int) -> Generation:
        """A generation."""
        ...

    def read_text(self, digest: str) -> str:
        """The text of a definition."""
        ...

    def find(self, name: str, bundle: str) -> Accepted | None:
        """The definition by which a name had this bundle last. What is damaged is passed over."""
        ...

    async def write(self, generation: Generation, texts: Mapping[str, str]) -> None:
        """Put a generation in place, after those texts of its definitions (by digest) that do not stand there: whole or
        not at all, over a power cut too. Takes its time; after a cancel it happened or it did not."""
        ...

    async def clear_out(self) -> None:
        """Remove the oldest where there are many, and texts that none has. What is pinned stays; where that cannot be
        read, all stay. Raises Damaged then."""
        ...

    def set_aside(self, damaged: Damaged) -> str:
        """Move a damaged file out of the way; where to."""
        ...

    def read_pin(self) -> Pin | None:
        """The generation that is followed instead of the directory, if there is one."""
        ...

    async def write_pin(self, pin: Pin | None) -> None:
        """Pin a generation, or (None) none any more. It outlives a power cut."""
        ...
