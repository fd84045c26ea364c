"""Ports that two definitions publish, as files come, go and are edited, over agents."""

import trio
from trio.testing import MockClock

from tests.tasks.helpers_order import finish, words
from tests.tasks.helpers_reconcile import Stage, open_stage

BROKEN = 'args = "no list"\n'


def serves(*ports: int) -> str:
    return f'args = ["/usr/bin/web"]\nrootfs = "host"\nnetwork = {{ type = "ports", ports = {list(ports)} }}\n'


def problems(stage: Stage, name: str) -> list[str]:
    return [problem.message for problem in stage.state(name).problems]


def other(name: str, port: int = 80) -> list[str]:
    return [f'port {port}/tcp of the host is also taken by "{name}"']


async def test_two_that_are_there_from_the_beginning_do_not_start(autojump_clock: MockClock) -> None:
    async with open_stage({"a": serves(80), "b": serves(80), "c": serves(81)}) as stage:
        assert words(stage) == {"a": "invalid", "b": "invalid", "c": "running"}
        assert (problems(stage, "a"), problems(stage, "b")) == (other("b"), other("a"))
        stage.directory.write("b", serves(82))
        await stage.settle()
        assert words(stage) == {"a": "running", "b": "running", "c": "running"}
        assert problems(stage, "a") == []


async def test_what_runs_goes_on_and_the_new_one_waits_until_it_is_gone(autojump_clock: MockClock) -> None:
    async with open_stage({"a": serves(80)}) as stage:
        before = stage.state("a").pid
        stage.directory.write("b", serves(80))
        await stage.settle()
        assert words(stage) == {"a": "running", "b": "invalid"}
        assert stage.state("a").pid == before
        assert (problems(stage, "a"), problems(stage, "b")) == (other("b"), other("a"))
        finish(stage, "a", 1)
        await trio.sleep(5)
        assert words(stage) == {"a": "running", "b": "invalid"}, "it is restarted as ever"
        stage.directory.remove("a")
        await trio.sleep(5)
        assert words(stage) == {"b": "running"}
        assert problems(stage, "b") == []


async def test_a_broken_file_whose_container_runs_keeps_its_port(autojump_clock: MockClock) -> None:
    async with open_stage({"a": serves(80)}) as stage:
        stage.directory.write("a", BROKEN)
        await stage.settle()
        stage.directory.write("b", serves(80))
        await stage.settle()
        assert words(stage) == {"a": "running", "b": "invalid"}
        assert problems(stage, "b") == [f"{other('a')[0]}, which goes on by an earlier definition"]
        stage.directory.write("a", serves(81))
        await trio.sleep(5)
        assert words(stage) == {"a": "running", "b": "running"}


async def test_an_edit_that_takes_a_port_of_another_is_not_followed(autojump_clock: MockClock) -> None:
    async with open_stage({"a": serves(80), "b": serves(81)}) as stage:
        pids = stage.pids()
        stage.directory.write("b", serves(80))
        await stage.settle()
        assert stage.pids() == pids
        assert problems(stage, "b") == other("a")
        # What it has still is taken, though its file says something else.
        stage.directory.write("c", serves(81))
        await stage.settle()
        assert words(stage) == {"a": "running", "b": "running", "c": "invalid"}
        assert problems(stage, "c") == [f"{other('b', 81)[0]}, which goes on by an earlier definition"]
        stage.directory.remove("c")
        stage.directory.write("b", serves(81))
        await trio.sleep(5)
        assert stage.pids() == pids
        assert problems(stage, "a") == problems(stage, "b") == []


async def test_sockets_take_addresses_too(autojump_clock: MockClock) -> None:
    def listens(address: str, more: str = "") -> str:
        return f'args = ["/usr/bin/web"]\nrootfs = "host"\nsockets.web = {{ stream = "{address}"{more} }}\n'

    texts = {"a": listens("80"), "b": serves(80), "c": listens("/run/web"), "d": listens("/run/web")}
    sharing = {name: listens("81", ", reuse_port = true") for name in "ef"}
    async with open_stage({**texts, **sharing, "g": listens("127.0.0.1:82"), "h": listens("127.0.0.2:82")}) as stage:
        assert words(stage) == {**dict.fromkeys("abcd", "invalid"), **dict.fromkeys("efgh", "running")}
        assert (problems(stage, "a"), problems(stage, "b")) == (other("b"), other("a"))
        assert problems(stage, "c") == ['the path "/run/web" is also taken by "d"']
        (problem,) = stage.state("a").problems
        assert problem.path == "sockets.web.stream"
        stage.directory.write("d", listens("/run/other"))
        stage.directory.write("b", serves(83))
        await stage.settle()
        assert set(words(stage).values()) == {"running"}
