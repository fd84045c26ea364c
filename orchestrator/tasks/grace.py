"""Names that are gone and may come back: for a while nothing follows from it. Floor: tasks."""

from collections.abc import Iterable, Set

TOGETHER = 0.25
"""Seconds: what goes so shortly after something else goes with it, so that ``rm *.toml`` is one change, and stops keep
their order."""


class Grace:
    """The names that are gone, and since when."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def renew(self, gone: Iterable[str], now: float) -> Set[str]:
        """These are gone now, and no others. Those of which the grace is not over yet: of the rest it is forgotten that
        they were there."""
        gone = set(gone)
        more = not gone <= self._since.keys()
        since = {name: self._since.get(name, now) for name in gone}
        if more:
            since = {name: now if now < at + TOGETHER else at for name, at in since.items()}
        self._since = {name: at for name, at in since.items() if now < at + self._seconds}
        return self._since.keys()

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Of these names (None: of all) nothing was said."""
        for name in tuple(self._since if names is None else names):
            self._since.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._since

    @property
    def ends_at(self) -> float:
        """When the first grace is over; infinity where there is none."""
        return min((at + self._seconds for at in self._since.values()), default=float("inf"))
