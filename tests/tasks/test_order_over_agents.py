"""Order after an agent that was killed: nothing of it is written down, all of it follows from what there is."""

import trio
from trio.testing import MockClock

from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from tests.tasks.helpers_order import DEAF, SLOW, finish, message, oneshot, operate, service, slow, started_at, words
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

FILES = {"db": WEB, "api": service(requires=["db"]), "web": service(requires=["api"], after=["log"]), "log": WEB}


async def test_what_runs_in_order_is_left_alone(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        wreck, pids, calls = Wreck(stage), stage.pids(), list(stage.runtime.calls)
    async with open_next(FILES, wreck) as stage:
        await trio.sleep(100)
        assert stage.pids() == pids
        assert stage.runtime.calls == calls
        assert {state.message for state in stage.disk.names.values()} == {""}


async def test_what_stood_down_does_so_still_and_comes_back(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        wreck, calls = Wreck(stage), list(stage.runtime.calls)
    async with open_next(FILES, wreck) as stage:
        await trio.sleep(100)
        assert words(stage) == {"api": "waiting", "db": "stopped", "log": "running", "web": "waiting"}
        assert message(stage, "api") == "waits for db (stopped) to be ready"
        assert stage.runtime.calls == calls
        operate(stage, Operation.START, "db")
        await stage.settle()
        assert set(words(stage).values()) == {"running"}
        assert {(state.failures, state.restarts) for state in stage.disk.names.values()} == {(0, 0)}


async def test_what_was_standing_down_when_its_agent_was_killed_goes_on_with_it(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP, "db")
        await trio.sleep(1)
        assert words(stage) == {"api": "running", "db": "running", "log": "running", "web": "stopping"}
        wreck = Wreck(stage)
    async with open_next(FILES, wreck) as stage:
        await trio.sleep(20)
        assert words(stage) == {"api": "waiting", "db": "stopped", "log": "running", "web": "waiting"}
        assert {(state.failures, state.restarts) for state in stage.disk.names.values()} == {(0, 0)}


async def test_one_that_ended_meanwhile_is_waited_for_by_what_ended_too(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        wreck = Wreck(stage)
        pid = stage.state("log").pid
    for name in ("db", "api", "web"):
        finish(stage, name, 1)

    async with open_next(FILES, wreck, slow) as stage:
        assert set(words(stage).values()) == {"running"}
        assert started_at(stage, "api") >= started_at(stage, "db") + SLOW
        assert started_at(stage, "web") >= started_at(stage, "api") + SLOW
        assert stage.state("log").pid == pid


async def test_a_file_with_a_problem_of_order_ends_nothing_that_was_left(autojump_clock: MockClock) -> None:
    async with open_stage(FILES) as stage:
        wreck, pids = Wreck(stage), stage.pids()
    files = {**FILES, "log": service(after=["web"])}
    async with open_next(files, wreck) as stage:
        assert stage.pids() == pids
        assert [len(stage.state(name).problems) for name in ("api", "db", "log", "web")] == [0, 0, 1, 1]


async def test_what_waited_when_its_agent_was_killed_waits_on(autojump_clock: MockClock) -> None:
    files = {"job": oneshot(), "web": service(after=["job"])}
    stage = Stage(files)
    async with trio.open_nursery() as nursery:
        await stage.history.recall_pin()
        await nursery.start(stage.reconciler.run, nursery)
        await trio.sleep(5)
        wreck = Wreck(stage)
        nursery.cancel_scope.cancel()
    async with open_next(files, wreck, settled=False) as stage:
        await trio.sleep(5)
        assert words(stage) == {"job": "running", "web": "waiting"}
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "running"}
        assert stage.state("web").state is PublicState.RUNNING
