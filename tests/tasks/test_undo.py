"""What a killed agent left is ended, from whichever side it is known; what cannot be is told and hinders nobody."""

from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.definition import Resources, Stop
from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState, Step
from orchestrator.tasks.undo import undo_leftovers
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
    stop=Stop(),
)


async def test_every_side_is_asked(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    runtime.halves.add("api-3")
    disk.write_instance(WEB)
    failures = await undo_leftovers([WEB], ["db-2"], runtime, disk, Layout("/state", "/run"), "/agent", 1, lines.append)
    assert failures == {}
    assert sorted(runtime.calls) == [("remove", "api-3"), ("remove", "db-2"), ("remove", "web-1")]
    assert sorted(str(given) for given in disk.calls_of("remove_instance")) == ["api-3", "db-2", "web-1"]
    assert disk.instances == {}
    assert runtime.halves == set()
    assert "ended web-1, left by an earlier agent" in lines


async def test_what_cannot_be_ended_is_told_and_its_state_kept(autojump_clock: MockClock) -> None:
    runtime, disk, lines = FakeRuntime(), FakeDisk(), list[str]()
    disk.write_instance(WEB)
    other = evolve(WEB, instance="web-2")
    disk.write_instance(other)
    runtime.fail("remove", "device or resource busy")
    failures = await undo_leftovers(
        [WEB, other], (), runtime, disk, Layout("/state", "/run"), "/agent", 1, lines.append
    )
    assert len(failures) == 1
    assert len(disk.instances) == 1
    assert any("device or resource busy" in line for line in lines)
