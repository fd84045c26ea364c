"""Whatever happens in whatever order, once all is quiet who shares a network is in that of the one that runs."""

import contextlib
import random

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Refused, UnknownName
from tests.tasks.helpers_order import operate
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next
from tests.tasks.test_sharing import sharing

SHARES = {"app": "db", "log": "app", "side": "db"}
NAMES = ("db", *SHARES)
QUICK = 'restart.delay = "10ms"\nrestart.max_delay = "20ms"\nresources.memory = "64M"\n'


def text_of(name: str, args: int) -> str:
    more = f'{QUICK}env.N = "{args}"\n'
    return sharing(SHARES[name], more) if name in SHARES else WEB + more


def check(stage: Stage) -> None:
    """Nobody is in the network of an instance that is not the one that runs."""
    for name, other in SHARES.items():
        state, shared = stage.disk.names.get(name), stage.disk.names.get(other)
        if state is None or state.state is not PublicState.RUNNING:
            continue
        assert shared is not None, f"{name} runs without {other}"
        assert shared.state is PublicState.RUNNING, f"{name} runs, and {other} is {shared.state}"
        assert stage.disk.instances[str(state.instance)].joined == shared.instance
        assert stage.networks.held == {}


def do(stage: Stage, chance: random.Random) -> None:
    name = chance.choice(NAMES)
    match chance.choice(("crash", "crash", "edit", "stop", "start", "restart", "remove", "write")):
        case "crash":
            with contextlib.suppress(LookupError, AssertionError):
                stage.runtime.process_of(name).finish(code=1)
        case "edit" | "write":
            stage.directory.write(name, text_of(name, chance.randrange(3)))
        case "remove" if len(stage.directory.sources) > 2 and name in {each.name for each in stage.directory.sources}:
            stage.directory.remove(name)
        case "stop" | "start" | "restart" as verb:
            with contextlib.suppress(Refused, UnknownName):
                operate(stage, Operation(verb), name)


async def churn(stage: Stage, chance: random.Random, rounds: int) -> None:
    for _ in range(rounds):
        for _ in range(chance.randrange(1, 4)):
            do(stage, chance)
            await trio.sleep(chance.choice((0.0, 0.001, 0.02, 0.3)))
        await trio.sleep(5)
        check(stage)


@pytest.mark.parametrize("seed", range(12))
async def test_after_anything(autojump_clock: MockClock, seed: int) -> None:
    chance = random.Random(seed)
    files = {name: text_of(name, 0) for name in NAMES}
    async with open_stage(files) as stage:
        check(stage)
        await churn(stage, chance, 20)
        # The agent is killed in the midst of something, and the next one goes on.
        do(stage, chance)
        await trio.sleep(chance.choice((0.0, 0.0001, 0.001, 0.01)))
        wreck = Wreck(stage)
    sources = {source.name: str(source.text) for source in stage.directory.sources}
    async with open_next(sources, wreck) as after:
        await trio.sleep(5)
        check(after)
        await churn(after, chance, 10)
        for name in NAMES:
            after.directory.write(name, text_of(name, 0))
        await trio.sleep(5)  # until they are all known again
        operate(after, Operation.START, *NAMES)
        await trio.sleep(60)
        check(after)
        assert {name: state.state for name, state in after.disk.names.items()} == dict.fromkeys(
            sorted(NAMES), PublicState.RUNNING
        )
