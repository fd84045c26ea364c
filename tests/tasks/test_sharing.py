"""Who shares the network of another is started after it, joins it as it is then, and ends and begins with it."""

import signal

import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_order import DEAF, GIVES_UP, operate, removed, started_at, told, words
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage
from tests.tasks.helpers_takeover import leave, open_next


def sharing(name: str, more: str = "") -> str:
    return f'{WEB}network = {{ type = "container", name = "{name}" }}\n{more}'


FILES = {"app": sharing("db"), "db": WEB, "other": WEB + 'requires = ["db"]\n'}
CHAIN = {"db": WEB, "app": sharing("db"), "log": sharing("app")}


def joined(stage: Stage, name: str = "app") -> str:
    """Which instance's network it is in."""
    return stage.disk.instances[str(stage.state(name).instance)].joined


def together(stage: Stage, name: str = "app", other: str = "db") -> bool:
    """Whether both run, and in one network by the namespace that the runtime was led to."""
    instance, pid = stage.state(name).instance, stage.state(other).pid
    assert joined(stage, name) == stage.state(other).instance
    states = (stage.state(name).state, stage.state(other).state)
    led = (f"/run/instances/{instance}/netns", pid) in stage.networks.joined
    return led and states == (PublicState.RUNNING, PublicState.RUNNING)


