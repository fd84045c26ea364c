"""What is wrong with definitions only when all of them are seen together: whom they name in ``after`` and ``requires``,
and which ports of the host they claim.

Looked at anew at each look at the directory, since another file may make one right or wrong that has not changed; only
what was found anew is placed in its text. Floor: tasks.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from attrs import evolve, field, frozen

from orchestrator.core.claims import find_claim_faults
from orchestrator.core.links import find_link_faults
from orchestrator.core.locate import locate_in_source
from orchestrator.model.action import Broken, Target
from orchestrator.model.contribution import PortClaim
from orchestrator.model.problem import Fault, Problem
from orchestrator.model.source import Source
from orchestrator.tasks.compile import Compiled
from orchestrator.tasks.kept import Followed


@frozen
class Standing:
    """What goes on by an earlier definition, should its own have problems."""

    after: Mapping[str, Iterable[str]] = field(factory=dict)
    """Whom it comes after, by name."""
    claims: Mapping[str, tuple[PortClaim, ...]] = field(factory=dict)
    """The ports of the host that it has, by name."""


NONE_STANDING = Standing()
"""Nothing runs."""


class LinkCheck:
    """Checks compiled definitions against each other, again and again."""

    def __init__(self) -> None:
        self._placed: dict[str, tuple[Source, tuple[Fault, ...], tuple[Problem, ...]]] = {}
        self._followed: dict[str, Compiled] = {}
        """What was checked when it was followed last."""

    async def check_and_follow(
        self,
        compiled: Mapping[str, Compiled],
        standing: Standing,
        follow: Callable[[Mapping[str, Compiled], Mapping[str, Compiled]], Awaitable[Followed]],
    ) -> Followed:
        """What is followed by what `check` finds. What is broken then and does not run begins by another definition,
        so whom that comes after counts too.

        follow: what is to be instead of what the files say, and said the last time.
        """
        known, before = standing, self._followed
        while True:
            self._followed = self.check(compiled, known)
            followed = await follow(self._followed, before)
            kept = dict(_list_kept(followed.names))
            after = {name: names for name, each in kept.items() if (names := _comes_after(each))}
            claims = {name: each.claims for name, each in kept.items() if each.claims}
            if after.keys() <= known.after.keys() and claims.keys() <= known.claims.keys():
                return followed
            known = Standing({**after, **known.after}, {**claims, **known.claims})

    def check(self, compiled: Mapping[str, Compiled], standing: Standing = NONE_STANDING) -> dict[str, Compiled]:
        """The same, with those broken that name others wrongly or claim what others do, beside what else is wrong with
        them."""
        faults = _find_faults(compiled, standing)
        before, self._placed = self._placed, {}
        for name, found in faults.items():
            source = compiled[name].source
            placed = before.get(name)
            if placed is None or placed[:2] != (source, found):
                placed = source, found, locate_in_source(source, found)
            self._placed[name] = placed
        return {**compiled, **{name: _break(compiled[name], placed[2]) for name, placed in self._placed.items()}}


def _find_faults(compiled: Mapping[str, Compiled], standing: Standing) -> dict[str, tuple[Fault, ...]]:
    links = {name: each.links for name, each in compiled.items() if each.links is not None}
    broken = {name for name, each in compiled.items() if isinstance(each.result, Broken)}
    results = ((name, each.result) for name, each in compiled.items())
    claims = {name: result.claims for name, result in results if isinstance(result, Target) and result.claims}
    linked: Mapping[str, tuple[Fault, ...]] = {}
    claimed: Mapping[str, tuple[Fault, ...]] = {}
    while True:
        # What has problems goes on with the ports that it has, which may be a problem of others.
        going_on = {name: standing.claims[name] for name in (*broken, *linked, *claimed) if name in standing.claims}
        found = find_claim_faults(claims, going_on) if claims else {}
        linked_before = linked
        linked = find_link_faults(links, compiled.keys(), broken=broken | found.keys(), standing=standing.after)
        if not claims or (found.keys() == claimed.keys() and linked.keys() == linked_before.keys()):
            return {name: (*linked.get(name, ()), *found.get(name, ())) for name in (linked.keys() | found.keys())}
        claimed = found


def _list_kept(names: Mapping[str, Compiled]) -> Iterator[tuple[str, Target]]:
    """What those are instead that are broken and have another definition in the place of theirs."""
    for name, each in names.items():
        if isinstance(each.result, Broken) and each.result.instead is not None:
            yield name, each.result.instead


def _comes_after(target: Target) -> tuple[str, ...]:
    return (*target.policy.after, *target.policy.requires)


def _break(compiled: Compiled, problems: tuple[Problem, ...]) -> Compiled:
    known = compiled.result.problems if isinstance(compiled.result, Broken) else ()
    return evolve(compiled, result=Broken(tuple(sorted((*known, *problems)))))
