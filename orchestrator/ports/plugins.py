"""The kinds that definitions may use, as they are now. Floor: ports."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from attrs import field, frozen

from orchestrator.core.parse import Parser
from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.problem import Problem


@frozen
class Plugged:
    """What there is of plugins at one moment."""

    parser: Parser
    """Reads definitions with these kinds. The same object as before where they are the same."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with files of the plugins folder."""
    versions: Mapping[str, str] = field(factory=dict)
    """Where each kind is from, by ``GROUP/TYPE``: distribution and version, or file and digest."""


class Plugins(Protocol):
    """Where kinds come from: what is installed, and the files of the plugins folder."""

    @property
    def plugged(self) -> Plugged:
        """What there was at the last `follow`; before the first, what is installed."""
        ...

    async def follow(self, files: Iterable[PluginFile]) -> Plugged:
        """What there is with these files, which are all there are. Loads those that were edited, which runs what they
        say, for seconds at most each; what runs goes on with what it was made by. Never raises."""
        ...

    def look_again(self) -> None:
        """Load once more what could not be loaded, and list what is installed anew, at the next `follow`."""
        ...
