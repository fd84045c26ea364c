"""What an operator asks for, over fakes and virtual time: what is written down, what follows, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import PublicState
from orchestrator.ports import DiskFailed, Operation, Part, Refused, UnknownName
from orchestrator.tasks.holds import Holds
from orchestrator.tasks.operate import AgentOperator
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

BROKEN = 'args = "no list"\n'
TWO = {"db": WEB, "web": WEB}


class Desk:
    """A stage and the operator of its agent."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.asked_to_end = 0
        self.operator = AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, self._end)

    def _end(self) -> None:
        self.asked_to_end += 1

    async def do(self, operation: Operation, *names: str) -> dict[str, PublicState]:
        """An operation on names (none: on all), waited for."""
        states = [await self.operator.wait_done(name) for name in self.operator.operate(operation, names or None)]
        return {state.name: state.state for state in states if state is not None}


@asynccontextmanager
async def open_desk(files: dict[str, str]) -> AsyncIterator[Desk]:
    async with open_stage(files) as stage:
        yield Desk(stage)


async def test_stop_ends_the_named_one_only_and_keeps_it_so(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        assert await desk.do(Operation.STOP, "web") == {"web": PublicState.STOPPED}
        assert desk.stage.disk.held == {"web"}
        assert desk.stage.state("db").state is PublicState.RUNNING
        desk.stage.directory.write("web", WEB + 'cwd = "/tmp"\n')
        await desk.stage.settle()
        assert desk.stage.state("web").state is PublicState.STOPPED
        assert await desk.do(Operation.START, "web") == {"web": PublicState.RUNNING}
        assert desk.stage.disk.held == set()
        assert desk.stage.state("web").fields["cwd"] == "/tmp"


async def test_a_hold_is_on_disk_before_anything_ends(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        desk.stage.disk.fail("hold")
        with pytest.raises(DiskFailed):
            desk.operator.operate(Operation.STOP, None)
        await wait_all_tasks_blocked()
        assert desk.stage.disk.held == set()
        assert {state.state for state in desk.operator.list_states()} == {PublicState.RUNNING}


def test_several_are_held_together_or_not_at_all() -> None:
    disk = FakeDisk()
    holds = Holds(disk)
    holds.hold(["a"])
    original = disk.hold

    def refuse(name: str) -> None:
        if name == "c":
            raise DiskFailed("full")
        original(name)

    disk.hold = refuse  # type: ignore[method-assign]
    with pytest.raises(DiskFailed):
        holds.hold(["a", "b", "c"])
    assert holds.names == disk.held == {"a"}


async def test_a_next_agent_keeps_what_was_stopped(autojump_clock: MockClock) -> None:
    def held_before(stage: Stage) -> None:
        stage.holds.hold(["web", "gone"])

    async with open_stage(TWO, held_before) as stage:
        assert stage.state("web").state is PublicState.STOPPED
        assert stage.state("db").state is PublicState.RUNNING
        assert stage.disk.held == {"web", "gone"}, "the first look may fall into an editor's rename"
        await trio.sleep(2)
        assert stage.disk.held == {"web"}, "a hold ends with its file"


async def test_a_hold_outlives_a_rename_at_the_agents_first_look(autojump_clock: MockClock) -> None:
    async with open_stage({"db": WEB}, lambda stage: stage.holds.hold(["web"])) as stage:
        stage.directory.write("web", WEB)
        await trio.sleep(5)
        assert stage.state("web").state is PublicState.STOPPED


async def test_what_was_never_valid_is_held_too(autojump_clock: MockClock) -> None:
    async with open_desk({"bad": BROKEN}) as desk:
        assert await desk.do(Operation.STOP) == {"bad": PublicState.STOPPED}
        assert desk.stage.state("bad").held
        assert desk.stage.state("bad").problems


async def test_who_asks_during_a_look_is_answered_by_the_next(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        desk.stage.world.delay = 1.0
        desk.stage.directory.write("db", WEB + 'cwd = "/tmp"\n')
        await trio.sleep(0.2)  # it looks at db, and waits for the world
        desk.stage.directory.write("web", WEB + 'cwd = "/tmp"\n')
        planned = {each.name: each.verb.value for each in await desk.operator.plan()}
        assert planned == {"db": "nothing", "web": "replace"}


async def test_some_that_cannot_be_released_do_not_keep_the_others(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        await desk.do(Operation.STOP)
        release, names = desk.stage.disk.release, iter(["db", "web"])

        def release_one(name: str) -> None:
            if next(names) == "web":
                raise DiskFailed("full")
            release(name)

        desk.stage.disk.release = release_one  # type: ignore[method-assign]
        with pytest.raises(DiskFailed):
            desk.operator.operate(Operation.START, ["db", "web"])
        await desk.stage.settle()
        states = [state.state for state in desk.operator.list_states()]
        assert sorted(state.value for state in states) == ["running", "stopped"]


async def test_a_hold_ends_with_its_file_but_not_with_a_directory_that_cannot_be_read(
    autojump_clock: MockClock,
) -> None:
    async with open_desk(TWO) as desk:
        await desk.do(Operation.STOP, "web")
        desk.stage.directory.break_down("cannot read")
        await trio.sleep(5)
        assert desk.stage.disk.held == {"web"}
        desk.stage.directory.break_down(None)
        desk.stage.directory.remove("web")
        await trio.sleep(1.2)
        assert desk.stage.disk.held == set()
        desk.stage.directory.write("web", WEB)
        await desk.stage.settle()
        assert desk.stage.state("web").state is PublicState.RUNNING


async def test_restart_makes_another_instance(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        before = desk.stage.pids()
        assert await desk.do(Operation.RESTART, "web") == {"web": PublicState.RUNNING}
        after = desk.stage.pids()
        assert (after["db"], after["web"] == before["web"]) == (before["db"], False)


async def test_restart_and_start_of_what_is_held(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        await desk.do(Operation.STOP)
        assert await desk.do(Operation.RESTART, "web") == {"web": PublicState.RUNNING}
        assert desk.stage.disk.held == {"db"}
        assert await desk.do(Operation.START) == {"db": PublicState.RUNNING, "web": PublicState.RUNNING}


async def test_start_is_a_word_that_ends_a_wait(autojump_clock: MockClock) -> None:
    async with open_desk({"web": WEB}) as desk:
        desk.stage.runtime.set_program("web", FakeProgram(exits=1))
        await desk.do(Operation.RESTART, "web")
        await trio.sleep(0.05)
        assert desk.stage.state("web").state is PublicState.BACKOFF
        desk.stage.runtime.set_program("web", FakeProgram())
        assert await desk.do(Operation.START, "web") == {"web": PublicState.RUNNING}


async def test_a_completed_oneshot_runs_again(autojump_clock: MockClock) -> None:
    async with open_desk({}) as desk:
        desk.stage.runtime.set_program("job", FakeProgram(exits=0))
        desk.stage.directory.write("job", WEB + 'type = "oneshot"\n')
        await desk.stage.settle()
        await trio.sleep(1)
        assert desk.stage.state("job").state is PublicState.COMPLETED
        created = len(desk.stage.runtime.calls)
        await desk.do(Operation.START, "job")
        await trio.sleep(1)
        assert desk.stage.state("job").state is PublicState.COMPLETED
        assert len(desk.stage.runtime.calls) > created


async def test_what_has_problems_is_refused_unless_it_runs(autojump_clock: MockClock) -> None:
    async with open_desk({"bad": BROKEN, **TWO}) as desk:
        with pytest.raises(Refused, match="cannot start bad: its definition has problems") as refused:
            desk.operator.operate(Operation.START, ["bad", "web"])
        assert refused.value.problems
        desk.stage.directory.write("web", BROKEN)
        await desk.stage.settle()
        before = desk.stage.pids()["web"]
        assert await desk.do(Operation.RESTART, "web") == {"web": PublicState.RUNNING}
        assert desk.stage.pids()["web"] != before
        assert (await desk.do(Operation.START))["bad"] is PublicState.INVALID


async def test_stop_of_what_has_problems_holds_it(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        desk.stage.directory.write("web", BROKEN)
        await desk.stage.settle()
        assert (await desk.do(Operation.STOP, "web")) == {"web": PublicState.STOPPED}
        desk.stage.directory.write("web", WEB)
        await desk.stage.settle()
        assert desk.stage.state("web").state is PublicState.STOPPED


async def test_names_that_are_not_there(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        with pytest.raises(UnknownName) as unknown:
            desk.operator.operate(Operation.STOP, ["web", "wbe"])
        assert (unknown.value.name, unknown.value.known) == ("wbe", ("db", "web"))
        assert desk.stage.disk.held == set()
        with pytest.raises(UnknownName):
            desk.operator.send_signal("wbe", 1)
        with pytest.raises(UnknownName):
            await desk.operator.show("wbe", Part.DEFINITION)


async def test_nothing_is_begun_at_the_end(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        desk.operator.shut_down()
        assert desk.asked_to_end == 1
        desk.operator.end()
        with pytest.raises(Refused, match="the agent is ending"):
            desk.operator.operate(Operation.START, None)
        with pytest.raises(Refused, match="the agent is ending"):
            await desk.operator.plan()


async def test_what_was_asked_for_is_in_the_event_log(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        await desk.do(Operation.STOP, "web")
        asked = [record for record in desk.stage.disk.records if record.kind is RecordKind.OPERATOR]
        assert [(record.name, record.message) for record in asked] == [("web", "stop")]


async def test_a_plan_is_what_the_next_look_finds(autojump_clock: MockClock) -> None:
    async with open_desk(TWO) as desk:
        assert {(planned.name, planned.verb.value) for planned in await desk.operator.plan()} == {
            ("db", "nothing"),
            ("web", "nothing"),
        }
        desk.stage.directory.break_down("cannot read the directory")
        with pytest.raises(Refused, match="cannot read the directory"):
            await desk.operator.plan()


async def test_the_parts_of_what_runs(autojump_clock: MockClock) -> None:
    async with open_desk({"bad": BROKEN, **TWO}) as desk:
        definition = await desk.operator.show("web", Part.DEFINITION)
        spec = await desk.operator.show("web", Part.SPEC)
        config = await desk.operator.show("web", Part.CONFIG)
        origins = await desk.operator.show("web", Part.ORIGINS)
        assert {"part": "process.args", "key": "args", "by": ""} in origins["parts"]
        assert definition["args"] == ["/usr/bin/web"]
        assert spec["name"] == "web"
        assert config["process"]["args"] == ["/usr/bin/web"]
        await desk.do(Operation.STOP, "web")
        with pytest.raises(Refused, match="it does not run"):
            await desk.operator.show("web", Part.CONFIG)
        with pytest.raises(Refused, match="its definition has problems"):
            await desk.operator.show("bad", Part.DEFINITION)
