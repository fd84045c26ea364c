"""What plugin kinds do on the host comes in its stage, is written down first, and is undone with the instance."""

import pytest
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.action import Replace, Retune, Start, Stop, Target
from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import LiveFile
from orchestrator.model.contribution import Stage as When
from orchestrator.model.state import InstanceState, PublicState, Step
from tests.tasks.helpers_supervise import Stage, make_target, open_stage


def plan(kind: str, when: When) -> PlannedAttachment:
    return PlannedAttachment(group="orchestrator.mounts", type=kind, key=f"/{kind}", stage=when, work={})


PLANS = (plan("volume", When.PREPARE), plan("bridge", When.CONNECT), plan("secret", When.PREPARE))


def target(digest: str = "a") -> Target:
    made = make_target(digest)
    return evolve(made, bundle=evolve(made.bundle, attachments=PLANS))


def written(stage: Stage) -> list[tuple[Step, tuple[str, ...]]]:
    """Each state of an instance that was written: its step, and what was begun by then."""
    states = (state for state in stage.disk.calls_of("write_instance") if isinstance(state, InstanceState))
    return [(state.step, tuple(each.plan.type for each in state.attached if each.begun)) for state in states]


async def test_each_comes_in_its_stage_and_is_written_down_before(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.attacher.states["bridge"] = {"address": "10.0.0.2"}
        stage.web.tell(Start(target()))
        await stage.reach(PublicState.RUNNING)
        assert [kind for _, kind, _ in stage.attacher.calls] == ["volume", "secret", "bridge"]
        steps = written(stage)
        assert steps[0] == (Step.CREATING, ())
        assert (Step.CREATING, ("volume",)) in steps
        assert steps.index((Step.CREATED, ("volume", "secret"))) < steps.index(
            (Step.CREATED, ("volume", "bridge", "secret"))
        )
        state = stage.disk.instances["web-000"]
        assert [each.state for each in state.attached] == [None, {"address": "10.0.0.2"}, None]


async def test_all_is_undone_backwards_when_it_is_gone(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Stop())
        await stage.until(lambda: bool(stage.report.forgotten))
        undone = [kind for method, kind, _ in stage.attacher.calls if method == "detach"]
        assert undone == ["secret", "bridge", "volume"]
        assert stage.attacher.attached == set()
        assert stage.disk.instances == {}


@pytest.mark.parametrize("kind", ["volume", "bridge"])
async def test_one_that_fails_is_undone_and_tried_again(autojump_clock: MockClock, kind: str) -> None:
    async with open_stage() as stage:
        stage.attacher.failing["attach", kind] = 1
        stage.web.tell(Start(target()))
        await stage.reach(PublicState.BACKOFF)
        assert f"cannot attach {kind}" in stage.state.message
        await stage.reach(PublicState.RUNNING)
        assert ("detach", kind, "web-000") in stage.attacher.calls
        assert {instance for instance, _, _ in stage.attacher.attached} == {"web-001"}


async def test_of_what_was_not_begun_nothing_is_undone(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.attacher.failing["attach", "volume"] = 1
        stage.web.tell(Start(target()))
        await stage.reach(PublicState.RUNNING)
        undone = [(kind, instance) for method, kind, instance in stage.attacher.calls if method == "detach"]
        assert undone == [("volume", "web-000")]


async def test_what_cannot_be_undone_is_tried_again_before_anything_is_forgotten(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(target()))
        await stage.reach(PublicState.RUNNING)
        stage.attacher.failing["detach", "bridge"] = 2
        stage.web.tell(Stop())
        await stage.until(lambda: bool(stage.report.forgotten))
        assert stage.attacher.attached == set()
        assert [kind for method, kind, _ in stage.attacher.calls if method == "detach"].count("bridge") == 3


async def test_the_next_one_connects_once_the_one_before_is_disconnected(autojump_clock: MockClock) -> None:
    """A port of the host is given up before it is taken again."""
    async with open_stage() as stage:
        stage.web.tell(Start(target("a")))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Replace(target("b")))
        await stage.until(lambda: "web" in stage.disk.names and stage.state.instance == "web-001" and stage.state.ready)
        calls = stage.attacher.calls
        assert calls.index(("detach", "bridge", "web-000")) < calls.index(("attach", "bridge", "web-001"))


async def test_files_that_follow_the_host_are_written_for_an_instance_and_again(autojump_clock: MockClock) -> None:
    def live(text: str) -> Target:
        made = make_target()
        bundle = evolve(made.bundle, live=("/etc/resolv.conf",))
        return evolve(made, bundle=bundle, live=(LiveFile("/etc/resolv.conf", text),))

    async with open_stage() as stage:
        stage.web.tell(Start(live("one")))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Retune(live("two")))
        await stage.until(lambda: len(stage.disk.calls_of("write_live")) == 2)
        files = [LiveFile("/etc/resolv.conf", text) for text in ("one", "two")]
        assert stage.disk.calls_of("write_live") == [("web-000", (file,)) for file in files]
        assert stage.methods() == ["create", "start"]
