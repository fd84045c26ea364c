"""Strays of a killed agent are ended; what cannot be is told, hindering nobody."""

from trio.testing import MockClock

from orchestrator.model.layout import Layout
from orchestrator.tasks.undo import undo_strays
from orchestrator.testing.attacher import FakeAttacher
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.runtime import FakeRuntime


async def test_every_stray_is_ended_and_nothing_else(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.halves |= {"api-3", "web-1"}
    await undo_strays(
        ["db-2", "api-3"],
        runtime,
        disk,
        Layout("/state", "/run"),
        "/agent/{}".format,
        FakeAttacher(),
        {},
        1,
        lines.append,
    )
    assert sorted(runtime.calls) == [("remove", "api-3"), ("remove", "db-2")]
    assert sorted(str(given) for given in disk.calls_of("remove_instance")) == ["api-3", "db-2"]
    assert runtime.halves == {"web-1"}
    assert sorted(lines) == [f"ended {identity}, left by an earlier agent" for identity in ("api-3", "db-2")]


async def test_what_cannot_be_ended_is_told_and_hinders_nobody(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.fail("remove", "device or resource busy")
    await undo_strays(
        ["a-1", "b-2"], runtime, disk, Layout("/state", "/run"), "/agent/{}".format, FakeAttacher(), {}, 1, lines.append
    )
    assert len(disk.calls_of("remove_instance")) == 1
    assert any("device or resource busy" in line for line in lines)
