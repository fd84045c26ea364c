"""Network namespaces of processes that there are not, for the tests of tasks: who joined whose is recorded.

Floor: testing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.ports import NetworkGone


class FakeNetworks:
    """`orchestrator.ports.Networks` in memory. ``gone`` are the processes, by pid, that have ended already."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        """Which links lead to the network of which process now."""
        self.joined: list[tuple[str, int]] = []
        """All that ever did, in order."""
        self.gone: set[int] = set()

    @contextmanager
    def hold(self, pid: int, start_time: int, link: str) -> Iterator[None]:
        """See `orchestrator.ports.Networks`."""
        if pid in self.gone:
            raise NetworkGone(f"the process {pid} has ended")
        self.held[link] = pid
        self.joined.append((link, pid))
        try:
            yield
        finally:
            del self.held[link]
