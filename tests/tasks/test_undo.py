"""Strays of a killed agent are ended; what cannot be is told, hindering nobody."""

from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.layout import Layout
from orchestrator.tasks.undo import undo_kinds, undo_strays
from orchestrator.testing.attacher import FakeAttacher
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.runtime import FakeRuntime
from tests.system.helpers_disk import make_instance_state


async def test_every_stray_is_ended_and_nothing_else(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.halves |= {"api-3", "web-1"}
    await undo_strays(
        ["db-2", "api-3"],
        runtime,
        disk,
        Layout("/state", "/run"),
        "/agent/{}".format,
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
    await undo_strays(["a-1", "b-2"], runtime, disk, Layout("/state", "/run"), "/agent/{}".format, {}, 1, lines.append)
    assert len(disk.calls_of("remove_instance")) == 1
    assert any("device or resource busy" in line for line in lines)


async def test_what_kinds_did_is_undone_later_and_again_until_it_is(autojump_clock: MockClock) -> None:
    runtime, disk, attacher, lines = FakeRuntime(), FakeDisk(), FakeAttacher(), list[str]()
    attacher.failing["detach", "x"] = 2
    state = make_instance_state(Layout("/state", "/run"))
    states = {state.instance: evolve(state, attached=tuple(evolve(each, begun=True) for each in state.attached))}
    left = await undo_strays(
        [state.instance], runtime, disk, Layout("/state", "/run"), "/agent/{}".format, states, 1, lines.append
    )
    assert (runtime.calls, disk.calls, lines) == ([("remove", state.instance)], [], [])
    await undo_kinds(left, attacher, disk, lines.append)
    assert [method for method, _, _ in attacher.calls] == ["detach"] * 3
    assert disk.calls_of("remove_instance") == [state.instance]
    assert lines == [
        f"cannot end {state.instance}, left by an earlier agent: cannot detach x: it was told to fail",
        f"ended {state.instance}, left by an earlier agent",
    ]
