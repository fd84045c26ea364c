"""What becomes a generation and when, over fakes and in virtual time."""

import trio
from trio.testing import MockClock

from orchestrator.core.generations import digest_text
from orchestrator.model.generation import Changed
from orchestrator.model.state import PublicState
from orchestrator.tasks.history import TOGETHER, TRY_AGAIN_AFTER
from orchestrator.testing.history import PIN
from tests.tasks.helpers_history import (
    BROKEN,
    OTHER,
    THIRD,
    changes_of,
    cwd_of,
    make_before,
    open_after_boot,
    settle_long,
)
from tests.tasks.helpers_reconcile import WEB, open_stage


async def test_each_state_that_was_accepted_is_a_generation(autojump_clock: MockClock) -> None:
    stage = await make_before({"web": WEB}, {"web": OTHER, "db": WEB}, {"web": OTHER})
    assert changes_of(stage) == [
        Changed(added=("web",)),
        Changed(added=("db",), changed=("web",)),
        Changed(removed=("db",)),
    ]
    newest = stage.generations.generations[3].definitions["web"]
    assert (newest.digest, newest.since) == (digest_text(OTHER), 2)
    assert stage.generations.texts == {digest_text(text): text for text in (WEB, OTHER)}
    assert newest.bundle == stage.state("web").bundle


async def test_a_burst_is_one(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        for number in range(5):
            stage.directory.write("web", f"{WEB}env.A = '{number}'\n")
            await trio.sleep(0.1)
        await settle_long(stage)
        assert len(stage.generations.generations) == 2


async def test_a_file_that_is_renamed_makes_one(autojump_clock: MockClock) -> None:
    stage = await make_before({"web": WEB}, {"www": WEB})
    assert changes_of(stage)[1:] == [Changed(added=("www",), removed=("web",))]


async def test_an_edit_does_not_wait_for_it(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.generations.generations == {}


async def test_what_is_the_same_is_not_written_again(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        for _ in range(3):
            stage.directory.hint()
            stage.reconciler.look_again()
            await settle_long(stage)
        assert stage.generations.writes == 1
        async with open_after_boot(stage, {"web": WEB}) as later:
            await settle_long(later)
            assert later.generations.writes == 1


async def test_no_timer_runs_at_rest(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")


async def test_a_full_disk_is_said_once_and_holds_up_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.generations.fail("write", times=3)
        await settle_long(stage)
        assert stage.reporter.agent.history_trouble == "no space left on device"
        stage.directory.write("web", OTHER)
        await settle_long(stage)
        assert cwd_of(stage, "web") == "/srv"
        assert stage.state("web").state is PublicState.RUNNING
        await trio.sleep(TRY_AGAIN_AFTER + TOGETHER)
        assert stage.lines.count("no space left on device") == 1
        assert stage.generations.generations == {}
        await trio.sleep(TRY_AGAIN_AFTER + TOGETHER)
        assert stage.lines.count("generations are written again") == 1
        assert stage.reporter.agent.history_trouble == ""
        assert changes_of(stage) == [Changed(added=("web",))], "what it said meanwhile is not known any more"
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")


async def test_what_somebody_has_removed_is_written_again(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.generations.generations.clear()
        stage.generations.texts.clear()
        stage.history.write_again()
        stage.directory.hint()
        await settle_long(stage)
        assert changes_of(stage) == [Changed(added=("web",))]
        assert stage.generations.texts == {digest_text(WEB): WEB}
        stage.history.write_again()
        stage.directory.hint()
        await settle_long(stage)
        assert stage.generations.writes == 2


async def test_what_cannot_be_cleared_out_is_written_all_the_same(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.generations.fail("clear_out", "read-only")
        await settle_long(stage)
        assert stage.lines.count("read-only") == 1
        stage.directory.write("web", OTHER)
        await settle_long(stage)
        assert [each.changed for each in changes_of(stage)] == [(), ("web",)]
        assert stage.reporter.agent.history_trouble == ""


async def test_the_last_word_is_written_at_the_end(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        pass
    assert stage.generations.writes == 0
    await stage.history.write_now()
    assert stage.generations.writes == 1
    await stage.history.write_now()
    assert stage.generations.writes == 1


async def test_a_directory_that_cannot_be_read_is_no_state(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.directory.break_down("cannot read /c")
        await settle_long(stage)
        assert stage.generations.writes == 1


async def test_a_damaged_generation_is_set_aside_and_the_rest_is_used(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB}, {"web": OTHER})
    before.generations.damaged.add(2)
    async with open_after_boot(before, {"web": BROKEN}) as stage:
        assert cwd_of(stage, "web") is None
        assert [line for line in stage.lines if "2.jsonl" in line] == [
            "/state/generations/2.jsonl is damaged: it is not JSON; moved to /state/generations/2.jsonl.damaged"
        ]
        stage.directory.write("web", THIRD)
        await settle_long(stage)
        assert sorted(stage.generations.generations) == [1, 3]


async def test_while_the_pin_is_damaged_generations_are_written_and_it_is_said(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.generations.damaged.add(PIN)
        stage.directory.write("web", OTHER)
        await settle_long(stage)
        assert stage.generations.writes == 2
        assert stage.reporter.agent.history_trouble == "/state/generations/pinned.json is damaged: it is not JSON"
        await trio.sleep(10 * TRY_AGAIN_AFTER)
        assert stage.generations.writes == 2
        assert sum("pinned.json is damaged" in line for line in stage.lines) == 1
        stage.generations.damaged.clear()
        await trio.sleep(2 * TRY_AGAIN_AFTER)
        assert stage.reporter.agent.history_trouble == ""
