"""Order among containers in virtual time: who waits for whom, and who stands down with whom."""

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import NameState, PublicState
from orchestrator.ports import Operation
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_order import (
    GIVES_UP,
    HOURS,
    SLOW,
    finish,
    message,
    naming,
    oneshot,
    open_busy,
    operate,
    removed,
    service,
    slow,
    started_at,
    told,
    words,
)
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

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
        assert told(stage, RecordKind.TROUBLE) == [], "what goes in its order is no trouble"
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
    files = {"db": WEB, "web": service(after=["db"]), "ui": service(after=["web"])}
    seen: list[dict[str, str]] = []

    def watched(stage: Stage) -> None:
        stage.runtime.set_program("db", FakeProgram(missing=True))
        slow(stage)
        changed = stage.reporter.changed

        def look(state: NameState, *, settled: bool, ends_by: float = 0.0) -> None:
            changed(state, settled=settled, ends_by=ends_by)
            if not stage.reporter._settling._unsettled:
                seen.append(words(stage))

        stage.reporter.changed = look  # type: ignore[method-assign]

    async with open_stage(files, watched) as stage:
        stage.runtime.set_program("db", FakeProgram())
        await trio.sleep(30)
    assert seen[0] == {"db": "backoff", "ui": "waiting", "web": "waiting"}
    assert seen[-1] == {"db": "running", "ui": "running", "web": "running"}
    assert all(each in (seen[0], seen[-1]) for each in seen), seen


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


# What is in force is of different times


@pytest.mark.parametrize("word", ["after", "requires"])
async def test_what_a_roll_back_makes_wait_for_each_other_starts_again(autojump_clock: MockClock, word: str) -> None:
    rolls_back = 'on_failed_update = "rollback"\n'
    async with open_stage({"a": naming(word, "b") + rolls_back, "b": WEB}) as stage:
        stage.runtime.set_program("a", FakeProgram(missing=True))
        # In one edit: valid together, as they are written.
        stage.directory.write("a", f'{WEB}{rolls_back}env.A = "1"\n')
        stage.directory.write("b", naming(word, "a"))
        await trio.sleep(2)
        stage.runtime.set_program("a", FakeProgram())
        await trio.sleep(100)  # and its next failure is the first one again
        refused = message(stage, "a")
        assert (words(stage), refused.startswith("rolled back: ")) == ({"a": "running", "b": "running"}, True)
        stage.runtime.delays["create"] = SLOW
        before = len(stage.disk.records)
        finish(stage, "a", 1)
        finish(stage, "b", 1)
        await trio.sleep(1)
        assert "a: starts without waiting for b to be ready: a and b wait for each other" in stage.lines
        await trio.sleep(1.5 * SLOW)
        assert words(stage) == {"a": "running", "b": "starting"}
        finish(stage, "a", 1)
        await trio.sleep(1)
        assert message(stage, "a") == f"{refused}; waits for b to be ready"
        await trio.sleep(5 * SLOW)
        assert words(stage) == {"a": "running", "b": "running"}
        assert message(stage, "a") == refused
        later = [record for record in stage.disk.records[before:] if record.kind is RecordKind.TROUBLE]
        assert later == [], "that it waits is no trouble, nor a new one that it was rolled back"
