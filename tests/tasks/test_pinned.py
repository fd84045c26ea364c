"""A generation that is followed instead of the directory, over fakes and in virtual time."""

import pytest
import trio
from trio.testing import MockClock

from orchestrator.core.generations import digest_text
from orchestrator.model.generation import Pin
from orchestrator.model.state import PublicState
from orchestrator.ports import Damaged, DiskFailed, Operation, Refused
from orchestrator.testing.history import PIN
from tests.tasks.helpers_history import (
    BROKEN,
    OTHER,
    THIRD,
    change,
    cwd_of,
    make_before,
    open_after_boot,
    operator_of,
    roll_back,
    settle_long,
)
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next


async def test_a_pinned_generation_is_followed_instead_of_the_directory(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "db": WEB, "old": WEB}) as stage:
        await settle_long(stage)
        db = stage.pids()["db"]
        change(stage, {"web": OTHER, "db": WEB, "new": WEB})
        await settle_long(stage)
        assert await operator_of(stage).roll_back(None)
        await stage.settle()
        assert stage.pids().keys() == {"web", "db", "old"}
        assert (cwd_of(stage, "web"), stage.pids()["db"]) == (None, db)
        assert stage.generations.pin is not None
        assert stage.generations.pin.number == 1
        assert stage.reporter.agent.pinned == 1
        assert stage.disk.agent is not None
        assert stage.disk.agent.pinned == 1
        edit = stage.state("web").edit
        assert edit is not None
        assert edit.generation == 1
        assert "operator: roll back to generation 1, which is pinned" in stage.lines


async def test_edits_under_a_pin_are_checked_and_change_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        await roll_back(stage, 1)
        calls, writes = list(stage.runtime.calls), stage.generations.writes
        change(stage, {"web": OTHER, "new": WEB, "bad": BROKEN})
        await settle_long(stage)
        assert (stage.runtime.calls, stage.generations.writes) == (calls, writes)
        assert [problem.file for problem in stage.reporter.agent.problems] == ["bad.toml"]
        assert stage.pids().keys() == {"web"}
        stage.directory.remove("web")
        await settle_long(stage)
        assert stage.runtime.calls == calls
        planned = await operator_of(stage).plan()
        assert [(each.name, each.verb.value) for each in planned] == [("web", "nothing")]


async def test_resumed_the_directory_counts_again(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "old": WEB}) as stage:
        await settle_long(stage)
        change(stage, {"web": OTHER})
        await settle_long(stage)
        await roll_back(stage)
        await operator_of(stage).resume()
        await settle_long(stage)
        assert (stage.generations.pin, stage.reporter.agent.pinned) == (None, None)
        assert (set(stage.pids()), cwd_of(stage, "web")) == ({"web"}, "/srv")
        assert stage.generations.writes == 2, "it says what it said before"
        await roll_back(stage)
        change(stage, {"web": THIRD})
        await operator_of(stage).resume()
        await settle_long(stage)
        assert (cwd_of(stage, "web"), stage.generations.writes) == ("/tmp", 3)
        with pytest.raises(Refused, match="no generation is pinned"):
            await operator_of(stage).resume()


