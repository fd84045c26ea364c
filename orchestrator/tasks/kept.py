"""What is followed where that is not what the files say: their last good definitions, or a generation that is pinned.

Floor: tasks.
"""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from orchestrator.core.generations import make_source
from orchestrator.model.action import Broken, Target
from orchestrator.model.generation import Accepted, Generation
from orchestrator.model.policy import OnFailedUpdate
from orchestrator.model.problem import Problem
from orchestrator.model.source import Source
from orchestrator.ports import Damaged, GenerationStore
from orchestrator.tasks.compile import Compiled


@frozen
class Followed:
    """What every name is to be, and what is wrong with files that no name follows."""

    names: Mapping[str, Compiled]
    unfollowed: tuple[Problem, ...] = ()


@frozen
class Pinned:
    """The generation that is followed, with its definitions as they were written."""

    number: int
    generation: Generation | None
    """None where it cannot be read: nobody knows what is wanted then."""
    sources: tuple[Source, ...] = field(repr=False)
    trouble: str = ""
    """What of it cannot be read, and what follows from that, or empty."""


def read_pinned(store: GenerationStore, number: int) -> Pinned:
    """A generation that is to be followed. Raises Damaged, DiskFailed."""
    generation = store.read(number)
    texts = ((each, store.read_text(each.digest)) for each in generation.definitions.values())
    return Pinned(number, generation, tuple(make_source(each, text, number) for each, text in texts))


def recall_pinned(store: GenerationStore, number: int) -> Pinned:
    """A generation that an earlier agent followed: as far as it can be read, since whoever has pinned it does not want
    what the directory says instead. Raises DiskFailed."""
    try:
        generation = store.read(number)
    except Damaged as error:
        why = f"generation {number} is pinned and cannot be read, so all goes on as it runs"
        return Pinned(number, None, (), f"{why} until a roll-back to another or --resume: {error}")
    sources = tuple(_recall_source(store, each, number) for each in generation.definitions.values())
    lost = ", ".join(source.name for source in sources if source.text is None)
    why = f"of generation {number}, which is pinned, these cannot be read and go on as they run: {lost}"
    return Pinned(number, generation, sources, why if lost else "")


def _recall_source(store: GenerationStore, accepted: Accepted, number: int) -> Source:
    try:
        return make_source(accepted, store.read_text(accepted.digest), number)
    except Damaged as error:
        return evolve(make_source(accepted, "", number), text=None, error=str(error))


def is_another(source: Source, broken: Compiled) -> bool:
    """Whether a last good definition is another than the broken one. If it is the same, and can be read, the host is
    what is wrong with it, or whom it names; but for where links led when it was good."""
    return broken.links is None or source.text != broken.source.text or bool(source.links)


def begins_trial(before: Mapping[str, Compiled], after: Mapping[str, Compiled]) -> bool:
    """Whether an edit is to be tried of what was something else before, which comes back if it comes to nothing."""
    edited = ((each.result, before[name].result) for name, each in after.items() if name in before)
    return any(
        isinstance(new, Target)
        and isinstance(old, Target)
        and new.policy.on_failed_update is OnFailedUpdate.ROLLBACK
        and new.bundle != old.bundle
        for new, old in edited
    )


def put_beside(broken: Compiled, kept: Compiled) -> Compiled:
    """A broken definition with its last good one. What of the host would mend that is waited for, too."""
    assert isinstance(broken.result, Broken), "only of those a last good one is looked for"
    instead = kept.result if isinstance(kept.result, Target) else None
    return evolve(
        broken,
        result=evolve(broken.result, instead=instead),
        awaits=broken.awaits | kept.awaits,
        depends=broken.depends | kept.depends,
    )


def mark_problems(kept: Mapping[str, Compiled]) -> dict[str, Compiled]:
    """Problems of texts that do not stand in their files any more say whose they are."""
    return {
        name: evolve(each, result=_mark_broken(each.result, each.source)) if isinstance(each.result, Broken) else each
        for name, each in kept.items()
    }


def _mark_broken(broken: Broken, source: Source) -> Broken:
    marked = (evolve(each, file=f"{each.file} (generation {source.generation})") for each in broken.problems)
    return evolve(broken, problems=tuple(marked))


def list_problems(names: Mapping[str, Compiled]) -> tuple[Problem, ...]:
    problems = (each.result.problems for each in names.values() if isinstance(each.result, Broken))
    return tuple(problem for some in problems for problem in some)
