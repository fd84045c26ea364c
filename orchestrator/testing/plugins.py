"""Kinds that are there because a test says so. Floor: testing."""

from collections.abc import Iterable, Mapping

import trio

from orchestrator.core.parse import Parser
from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Registry
from orchestrator.ports.plugins import Plugged


class FakePlugins:
    """Implements `orchestrator.ports.Plugins`: the same kinds whatever files there are, until a test gives others."""

    def __init__(self, registry: Registry) -> None:
        self._plugged = Plugged(Parser(registry))
        self.files: tuple[PluginFile, ...] = ()
        """Those there were at the last look."""
        self.looks_again = 0

    @property
    def plugged(self) -> Plugged:
        """What was given last."""
        return self._plugged

    def give(
        self, registry: Registry, problems: Iterable[Problem] = (), versions: Mapping[str, str] | None = None
    ) -> None:
        """These kinds are there, from the next look on."""
        self._plugged = Plugged(Parser(registry), tuple(problems), versions or {})

    async def follow(self, files: Iterable[PluginFile]) -> Plugged:
        """What was given last."""
        self.files = tuple(files)
        await trio.lowlevel.checkpoint()
        return self._plugged

    def look_again(self) -> None:
        """Counted in ``looks_again``."""
        self.looks_again += 1
