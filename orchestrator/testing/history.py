"""Generations in memory for the tests of tasks: what was written is there, and any call can be made to fail.

Floor: testing.
"""

from collections.abc import Mapping

import trio

from orchestrator.model.generation import Accepted, Generation, Head, Pin
from orchestrator.ports import Damaged, DiskFailed

PIN = "pin"
"""What stands for the pin among what is damaged."""


class FakeGenerations:
    """`orchestrator.ports.GenerationStore` in memory.

    ``generations``, ``texts`` and ``pin`` are what a real disk would hold; ``damaged`` has the numbers and digests that
    cannot be read, and `PIN`; ``writes`` counts what was written.
    """

    def __init__(self) -> None:
        self.generations: dict[int, Generation] = {}
        self.texts: dict[str, str] = {}
        self.pin: Pin | None = None
        self.damaged: set[int | str] = set()
        self.writes = 0
        self._last = 0
        self._failures: dict[str, tuple[str, int]] = {}

    def fail(self, method: str, message: str = "no space left on device", times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise DiskFailed and do nothing."""
        if not callable(getattr(type(self), method, None)):
            raise ValueError(f"generations have no {method!r}")
        self._failures[method] = (message, times)

    def list_numbers(self) -> tuple[int, ...]:
        """See `orchestrator.ports.GenerationStore`."""
        self._check("list_numbers")
        return tuple(sorted(self.generations))

    def last_number(self) -> int:
        """See `orchestrator.ports.GenerationStore`."""
        return max(self._last, *self.generations, 0)

    def read_head(self, number: int) -> Head:
        """See `orchestrator.ports.GenerationStore`."""
        return self.read(number).head

    def read(self, number: int) -> Generation:
        """See `orchestrator.ports.GenerationStore`."""
        self._check("read")
        if number in self.damaged or number not in self.generations:
            raise Damaged(f"/state/generations/{number}.jsonl", "it is not JSON")
        return self.generations[number]

    def read_text(self, digest: str) -> str:
        """See `orchestrator.ports.GenerationStore`."""
        self._check("read_text")
        if digest in self.damaged or digest not in self.texts:
            raise Damaged(f"/state/generations/texts/{digest}", "it is not what its name says")
        return self.texts[digest]

    def find(self, name: str, bundle: str) -> Accepted | None:
        """See `orchestrator.ports.GenerationStore`."""
        self._check("find")
        for number in reversed(self.list_numbers()):
            found = self.generations[number].definitions.get(name)
            if number not in self.damaged and found is not None and found.bundle == bundle:
                return found
        return None

    async def write(self, generation: Generation, texts: Mapping[str, str]) -> None:
        """See `orchestrator.ports.GenerationStore`."""
        await trio.lowlevel.checkpoint()
        self._check("write")
        self.texts |= texts
        self.generations[generation.head.number] = generation
        self._last = generation.head.number
        self.writes += 1

    async def clear_out(self) -> None:
        """See `orchestrator.ports.GenerationStore`. Nothing goes: there is room."""
        await trio.lowlevel.checkpoint()
        self._check("clear_out")
        self.read_pin()

    def set_aside(self, damaged: Damaged) -> str:
        """See `orchestrator.ports.GenerationStore`."""
        self.generations = {
            number: each
            for number, each in self.generations.items()
            if damaged.file != f"/state/generations/{number}.jsonl"
        }
        return f"{damaged.file}.damaged"

    def read_pin(self) -> Pin | None:
        """See `orchestrator.ports.GenerationStore`."""
        self._check("read_pin")
        if PIN in self.damaged:
            raise Damaged("/state/generations/pinned.json", "it is not JSON")
        return self.pin

    async def write_pin(self, pin: Pin | None) -> None:
        """See `orchestrator.ports.GenerationStore`."""
        await trio.lowlevel.checkpoint()
        self._check("write_pin")
        self.damaged.discard(PIN)
        self.pin = pin

    def _check(self, method: str) -> None:
        message, times = self._failures.get(method, ("", 0))
        if times:
            self._failures[method] = (message, times - 1)
            raise DiskFailed(message)
