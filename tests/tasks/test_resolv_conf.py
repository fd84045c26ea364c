"""resolv.conf of the host is written anew while containers run: it is followed inside, and nothing else happens."""

from collections.abc import Callable
from typing import Any

import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.core.resolvconf import RESOLV_CONF
from orchestrator.model.contribution import LiveFile
from orchestrator.model.eventlog import RecordKind
from orchestrator.model.state import PublicState
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage
from tests.tasks.helpers_takeover import leave, news_of, open_next

PATH = RESOLV_CONF.path
ON_HOST = WEB + 'network = "host"\n'
FILES = {"web": ON_HOST, "none": WEB}


def know(text: str | None = "one") -> Callable[[Stage], None]:
    """A host that has the file since before the agent's start, with this text."""

    def prepare(stage: Stage) -> None:
        stage.world.host = evolve(stage.world.host, etc_files=(*stage.world.host.etc_files, PATH))
        say(stage, text)

    return prepare


def say(stage: Stage, text: str | None) -> None:
    stage.world.texts.pop(PATH, None)
    if text is not None:
        stage.world.texts[PATH] = text
    stage.directory.hint()


def written(stage: Stage) -> list[tuple[str, str]]:
    """What was written into instances, by name."""
    calls: list[Any] = stage.disk.calls_of("write_live")
    return [(identity.split("-")[0], file.text) for identity, (file,) in calls]


def said(stage: Stage, name: str = "web") -> tuple[LiveFile, ...]:
    return stage.disk.instances[str(stage.state(name).instance)].live


async def test_what_it_says_is_followed_in_place_and_told(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, know()) as stage:
        pids, calls = stage.pids(), list(stage.runtime.calls)
        assert written(stage) == [("web", "one")]
        assert PATH in stage.directory.contents
        say(stage, "two")
        await stage.settle()
        assert written(stage) == [("web", "one"), ("web", "two")]
        assert [file.text for file in said(stage)] == ["two"]
        assert (stage.pids(), stage.runtime.calls) == (pids, calls)
        record = stage.disk.records[-1]
        assert (record.kind, record.name) == (RecordKind.RETUNED, "web")
        assert [change.path for change in record.fields] == [f"host:{PATH}"]
        seen = len(stage.disk.records)
        stage.directory.hint()
        await stage.settle()
        assert len(stage.disk.records) == seen
        assert len(written(stage)) == 2


async def test_one_that_does_not_answer_is_taken_to_say_what_it_said(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, know()) as stage:
        stage.world.unanswered = frozenset({RESOLV_CONF})
        say(stage, None)
        await stage.settle()
        assert written(stage) == [("web", "one")]
        stage.world.unanswered = frozenset()
        say(stage, "two")
        await stage.settle()
        assert written(stage)[1:] == [("web", "two")]


async def test_one_that_is_gone_says_nothing_until_it_is_back(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, know()) as stage:
        pid = stage.state("web").pid
        say(stage, None)
        await stage.settle()
        say(stage, "two")
        await stage.settle()
        assert [text for _, text in written(stage)] == ["one", "", "two"]
        assert stage.state("web").pid == pid


async def test_a_next_agent_tells_nothing_that_is_no_news(autojump_clock: MockClock) -> None:
    wreck = await leave(FILES, know())
    async with open_next(FILES, wreck, know()) as stage:
        assert written(stage) == []
        assert news_of(stage) == []


async def test_what_was_written_meanwhile_is_followed_by_the_next_agent(autojump_clock: MockClock) -> None:
    wreck = await leave(FILES, know())
    async with open_next(FILES, wreck, know("two")) as stage:
        assert written(stage) == [("web", "two")]
        (record,) = news_of(stage)
        assert (record.kind, [change.path for change in record.fields]) == (RecordKind.RETUNED, [f"host:{PATH}"])
        assert [file.text for file in said(stage)] == ["two"]


async def test_a_next_agent_takes_it_for_no_edit_of_what_does_not_run(autojump_clock: MockClock) -> None:
    files = {"web": ON_HOST + 'type = "oneshot"\n'}

    def prepare(stage: Stage) -> None:
        know()(stage)
        stage.runtime.set_program("web", FakeProgram(exits=0))

    wreck = await leave(files, prepare)
    async with open_next(files, wreck, know("two")) as stage:
        assert stage.state("web").state is PublicState.COMPLETED
        assert news_of(stage) == []
        say(stage, "three")
        await stage.settle()
        assert [record.kind for record in news_of(stage)] == [RecordKind.RETUNED]
        assert stage.state("web").state is PublicState.COMPLETED


async def test_while_it_waits_to_be_tried_again_it_goes_on_waiting(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        know()(stage)
        stage.runtime.set_program("web", FakeProgram(exits=1))

    files = {"web": ON_HOST + 'restart = { delay = "1h", max_delay = "1h" }\n'}
    async with open_stage(files, prepare) as stage:
        assert stage.state("web").state is PublicState.BACKOFF
        calls, retry_at = list(stage.runtime.calls), stage.state("web").next_retry_at
        say(stage, "two")
        await stage.settle()
        assert (stage.runtime.calls, stage.state("web").next_retry_at) == (calls, retry_at)
        await trio.sleep(5000)
        assert written(stage)[-1] == ("web", "two")


async def test_it_is_followed_while_the_definition_is_broken(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, know()) as stage:
        stage.directory.write("web", ON_HOST + "nonsense\n")
        await stage.settle()
        assert stage.state("web").problems
        say(stage, "two")
        await stage.settle()
        assert written(stage)[1:] == [("web", "two")]
        stage.directory.write("web", ON_HOST)
        await stage.settle()
        assert len(written(stage)) == 2


async def test_what_was_refused_is_not_tried_again_for_it(autojump_clock: MockClock) -> None:
    text = ON_HOST + 'on_failed_update = "rollback"\n'
    async with open_stage({"web": text}, know()) as stage:
        stage.runtime.fail("create", "no such program")
        stage.directory.write("web", text + 'env.A = "1"\n')
        await stage.settle()
        assert "rolled back" in stage.state("web").message
        calls = list(stage.runtime.calls)
        say(stage, "two")
        await stage.settle()
        assert stage.runtime.calls == calls
        assert "rolled back" in stage.state("web").message


async def test_what_cannot_be_written_is_told_and_tried_again(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, know()) as stage:
        stage.disk.fail("write_live", "no space left on device", times=2)
        say(stage, "two")
        await stage.settle()
        assert stage.state("web").message == "no space left on device"
        assert [file.text for file in said(stage)] == ["one"]
        await trio.sleep(11)
        assert written(stage)[1:] == [("web", "two")]
        assert stage.state("web").message == ""
        wakes = stage.directory.reads
        await trio.sleep(1000)
        assert stage.directory.reads == wakes
        assert len(written(stage)) == 2
