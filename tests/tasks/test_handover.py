"""A replacement that overlaps: the new instance takes the place of the old one once it is ready, and no sooner."""

import signal

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from orchestrator.core.naming import ROLLED_BACK
from orchestrator.model.action import Hold, Keep, Replace, Start, Stop, Target
from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import Stage as When
from orchestrator.model.health import Notification
from orchestrator.model.policy import Ready
from orchestrator.model.sockets import ListenSpec, SocketKind
from orchestrator.model.source import Source
from orchestrator.model.state import PublicState, Step
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB as WEB_TEXT
from tests.tasks.helpers_reconcile import Wreck
from tests.tasks.helpers_reconcile import open_stage as open_directory
from tests.tasks.helpers_supervise import POLICY, Stage, make_target, open_stage
from tests.tasks.helpers_takeover import open_next

WEB = ListenSpec(
    name="web", kind=SocketKind.STREAM, address="*:80", mode=0o666, uid=0, gid=0, backlog=16, reuse_port=False
)
NOTIFIES = evolve(POLICY, ready=Ready.NOTIFY, start_timeout=30.0)


def target(digest: str, *, exclusive: bool = False, notifies: bool = False, connects: bool = False) -> Target:
    made = make_target(digest, policy=evolve(NOTIFIES if notifies else POLICY, exclusive=exclusive))
    plan = PlannedAttachment(group="orchestrator.networks", type="bridge", key="", stage=When.CONNECT, work={})
    bundle = evolve(made.bundle, sockets=(WEB,), attachments=(plan,) if connects else (), notify=notifies)
    return evolve(made, bundle=bundle, source=Source("web", "web.toml", digest))


async def begin(stage: Stage, first: Target) -> None:
    stage.web.tell(Start(first))
    await wait_all_tasks_blocked()
    if first.policy.notifies:
        stage.notify_sockets.say("web", Notification(ready=True))
    await stage.until(lambda: "web" in stage.disk.names and stage.state.ready)


async def test_the_new_one_is_the_names_own_before_the_old_one_is_asked_to_end(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))
        await begin(stage, target("a"))
        old = stage.runtime.containers["web-000"].process
        stage.web.tell(Replace(target("b")))
        await stage.reach_bundle("b")
        assert (stage.state.instance, stage.state.state, stage.state.ready) == ("web-001", PublicState.RUNNING, True)
        await wait_all_tasks_blocked()
        assert not old.ended
        assert old.signals == [signal.SIGTERM]
        assert stage.disk.instances["web-000"].step is Step.STOPPING
        await trio.sleep(POLICY.stop.timeout + 1)
        assert old.ended
        assert set(stage.disk.instances) == {"web-001"}


