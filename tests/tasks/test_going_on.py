"""An agent after one that was killed, in virtual time: what runs is left alone, what was under way is finished once."""

import signal

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.eventlog import RecordKind
from orchestrator.model.life import Phase
from orchestrator.model.state import PublicState, Step
from orchestrator.ports import Operation
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import ONESHOT, count, leave, news_of, open_next, operator_of, unreadable

DEAF = FakeProgram(ignores=frozenset({signal.SIGTERM}))
SLOW = 'restart = { delay = "40s", max_delay = "40s", jitter = 0.0 }\n'


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


async def test_what_nothing_is_known_of_runs_on_until_it_is_edited(autojump_clock: MockClock) -> None:
    text = WEB + 'stop.signal = "SIGUSR1"\n'
    wreck = await leave({"web": text})
    disk, state = wreck.disk, wreck.disk.names["web"]
    for kept in (disk.instances, disk.origins, disk.prepared, disk.names):
        kept.clear()
    async with open_next({"web": text}, wreck) as stage:
        await trio.sleep(100)
        assert (stage.state("web").pid, stage.state("web").state) == (state.pid, PublicState.RUNNING)
        (written,) = stage.disk.instances.values()
        assert (written.instance, written.policy.stop.signal) == (state.instance, "SIGUSR1"), "as its definition says"
        process = stage.runtime.process_of("web")
        stage.directory.write("web", text + 'cwd = "/srv"\n')
        await stage.settle()
        assert process.signals == [signal.SIGUSR1]
        assert stage.state("web").instance != state.instance


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
        assert process.signals == [signal.SIGTERM, signal.SIGKILL], "to many a second SIGTERM means at once"
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
                name = wreck.disk.names.get("web")
                standing = name.standing if name is not None else None
                if state.step is Step.STOPPING and standing is not None and standing.life.phase is Phase.STOPPING:
                    process.send_signal(signal.SIGTERM)  # that is written down when it was sent
        lives = [state.step is Step.RUNNING for state in wreck.disk.instances.values()]
        wreck.runtime.calls.clear()
        async with open_next({"web": WEB}, wreck) as stage:
            assert stage.state("web").state is PublicState.RUNNING
            assert set(stage.runtime.containers) == set(stage.disk.instances) == {stage.state("web").instance}
            assert count(stage, "create") == (0 if any(lives) else 1)
