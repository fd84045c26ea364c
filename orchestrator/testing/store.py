"""A descriptor store that keeps names only. Floor: testing."""


class FakeStore:
    """Implements `orchestrator.ports.DescriptorStore`: ``kept`` are the names that are kept now."""

    def __init__(self) -> None:
        self.kept: set[str] = set()

    def keep(self, name: str, descriptor: int) -> None:
        """Remember the name."""
        self.kept.add(name)

    def give_up(self, name: str) -> None:
        """Forget it."""
        self.kept.discard(name)

    def take(self, name: str) -> int | None:
        """There is no descriptor."""
        return None

    def give_up_rest(self) -> None:
        """There was nothing before."""
        self.kept.clear()
