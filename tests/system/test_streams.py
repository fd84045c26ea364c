"""What the control socket hands on of the files: whole lines, the last few, what comes, and what was lost."""
# ruff: noqa: ASYNC230, ASYNC240 - what the tests do to files is done at once, and the loop waits for it

import fcntl
import json
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.core.encode import decode_record
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed, LogBusy
from orchestrator.system import streams as streams_module
from orchestrator.system.collapse import drop_head, record_path
from orchestrator.system.disk import HostDisk
from orchestrator.system.streams import HostStreams, TooManyStreams
from tests.system.test_sharing import count_instances


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    Path(layout.logs).mkdir(parents=True)
    return layout


def write_events(layout: Layout, names: str) -> None:
    """A record for each letter, a name; the time is its place."""
    disk = HostDisk(layout)
    for place, name in enumerate(names):
        disk.append_record(Record(at=float(place), kind=RecordKind.STARTED, name=name))


async def read_places(layout: Layout, lines: int | None, name: str | None = None) -> list[int]:
    """The places of the records that are read, as seconds."""
    stream = await HostStreams(layout).events(lines, False, name)
    text = b"".join([piece async for piece in stream])
    stream.close()
    return [int(json.loads(line)["at"][-8:-5].strip(":.")) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("lines", "name", "places"),
    [
        (None, None, [0, 1, 2, 3, 4, 5]),
        (2, None, [4, 5]),
        (0, None, []),
        (None, "a", [0, 2, 4]),
        (2, "a", [2, 4]),
        (9, "a", [0, 2, 4]),
        (0, "a", []),
        (1, "c", []),
    ],
)
async def test_the_last_records(layout: Layout, lines: int | None, name: str | None, places: list[int]) -> None:
    write_events(layout, "ababab")
    assert await read_places(layout, lines, name) == places


async def test_no_record_yet(layout: Layout) -> None:
    assert await read_places(layout, None) == []
    stream = await HostStreams(layout).events(None, True, None)
    with trio.fail_after(20):
        write_events(layout, "a")
        assert json.loads(await anext(stream))["name"] == "a"
    stream.close()


async def test_a_line_that_is_no_record_is_left_out(layout: Layout) -> None:
    write_events(layout, "a")
    with Path(layout.events).open("ab") as file:
        file.write(b'\xff\n{"at": 1, "kind": "of a version to come"}\n')
    write_events(layout, "b")
    assert await read_places(layout, None) == [0, 0]
    assert await read_places(layout, 1, "b") == [0]


async def test_many_records_come_whole(layout: Layout) -> None:
    disk = HostDisk(layout)
    for place in range(3000):
        disk.append_record(Record(at=float(place), kind=RecordKind.TROUBLE, name="a" * (place % 60 + 1), message="é"))
    for name in (None, "aaa"):
        stream = await HostStreams(layout).events(None, False, name)
        text = b"".join([piece async for piece in stream])
        records = [json.loads(line) for line in text.splitlines()]
        assert len(records) == (3000 if name is None else 50)
        assert all(record["message"] == "é" for record in records)


async def test_what_comes_after_the_last_records(layout: Layout) -> None:
    write_events(layout, "abab")
    stream = await HostStreams(layout).events(1, True, "b")
    with trio.fail_after(20):
        assert json.loads(await anext(stream))["at"].endswith("03.000Z")
        write_events(layout, "ab")
        assert json.loads(await anext(stream))["at"].endswith("01.000Z")
    stream.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_line_whose_end_was_dropped_is_ended(layout: Layout) -> None:
    log = Path(layout.log("web"))
    log.write_text("begun")
    stream = await HostStreams(layout).logs("web", None, True)
    with trio.fail_after(20):
        assert await anext(stream) == b"begun"
        with log.open("a") as application:
            application.writelines([" and ended\n", *(f"{number:063}\n" for number in range(1000))])
        assert drop_head(str(log), 1000) > 0
        piece = await anext(stream)
        assert piece.startswith(b"\n0")
        assert len(piece) % 64 == 1
    stream.close()


