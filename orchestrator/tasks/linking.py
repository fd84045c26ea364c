"""What is wrong with definitions only when all of them are seen together: whom they name in ``after`` and ``requires``.

Looked at anew at each look at the directory, since another file may make one right or wrong that has not changed; only
what was found anew is placed in its text. Floor: tasks.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from attrs import evolve

from orchestrator.core.links import find_link_faults
from orchestrator.core.locate import locate_in_source
from orchestrator.model.action import Broken
from orchestrator.model.problem import Fault, Problem
from orchestrator.model.source import Source
from orchestrator.tasks.compile import Compiled
from orchestrator.tasks.kept import Followed


class LinkCheck:
    """Checks compiled definitions against each other, again and again."""

    def __init__(self) -> None:
        self._placed: dict[str, tuple[Source, tuple[Fault, ...], tuple[Problem, ...]]] = {}
        self._followed: dict[str, Compiled] = {}
        """What was checked when it was followed last."""

    async def check_and_follow(
        self,
        compiled: Mapping[str, Compiled],
        standing: Mapping[str, Iterable[str]],
        follow: Callable[[Mapping[str, Compiled], Mapping[str, Compiled]], Awaitable[Followed]],
    ) -> Followed:
        """What is followed by what `check` finds. What is broken then and does not run begins by another definition,
        so whom that comes after counts too.

        follow: what is to be instead of what the files say, and said the last time.
        """
        known, before = dict(standing), self._followed
        while True:
            self._followed = self.check(compiled, known)
            followed = await follow(self._followed, before)
            more = {name: names for name, names in _list_kept(followed.names) if name not in known}
            if not more:
                return followed
            known |= more

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


def _list_kept(names: Mapping[str, Compiled]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Whom those come after, if anyone, that are broken and have another definition in the place of theirs."""
    for name, each in names.items():
        if isinstance(each.result, Broken) and each.result.instead is not None:
            policy = each.result.instead.policy
            if policy.after or policy.requires:
                yield name, (*policy.after, *policy.requires)


def _break(compiled: Compiled, problems: tuple[Problem, ...]) -> Compiled:
    known = compiled.result.problems if isinstance(compiled.result, Broken) else ()
    return evolve(compiled, result=Broken(tuple(sorted((*known, *problems)))))
