"""An agent after one that was killed, in virtual time: what runs is left alone, what was under way is finished once."""

import signal
from collections.abc import Callable

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.state import PublicState, Step
from orchestrator.ports import Operation, Refused
from orchestrator.tasks.operate import AgentOperator
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

ONESHOT = WEB + 'type = "oneshot"\n'
DEAF = FakeProgram(ignores=frozenset({signal.SIGTERM}))
SLOW = 'restart = { delay = "40s", max_delay = "40s", jitter = 0.0 }\n'
STARTS = {RecordKind.STARTED, RecordKind.STOPPING, RecordKind.STOPPED, RecordKind.EXITED, RecordKind.COMPLETED}


def count(stage: Stage, method: str) -> int:
    return [asked for asked, _ in stage.runtime.calls].count(method)


def news_of(stage: Stage) -> list[Record]:
    """What the event log has of containers, other than of what an operator has asked for."""
    return [record for record in stage.disk.records if record.name and record.kind is not RecordKind.OPERATOR]


def operator_of(stage: Stage) -> AgentOperator:
    return AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, stage.parser, lambda: None)


async def leave(files: dict[str, str], prepare: Callable[[Stage], None] = lambda stage: None) -> Wreck:
    """What an agent leaves that is killed once all has settled."""
    async with open_stage(files, prepare) as stage:
        wreck = Wreck(stage)
    wreck.disk.records.clear()
    return wreck


def unreadable(stage: Stage) -> None:
    stage.directory.break_down("cannot read /c: input/output error")


# What runs


async def test_what_runs_is_left_alone_and_nothing_is_told_of_it(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB, "db": WEB})
    before, calls = dict(wreck.disk.names), list(wreck.runtime.calls)
    async with open_next({"web": WEB, "db": WEB}, wreck) as stage:
        await trio.sleep(100)
        assert stage.runtime.calls == calls
        assert news_of(stage) == []
        assert {name: evolve(state, standing=None) for name, state in stage.disk.names.items()} == {
            name: evolve(state, standing=None) for name, state in before.items()
        }
        supervision = stage.reconciler.find("web")
        assert supervision is not None
        assert supervision.instance is not None, "exec and show know what it is"
        assert supervision.instance.id == before["web"].instance
        stage.runtime.process_of("web").finish(code=3)
        await stage.settle()
        ended = stage.state("web").last_exit
        assert ended is not None
        assert ended.code == 3, "an end that is seen is known"
        assert (stage.state("web").state, stage.state("web").restarts) == (PublicState.RUNNING, 1)
        assert stage.state("db").pid == before["db"].pid


async def test_a_second_next_agent_goes_on_as_well(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB + 'env.A = "1"\n'})
    before, calls = wreck.disk.names["web"], list(wreck.runtime.calls)
    for _ in range(3):
        async with open_next({"web": WEB + 'env.A = "1"\n'}, wreck) as stage:
            wreck = Wreck(stage)
    assert wreck.runtime.calls == calls
    assert evolve(wreck.disk.names["web"], standing=None) == evolve(before, standing=None)
    assert wreck.disk.records == []


async def test_an_end_that_nobody_saw_is_a_failure_of_which_no_more_is_known(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB})
    wreck.runtime.process_of("web").finish(code=0)
    async with open_next({"web": WEB}, wreck) as stage:
        state = stage.state("web")
        assert (state.state, state.restarts, state.failures) == (PublicState.RUNNING, 1, 1)
        assert state.last_exit is not None
        assert (state.last_exit.code, state.last_exit.signal) == (None, None)
        assert count(stage, "create") == 2
        kinds = [record.kind for record in news_of(stage)]
        assert kinds == [RecordKind.EXITED, RecordKind.RETRY, RecordKind.STARTED]


async def test_an_end_that_was_written_down_is_known(autojump_clock: MockClock) -> None:
    wreck = await leave({"job": ONESHOT})
    (state,) = wreck.disk.instances.values()
    process = wreck.runtime.process_of("job")
    process.finish(code=0)
    wreck.disk.instances[state.instance] = evolve(state, exit=await process.wait())
    async with open_next({"job": ONESHOT}, wreck) as stage:
        assert stage.state("job").state is PublicState.COMPLETED
        assert count(stage, "create") == 1