async def test_a_log_under_a_fast_writer_ends_where_it_ended(layout: Layout) -> None:
    log = Path(layout.log("web"))
    log.write_text("one\ntwo\n")
    stream = await HostStreams(layout).logs("web", 1, False)
    with log.open("a") as application:
        application.write("three\n")
    assert [piece async for piece in stream] == [b"two\n"]
    stream.close()


@pytest.mark.parametrize("follow", [True, False])
async def test_what_cannot_be_read(layout: Layout, follow: bool) -> None:
    for path in (layout.log("web"), layout.events):
        Path(path).mkdir()
    streams = HostStreams(layout)
    with pytest.raises(DiskFailed, match="Is a directory"):
        await streams.logs("web", None, follow)
    with pytest.raises(DiskFailed, match="Is a directory"):
        await streams.events(None, follow, None)


async def test_a_log_that_somebody_holds_is_waited_for_a_while(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Path(layout.log("web"))
    log.write_text(f"{'x' * 99}\n" * 1000)
    assert drop_head(str(log), 1000) > 0
    stream = await HostStreams(layout).logs("web", 0, True)
    pieces: list[bytes] = []

    async def read() -> None:
        pieces.append(await anext(stream))

    with open(record_path(str(log)), "rb") as record, trio.fail_after(20):
        fcntl.flock(record, fcntl.LOCK_EX)
        with monkeypatch.context() as patch:
            patch.setattr(streams_module, "PATIENCE", 0.1)
            for follow in (False, True):
                with pytest.raises(LogBusy, match="somebody holds"):
                    await HostStreams(layout).logs("web", 1, follow)
        async with trio.open_nursery() as reading:
            reading.start_soon(read)
            with log.open("a") as application:
                application.write("y\n")
            await trio.testing.wait_all_tasks_blocked()
            assert pieces == []
            fcntl.flock(record, fcntl.LOCK_UN)
    assert pieces == [b"y\n"]
    stream.close()


@pytest.mark.parametrize("name", [None, "b"])
@pytest.mark.parametrize("follow", [True, False])
async def test_other_tasks_go_on_while_records_are_decoded(
    layout: Layout, name: str | None, follow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_events(layout, "ab" * 1000)
    decoded = most = 0

    def count_decoded(text: str) -> Record:
        nonlocal decoded
        decoded += 1
        return decode_record(text)

    async def watch() -> None:
        nonlocal decoded, most
        while True:
            most, decoded = max(most, decoded), 0
            await trio.lowlevel.checkpoint()

    monkeypatch.setattr("orchestrator.system.streams.decode_record", count_decoded)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        stream = await HostStreams(layout).events(900, follow, name)
        text = b""
        with trio.fail_after(20):
            while text.count(b"\n") < 900:
                text += await anext(stream)
        nursery.cancel_scope.cancel()
    stream.close()
    assert {json.loads(line)["name"] for line in text.splitlines()} == ({"a", "b"} if name is None else {name})
    assert 0 < most <= 2 * streams_module.RECORDS_CHUNK // 40


async def test_streams_share_an_inotify_instance_and_are_bounded(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_module, "MOST_STREAMS", 3)
    before = count_instances()
    streams = HostStreams(layout)
    opened = [await streams.logs(name, None, True) for name in ("a", "b")]
    opened.append(await streams.events(None, True, None))
    assert count_instances() == before + 1
    for follow in (True, False):
        with pytest.raises(TooManyStreams, match="3 streams of logs and events are open already"):
            await streams.logs("a", None, follow)
    opened.pop().close()
    Path(layout.log("c")).mkdir()
    for _ in range(3):
        with pytest.raises(DiskFailed):
            await streams.logs("c", None, True)
    opened.append(await streams.logs("b", None, True))
    for stream in opened:
        stream.close()
        stream.close()
    assert count_instances() == before
