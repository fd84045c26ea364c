"""Order among containers in virtual time: who waits for whom, who stands down with whom, who ends before whom."""

import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.action import Retune
from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from orchestrator.tasks.operate import AgentOperator
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

SLOW = 5.0
"""Seconds that a create takes in these tests."""
HOURS = 10 * 3600.0
DEAF = FakeProgram(ignores=frozenset({signal.SIGTERM}))
GIVES_UP = 'restart.on_failure = "stop"\n'


def service(*, after: Sequence[str] = (), requires: Sequence[str] = (), more: str = "") -> str:
    return f"{WEB}after = {list(after)}\nrequires = {list(requires)}\n{more}"


def naming(word: str, name: str) -> str:
    return f'{WEB}{word} = ["{name}"]\n'


def oneshot(*, after: Sequence[str] = (), requires: Sequence[str] = (), more: str = "") -> str:
    return service(after=after, requires=requires, more=f'type = "oneshot"\n{more}')


def slow(stage: Stage) -> None:
    stage.runtime.delays["create"] = SLOW


def operate(stage: Stage, operation: Operation, *names: str) -> tuple[str, ...]:
    operator = AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, stage.parser, lambda: None)
    return operator.operate(operation, names or None)


@asynccontextmanager
async def open_busy(
    files: Mapping[str, str], prepare: Callable[[Stage], None] = lambda stage: None
) -> AsyncIterator[Stage]:
    """A stage of which something is under way for ever, so that it does not settle."""
    stage = Stage(files)
    prepare(stage)
    async with trio.open_nursery() as nursery:
        await stage.history.recall()
        await nursery.start(stage.reconciler.run, nursery)
        await trio.sleep(100)
        yield stage
        nursery.cancel_scope.cancel()


def started_at(stage: Stage, name: str) -> float:
    at = stage.state(name).started_at
    assert at is not None, f"{name} has not started"
    return at


def told(stage: Stage, *kinds: RecordKind) -> list[str]:
    """The names to which something of these kinds happened, in that order."""
    return [record.name for record in stage.disk.records if record.kind in kinds]


def removed(stage: Stage) -> list[str]:
    """The names whose instances were removed, in that order: each as soon as it has ended."""
    return [identity.rpartition("-")[0] for method, identity in stage.runtime.calls if method == "remove"]


def words(stage: Stage) -> dict[str, str]:
    return {name: state.state.value for name, state in sorted(stage.disk.names.items())}


def message(stage: Stage, name: str) -> str:
    return stage.state(name).message


def finish(stage: Stage, name: str, code: int) -> None:
    stage.runtime.process_of(name).finish(code=code)


# Starts


@pytest.mark.parametrize("word", ["after", "requires"])
async def test_a_chain_starts_one_after_the_other(autojump_clock: MockClock, word: str) -> None:
    files = {"a": naming(word, "b"), "b": naming(word, "c"), "c": WEB}
    async with open_stage(files, slow) as stage:
        assert told(stage, RecordKind.STARTED) == ["c", "b", "a"]
        assert started_at(stage, "b") == pytest.approx(started_at(stage, "c") + SLOW)
        assert started_at(stage, "a") == pytest.approx(started_at(stage, "b") + SLOW)


async def test_a_diamond_starts_its_sides_together(autojump_clock: MockClock) -> None:
    files = {
        "top": service(after=["left"], requires=["right"]),
        "left": service(after=["base"]),
        "right": service(requires=["base"]),
        "base": WEB,
        "aside": WEB,
    }
    async with open_stage(files, slow) as stage:
        assert started_at(stage, "aside") == started_at(stage, "base")
        assert started_at(stage, "left") == pytest.approx(started_at(stage, "base") + SLOW)
        assert started_at(stage, "right") == pytest.approx(started_at(stage, "left"))
        assert started_at(stage, "top") == pytest.approx(started_at(stage, "left") + SLOW)
        assert {state.waits_for for state in stage.disk.names.values()} == {()}


async def test_what_waits_says_for_whom_and_goes_on_when_that_is_ready(autojump_clock: MockClock) -> None:
    async with open_busy({"job": oneshot(), "db": WEB, "web": service(after=["job", "db"])}) as stage:
        web = stage.state("web")
        assert (web.state, web.waits_for) == (PublicState.WAITING, ("job",))
        assert web.message == "waits for job to be ready"
        finish(stage, "job", 0)
        await stage.settle()
        web = stage.state("web")
        assert (web.state, web.waits_for, web.message) == (PublicState.RUNNING, (), "")