async def test_each_roll_back_goes_one_further(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        for text in (OTHER, THIRD):
            stage.directory.write("web", text)
            await settle_long(stage)
        for cwd in ("/srv", None):
            await roll_back(stage)
            assert cwd_of(stage, "web") == cwd
        with pytest.raises(Refused, match="there is no generation before 1, which is live"):
            await roll_back(stage)
        with pytest.raises(Refused, match=r"there is no generation 9 \(there is 1 to 3\)"):
            await roll_back(stage, 9)
        assert stage.reporter.agent.pinned == 1
        await roll_back(stage, 3)
        assert cwd_of(stage, "web") == "/tmp"


async def test_what_was_edited_just_now_is_a_generation_first(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.directory.write("web", OTHER)
        await stage.settle()
        assert stage.generations.writes == 1
        await roll_back(stage)
        assert (stage.reporter.agent.pinned, stage.generations.writes) == (1, 2)


async def test_a_pin_outlives_the_agent(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB, "old": WEB}, {"web": OTHER})
    await before.generations.write_pin(Pin(number=1, at=1.0))
    async with open_after_boot(before, {"web": THIRD}) as stage:
        assert stage.reporter.agent.pinned == 1
        assert (set(stage.pids()), cwd_of(stage, "web")) == ({"web", "old"}, None)
        assert stage.generations.writes == 2
        stage.reporter.settled()
        assert any("2 running; generation 1 is pinned" in line for line in stage.notifier.told)


async def test_a_pin_is_followed_where_the_directory_cannot_be_read(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB}, {"web": OTHER})

    def unmounted(stage: Stage) -> None:
        stage.directory.break_down("cannot read /c")

    async with open_after_boot(before, {}, unmounted) as stage:
        assert stage.pids() == {}, "nothing is started of what nobody can know to be wanted"
    await before.generations.write_pin(Pin(number=1, at=1.0))
    async with open_after_boot(before, {}, unmounted) as stage:
        assert (set(stage.pids()), cwd_of(stage, "web")) == ({"web"}, None)


