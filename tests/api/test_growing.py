"""What is followed over the control socket, and how it ends: by its client, by the agent, by an error."""
# ruff: noqa: ASYNC240 - what the tests do to files is done at once, and the loop waits for it

import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import h11
import pytest
import trio

from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.system import streams
from orchestrator.system.disk import HostDisk
from orchestrator.testing.operator import FakeOperator
from tests.api.helpers_api import DB, WEB, ask, exchanging, serving, silent_client

LOGS = "/v1/containers/web/logs"


async def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await ask(served, "GET", LOGS))[1] == "", "it has written nothing yet"
        served.log("web", "one\ntwo\n")
        exchange, text = await ask(served, "GET", f"{LOGS}?lines=1")
        assert text == "two\n"
        assert exchange.header("content-type") == "text/plain; charset=utf-8"
        assert (await ask(served, "GET", f"{LOGS}?lines=all"))[1] == "one\ntwo\n"


async def test_a_log_and_what_comes_after(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        log = served.log("web", "one\ntwo\n")
        async with exchanging(served, "GET", f"{LOGS}?follow=true&lines=1") as exchange:
            assert await exchange.read() == b"two\n"
            with log.open("a") as application:
                application.write("three\n")
            assert await exchange.read() == b"three\n"


async def test_the_events_of_one_container(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        disk = HostDisk(served.layout)
        for number in range(5):
            disk.append_record(Record(at=number, kind=RecordKind.STARTED, name="web" if number % 2 else "db"))
        _, text = await ask(served, "GET", "/v1/events?name=web&lines=1")
        (record,) = map(json.loads, text.splitlines())
        assert (record["name"], record["kind"], record["at"]) == ("web", "started", "1970-01-01T00:00:03.000Z")
        async with exchanging(served, "GET", "/v1/events?name=web&lines=0&follow=true") as exchange:
            disk.append_record(Record(at=9, kind=RecordKind.STOPPED, name="db"))
            disk.append_record(Record(at=10, kind=RecordKind.STOPPED, name="web"))
            assert json.loads(await exchange.read())["at"] == "1970-01-01T00:00:10.000Z"


async def test_the_head_of_a_stream_ends_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, exchanging(served, "HEAD", "/v1/events?follow=true") as exchange:
        assert exchange.status == 200


async def test_a_stream_that_breaks_off_is_seen_to_be_broken(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        log = served.log("web", "")
        async with exchanging(served, "GET", f"{LOGS}?follow=true") as exchange:
            log.unlink()
            log.mkdir()
            with pytest.raises(h11.RemoteProtocolError):
                await exchange.read()
        assert served.said == [f"a stream at the control socket has ended: cannot read {log}: Is a directory"]


async def test_a_client_that_leaves_is_forgotten(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await ask(served, "GET", "/v1/agent")  # what is loaded late opens files
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(3):
            async with exchanging(served, "GET", "/v1/events?follow=true"):
                pass
        with trio.fail_after(20):
            while set(os.listdir("/proc/self/fd")) - before:  # noqa: ASYNC110 - a descriptor has no event
                await trio.sleep(0.001)
        assert served.said == []


async def test_the_end_waits_for_no_client(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    with ExitStack() as clients:
        async with serving(tmp_path, operator) as served:
            served.log("web", "a line of a log\n" * 200_000)
            await ask(served, "GET", "/v1/agent")
            for request in (f"GET {LOGS}?lines=all&follow=true", f"GET {LOGS}?lines=all", "GET /v1/events?follow=true"):
                client = clients.enter_context(silent_client(served, request))
                await trio.lowlevel.wait_readable(client)  # the server is in the midst of it
            clients.enter_context(socket.socket(socket.AF_UNIX)).connect(served.path)
            stream = await trio.open_unix_socket(served.path)
            clients.callback(stream.socket.close)
            await stream.send_all(b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n" + b'{"all": true}')
            await trio.lowlevel.wait_readable(stream.socket)
        # It has ended, with all of them still there.
        answer = b""
        while data := await stream.receive_some():
            answer += data
        assert b"\r\n0\r\n" not in answer, "the answer is seen to be cut off"
    assert served.said == []
    assert not os.path.exists(served.path)


async def test_a_socket_that_was_removed_is_served_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for _ in range(2):
            async with exchanging(served, "GET", f"{LOGS}?follow=true&lines=0") as exchange:
                Path(served.path).unlink()
                assert not served.listener.is_bound()
                served.listener.bind_again()
                assert served.listener.is_bound()
                _, agent = await ask(served, "GET", "/v1/agent")
                assert agent["version"] == "0"
                served.log("web", "still there\n")
                assert await exchange.read() == b"still there\n"
                served.log("web", "")
        assert served.said == []


async def test_no_command_inherits_the_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, exchanging(served, "GET", "/v1/events?follow=true"):
        sockets = []
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                    sockets.append(os.get_inheritable(int(name)))
            except OSError:  # that of the listing
                continue
        assert len(sockets) >= 3, "that which is listened on, hypercorn's copy, that of the client"
        assert not any(sockets)


async def test_more_streams_than_a_bound_are_refused_until_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 1)
    async with serving(tmp_path) as served:
        for _ in range(3):
            async with exchanging(served, "HEAD", "/v1/events?follow=true") as exchange:
                assert exchange.status == 200
        async with exchanging(served, "GET", "/v1/events?follow=true") as exchange:
            assert exchange.status == 200
            refused, problem = await ask(served, "GET", LOGS)
            assert refused.header("content-type") == "application/problem+json"
            assert (refused.status, problem["detail"]) == (
                503,
                "1 streams of logs and events are open already: end one, or try later",
            )
        with trio.fail_after(20):
            while (await ask(served, "GET", LOGS))[0].status == 503:  # noqa: ASYNC110 - that it has left has no event
                await trio.sleep(0.01)
