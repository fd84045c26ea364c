"""Definitions that are Nix expressions: built in the background, and again when what they are made from has changed.

`translate` hands the reconciler what there is of each now: what it was built to, what it was built to before while it
is built anew, or why there is nothing. A build that ends, or gets on, is a hint. Building is `ports.NixBuilder`'s.
Floor: tasks.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import trio
from attrs import define, evolve, field, frozen

from orchestrator.core.questions import find_watched
from orchestrator.model.action import Broken
from orchestrator.model.facts import Facts, PlaceQuestion, StampAnswer
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Problem
from orchestrator.model.source import Form, Source
from orchestrator.ports import World
from orchestrator.ports.nix import InputQuestion, NixBuilder, NixResult
from orchestrator.tasks.compile import Compiled

AT_A_TIME = 2
"""Builds that go on beside each other; nix itself builds as many things at a time as it is told (nix.conf(5))."""

MOST_PLACES = 500
"""Keys of a definition with problems whose places are asked for."""

InputAnswer = StampAnswer | str | None
"""In which state a file is, or where a link leads."""

_ANEW_AT_MOST = 3
"""Builds in a row for files that change while they are read, before what is read is taken for what there is."""


@frozen
class Translated:
    """Nix expressions as far as they are built. ``sources`` can be compiled; ``unbuilt`` cannot, with the reason;
    ``watched`` are the files that the definition of each name is made from."""

    sources: tuple[Source, ...]
    unbuilt: Mapping[str, Compiled]
    watched: Mapping[str, frozenset[str]]

    def mark_watched(self, compiled: Mapping[str, Compiled]) -> dict[str, Compiled]:
        """What was compiled, with the files that it is made from among what it depends on."""
        return {
            name: evolve(each, depends=each.depends | self.watched[name]) if name in self.watched else each
            for name, each in compiled.items()
        }


@define
class _Entry:
    """What is known of one name."""

    source: Source
    good: Source | None = None
    """What it was built to last."""
    problem: Problem | None = None
    inputs: tuple[InputQuestion, ...] = ()
    answers: dict[InputQuestion, InputAnswer] = field(factory=dict)
    progress: str = ""
    """How far a build is, or empty where none is under way."""
    in_a_row: int = 0
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    places_asked: bool = False


class NixFiles:
    """The Nix expressions of one directory. `run` is the task below which they are built."""

    def __init__(self, builder: NixBuilder) -> None:
        self._builder = builder
        self._entries: dict[str, _Entry] = {}
        self._places = trio.CapacityLimiter(AT_A_TIME)
        self._nursery: trio.Nursery | None = None
        self._world: World | None = None
        self._hint: Callable[[], None] = lambda: None
        self._tell: Callable[[str, str], None] = lambda name, progress: None

    async def run(
        self,
        hint: Callable[[], None],
        tell: Callable[[str, str], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Build until cancelled; builds under way end with it. hint: called when `translate` may answer otherwise.
        tell: told of a name how far its build is."""
        self._hint, self._tell = hint, tell
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def translate(self, sources: Iterable[Source], world: World, *, anew: bool = False) -> Translated:
        """What there is of these files, which are all there are; what has changed is begun to be built. anew: build
        all of them. Sources of other forms are handed on as they are."""
        sources = tuple(sources)
        files = {source.name: source for source in sources if source.form is Form.NIX and source.text is not None}
        for name in self._entries.keys() - files.keys():
            self._entries.pop(name).scope.cancel()
            self._builder.forget(name)
        self._world = world
        changed = await self._find_changed(world)
        for name, source in files.items():
            entry = self._entries.get(name)
            if entry is None or entry.source.text != source.text or entry.source.file != source.file:
                self._begin(source, entry)
            elif anew or (name in changed and not entry.progress):
                entry.in_a_row = 0
                self._begin(source, entry)
        ready = [source for source in sources if source.name not in files]
        unbuilt: dict[str, Compiled] = {}
        for name, source in files.items():
            entry = self._entries[name]
            if entry.problem is None and entry.good is not None:
                ready.append(entry.good)
            elif entry.problem is not None:
                awaits = _find_watched(entry.inputs)
                unbuilt[name] = Compiled(source, Broken((entry.problem,)), parsed=False, awaits=awaits)
            else:
                unbuilt[name] = Compiled(source, Broken(()), parsed=False)
        return Translated(
            sources=tuple(ready),
            unbuilt=unbuilt,
            watched={name: _find_watched(self._entries[name].inputs) for name in files},
        )

    async def _find_changed(self, world: World) -> set[str]:
        """The names that something is another of by now that their definition is made from. A build that ends meanwhile
        has looked for itself, later, and hints."""
        before = {name: (each, each.inputs, each.answers) for name, each in self._entries.items() if each.inputs}
        if not before:
            return set()
        facts = await world.gather(question for _, inputs, _ in before.values() for question in inputs)
        return {
            name
            for name, (entry, inputs, answers) in before.items()
            if self._entries.get(name) is entry and entry.inputs is inputs and _have_changed(inputs, answers, facts)
        }

    def progress_of(self, name: str) -> str:
        """How far the build of a definition is; empty where none is under way."""
        entry = self._entries.get(name)
        return entry.progress if entry is not None else ""

    def find_places(self, compiled: Mapping[str, Compiled]) -> None:
        """Of what is built and has problems, find out where its keys stand; a hint follows."""
        for name, each in compiled.items():
            entry = self._entries.get(name)
            built = each.source.built
            if entry is None or built is None or built.places is not None or entry.places_asked:
                continue
            if isinstance(each.result, Broken) and entry.good == each.source and self._nursery is not None:
                entry.places_asked = True
                self._nursery.start_soon(self._find_places, entry, each.source)

    def _begin(self, source: Source, before: _Entry | None) -> None:
        """Build a file; what it was built to before stands until that is done."""
        assert self._nursery is not None, "nothing is translated before `run` has begun"
        entry = _Entry(source, progress="waits to be built")
        if before is not None:
            before.scope.cancel()
            entry.good, entry.inputs, entry.answers = before.good, before.inputs, before.answers
            entry.problem = before.problem if before.source == source else None
            entry.in_a_row = before.in_a_row
        self._entries[source.name] = entry
        self._nursery.start_soon(self._build, entry)

    async def _build(self, entry: _Entry) -> None:
        name = entry.source.name

        def tell(progress: str) -> None:
            if progress != entry.progress:
                entry.progress = progress
                self._tell(name, progress)

        with entry.scope:
            async with self._places:
                before = await self._ask(entry.inputs)
                result = await self._builder.build(entry.source, tell)
            await self._note(entry, result, before)

    async def _ask(self, inputs: tuple[InputQuestion, ...]) -> dict[InputQuestion, InputAnswer]:
        assert self._world is not None, "it was asked when this was begun"
        if not inputs:
            return {}
        facts = await self._world.gather(inputs)
        return {each: _answer(each, facts) for each in inputs if each not in facts.unanswered}

    async def _note(self, entry: _Entry, result: NixResult, before: Mapping[InputQuestion, InputAnswer]) -> None:
        """before: the answers of what it was made from the last time, from before this build."""
        answers = await self._ask(result.inputs)
        moved = any(each in before and before[each] != answer for each, answer in answers.items())
        entry.inputs, entry.answers = result.inputs, answers
        entry.progress, entry.problem, entry.places_asked = "", result.problem, False
        if result.built is not None:
            entry.good = evolve(entry.source, built=result.built)
        entry.in_a_row += 1
        if entry.in_a_row < _ANEW_AT_MOST and (moved or _was_written_since(answers.values(), result.began)):
            self._begin(entry.source, entry)
        self._hint()  # which tells of the progress, too: until then it is not known what came of it

    async def _find_places(self, entry: _Entry, source: Source) -> None:
        async with self._places:
            built = await self._builder.find_places(source, list_keys(source))
        if entry.good == source:
            entry.good = evolve(source, built=built)
            self._hint()