@pytest.mark.parametrize("ends", [0, 1])
async def test_after_waits_for_no_more_than_can_be(autojump_clock: MockClock, ends: int) -> None:
    """It has completed, or failed for good: both are a reason to go on."""
    files = {"job": oneshot(more=GIVES_UP), "web": service(after=["job"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("job", FakeProgram(exits=ends))) as stage:
        assert words(stage) == {"job": "failed" if ends else "completed", "web": "running"}


async def test_requires_waits_for_ever(autojump_clock: MockClock) -> None:
    files = {"job": oneshot(more=GIVES_UP), "web": service(requires=["job"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("job", FakeProgram(exits=1))) as stage:
        await trio.sleep(HOURS)
        assert words(stage) == {"job": "failed", "web": "waiting"}
        assert message(stage, "web") == "waits for job (failed) to be ready"
        stage.runtime.set_program("job", FakeProgram(exits=0))
        operate(stage, Operation.START, "job")
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "running"}


async def test_what_cannot_be_started_yet_is_waited_for_and_counts_as_settled(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"]), "ui": service(requires=["web"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("db", FakeProgram(missing=True))) as stage:
        await trio.sleep(500)
        assert words(stage) == {"db": "backoff", "ui": "waiting", "web": "waiting"}
        with trio.fail_after(1):
            await stage.reporter.wait_settled()
        stage.runtime.set_program("db", FakeProgram())
        await trio.sleep(100)
        assert words(stage) == {"db": "running", "ui": "running", "web": "running"}


async def test_nothing_counts_as_settled_between_one_being_ready_and_the_next_being_started(
    autojump_clock: MockClock,
) -> None:
    """At any instant: what is waited for rests first, then it runs, then those that waited."""
    files = {"db": WEB, "web": service(after=["db"]), "ui": service(after=["web"])}

    def crashing(stage: Stage) -> None:
        stage.runtime.set_program("db", FakeProgram(missing=True))
        slow(stage)

    seen: list[dict[str, str]] = []
    async with open_stage(files, crashing) as stage:
        stage.runtime.set_program("db", FakeProgram())

        async def look() -> None:
            while True:
                await stage.reporter.wait_settled()
                if not seen or seen[-1] != words(stage):
                    seen.append(words(stage))
                await trio.lowlevel.checkpoint() if stage.reporter._unsettled else await trio.sleep(0.001)

        with trio.move_on_after(30):
            await look()
    assert seen == [
        {"db": "backoff", "ui": "waiting", "web": "waiting"},
        {"db": "running", "ui": "running", "web": "running"},
    ]


async def test_each_start_waits_after_a_crash_too(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"])}
    async with open_stage(files) as stage:
        slow(stage)
        finish(stage, "db", 1)
        finish(stage, "web", 1)
        await trio.sleep(2)
        assert words(stage) == {"db": "starting", "web": "waiting"}
        assert message(stage, "web") == "waits for db to be ready"
        await stage.settle()
        assert started_at(stage, "web") == pytest.approx(started_at(stage, "db") + SLOW)


# What becomes of those that others need


@pytest.mark.parametrize("word", ["after", "requires"])
async def test_a_restart_a_replacement_and_a_crash_disturb_nobody(autojump_clock: MockClock, word: str) -> None:
    async with open_stage({"db": WEB, "web": naming(word, "db")}) as stage:
        before = stage.state("web")
        finish(stage, "db", 1)
        await stage.settle()
        operate(stage, Operation.RESTART, "db")
        await stage.settle()
        stage.directory.write("db", WEB + 'cwd = "/tmp"\n')
        await stage.settle()
        assert stage.state("db").started_at != before.started_at
        assert stage.state("web") == before


async def test_what_requires_stands_down_and_comes_back(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(requires=["db"]), "ui": service(requires=["web"]), "cron": service(after=["db"])}
    async with open_stage(files) as stage:
        cron, before = stage.state("cron"), stage.state("web")
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        assert words(stage) == {"cron": "running", "db": "stopped", "ui": "waiting", "web": "waiting"}
        assert message(stage, "web") == "waits for db (stopped) to be ready"
        assert message(stage, "ui") == "waits for web (stopped) to be ready"
        assert removed(stage) == ["ui", "web", "db"]
        assert not stage.state("web").held
        lines = [
            f"{record.name}: {record.message}" for record in stage.disk.records if record.kind is RecordKind.TROUBLE
        ]
        assert "web: stopped since db is stopped" in lines
        await trio.sleep(HOURS)
        stage.disk.records.clear()
        operate(stage, Operation.START, "db")
        await stage.settle()
        assert told(stage, RecordKind.STARTED) == ["db", "web", "ui"]
        after = stage.state("web")
        assert (after.state, after.failures, after.restarts, after.message) == (PublicState.RUNNING, 0, 0, "")
        assert before.instance != after.instance
        assert stage.state("cron") == cron


async def test_what_requires_stands_down_for_one_that_has_failed_for_good(autojump_clock: MockClock) -> None:
    files = {"db": WEB + GIVES_UP, "web": service(requires=["db"]), "cron": service(after=["db"])}
    async with open_stage(files) as stage:
        cron = stage.state("cron")
        finish(stage, "db", 3)
        await stage.settle()
        assert words(stage) == {"cron": "running", "db": "failed", "web": "waiting"}
        assert message(stage, "web") == "waits for db (failed) to be ready"
        assert stage.state("cron") == cron
        operate(stage, Operation.START, "db")
        await stage.settle()
        assert words(stage)["web"] == "running"


async def test_one_that_completed_stays_ready_whatever_becomes_of_it(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "job": oneshot(requires=["db"]), "web": service(requires=["job"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("job", FakeProgram(exits=0))) as stage:
        before = stage.state("web")
        operate(stage, Operation.STOP, "job")
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        assert words(stage) == {"db": "stopped", "job": "completed", "web": "running"}
        assert stage.state("web") == before


async def test_a_start_brings_what_it_requires_and_not_what_it_comes_after(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "api": service(requires=["db"]), "web": service(requires=["api"], after=["log"]), "log": WEB}
    async with open_stage(files) as stage:
        operate(stage, Operation.STOP)
        await stage.settle()
        assert set(words(stage).values()) == {"stopped"}
        assert operate(stage, Operation.START, "web") == ("api", "db", "web")
        await stage.settle()
        assert words(stage) == {"api": "running", "db": "running", "log": "stopped", "web": "running"}
        assert stage.disk.held == {"log"}


async def test_all_are_started_in_order(autojump_clock: MockClock) -> None:
    files = {"a": service(requires=["b"]), "b": service(after=["c"]), "c": WEB}
    async with open_stage(files) as stage:
        operate(stage, Operation.STOP)
        await stage.settle()
        stage.disk.records.clear()
        operate(stage, Operation.START)
        await stage.settle()
        assert told(stage, RecordKind.STARTED) == ["c", "b", "a"]


# Edits


async def test_an_edit_of_what_it_waits_for_is_looked_at_at_once(autojump_clock: MockClock) -> None:
    files = {"job": oneshot(), "db": WEB, "web": service(after=["job"])}
    async with open_busy(files) as stage:
        assert message(stage, "web") == "waits for job to be ready"
        stage.directory.write("web", service(after=["db"]))
        await trio.sleep(1)
        assert words(stage)["web"] == "running"
        finish(stage, "job", 0)


async def test_an_edit_of_after_touches_nothing_that_runs(autojump_clock: MockClock) -> None:
    async with open_stage({"job": oneshot(), "web": WEB}) as stage:
        before = stage.state("web")
        stage.directory.write("web", service(after=["job"]))
        await trio.sleep(1)
        after = stage.state("web")
        assert (after.instance, after.pid, after.state) == (before.instance, before.pid, PublicState.RUNNING)
        finish(stage, "web", 1)
        await trio.sleep(5)
        assert message(stage, "web") == "waits for job to be ready"
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage)["web"] == "running"


async def test_what_is_edited_to_require_one_that_is_stopped_stands_down(autojump_clock: MockClock) -> None:
    async with open_stage({"db": WEB, "web": WEB}) as stage:
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        stage.directory.write("web", service(requires=["db"]))
        await stage.settle()
        assert words(stage) == {"db": "stopped", "web": "waiting"}
        stage.directory.write("web", service(after=["db"]))
        await stage.settle()
        assert words(stage) == {"db": "stopped", "web": "running"}


async def test_a_stop_while_it_waits_is_final_and_a_later_start_waits_anew(autojump_clock: MockClock) -> None:
    async with open_busy({"job": oneshot(), "web": service(after=["job"])}) as stage:
        operate(stage, Operation.STOP, "web")
        # In one instant with the stop: that its turn has come is on its way.
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "stopped"}
        operate(stage, Operation.RESTART, "job")
        operate(stage, Operation.START, "web")
        await trio.sleep(5)
        assert words(stage) == {"job": "running", "web": "waiting"}
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "running"}


async def test_nothing_is_started_before_the_first_look_and_after_it_even_if_there_was_nothing_to_see(
    autojump_clock: MockClock,
) -> None:
    stage = Stage({"web": WEB})
    stage.world.delay = 20.0
    async with trio.open_nursery() as nursery:
        await stage.history.recall()
        nursery.start_soon(stage.reconciler.run, nursery)
        await trio.sleep(19)
        assert stage.runtime.calls == []
        await trio.sleep(2)
        assert words(stage) == {"web": "running"}
        nursery.cancel_scope.cancel()


# Ends


async def end_agent(stage: Stage) -> None:
    """As the agent ends with all its containers."""
    stage.reporter.stopping()
    stage.reconciler.stop_all()
    with trio.fail_after(1000):
        while stage.disk.names:  # noqa: ASYNC110 - a folder is no event
            await trio.sleep(0.01)


async def test_the_agents_end_stops_in_reverse(autojump_clock: MockClock) -> None:
    files = {
        "db": WEB,
        "api": service(requires=["db"]),
        "web": service(after=["api"]),
        "ui": service(after=["api"]),
        "aside": WEB,
    }
    async with open_stage(files) as stage:
        await end_agent(stage)
        ended = removed(stage)
        assert sorted(ended) == sorted(files)
        assert [name for name in ended if name != "aside"] in (["ui", "web", "api", "db"], ["web", "ui", "api", "db"])
        assert stage.runtime.containers == {}


async def test_what_hangs_delays_only_what_it_comes_after(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"]), "log": WEB, "cron": service(after=["log"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        began = trio.current_time()
        stage.reconciler.stop_all()
        await trio.sleep(5)
        assert words(stage) == {"db": "running", "web": "stopping"}
        assert message(stage, "db") == "stops once web has ended"
        assert stage.runtime.process_of("db").signals == []
        await end_agent(stage)
        assert trio.current_time() == pytest.approx(began + 10, abs=0.1)


async def test_a_hurry_kills_all_at_once(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "api": service(after=["db"]), "web": service(after=["api"])}

    def deaf(stage: Stage) -> None:
        for name in files:
            stage.runtime.set_program(name, DEAF)

    async with open_stage(files, deaf) as stage:
        stage.reconciler.stop_all()
        await trio.sleep(1)
        began = trio.current_time()
        stage.reconciler.hurry_all()
        await end_agent(stage)
        assert trio.current_time() == pytest.approx(began, abs=0.1)


async def test_a_stop_of_several_goes_in_reverse_over_one_that_stays(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "api": service(after=["db"]), "web": service(after=["api"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP, "web", "db")
        await trio.sleep(5)
        assert words(stage) == {"api": "running", "db": "running", "web": "stopping"}
        await trio.sleep(6)
        assert words(stage) == {"api": "running", "db": "stopped", "web": "stopped"}


async def test_one_that_is_to_stop_after_others_is_kept_by_a_start(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        before = stage.state("db")
        operate(stage, Operation.STOP)
        await trio.sleep(1)
        operate(stage, Operation.START, "db")
        await trio.sleep(20)
        assert words(stage) == {"db": "running", "web": "stopped"}
        assert stage.state("db").instance == before.instance
        assert message(stage, "db") == ""


async def test_one_that_ends_by_itself_while_its_stop_waits_is_stopped(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP)
        await trio.sleep(1)
        finish(stage, "db", 1)
        await trio.sleep(1)
        assert words(stage) == {"db": "stopped", "web": "stopping"}


async def test_files_that_go_together_stop_in_reverse(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(requires=["db"])}
    async with open_stage(files) as stage:
        stage.directory.remove("db")
        stage.directory.remove("web")
        await trio.sleep(5)
        assert removed(stage) == ["web", "db"]
        assert stage.disk.names == {}


async def test_what_waits_for_each_other_to_end_ends(autojump_clock: MockClock) -> None:
    """Definitions that are valid together never say so; what runs may be of different times."""
    files = {"a": WEB, "b": service(after=["a"]), "c": service(after=["b"])}
    async with open_stage(files) as stage:
        a = stage.reconciler.find("a")
        assert a is not None
        assert a.target is not None
        a.tell(Retune(evolve(a.target, policy=evolve(a.target.policy, after=("b",)))))
        await trio.sleep(0.1)
        await end_agent(stage)
        assert removed(stage)[0] == "c"
        assert sorted(removed(stage)) == ["a", "b", "c"]