async def test_the_end_of_an_agent_loses_no_exit(autojump_clock: MockClock) -> None:
    """The process was reaped by the agent that ends: nobody else could tell any more how it ended."""
    async with open_stage({"job": ONESHOT}) as stage:
        stage.runtime.process_of("job").finish(code=0)
        # What is told of it waits in a mailbox that is not looked into any more.
    async with open_next({"job": ONESHOT}, Wreck(stage)) as stage:
        assert stage.state("job").state is PublicState.COMPLETED
        assert count(stage, "create") == 1


# What rests or waits


async def test_a_retry_waits_for_the_rest_of_its_time(autojump_clock: MockClock) -> None:
    text = WEB + SLOW

    def crashing(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(exits=1))

    async with open_stage({"web": text}, crashing) as stage:
        await trio.sleep(50)  # a first retry, and some of the second wait
        assert (stage.state("web").state, stage.state("web").failures) == (PublicState.BACKOFF, 2)
        due = stage.state("web").next_retry_at
        wreck = Wreck(stage)
    assert due is not None
    wreck.disk.records.clear()
    async with open_next({"web": text}, wreck) as stage:
        state = stage.state("web")
        assert (state.state, state.failures, state.restarts) == (PublicState.BACKOFF, 2, 1)
        assert state.next_retry_at == due
        assert news_of(stage) == []
        await trio.sleep_until(due - 0.1)
        assert count(stage, "create") == 2
        await trio.sleep(0.2)
        assert count(stage, "create") == 3
        assert (stage.state("web").failures, stage.state("web").restarts) == (3, 2)


async def test_a_retry_that_is_due_before_the_first_look_waits_for_it(autojump_clock: MockClock) -> None:
    """How to make an instance is known when the directory has been read: that it is not yet is nobody's failure."""

    def slow(stage: Stage) -> None:
        stage.world.delay = 20.0

    wreck = await leave({"web": WEB + "restart.max_restarts = 1\n"})
    wreck.runtime.process_of("web").finish(code=1)
    async with open_next({"web": WEB + "restart.max_restarts = 1\n"}, wreck, slow) as stage:
        assert trio.current_time() > 20
        state = stage.state("web")
        assert (state.state, state.failures, state.restarts) == (PublicState.RUNNING, 1, 1)
        assert count(stage, "create") == 2


@pytest.mark.parametrize("code", [0, 1])
async def test_what_has_completed_or_given_up_is_not_begun_again(autojump_clock: MockClock, code: int) -> None:
    text = ONESHOT + 'restart.on_failure = "stop"\n'
    word = PublicState.FAILED if code else PublicState.COMPLETED
    wreck = await leave({"job": text}, lambda stage: stage.runtime.set_program("job", FakeProgram(exits=code)))
    before = wreck.disk.names["job"]
    assert before.state is word
    for prepare in (unreadable, lambda stage: None):
        async with open_next({"job": text}, wreck, prepare) as stage:
            await trio.sleep(100)
            wreck = Wreck(stage)
            assert evolve(stage.state("job"), standing=None) == evolve(before, standing=None)
            assert (count(stage, "create"), news_of(stage)) == (1, [])


