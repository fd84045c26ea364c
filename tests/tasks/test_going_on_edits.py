"""An agent after one that was killed, in virtual time: edits of the meantime, and a directory that says nothing."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Refused
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_history import settle_long
from tests.tasks.helpers_reconcile import WEB, Wreck, open_stage
from tests.tasks.helpers_takeover import ONESHOT, count, leave, news_of, open_next, operator_of, unreadable

STARTS = {RecordKind.STARTED, RecordKind.STOPPING, RecordKind.STOPPED, RecordKind.EXITED, RecordKind.COMPLETED}


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


# An edit that was taken back


async def test_what_was_rolled_back_runs_on_and_is_tried_once_more_when_it_has_ended(autojump_clock: MockClock) -> None:
    safe = WEB + 'on_failed_update = "rollback"\n'
    edited = safe + 'env.A = "1"\n'
    async with open_stage({"web": safe}) as stage:
        good = stage.state("web").bundle
        stage.runtime.fail("create", "no such program")
        stage.directory.write("web", edited)
        await stage.settle()
        before = stage.state("web")
        assert before.bundle == good
        assert before.message.startswith("rolled back: ")
        wreck = Wreck(stage)
    wreck.disk.records.clear()
    wreck.generations.generations.clear()
    for _ in range(2):
        async with open_next({"web": edited}, wreck) as stage:
            assert evolve(stage.state("web"), standing=None) == evolve(before, standing=None)
            assert news_of(stage) == []
            wreck = Wreck(stage)
    async with open_next({"web": edited}, wreck) as stage:
        stage.runtime.process_of("web").finish(code=1)
        await stage.settle()
        after = stage.state("web")
        assert (after.state, after.message) == (PublicState.RUNNING, "")
        assert after.bundle not in (None, good), "what ran before cannot be made any more: its text is gone"


@pytest.mark.parametrize("when", ["under the next agent", "without one", "before it is tried again"])
async def test_what_was_rolled_back_is_made_again_from_its_generation(autojump_clock: MockClock, when: str) -> None:
    safe = WEB + 'on_failed_update = "rollback"\nrestart.delay = "1m"\nrestart.max_delay = "1m"\n'
    edited = safe + 'env.A = "1"\n'
    async with open_stage({"web": safe}) as stage:
        good = stage.state("web").bundle
        await settle_long(stage)
        stage.runtime.fail("create", "no such program")
        stage.directory.write("web", edited)
        await stage.settle()
        message = stage.state("web").message
        assert message.startswith("rolled back: ")
        if when == "before it is tried again":
            stage.runtime.process_of("web").finish(code=1)
            await stage.settle()
            assert stage.state("web").state is PublicState.BACKOFF
        wreck = Wreck(stage)
    if when == "without one":
        wreck.runtime.process_of("web").finish(code=1)
    async with open_next({"web": edited}, wreck) as stage:
        if when == "under the next agent":
            stage.runtime.process_of("web").finish(code=1)
        await trio.sleep(80)
        after = stage.state("web")
        assert (after.state, after.bundle, after.message, after.restarts) == (PublicState.RUNNING, good, message, 1)
        # A further edit is another trial, which fails no more.
        stage.directory.write("web", edited + 'env.B = "1"\n')
        await settle_long(stage)
        after = stage.state("web")
        assert (after.state, after.message) == (PublicState.RUNNING, "")
        assert after.bundle != good


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
