"""What is left of an instance that has ended and is followed: removed while the next one is created, which is not
started before that."""

import trio
from trio.testing import MockClock

from orchestrator.model.health import Notification
from orchestrator.model.state import PublicState
from orchestrator.testing.history import FakeGenerations
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

EDITED = WEB + 'cwd = "/srv"\n'


def commands(stage: Stage) -> list[tuple[str, str]]:
    """What the runtime was asked for, with the number of the instance."""
    return [(method, identity.rpartition("-")[2]) for method, identity in stage.runtime.calls]


async def test_it_is_removed_while_the_next_is_created_and_gone_when_that_starts(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        (old,) = stage.disk.instances
        stage.runtime.delays |= {"remove": 10.0, "create": 4.0}
        stage.directory.write("web", EDITED)
        await trio.sleep(2)
        assert commands(stage)[-2:] == [("remove", "000"), ("create", "001")]
        await trio.sleep(6)
        assert stage.state("web").state is PublicState.STARTING
        assert old in stage.disk.instances, "whoever comes next is to know of both"
        assert stage.state("web").bundle in stage.reconciler.bundles_in_use()
        await trio.sleep(5)
        assert commands(stage)[-1] == ("start", "001")
        assert stage.state("web").state is PublicState.RUNNING
        assert old not in stage.disk.instances
        assert len(stage.reconciler.bundles_in_use()) == 1


async def test_what_cannot_be_removed_keeps_the_next_from_starting_until_it_is(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        (old,) = stage.disk.instances
        for _ in range(3):
            stage.runtime.fail("remove", "the disk is on fire")
        stage.directory.write("web", EDITED)
        await trio.sleep(0.5)
        assert stage.state("web").state is not PublicState.RUNNING
        await trio.sleep(60)
        assert stage.state("web").state is PublicState.RUNNING
        assert old not in stage.disk.instances
        methods = [method for method, _ in commands(stage)]
        removed = [number for number, call in enumerate(commands(stage)) if call == ("remove", "000")]
        assert len(removed) == 4
        assert "start" not in methods[removed[0] : removed[-1]]
        assert stage.runtime.containers.keys() == stage.disk.instances.keys()


async def test_what_cannot_be_removed_is_tried_again_though_the_next_waits_for_others(
    autojump_clock: MockClock,
) -> None:
    async with open_stage({"web": WEB, "db": WEB}) as stage:
        old = next(name for name in stage.disk.instances if name.startswith("web"))
        for _ in range(20):
            stage.runtime.fail("remove", "the disk is on fire")
        stage.directory.remove("db")
        stage.directory.write("web", EDITED + 'requires = ["later"]\n')
        stage.directory.write("later", "args = 3\n")
        await trio.sleep(20)
        assert "the disk is on fire" in stage.state("web").message
        stage.directory.remove("web")
        await trio.sleep(20)
        assert old in stage.disk.instances
        assert "web" in stage.disk.names, "it is told of as long as something is left"
        await trio.sleep(200)
        assert old not in stage.disk.instances
        assert "web" not in stage.disk.names


async def test_what_is_stopped_meanwhile_does_not_start(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.runtime.delays["remove"] = 10.0
        stage.directory.write("web", EDITED)
        await trio.sleep(3)
        assert commands(stage)[-1] == ("create", "001")
        stage.holds.hold(["web"])
        stage.reconciler.tell_again()
        await trio.sleep(60)
        assert "start" not in [method for method, number in commands(stage) if number == "001"]
        assert stage.state("web").state is PublicState.STOPPED
        assert stage.runtime.containers == {}


async def test_a_stop_meanwhile_leaves_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.runtime.delays |= {"remove": 10.0, "create": 4.0}
        stage.directory.write("web", EDITED)
        await trio.sleep(2)
        stage.directory.remove("web")
        await trio.sleep(60)
        assert "start" not in [method for method, number in commands(stage) if number != "000"]
        assert (stage.disk.names, stage.disk.instances, stage.runtime.containers) == ({}, {}, {})
        assert stage.disk.bundles == {}


async def test_a_crash_is_cleared_away_before_the_next_is_made(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.runtime.delays["remove"] = 10.0
        stage.runtime.process_of("web").finish(code=1)
        await trio.sleep(30)
        assert [method for method, _ in commands(stage)] == ["create", "start", "remove", "create", "start"]


async def test_what_may_come_back_is_kept_until_what_is_tried_is_ready(autojump_clock: MockClock) -> None:
    text = WEB + 'ready = "notify"\n'
    async with open_stage({"web": text}, settled=False) as stage:
        await trio.sleep(1)
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.settle()
        old = str(stage.state("web").bundle)
        stage.directory.write("web", text + 'cwd = "/srv"\n')
        await trio.sleep(5)
        assert {old, str(stage.state("web").bundle)} == set(stage.disk.bundles)
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.settle()
        assert set(stage.disk.bundles) == {str(stage.state("web").bundle)}
        assert stage.state("web").bundle != old


async def test_what_may_have_come_back_with_an_earlier_agent_is_given_up_too(autojump_clock: MockClock) -> None:
    text = WEB + 'ready = "notify"\n'
    async with open_stage({"web": text}, settled=False) as stage:
        await trio.sleep(1)
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.settle()
        await trio.sleep(5)
        stage.directory.write("web", text + 'cwd = "/srv"\n')
        await trio.sleep(5)
        left = Wreck(stage)
    assert len(left.disk.bundles) == 2
    async with open_next({"web": text + 'cwd = "/srv"\n'}, left, settled=False) as stage:
        await trio.sleep(2)
        assert len(stage.disk.bundles) == 2, "it is tried on"
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.settle()
        assert set(stage.disk.bundles) == {str(stage.state("web").bundle)}


async def test_what_was_left_at_rest_is_given_up_for_what_its_mended_file_says(autojump_clock: MockClock) -> None:
    """Its file has problems and no last good definition, so for a while nothing is known of it but what there is."""
    text = WEB + 'restart.on_failure = "stop"\n'
    async with open_stage({"web": text}) as stage:
        stage.runtime.process_of("web").finish(code=1)
        await stage.settle()
        assert stage.state("web").state is PublicState.FAILED
        left = Wreck(stage)
    left.generations = FakeGenerations()
    async with open_next({"web": text + "nonsense = 1\n"}, left) as stage:
        await stage.settle()
        assert len(stage.disk.bundles) == 1
        stage.directory.write("web", text + 'cwd = "/srv"\n')
        await trio.sleep(5)
        assert set(stage.disk.bundles) == {str(stage.state("web").bundle)}