def _have_changed(inputs: Iterable[InputQuestion], answers: Mapping[InputQuestion, InputAnswer], facts: Facts) -> bool:
    """Whether an answer is another by now. What does not answer is taken to be the same."""
    asked = (each for each in inputs if each not in facts.unanswered)
    return any(_answer(each, facts) != answers.get(each) for each in asked)


def _answer(question: InputQuestion, facts: Facts) -> InputAnswer:
    return facts.places[question] if isinstance(question, PlaceQuestion) else facts.stamps[question.path]


def _was_written_since(answers: Iterable[InputAnswer], began: int) -> bool:
    """By the time of the last change of anything about a file, which no tool can set: one that is put in its place may
    have been written long ago."""
    return any(isinstance(answer, StampAnswer) and answer.changed_at >= began for answer in answers)


def _find_watched(inputs: Iterable[InputQuestion]) -> frozenset[str]:
    return frozenset(path for each in inputs for path in find_watched(each))


def list_keys(source: Source) -> tuple[KeyPath, ...]:
    """The keys of a definition that was built, outermost first, `MOST_PLACES` at the most."""
    try:
        table = json.loads(source.built.text) if source.built is not None else {}
    except ValueError:
        return ()
    found: list[KeyPath] = []
    level: list[tuple[KeyPath, Any]] = [((), table)]
    while level and len(found) < MOST_PLACES:
        level = [((*path, key), value) for path, parent in level for key, value in _items(parent)]
        found += [path for path, _ in level]
    return tuple(found[:MOST_PLACES])


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:  # noqa: ANN401 - JSON data
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()
