"""What is wrong with definitions only when all of them are seen together: whom they name in ``after`` and ``requires``.

Looked at anew at each look at the directory, since another file may make one right or wrong that has not changed; only
what was found anew is placed in its text. Floor: tasks.
"""

from collections.abc import Iterable, Mapping

from attrs import evolve

from orchestrator.core.links import find_link_faults
from orchestrator.core.locate import locate_in_source
from orchestrator.model.action import Broken
from orchestrator.model.problem import Fault, Problem
from orchestrator.model.source import Source
from orchestrator.tasks.compile import Compiled


class LinkCheck:
    """Checks compiled definitions against each other, again and again."""

    def __init__(self) -> None:
        self._placed: dict[str, tuple[Source, tuple[Fault, ...], tuple[Problem, ...]]] = {}

    def check(
        self, compiled: Mapping[str, Compiled], standing: Mapping[str, Iterable[str]] | None = None
    ) -> dict[str, Compiled]:
        """The same, with those broken that name others wrongly, beside what else is wrong with them.

        standing: whom those come after that go on by an earlier definition, by name.
        """
        links = {name: each.links for name, each in compiled.items() if each.links is not None}
        broken = {name for name, each in compiled.items() if isinstance(each.result, Broken)}
        faults = find_link_faults(links, compiled.keys(), broken=broken, standing=standing or {})
        before, self._placed = self._placed, {}
        for name, found in faults.items():
            source = compiled[name].source
            placed = before.get(name)
            if placed is None or placed[:2] != (source, found):
                placed = source, found, locate_in_source(source, found)
            self._placed[name] = placed
        return {**compiled, **{name: _break(compiled[name], placed[2]) for name, placed in self._placed.items()}}


def _break(compiled: Compiled, problems: tuple[Problem, ...]) -> Compiled:
    known = compiled.result.problems if isinstance(compiled.result, Broken) else ()
    return evolve(compiled, result=Broken(tuple(sorted((*known, *problems)))))
