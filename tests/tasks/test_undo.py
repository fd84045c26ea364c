"""Strays of a killed agent are ended, from whichever side they are known; what cannot be is told, hindering nobody."""

from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.layout import Layout
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, Step
from orchestrator.tasks.undo import newest_by_name, undo_strays
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.runtime import FakeRuntime

WEB = InstanceState(
    name="web",
    instance="web-1",
    bundle="a",
    runtime="/r",
    root="/run/runtime",
    folder="/run/instances/web-1",
    rootfs="/x",
    cgroups_path="/elsewhere/web-1",
    log="/l",
    step=Step.RUNNING,
    created_at=0,
    resources=Resources(),
    policy=Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop()),
)


async def test_every_side_is_asked_but_for_what_is_known(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.halves |= {"api-3", "web-1"}
    await undo_strays([WEB], ["db-2"], runtime, disk, Layout("/state", "/run"), "/agent", 1, lines.append)
    assert sorted(runtime.calls) == [("remove", "api-3"), ("remove", "db-2")]
    assert sorted(str(given) for given in disk.calls_of("remove_instance")) == ["api-3", "db-2"]
    assert runtime.halves == {"web-1"}
    assert "ended db-2, left by an earlier agent" in lines


async def test_what_cannot_be_ended_is_told_and_hinders_nobody(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.fail("remove", "device or resource busy")
    await undo_strays([], ["a-1", "b-2"], runtime, disk, Layout("/state", "/run"), "/agent", 1, lines.append)
    assert len(disk.calls_of("remove_instance")) == 1
    assert any("device or resource busy" in line for line in lines)


def test_of_two_instances_the_newest_is_the_names() -> None:
    older, newer = WEB, evolve(WEB, instance="web-2", created_at=5.0)
    assert newest_by_name([newer, older]) == newest_by_name([older, newer]) == {"web": newer}


def test_what_runs_comes_before_what_was_made_ready_to_follow_it() -> None:
    successor = evolve(WEB, instance="web-2", created_at=5.0, step=Step.CREATING)
    assert newest_by_name([WEB, successor]) == newest_by_name([successor, WEB]) == {"web": WEB}