async def test_it_starts_after_it_and_joins_it(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        stage.runtime.delays["create"] = 1.0

    async with open_stage(FILES, prepare) as stage:
        assert together(stage)
        assert started_at(stage, "app") > started_at(stage, "db")
        assert stage.networks.held == {}, "it is led there while the runtime creates, and no longer"
        instance = stage.disk.prepared[str(stage.state("app").instance)]
        assert instance.joins == f"/run/instances/{instance.id}/netns"
        written = [state for state in stage.disk.calls_of("write_instance") if getattr(state, "joined", "")]
        assert getattr(written[0], "pid", 0) is None, "written down before it is so"


async def test_a_crash_of_it_ends_it_too_and_both_come_back(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        pids = stage.pids()
        stage.runtime.process_of("db").finish(code=1)
        await stage.settle()
        assert together(stage)
        after = stage.pids()
        assert (after["app"] != pids["app"], after["other"] == pids["other"]) == (True, True)
        assert (stage.state("app").restarts, stage.state("db").restarts) == (0, 1), "it has not failed by that"
        assert told(stage, RecordKind.STARTED)[-2:] == ["db", "app"]


async def test_an_edit_of_it_takes_it_along(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        pids = stage.pids()
        stage.directory.write("db", WEB + 'env.A = "1"\n')
        await stage.settle()
        assert together(stage)
        after = stage.pids()
        assert (after["app"] != pids["app"], after["other"] == pids["other"]) == (True, True)
        before = after
        stage.directory.write("db", WEB + 'env.A = "1"\nrestart.delay = "7s"\nresources.memory = "64M"\n')
        await stage.settle()
        assert stage.pids() == before, "what ends no instance ends no network"


async def test_an_edit_of_its_own_disturbs_nobody_else(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        pids = stage.pids()
        stage.directory.write("app", sharing("db", 'env.A = "1"\n'))
        await stage.settle()
        assert together(stage)
        assert {name for name, pid in stage.pids().items() if pid != pids[name]} == {"app"}


async def test_it_may_give_up_sharing(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        stage.directory.write("app", WEB)
        await stage.settle()
        assert joined(stage) == ""
        pid = stage.state("app").pid
        stage.runtime.process_of("db").finish(code=1)
        await stage.settle()
        assert stage.state("app").pid == pid


async def test_stops_go_in_reverse_over_many(autojump_clock: MockClock) -> None:
    async with open_stage(CHAIN) as stage:
        assert together(stage)
        assert together(stage, "log", "app")
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        assert removed(stage) == ["log", "app", "db"]
        assert words(stage) == {"app": "waiting", "db": "stopped", "log": "waiting"}
        assert stage.state("app").message == "waits for db (stopped) to be ready"
        operate(stage, Operation.START, "log")
        await stage.settle()
        assert words(stage) == dict.fromkeys(("app", "db", "log"), "running")
        assert told(stage, RecordKind.STARTED)[-3:] == ["db", "app", "log"]


async def test_a_file_that_is_gone_takes_its_network_last(autojump_clock: MockClock) -> None:
    async with open_stage(CHAIN) as stage:
        stage.directory.remove("db")
        await trio.sleep(3)
        assert removed(stage) == ["log", "app", "db"]
        assert set(words(stage)) == {"app", "log"}
        assert stage.state("app").problems
        stage.directory.write("db", WEB)
        await stage.settle()
        assert words(stage) == dict.fromkeys(("app", "db", "log"), "running")


async def test_a_crash_goes_over_many(autojump_clock: MockClock) -> None:
    async with open_stage(CHAIN) as stage:
        pids = stage.pids()
        stage.runtime.process_of("db").finish(signal=9)
        await stage.settle()
        assert {name for name, pid in stage.pids().items() if pid != pids[name]} == {"db", "app", "log"}
        assert joined(stage, "log") == stage.state("app").instance
        assert joined(stage, "app") == stage.state("db").instance


async def test_one_that_has_failed_for_good_is_told_by_name(autojump_clock: MockClock) -> None:
    async with open_stage({"app": sharing("db"), "db": WEB + GIVES_UP}) as stage:
        stage.runtime.process_of("db").finish(code=1)
        await stage.settle()
        assert words(stage) == {"app": "waiting", "db": "failed"}
        assert stage.state("app").message == "waits for db (failed) to be ready"


async def test_why_it_stops_is_told_while_it_does(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        stage.runtime.set_program("app", DEAF)

    async with open_stage(FILES, prepare) as stage:
        stage.runtime.process_of("db").finish(code=1)
        await trio.sleep(3)
        state = stage.state("app")
        assert (state.state, state.message) == (PublicState.STOPPING, "stopped since the network of db has ended")
        stopping = [
            (record.name, record.message) for record in stage.disk.records if record.kind is RecordKind.STOPPING
        ]
        assert stopping == [("app", state.message)]
        assert stage.state("db").state is PublicState.RUNNING, "nobody waits for it"
        await trio.sleep(30)
        assert together(stage)


async def test_what_ends_while_it_is_being_joined_costs_no_failure(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        stage.runtime.delays["create"] = 1.0

    async with open_stage(FILES, prepare) as stage:
        stage.directory.write("app", sharing("db", 'env.A = "1"\n'))
        await trio.sleep(0.5)
        assert stage.state("app").state is PublicState.STARTING
        stage.runtime.process_of("db").finish(code=1)
        await trio.sleep(5)
        assert together(stage)
        assert stage.state("app").failures == 0
        assert RecordKind.START_FAILED not in {record.kind for record in stage.disk.records}


async def test_one_that_has_ended_unnoticed_is_not_joined(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        pid = stage.state("db").pid
        assert pid is not None
        stage.networks.gone.add(pid)
        stage.directory.write("app", sharing("db", 'env.A = "1"\n'))
        await trio.sleep(0.3)
        assert "cannot join the network of db: it has just ended" in stage.state("app").message
        stage.runtime.process_of("db").finish(code=1)
        await trio.sleep(60)
        assert together(stage)


async def test_a_next_agent_knows_whose_network_it_is_in(autojump_clock: MockClock) -> None:
    wreck = await leave(FILES)
    calls = list(wreck.runtime.calls)
    async with open_next(FILES, wreck) as stage:
        assert stage.runtime.calls == calls, "nothing is disturbed"
        pids = stage.pids()
        stage.runtime.process_of("db").finish(code=1)
        await stage.settle()
        assert together(stage)
        after = stage.pids()
        assert (after["app"] != pids["app"], after["other"] == pids["other"]) == (True, True)


async def test_what_ended_while_no_agent_was_there_takes_it_along(autojump_clock: MockClock) -> None:
    wreck = await leave(CHAIN)
    pids = {name: state.pid for name, state in wreck.disk.names.items()}
    wreck.runtime.process_of("db").finish(code=1)
    async with open_next(CHAIN, wreck) as stage:
        assert {name for name, pid in stage.pids().items() if pid != pids[name]} == {"db", "app", "log"}
        assert joined(stage, "app") == stage.state("db").instance
        assert joined(stage, "log") == stage.state("app").instance


async def test_what_came_back_while_no_agent_looked_is_another_network(autojump_clock: MockClock) -> None:
    """An agent was killed after it had started the next one, and before the other was told."""
    wreck = await leave(FILES)
    (identity,) = (key for key, state in wreck.disk.instances.items() if state.name == "app")
    wreck.disk.instances[identity] = evolve(wreck.disk.instances[identity], joined="db-of-before")
    async with open_next(FILES, wreck) as stage:
        assert stage.state("app").instance != identity
        assert together(stage)


async def test_a_directory_that_cannot_be_read_ends_nothing(autojump_clock: MockClock) -> None:
    wreck = await leave(CHAIN)
    calls = list(wreck.runtime.calls)

    def unreadable(stage: Stage) -> None:
        stage.directory.break_down("cannot read /c: input/output error")

    async with open_next(CHAIN, wreck, unreadable) as stage:
        assert stage.runtime.calls == calls


async def test_a_oneshot_may_share_and_ends_for_good(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "app": sharing("db", 'type = "oneshot"\n')}

    def prepare(stage: Stage) -> None:
        stage.runtime.set_program("app", FakeProgram(exits=0))

    async with open_stage(files, prepare) as stage:
        assert stage.state("app").state is PublicState.COMPLETED
        stage.runtime.process_of("db").finish(signal=signal.SIGKILL)
        await stage.settle()
        assert words(stage) == {"app": "completed", "db": "running"}


async def test_what_cannot_be_replaced_yet_goes_on_in_the_network_that_it_is_in(autojump_clock: MockClock) -> None:
    async with open_stage({"app": sharing("db"), "db": WEB, "other": WEB}) as stage:
        pid = stage.state("app").pid
        stage.disk.fail("prepare_instance", "no space left on device", times=2)
        stage.directory.write("app", sharing("other"))
        await stage.settle()
        assert (stage.state("app").pid, joined(stage)) == (pid, stage.state("db").instance)
        assert "no space left on device" in stage.state("app").message
        await trio.sleep(20)
        assert together(stage, "app", "other")