async def test_what_an_operator_has_stopped_stays_so(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "db": WEB}) as stage:
        await settle_long(stage)
        operator = operator_of(stage)
        operator.operate(Operation.STOP, ["web"])
        await stage.settle()
        change(stage, {"db": OTHER})
        await stage.settle()
        await roll_back(stage, 1)
        await settle_long(stage)
        assert stage.disk.held == {"web"}, "its file is gone, but it is not the files that count"
        assert stage.state("web").state is PublicState.STOPPED
        operator.operate(Operation.START, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_a_pin_that_cannot_be_written_changes_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.directory.write("web", OTHER)
        await settle_long(stage)
        stage.generations.fail("write_pin")
        with pytest.raises(DiskFailed):
            await operator_of(stage).roll_back(None)
        await stage.settle()
        assert (stage.reporter.agent.pinned, cwd_of(stage, "web")) == (None, "/srv")
        await roll_back(stage)
        stage.generations.fail("write_pin")
        with pytest.raises(DiskFailed):
            await operator_of(stage).resume()
        await stage.settle()
        assert (stage.reporter.agent.pinned, cwd_of(stage, "web")) == (1, None)


async def test_what_cannot_be_read_is_not_pinned(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.generations.damaged.add(digest_text(WEB))
        with pytest.raises(Damaged):
            await operator_of(stage).roll_back(1)
        assert (stage.generations.pin, stage.reporter.agent.pinned) == (None, None)


async def test_a_pin_that_does_not_say_what_is_pinned_is_none(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB}, {"web": OTHER})
    await before.generations.write_pin(Pin(number=1, at=1.0))
    before.generations.damaged.add(PIN)
    async with open_after_boot(before, {"web": THIRD}) as stage:
        assert (cwd_of(stage, "web"), stage.generations.pin) == ("/tmp", None)
        assert sum("what is pinned cannot be followed, so the directory is" in line for line in stage.lines) == 1


async def leave_pinned(damaged: int | str) -> Wreck:
    """An agent that followed the first of two generations, of which this cannot be read by now."""
    async with open_stage({"web": WEB, "db": THIRD}) as stage:
        await settle_long(stage)
        change(stage, {"web": OTHER, "db": OTHER})
        await settle_long(stage)
        await roll_back(stage, 1)
        wreck = Wreck(stage)
    wreck.generations.damaged.add(damaged)
    return wreck


async def test_of_a_pinned_generation_what_cannot_be_read_goes_on_as_it_runs(autojump_clock: MockClock) -> None:
    wreck = await leave_pinned(digest_text(WEB))
    pid = wreck.disk.names["web"].pid
    async with open_next({"web": OTHER, "db": OTHER}, wreck) as stage:
        await settle_long(stage)
        stage.directory.write("web", BROKEN)
        await settle_long(stage)
        web = stage.state("web")
        assert (web.pid, web.state, cwd_of(stage, "db")) == (pid, PublicState.RUNNING, "/tmp")
        (problem,) = web.problems
        assert problem.file == "web.toml (generation 1)"
        assert "is damaged: it is not what its name says" in problem.message
        said = "of generation 1, which is pinned, these cannot be read and go on as they run: web"
        assert (stage.lines.count(said), stage.reporter.agent.history_trouble) == (1, said)
        assert stage.generations.pin is not None
        await roll_back(stage, 2)
        assert (cwd_of(stage, "web"), stage.state("web").problems) == ("/srv", ())
        assert stage.reporter.agent.history_trouble == ""
    async with open_after_boot(stage, {"web": WEB}) as stage:
        assert stage.reporter.agent.pinned == 2


async def test_while_a_pinned_generation_cannot_be_read_all_goes_on_as_it_runs(autojump_clock: MockClock) -> None:
    wreck = await leave_pinned(1)
    pids = {name: state.pid for name, state in wreck.disk.names.items()}
    async with open_next({"web": OTHER, "new": WEB}, wreck) as stage:
        await settle_long(stage)
        stage.directory.write("web", THIRD)
        await settle_long(stage)
        assert stage.pids() == pids
        assert (stage.reporter.agent.pinned, stage.generations.writes) == (1, 2)
        said = "generation 1 is pinned and cannot be read, so all goes on as it runs until a roll-back to another or "
        assert stage.reporter.agent.history_trouble.startswith(f"{said}--resume: ")
        await operator_of(stage).resume()
        await settle_long(stage)
        assert (set(stage.pids()), cwd_of(stage, "web")) == ({"web", "new"}, "/tmp")
        assert (stage.reporter.agent.history_trouble, stage.generations.pin) == ("", None)


async def test_where_nobody_can_tell_whether_there_is_a_pin_no_agent_begins(autojump_clock: MockClock) -> None:
    stage = Stage({"web": WEB})
    stage.generations.fail("read_pin", "input/output error")
    with pytest.raises(DiskFailed):
        await stage.history.recall_pin()


async def test_what_the_host_makes_another_of_is_told(autojump_clock: MockClock) -> None:
    text = f'{WEB}user = "web"\n'

    def with_user(stage: Stage, number: int = 7) -> None:
        stage.world.texts = {"/etc/passwd": f"web:x:{number}:7::/:/bin/sh\n", "/etc/group": "web:x:7:\n"}

    async with open_stage({"web": text, "db": WEB}, with_user) as stage:
        await settle_long(stage)
        with_user(stage, 8)
        done = await operator_of(stage).roll_back(1)
        assert (done.generation, done.differing, done.problems) == (1, ("web",), ())
        stage.world.texts = {"/etc/passwd": "", "/etc/group": ""}
        done = await operator_of(stage).roll_back(1)
        assert done.differing == ()
        assert [problem.file for problem in done.problems] == ["web.toml (generation 1)"]
        pids = stage.pids()
        await stage.settle()
        assert stage.pids().keys() == pids.keys()
        assert stage.state("web").state is PublicState.RUNNING, "what cannot be made anew goes on"


async def test_two_wishes_at_a_time_are_one_after_the_other(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.directory.write("web", OTHER)
        await settle_long(stage)
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(operator_of(stage).roll_back, 1)
                nursery.start_soon(operator_of(stage).roll_back, 2)
            assert stage.generations.pin is not None
            assert stage.generations.pin.number == stage.reporter.agent.pinned == stage.history.pinned


async def test_the_list_has_what_is_whole(autojump_clock: MockClock) -> None:
    stage = await make_before({"web": WEB}, {"web": OTHER}, {"web": THIRD})
    stage.generations.damaged.add(2)
    listed = operator_of(stage).list_generations()
    assert [(each.number, each.live, each.pinned) for each in listed] == [(1, False, False), (3, True, False)]


async def test_what_ends_asks_for_nothing_more(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        operator = operator_of(stage)
        operator.end()
        with pytest.raises(Refused, match="the agent is ending"):
            await operator.roll_back(1)
        with pytest.raises(Refused, match="the agent is ending"):
            await operator.resume()
