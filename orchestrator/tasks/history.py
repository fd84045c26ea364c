"""What was accepted before: writes down what the directory says as generations, and puts what they have kept in the
place of what it says now, where that is broken or a generation is pinned.

Writing is off the way of an edit: the reconciler only leaves here what it follows, and `run` makes a generation of it
a little later. What a generation is made of is decided in `orchestrator.core.generations`. Floor: tasks.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

import trio

from orchestrator.core.generations import (
    choose_generation,
    collect_texts,
    compare_bundles,
    make_generation,
    make_source,
)
from orchestrator.core.history import list_heads
from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.generation import Generation, Listed, Pin, RolledBack
from orchestrator.model.source import Source
from orchestrator.ports import Damaged, DiskFailed, GenerationStore, Refused, World
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.tasks.kept import (
    Followed,
    Pinned,
    begins_trial,
    is_another,
    list_problems,
    mark_problems,
    put_beside,
    read_pinned,
    recall_pinned,
)

TOGETHER = 2.0
"""Seconds from a change to its generation: what changes within them is one. More than the grace of a file that has
vanished, so that to rename one makes one generation."""
TRY_AGAIN_AFTER = 60.0
"""Seconds until a generation that could not be written is tried again, where nothing changes before."""


class Listener(Protocol):
    """Who is told how it stands with the generations."""

    def history(self, pinned: int | None, trouble: str) -> None:
        """Which generation is followed instead of the directory, if one is, and why none can be written, or empty."""
        ...

    def say(self, text: str) -> None:
        """A line for people."""
        ...


class History:
    """The generations of one agent; `run` is its task."""

    def __init__(
        self,
        store: GenerationStore,
        plugins: Mapping[str, str],
        listener: Listener,
        wall_clock: Callable[[], float],
        keep_store_paths: Callable[[Bundle], None] = lambda bundle: None,
    ) -> None:
        """plugins: the distribution and version of each kind, by ``GROUP/TYPE``. wall_clock: epoch seconds.
        keep_store_paths: see `orchestrator.ports.Disk.keep_store_paths`."""
        self._store = store
        self._plugins = plugins
        self._listener = listener
        self._wall_clock = wall_clock
        self._keep_store_paths = keep_store_paths
        self._newest: Generation | None = None
        self._is_read = False
        self._said: set[str] = set()
        self._accepted: Mapping[str, Compiled] | None = None
        """What may have to be written down."""
        self._arrived = trio.Event()
        self._writing = trio.Lock()
        self._trouble = ""
        self._kept: dict[str, Compiled] = {}
        """What was compiled of kept texts, of the names that follow these now."""
        self._compile_anew = False
        self._pinned: Pinned | None = None
        self._wish = trio.Lock()

    def use_plugins(self, plugins: Mapping[str, str]) -> None:
        """Where kinds are from now on, by ``GROUP/TYPE``."""
        self._plugins = plugins

    async def recall_pin(self) -> None:
        """Follow what an earlier agent was told to, as far as it can be read. To be called before all else. A pin that
        does not say what is pinned is none. Raises DiskFailed where it cannot be told whether there is something."""
        try:
            pin = self._store.read_pin()
        except Damaged as error:
            self._listener.say(f"what is pinned cannot be followed, so the directory is: {error}")
            await self._store.write_pin(None)
            return
        if pin is not None:
            self._pinned = recall_pinned(self._store, pin.number)
            if self._pinned.trouble:
                self._listener.say(self._pinned.trouble)
            self._tell()

    @property
    def pinned(self) -> int | None:
        """The generation that is followed instead of the directory."""
        return self._pinned.number if self._pinned is not None else None

    @property
    def is_lost(self) -> bool:
        """What is pinned cannot be read, so that nobody knows what is wanted."""
        return self._pinned is not None and self._pinned.generation is None

    # What is followed

    async def follow(
        self, files: Mapping[str, Compiled], before: Mapping[str, Compiled], parser: Parser, world: World
    ) -> Followed:
        """What is to be instead of what the files say.

        files: what they say, by name. before: what they said when they were looked at last. With a pinned generation
        that alone counts; else each name that is broken, or is not built yet, has its last good definition beside its
        problems.
        """
        if self._pinned is not None:
            kept = await self._compile(self._pinned.sources, parser, world)
            return Followed(mark_problems(kept), list_problems(files))
        broken = {name: each for name, each in files.items() if isinstance(each.result, Broken)}
        good = {name: before[name] for name in broken if name in before and isinstance(before[name].result, Target)}
        self._kept |= good
        found = (self._find_last_good(name) for name in broken)
        others = [source for source in found if source is not None and is_another(source, broken[source.name])]
        kept = await self._compile(others, parser, world)
        return Followed({**files, **{name: put_beside(broken[name], each) for name, each in kept.items()}})

    async def accept(self, names: Mapping[str, Compiled]) -> None:
        """This is followed from now on. Costs nothing here: it is looked at when there is time, unless a next agent may
        have to bring back what was followed until now and was not written down yet."""
        if self._pinned is None:
            if self._accepted is not None and begins_trial(self._accepted, names):
                await self.write_now()
            self._accepted = names
            self._arrived.set()

    def look_again(self) -> None:
        """Compile what is kept anew, too, at the next look."""
        self._compile_anew = True

    def list_generations(self) -> tuple[Listed, ...]:
        """Those that are kept, the oldest first. What is damaged is left out. Raises DiskFailed."""
        heads = []
        for number in self._store.list_numbers():
            with suppress(Damaged):
                heads.append(self._store.read_head(number))
        return list_heads(heads, self.pinned)

    async def recall(self, bundles: Mapping[str, str], parser: Parser, world: World) -> dict[str, Target]:
        """How the bundle of each name is made. Left out are those of which it is not known or cannot be read, and those
        that the same words make into another by now."""
        found = (self._find_source(name, bundle) for name, bundle in bundles.items())
        compiled = await compile_sources([source for source in found if source is not None], {}, parser, world)
        targets = ((name, each.result) for name, each in compiled.items() if isinstance(each.result, Target))
        return {name: target for name, target in targets if target.bundle.digest == bundles[name]}

    def _find_source(self, name: str, bundle: str) -> Source | None:
        """What a name was defined by when it had this bundle last."""
        try:
            accepted = self._store.find(name, bundle)
            if accepted is None:
                return None
            return make_source(accepted, self._store.read_text(accepted.digest), accepted.since)
        except (Damaged, DiskFailed) as error:
            self._listener.say(f"{name}: {error}")
            return None

    # What is written down

    async def run(self) -> None:
        """Write down what was accepted, until cancelled. No timer runs while nothing changes."""
        while True:
            with trio.move_on_after(math.inf if self._accepted is None else TRY_AGAIN_AFTER):
                await self._arrived.wait()
            self._arrived = trio.Event()
            await trio.sleep(TOGETHER)
            await self.write_now()

    async def write_now(self) -> None:
        """Make a generation of what was accepted, if it is another than the newest. What cannot be written is told
        once, and kept for another attempt."""
        async with self._writing:
            await self._write_accepted()

    async def _write_accepted(self) -> None:
        names, self._accepted = self._accepted, None
        if names is None:
            return
        try:
            await self._write({name: each.result for name, each in names.items()})
            await self._store.clear_out()
        except (Damaged, DiskFailed) as error:
            self._accepted = self._accepted or names
            self._set_trouble(str(error))
        else:
            self._set_trouble("")

    def write_again(self) -> None:
        """What was written down may be gone: look, and write down what is accepted next if so."""
        self._is_read, self._newest = False, None

    async def _write(self, desired: Mapping[str, Target | Broken]) -> None:
        """Raises DiskFailed."""
        newest = self._read_newest()
        number, at = self._store.last_number() + 1, self._wall_clock()
        generation = make_generation(desired, newest, self._plugins, number=number, at=at)
        if generation is None:
            return
        self._keep_stores(desired)
        await self._store.write(generation, collect_texts(desired))
        self._newest = generation

    def _keep_stores(self, desired: Mapping[str, Target | Broken]) -> None:
        """Also of what does not run may be gone back to. What is gone by now cannot be kept, and says so when it is to
        run."""
        for want in desired.values():
            target = want.instead if isinstance(want, Broken) else want
            if target is not None and target.bundle.store is not None:
                with suppress(DiskFailed):
                    self._keep_store_paths(target.bundle)

    def _read_newest(self) -> Generation | None:
        """The newest that can be read. Raises DiskFailed."""
        if self._is_read:
            return self._newest
        for number in reversed(self._store.list_numbers()):
            try:
                self._newest = self._store.read(number)
                break
            except Damaged as error:
                self._listener.say(f"{error}; moved to {self._store.set_aside(error)}")
        self._is_read = True
        return self._newest

    def _find_last_good(self, name: str) -> Source | None:
        """What a name was defined by when that was in order."""
        if name in self._kept:
            return self._kept[name].source
        try:
            newest = self._read_newest()
            accepted = newest.definitions.get(name) if newest is not None else None
            if accepted is None:
                return None
            return make_source(accepted, self._store.read_text(accepted.digest), accepted.since)
        except (Damaged, DiskFailed) as error:
            self._say_once(f"{name} cannot run by its last good definition: {error}")
            return None

    async def _compile(self, sources: Iterable[Source], parser: Parser, world: World) -> dict[str, Compiled]:
        before = {} if self._compile_anew else self._kept
        self._compile_anew = False
        self._kept = await compile_sources(sources, before, parser, world)
        return self._kept

    def _set_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._listener.say(trouble or "generations are written again")
            self._tell()

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._listener.say(text)

    def _tell(self) -> None:
        pinned = self._pinned.trouble if self._pinned is not None else ""
        self._listener.history(self.pinned, "; ".join(filter(None, (pinned, self._trouble))))

    # An operator's wishes

    async def roll_back(self, number: int | None, parser: Parser, world: World) -> RolledBack:
        """Follow a generation (None: the one before that which is live) instead of the directory, from the next look
        on. Raises Refused, Damaged and DiskFailed before anything is changed."""
        # Until it is pinned nothing is cleared out: what is chosen stays.
        async with self._wish, self._writing:
            await self._write_accepted()
            chosen = choose_generation(number, self._store.list_numbers(), self.pinned)
            if isinstance(chosen, str):
                raise Refused(chosen)
            pinned = read_pinned(self._store, chosen)
            assert pinned.generation is not None, "it was read"
            compiled = await compile_sources(pinned.sources, {}, parser, world)
            await self._store.write_pin(Pin(number=chosen, at=self._wall_clock()))
            self._pinned, self._kept, self._accepted = pinned, compiled, None
            self._tell()
            desired = {name: each.result for name, each in compiled.items()}
            differing = compare_bundles(pinned.generation, desired)
            problems = list_problems(mark_problems(compiled))
            return RolledBack(generation=chosen, differing=differing, problems=problems)

    async def resume(self) -> None:
        """Follow the directory again, from the next look on. Raises Refused where nothing is pinned, DiskFailed."""
        async with self._wish:
            if self._pinned is None:
                raise Refused("no generation is pinned: the directory is followed")
            await self._store.write_pin(None)
            self._pinned, self._kept = None, {}
            self._tell()