async def test_both_have_the_same_sockets(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a"))
        first = stage.runtime.containers["web-000"].descriptors
        stage.web.tell(Replace(target("b")))
        await stage.reach_bundle("b")
        assert stage.runtime.containers["web-001"].descriptors == first != ()
        assert first == tuple(stage.listeners.held.values())


async def test_the_old_one_goes_on_until_the_new_one_is_ready(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        old = stage.runtime.containers["web-000"].process
        stage.web.tell(Replace(target("b", notifies=True)))
        await trio.sleep(20)
        assert stage.state.instance == "web-000"
        assert old.signals == []
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.reach_bundle("b")
        await wait_all_tasks_blocked()
        assert old.signals == [signal.SIGTERM]


@pytest.mark.parametrize("how", ["slow", "ends", "cannot start"])
async def test_one_that_does_not_become_ready_costs_nothing(autojump_clock: MockClock, how: str) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        old = stage.runtime.containers["web-000"].process
        if how == "ends":
            stage.runtime.set_program("web", FakeProgram(exits=3))
        elif how == "cannot start":
            stage.runtime.fail("start", "exec format error")
        stage.web.tell(Replace(target("b", notifies=True)))
        await stage.until(lambda: stage.state.message.startswith(ROLLED_BACK))
        expected = {"slow": "not ready 30 s", "ends": "exited with code 3", "cannot start": "exec format error"}
        assert expected[how] in stage.state.message
        await trio.sleep(60)
        assert (stage.state.instance, stage.state.ready, old.signals) == ("web-000", True, [])
        assert set(stage.disk.instances) == {"web-000"}
        assert stage.methods().count("create") == 2, "it is not tried again by itself"
        stage.web.tell(Keep(target("b", notifies=True)))
        await trio.sleep(60)
        assert stage.methods().count("create") == 2


async def test_a_further_edit_takes_the_place_of_one_that_is_tried(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        stage.web.tell(Replace(target("b", notifies=True)))
        await trio.sleep(5)
        stage.web.tell(Replace(target("c")))
        await stage.reach_bundle("c")
        await trio.sleep(POLICY.stop.timeout + 1)
        assert set(stage.disk.instances) == {stage.state.instance}


async def test_an_edit_that_is_taken_back_is_forgotten(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        stage.web.tell(Replace(target("b", notifies=True)))
        await trio.sleep(5)
        stage.web.tell(Replace(target("a", notifies=True)))
        await trio.sleep(60)
        assert (stage.state.instance, stage.state.ready, stage.state.message) == ("web-000", True, "")
        assert set(stage.disk.instances) == {"web-000"}


@pytest.mark.parametrize("action", ["stop", "hold"])
async def test_a_stop_ends_both(autojump_clock: MockClock, action: str) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        stage.web.tell(Replace(target("b", notifies=True)))
        await trio.sleep(5)
        stage.web.tell(Stop() if action == "stop" else Hold(target("b", notifies=True)))
        await trio.sleep(60)
        assert stage.disk.instances == {}
        assert stage.runtime.containers == {}
        assert stage.web.gone is (action == "stop")


async def test_what_ends_meanwhile_is_followed_by_what_is_wanted(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a", notifies=True))
        stage.web.tell(Replace(target("b", notifies=True)))
        await trio.sleep(5)
        stage.runtime.containers["web-000"].process.finish(code=1)
        await trio.sleep(5)
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.until(lambda: stage.state.ready and stage.state.bundle == "b")
        await trio.sleep(60)
        assert set(stage.disk.instances) == {stage.state.instance}


async def test_what_ends_after_it_was_followed_is_no_end_of_the_name(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))
        await begin(stage, target("a"))
        old = stage.runtime.containers["web-000"].process
        stage.web.tell(Replace(target("b")))
        await stage.reach_bundle("b")
        old.finish(code=1)
        await trio.sleep(5)
        assert (stage.state.state, stage.state.instance, stage.state.restarts) == (PublicState.RUNNING, "web-001", 0)
        stage.runtime.containers["web-001"].process.finish(code=1)
        await stage.until(lambda: stage.state.restarts == 1)


@pytest.mark.parametrize("why", ["exclusive", "connects"])
async def test_what_must_not_overlap_does_not(autojump_clock: MockClock, why: str) -> None:
    def make(digest: str) -> Target:
        return target(digest, exclusive=why == "exclusive", connects=why == "connects")

    async with open_stage() as stage:
        await begin(stage, make("a"))
        old = stage.runtime.containers["web-000"].process
        stage.web.tell(Replace(make("b")))
        await stage.reach_bundle("b")
        assert old.ended
        await stage.until(lambda: stage.state.ready)
        assert stage.runtime.containers["web-001"].descriptors == tuple(stage.listeners.held.values())


async def test_a_new_one_that_cannot_be_removed_is_tried_again(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await begin(stage, target("a"))
        stage.runtime.fail("start", "no")
        stage.runtime.fail("remove", "device or resource busy", times=2)
        stage.web.tell(Replace(target("b")))
        await trio.sleep(60)
        assert set(stage.disk.instances) == {"web-000"}
        assert any("busy" in line for line in stage.report.troubles)


SERVED = WEB_TEXT + 'sockets.web = { stream = "*:80" }\nready = "notify"\nstart_timeout = "30s"\n'


async def leave_in_a_hand_over(*, ready: bool) -> Wreck:
    """An agent is killed while a new instance is to take over (or has, and the old one finishes what it has begun)."""
    patient = FakeProgram(ignores=frozenset({signal.SIGTERM}))
    files, ignore = {"web": SERVED}, lambda stage: stage.runtime.set_program("web", patient)
    async with open_directory(files, ignore, settled=False) as stage:
        await trio.sleep(1)
        stage.notify_sockets.say("web", Notification(ready=True))
        await trio.sleep(1)
        stage.directory.write("web", SERVED + 'cwd = "/srv"\n')
        await trio.sleep(2)
        if ready:
            stage.notify_sockets.say("web", Notification(ready=True))
            await trio.sleep(1)
        return Wreck(stage)


@pytest.mark.parametrize("ready", [True, False], ids=["the old one drains", "the new one is not ready"])
async def test_a_next_agent_lets_the_other_one_finish(autojump_clock: MockClock, ready: bool) -> None:
    wreck = await leave_in_a_hand_over(ready=ready)
    first, second = sorted(wreck.disk.instances)
    own, other = (second, first) if ready else (first, second)
    async with open_next({"web": SERVED + 'cwd = "/srv"\n'}, wreck, settled=False) as stage:
        await trio.sleep(1)
        assert not stage.runtime.containers[other].process.ended
        assert stage.state("web").instance == own
        assert stage.runtime.containers[own].process.signals == []
        await trio.sleep(20)
        assert other not in stage.disk.instances
        if not ready:
            stage.notify_sockets.say("web", Notification(ready=True))
        await trio.sleep(20)
        assert list(stage.disk.instances) == [stage.state("web").instance]
        assert stage.state("web").ready


async def test_what_an_earlier_agent_has_made_goes_on_when_an_edit_does_not_become_ready(
    autojump_clock: MockClock,
) -> None:
    wreck = await leave_in_a_hand_over(ready=False)
    own = str(wreck.disk.names["web"].instance)
    async with open_next({"web": SERVED + 'cwd = "/srv"\n'}, wreck, settled=False) as stage:
        await trio.sleep(90)
        assert stage.state("web").instance == own
        assert stage.state("web").message.startswith(ROLLED_BACK)
        assert list(stage.disk.instances) == [own]
        assert stage.runtime.containers[own].process.signals == []
