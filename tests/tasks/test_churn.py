"""Ten thousand events in virtual time: of what an agent keeps in memory nothing grows."""

import gc
import itertools
import random
import sys
from collections import Counter

import trio
from trio.testing import MockClock

from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Refused, UnknownName
from orchestrator.tasks.operate import AgentOperator
from tests.tasks.helpers_reconcile import Stage, open_stage

NAMES = [f"name{number:02}" for number in range(20)]
WARM_UP = 1_000
EVENTS = 10_000
BLOCKS = 2_000
"""Blocks of memory that may be more: fewer than one for every fifth event."""


def text_of(args: int = 0, memory: int = 64, delay: int = 100, *, broken: bool = False) -> str:
    return (
        f'args = ["/usr/bin/web", "{args}"]\nrootfs = "host"\nresources.memory = "{memory}M"\n'
        f'restart.delay = "{delay}ms"\nrestart.max_delay = "200ms"\n{"nonsense = 1" if broken else ""}\n'
    )


class Churn:
    """Does one thing after another to the containers of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._chance = random.Random(20260131)
        self._there = set(NAMES)
        self._operator = AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, lambda: None)
        self.events = Counter[str]()

    async def run(self, events: int) -> None:
        for _ in range(events):
            self._do(self._chance.choice(NAMES))
            await trio.sleep(self._chance.choice((0.0, 0.001, 0.01, 0.1, 0.4)))

    def _do(self, name: str) -> None:
        stage, chance = self._stage, self._chance
        verb = chance.choice(("edit", "update", "retune", "break", "remove", "crash", "operate", "fail", "same"))
        self.events[verb] += 1
        match verb:
            case "edit":
                self._write(name, text_of(chance.randrange(5)))
            case "update":
                self._write(name, text_of(memory=chance.choice((64, 96, 128))))
            case "retune":
                self._write(name, text_of(delay=chance.choice((100, 150))))
            case "break":
                self._write(name, text_of(broken=True))
            case "same":
                self._write(name, text_of())
            case "remove":
                if name in self._there:
                    self._there.remove(name)
                    stage.directory.remove(name)
            case "fail":
                stage.runtime.fail(chance.choice(("create", "start", "update", "remove")), "no reason")
            case "crash":
                state = stage.disk.names.get(name)
                if state is not None and state.state is PublicState.RUNNING:
                    stage.runtime.process_of(name).finish(code=1)
            case "operate":
                try:
                    self._operator.operate(chance.choice(tuple(Operation)), [name])
                except (Refused, UnknownName):
                    self.events["refused"] += 1

    def _write(self, name: str, text: str) -> None:
        self._there.add(name)
        self._stage.directory.write(name, text)

    async def calm_down(self) -> None:
        """All names as they were in the beginning, and nothing under way."""
        for name in NAMES:
            self._write(name, text_of())
        await trio.sleep(30)
        self._operator.operate(Operation.RESTART, None)
        await trio.sleep(30)
        await self._stage.settle()
        assert {name: state.state for name, state in self._stage.disk.names.items()} == dict.fromkeys(
            NAMES, PublicState.RUNNING
        )
        forget(self._stage)


def forget(stage: Stage) -> None:
    """What the fakes remember of the past is theirs."""
    for memory in (stage.disk.calls, stage.disk.records, stage.runtime.calls, stage.lines, stage.notifier.told):
        memory.clear()
    stage.world.asked.clear()
    generations = stage.generations
    newest = generations.generations[max(generations.generations)]
    generations.generations = {newest.head.number: newest}
    needed = {each.digest for each in newest.definitions.values()}
    generations.texts = {digest: text for digest, text in generations.texts.items() if digest in needed}


def count_objects() -> Counter[str]:
    """The living objects of ours and of trio's, by type."""
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    return Counter(f"{each.__module__}.{each.__qualname__}" for each in types if is_counted(each.__module__))


def is_counted(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in ("orchestrator", "trio")


async def test_nothing_grows_over_ten_thousand_events(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        stage.tokens = (f"{number:06}" for number in itertools.count())

    async with open_stage({name: text_of() for name in NAMES}, prepare) as stage:
        churn = Churn(stage)
        await churn.run(WARM_UP)
        await churn.calm_down()
        before, blocks_before = count_objects(), sys.getallocatedblocks()
        await churn.run(EVENTS)
        await churn.calm_down()
        after, blocks_after = count_objects(), sys.getallocatedblocks()
        assert min(churn.events.values()) > EVENTS / 100, "all of them came about"
        # The task of a name may still hold the last message that it has heard.
        grown = {kind: (before[kind], count) for kind, count in after.items() if count > before[kind] + len(NAMES)}
        assert grown == {}
        assert blocks_after - blocks_before < BLOCKS
        # What a disk and a runtime would hold is what runs.
        assert stage.disk.prepared.keys() == stage.disk.instances.keys() == stage.runtime.containers.keys()
        assert stage.disk.bundles.keys() == {state.bundle for state in stage.disk.instances.values()}
        assert stage.disk.names.keys() == set(NAMES)
