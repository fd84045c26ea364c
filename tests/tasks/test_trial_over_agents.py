"""An edit that is being tried while the agent ends: a next one sees what it comes to, and takes it back as well."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.state import PublicState
from tests.tasks.helpers_history import settle_long
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

TRIED = 'ready = "healthy"\nstart_timeout = "20s"\nhealth = { type = "tcp", port = 80, failures = 1000 }\n'
GOOD = WEB + TRIED
EDITED = GOOD + 'env.A = "1"\n'


async def edit(text: str = EDITED) -> tuple[Wreck, str | None]:
    """What an agent leaves that is killed 5 s into the trial of an edit, which is not well; and the good bundle."""
    async with open_stage({"web": GOOD}) as stage:
        good = stage.state("web").bundle
        await settle_long(stage)
        stage.prober.fail("web", "connection refused")
        stage.directory.write("web", text)
        await trio.sleep(5)
        assert stage.state("web").bundle != good
        return Wreck(stage), good


def unwell(stage: Stage) -> None:
    stage.prober.fail("web", "connection refused")


async def expect_rolled_back(stage: Stage, good: str | None, why: str) -> None:
    stage.prober.fail("web", "")
    await trio.sleep(30)
    state = stage.state("web")
    assert (state.state, state.bundle, state.ready) == (PublicState.RUNNING, good, True)
    assert state.message == f"rolled back: {why}"


async def test_it_is_not_ready_in_time(autojump_clock: MockClock) -> None:
    wreck, good = await edit()
    for _ in range(2):
        async with open_next({"web": EDITED}, wreck, unwell, settled=False) as stage:
            await trio.sleep(5)
            assert stage.state("web").bundle != good
            wreck = Wreck(stage)
    async with open_next({"web": EDITED}, wreck, unwell, settled=False) as stage:
        await trio.sleep(20.5)
        await expect_rolled_back(stage, good, "it was not ready 20 s after its start")


@pytest.mark.parametrize("when", ["without an agent", "under the next one"])
async def test_it_ends(autojump_clock: MockClock, when: str) -> None:
    wreck, good = await edit()
    if when == "without an agent":
        wreck.runtime.process_of("web").finish(code=1)
    async with open_next({"web": EDITED}, wreck, unwell, settled=False) as stage:
        if when == "under the next one":
            await trio.sleep(1.3)
            stage.runtime.process_of("web").finish(code=1)
            await stage.settle()
        await expect_rolled_back(
            stage, good, "ended; nobody saw how" if when == "without an agent" else "exited with code 1"
        )


async def test_it_becomes_ready(autojump_clock: MockClock) -> None:
    wreck, good = await edit()
    async with open_next({"web": EDITED}, wreck) as stage:
        await trio.sleep(100)
        state = stage.state("web")
        assert (state.state, state.ready, state.message, state.restarts) == (PublicState.RUNNING, True, "", 0)
        assert state.bundle != good
        # What it has become is what a next edit goes back to.
        assert state.standing is not None
        assert state.standing.good is None


@pytest.mark.parametrize("text", [GOOD, GOOD + 'env.A = "2"\n'], ids=["taken back", "another"])
async def test_it_was_edited_again(autojump_clock: MockClock, text: str) -> None:
    wreck, good = await edit()
    async with open_next({"web": text}, wreck, unwell, settled=False) as stage:
        if text == GOOD:
            stage.prober.fail("web", "")
            await trio.sleep(30)
            state = stage.state("web")
            assert (state.state, state.bundle, state.message) == (PublicState.RUNNING, good, "")
        else:
            await trio.sleep(20.9)
            await expect_rolled_back(stage, good, "it was not ready 20 s after its start")


async def test_what_was_good_for_a_moment_only_comes_back_too(autojump_clock: MockClock) -> None:
    async with open_stage({"web": GOOD}) as stage:
        good = stage.state("web").bundle
        assert stage.generations.writes == 0
        stage.prober.fail("web", "connection refused")
        stage.directory.write("web", EDITED)
        await trio.sleep(5)
        assert stage.generations.writes == 2
        wreck = Wreck(stage)
    async with open_next({"web": EDITED}, wreck, unwell, settled=False) as stage:
        stage.runtime.process_of("web").finish(code=1)
        await stage.settle()
        await expect_rolled_back(stage, good, "exited with code 1")


def lose(wreck: Wreck) -> None:
    wreck.generations.generations.clear()


def damage(wreck: Wreck) -> None:
    wreck.generations.damaged.update(
        each.digest for one in wreck.generations.generations.values() for each in one.definitions.values()
    )


@pytest.mark.parametrize("spoil", [lose, damage])
async def test_what_would_come_back_is_not_known(autojump_clock: MockClock, spoil: Callable[[Wreck], None]) -> None:
    wreck, good = await edit()
    spoil(wreck)
    async with open_next({"web": EDITED}, wreck, unwell, settled=False) as stage:
        await trio.sleep(60)
        state = stage.state("web")
        assert state.bundle != good
        assert state.message.startswith("cannot be rolled back: what was ready before is not known any more")
        stage.prober.fail("web", "")
        await trio.sleep(60)
        assert stage.state("web").message == ""
        assert (stage.state("web").state, stage.state("web").ready) == (PublicState.RUNNING, True)