async def test_what_is_held_stays_so_until_it_is_started(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.STOPPED
        wreck = Wreck(stage)
    async with open_next({"web": WEB}, wreck) as stage:
        assert (stage.state("web").state, stage.state("web").held) == (PublicState.STOPPED, True)
        assert count(stage, "create") == 1
        operator_of(stage).operate(Operation.START, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_a_stop_that_was_only_written_down_is_done(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB})
    wreck.disk.held.add("web")
    async with open_next({"web": WEB}, wreck) as stage:
        assert stage.state("web").state is PublicState.STOPPED
        assert stage.runtime.containers == {}


async def test_a_start_that_was_only_written_down_is_done(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await stage.settle()
        wreck = Wreck(stage)
    wreck.disk.held.clear()
    async with open_next({"web": WEB}, wreck) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        assert count(stage, "create") == 2


# What was under way


@pytest.mark.parametrize("step", [Step.CREATING, Step.CREATED, Step.STARTING])
async def test_what_was_half_made_is_undone_and_begun_once(autojump_clock: MockClock, step: Step) -> None:
    wreck = await leave({"web": WEB})
    (state,) = wreck.disk.instances.values()
    wreck.disk.instances[state.instance] = evolve(state, step=step)
    wreck.runtime.containers[state.instance].started = False
    async with open_next({"web": WEB}, wreck) as stage:
        assert (stage.state("web").state, stage.state("web").failures) == (PublicState.RUNNING, 0)
        assert stage.state("web").instance not in (None, state.instance)
        assert (count(stage, "create"), set(stage.runtime.containers)) == (2, {stage.state("web").instance})
        assert f"ended {state.instance}, left by an earlier agent" in stage.lines


async def test_what_is_being_stopped_is_stopped_in_the_time_that_it_had(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await trio.sleep(4)
        asked = trio.current_time() - 4
        wreck = Wreck(stage)
    process = wreck.runtime.process_of("web")
    async with open_next({"web": WEB}, wreck, settled=False) as stage:
        await trio.sleep_until(asked + 9.9)
        assert stage.state("web").state is PublicState.STOPPING
        assert signal.SIGKILL not in process.signals
        await trio.sleep(0.2)
        assert process.signals[-1] == signal.SIGKILL
        assert stage.state("web").state is PublicState.STOPPED
    assert wreck.disk.instances == {}


@pytest.mark.parametrize("agents", [1, 2, 3])
async def test_a_replacement_begins_once_however_many_agents_it_takes(autojump_clock: MockClock, agents: int) -> None:
    new = WEB + 'env.A = "1"\n'
    async with open_stage({"web": WEB}, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        old = stage.state("web").instance
        stage.directory.write("web", new)
        await trio.sleep(1)
        assert stage.state("web").state is PublicState.STOPPING
        wreck = Wreck(stage)
    assert len(wreck.disk.instances) == 2, "the one that is to follow it has been built"
    for _ in range(agents - 1):
        async with open_next({"web": new}, wreck, settled=False) as stage:
            await trio.sleep(1)
            assert stage.state("web").state is PublicState.STOPPING
            wreck = Wreck(stage)
    async with open_next({"web": new}, wreck) as stage:
        await trio.sleep(15)
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.state("web").instance not in (None, old)
        assert stage.state("web").restarts == 0
        assert count(stage, "create") == 2
        assert set(stage.runtime.containers) == set(stage.disk.instances) == {stage.state("web").instance}


async def test_a_replacement_is_begun_again_where_the_new_one_was_half_made(autojump_clock: MockClock) -> None:
    """The name's file still tells of the old one, that was being stopped."""
    new = WEB + 'env.A = "1"\n'

    async with open_stage({"web": WEB}, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        stage.directory.write("web", new)
        await trio.sleep(1)
        told = stage.state("web")
        stage.runtime.delays["create"] = 5.0
        await trio.sleep(11)
        wreck = Wreck(stage)
    wreck.disk.names["web"] = told
    (half,) = wreck.disk.instances
    wreck.runtime.delays.clear()
    async with open_next({"web": new}, wreck) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        assert set(stage.runtime.containers) == {stage.state("web").instance} != {half}


async def test_an_agent_that_is_killed_before_each_write_starts_nothing_twice(autojump_clock: MockClock) -> None:
    """Each state of the disk between the first write of a start and its last is one that an agent may be killed in."""
    async with open_stage({}) as stage:
        wrecks: list[Wreck] = []
        record = stage.disk._record

        def killed_before(method: str, given: object) -> None:
            wrecks.append(Wreck(stage))
            record(method, given)

        stage.disk._record = killed_before  # type: ignore[method-assign]
        stage.directory.write("web", WEB)
        await stage.settle()
        operator_of(stage).operate(Operation.RESTART, ["web"])
        await stage.settle()
        stage.disk._record = record  # type: ignore[method-assign]
        assert len(wrecks) > 20
        running = Wreck(stage)
    for wreck in wrecks:
        # What the runtime had then: of what it has now, all that was not made later.
        wreck.runtime = type(running.runtime)()
        for state in wreck.disk.instances.values():
            prepared = wreck.disk.prepared.get(state.instance)
            if state.step is not Step.CREATING and prepared is not None:
                process = await wreck.runtime.create(prepared)
                wreck.disk.instances[state.instance] = evolve(state, pid=process.pid, pid_start_time=process.start_time)
                if state.step in (Step.RUNNING, Step.STOPPING):
                    await wreck.runtime.start(prepared.id, prepared.folder)
        lives = [state.step is Step.RUNNING for state in wreck.disk.instances.values()]
        wreck.runtime.calls.clear()
        async with open_next({"web": WEB}, wreck) as stage:
            assert stage.state("web").state is PublicState.RUNNING
            assert set(stage.runtime.containers) == set(stage.disk.instances) == {stage.state("web").instance}
            assert count(stage, "create") == (0 if any(lives) else 1)


# What was edited meanwhile


async def test_edits_that_were_made_meanwhile_do_what_they_do_at_any_time(autojump_clock: MockClock) -> None:
    files = dict.fromkeys(("other", "limits", "policy", "text"), WEB)
    wreck = await leave(files)
    pids = {name: state.pid for name, state in wreck.disk.names.items()}
    edited = {
        "other": WEB + 'env.A = "1"\n',
        "limits": WEB + 'resources.memory = "64M"\n',
        "policy": WEB + 'restart.on_failure = "stop"\n',
        "text": "# better\n" + WEB,
    }
    async with open_next(edited, wreck) as stage:
        await stage.settle()
        after = stage.pids()
        assert {name for name in files if after[name] != pids[name]} == {"other"}
        assert stage.disk.instances[str(stage.state("limits").instance)].resources.memory == 64 * 2**20
        assert count(stage, "update") == 1
        kinds = {record.name: record.kind for record in news_of(stage) if record.kind not in STARTS}
        assert kinds == {
            "other": RecordKind.REPLACED,
            "limits": RecordKind.UPDATED,
            "policy": RecordKind.RETUNED,
        }
        for name in ("policy", "text"):
            stage.runtime.process_of(name).finish(code=1)
        await stage.settle()
        assert stage.state("policy").state is PublicState.FAILED
        assert stage.state("text").state is PublicState.RUNNING


async def test_limits_that_are_in_doubt_are_set_again(autojump_clock: MockClock) -> None:
    text = WEB + 'resources.memory = "64M"\n'
    wreck = await leave({"web": text})
    (state,) = wreck.disk.instances.values()
    wreck.disk.instances[state.instance] = evolve(state, limits_known=False)
    async with open_next({"web": text}, wreck) as stage:
        assert count(stage, "update") == 1
        assert stage.disk.instances[state.instance].limits_known


async def test_what_has_no_file_any_more_is_stopped_after_the_grace(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB, "db": WEB})
    async with open_next({"db": WEB}, wreck, settled=False) as stage:
        await trio.sleep(0.9)
        assert stage.state("web").state is PublicState.RUNNING
        await trio.sleep(0.5)
        assert set(stage.disk.names) == {"db"}
        assert len(stage.runtime.containers) == 1


async def test_a_file_that_is_only_being_renamed_stops_nothing(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB})
    calls = list(wreck.runtime.calls)
    async with open_next({}, wreck, settled=False) as stage:
        await trio.sleep(0.9)
        stage.directory.write("web", WEB)
        await trio.sleep(10)
        assert stage.runtime.calls == calls


# A directory that cannot be read


async def test_while_the_directory_cannot_be_read_what_was_left_goes_on(autojump_clock: MockClock) -> None:
    files = {"web": WEB + 'env.A = "1"\n', "db": WEB, "job": ONESHOT}
    wreck = await leave(files, lambda stage: stage.runtime.set_program("job", FakeProgram(exits=0)))
    before, calls = dict(wreck.disk.names), list(wreck.runtime.calls)
    async with open_next(files, wreck, unreadable) as stage:
        await stage.reporter.wait_settled()  # systemd is told READY
        await trio.sleep(100)
        assert stage.runtime.calls == calls
        assert {name: evolve(state, standing=None) for name, state in stage.disk.names.items()} == {
            name: evolve(state, standing=None) for name, state in before.items()
        }
        wreck = Wreck(stage)
        stage.directory.break_down(None)
        await trio.sleep(10)
        assert stage.runtime.calls == calls
    # One that was killed in that time has told the next no less than it was told itself.
    async with open_next(files, wreck) as stage:
        assert stage.runtime.calls == calls
        assert {name: evolve(state, standing=None) for name, state in stage.disk.names.items()} == {
            name: evolve(state, standing=None) for name, state in before.items()
        }
        assert news_of(stage) == []


async def test_what_ends_while_the_directory_cannot_be_read_is_begun_when_it_can(autojump_clock: MockClock) -> None:
    text = WEB + "restart.max_restarts = 2\n"
    wreck = await leave({"web": text})
    async with open_next({"web": text}, wreck, unreadable) as stage:
        stage.runtime.process_of("web").finish(code=1)
        await trio.sleep(1000)
        await stage.reporter.wait_settled()
        assert (stage.state("web").state, stage.state("web").failures) == (PublicState.WAITING, 1)
        assert stage.state("web").message == "waits for its definition, which cannot be read"
        assert stage.runtime.containers == {}
        stage.directory.break_down(None)
        await stage.settle()
        assert (stage.state("web").state, stage.state("web").failures) == (PublicState.RUNNING, 1)
        assert count(stage, "create") == 2


async def test_a_stop_while_the_directory_cannot_be_read_stops_that_one(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB, "db": WEB})
    pid = wreck.disk.names["db"].pid
    async with open_next({"web": WEB, "db": WEB}, wreck, unreadable) as stage:
        operator = operator_of(stage)
        operator.operate(Operation.STOP, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.STOPPED
        assert stage.state("db").pid == pid
        with pytest.raises(Refused):
            operator.operate(Operation.RESTART, ["db"])
        with pytest.raises(Refused):
            operator.operate(Operation.START, ["web"])
        await stage.settle()
        assert stage.state("db").pid == pid, "what nobody knows how to make is not ended either"
        stage.directory.break_down(None)
        await stage.settle()
        operator.operate(Operation.START, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.state("db").pid == pid


# A definition that is invalid


async def test_a_definition_that_is_invalid_at_the_start_keeps_what_runs(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB, "db": WEB})
    pids, calls = {name: state.pid for name, state in wreck.disk.names.items()}, list(wreck.runtime.calls)
    for _ in range(2):
        async with open_next({"web": "nonsense", "db": WEB}, wreck) as stage:
            await trio.sleep(10)
            assert stage.pids() == pids
            assert stage.state("web").problems
            assert stage.runtime.calls == calls
            wreck = Wreck(stage)
    kinds = [record.kind for record in wreck.disk.records]
    assert kinds == [RecordKind.PROBLEM], "once: it is no news to the second one"
    async with open_next({"web": WEB, "db": WEB}, wreck) as stage:
        assert stage.pids() == pids
        assert stage.state("web").problems == ()
        assert [record.kind for record in news_of(stage)] == [RecordKind.PROBLEM, RecordKind.MENDED]


# What is told


async def test_a_names_file_that_is_gone_makes_no_news(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": WEB})
    before = wreck.disk.names.pop("web")
    async with open_next({"web": WEB}, wreck) as stage:
        assert news_of(stage) == []
        assert stage.state("web").pid == before.pid


async def test_an_end_of_the_agent_tells_of_no_end_of_what_goes_on(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.disk.records.clear()
        stage.reporter.stopping()
    assert news_of(stage) == []
    assert stage.state("web").state is PublicState.RUNNING
    async with open_next({"web": WEB}, Wreck(stage)) as stage:
        assert news_of(stage) == []
