"""What an earlier agent has left: what is found of it, before anything is touched."""

from collections.abc import Callable

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.life import Phase
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import OutsideError, Process, RuntimeFailed
from orchestrator.tasks.takeover import Left
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import take_stock

BOTH = {"web": WEB, "db": WEB}


async def leave(prepare: Callable[[Stage], None] = lambda stage: None) -> Stage:
    """What an agent with two running containers has left, as the next one sees it."""
    async with open_stage(BOTH, prepare) as stage:
        wreck = Wreck(stage)
    left = Stage(BOTH, wreck)
    left.runtime.calls.clear()
    return left


def instance_of(stage: Stage, name: str) -> InstanceState:
    (state,) = (state for state in stage.disk.instances.values() if state.name == name)
    return state


def names_of(left: Left) -> list[str]:
    return [one.name for one in left.adopted]


async def test_what_runs_is_found_with_its_process_and_nothing_is_touched(autojump_clock: MockClock) -> None:
    stage = await leave()
    left = await take_stock(stage)
    assert (names_of(left), left.strays) == (["db", "web"], ())
    for one in left.adopted:
        assert one.process is stage.runtime.process_of(one.name)
        assert (one.instance, one.before) == (instance_of(stage, one.name), stage.disk.names[one.name])
        assert one.resumption.life.phase is Phase.RUNNING
    assert (stage.runtime.calls, stage.disk.calls, stage.lines) == ([], [], [])


@pytest.mark.parametrize("step", [Step.CREATING, Step.CREATED, Step.STARTING])
async def test_what_never_began_is_half_made(autojump_clock: MockClock, step: Step) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    stage.disk.instances[state.instance] = evolve(state, step=step)
    stage.runtime.containers[state.instance].started = False
    left = await take_stock(stage)
    (web,) = (one for one in left.adopted if one.name == "web")
    assert (web.process, web.resumption.life.phase) == (None, Phase.CLEANING)
    assert left.strays == (), "its removal is its supervision's work"
    asked = [("query", state.instance)] if step is Step.STARTING else []
    assert stage.runtime.calls == asked, "only of a start nobody but the runtime knows whether it was done"


async def test_a_start_that_was_done_is_adopted(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    stage.disk.instances[state.instance] = evolve(state, step=Step.STARTING, started_at=None)
    left = await take_stock(stage)
    (web,) = (one for one in left.adopted if one.name == "web")
    assert web.process is stage.runtime.process_of("web")
    assert web.resumption.life.phase is Phase.RUNNING
    assert web.instance is not None
    assert web.instance.step is Step.RUNNING, "the next look need not ask again"
    assert web.instance.started_at is not None


@pytest.mark.parametrize("damaged", [True, False])
async def test_a_state_file_that_is_damaged_or_gone_is_made_up_for(autojump_clock: MockClock, damaged: bool) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance]
    left = await take_stock(stage, folders=[state.instance] if damaged else [])
    (web,) = (one for one in left.adopted if one.name == "web")
    assert web.process is stage.runtime.process_of("web")
    assert web.instance is not None
    assert (web.instance.step, web.instance.limits_known) == (Step.RUNNING, False)
    assert (web.instance.pid, web.instance.pid_start_time) == (state.pid, state.pid_start_time)
    assert web.instance.bundle == state.bundle
    assert stage.lines == [f"found {state.instance} again: it runs, though its state file does not say so"]
    assert left.strays == ()


async def test_a_names_file_that_is_damaged_costs_only_what_it_told(autojump_clock: MockClock) -> None:
    stage = await leave()
    del stage.disk.names["web"]
    left = await take_stock(stage)
    (web,) = (one for one in left.adopted if one.name == "web")
    assert web.process is stage.runtime.process_of("web")
    assert (web.resumption.life.phase, web.resumption.life.wanted) == (Phase.RUNNING, True)
    assert web.resumption.target is not None
    assert web.resumption.target.bundle.digest == instance_of(stage, "web").bundle


async def test_all_of_a_name_that_is_damaged_is_found_again(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance], stage.disk.names["web"]
    left = await take_stock(stage)
    assert names_of(left) == ["db", "web"]
    assert left.strays == ()


async def test_what_runs_and_nothing_is_known_of_goes_on_by_the_name_in_its_id(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance], stage.disk.names["web"], stage.disk.origins[state.instance]
    left = await take_stock(stage)
    (web,) = (one for one in left.adopted if one.name == "web")
    assert web.process is stage.runtime.process_of("web")
    assert web.instance is not None
    assert (web.instance.bundle, web.instance.pid, web.instance.limits_known) == (state.bundle, state.pid, False)
    assert (left.strays, left.unknown) == ((), ())


async def test_what_nothing_is_known_of_is_let_be_where_its_name_has_another(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance], stage.disk.origins[state.instance]
    other = stage.runtime.containers["web-other"] = stage.runtime.containers[instance_of(stage, "db").instance]
    stage.disk.instances["web-other"] = evolve(state, instance="web-other", pid=other.process.pid)
    stage.disk.names["web"] = evolve(stage.disk.names["web"], instance="web-other")
    left = await take_stock(stage)
    assert [one.instance.instance for one in left.adopted if one.instance and one.name == "web"] == ["web-other"]
    assert (left.strays, left.unknown) == ((), (state.instance,))


async def test_what_has_no_name_is_let_be(autojump_clock: MockClock) -> None:
    stage = await leave()
    stage.runtime.containers["nameless"] = stage.runtime.containers[instance_of(stage, "db").instance]
    left = await take_stock(stage)
    assert (names_of(left), left.strays, left.unknown) == (["db", "web"], (), ("nameless",))


async def test_what_never_ran_and_nothing_is_known_of_is_a_stray(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance], stage.disk.names["web"], stage.disk.origins[state.instance]
    stage.runtime.containers[state.instance].started = False
    left = await take_stock(stage)
    assert (names_of(left), left.strays, left.unknown) == (["db"], (state.instance,), ())


@pytest.mark.parametrize("lost", ["process", "start", "boot"])
async def test_what_cannot_be_found_again_is_a_stray(autojump_clock: MockClock, lost: str) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    del stage.disk.instances[state.instance], stage.disk.names["web"]
    match lost:
        case "process":
            stage.runtime.process_of("web").finish(code=1)
        case "start":
            stage.runtime.containers[state.instance].started = False
        case "boot":
            stage.disk.origins[state.instance] = evolve(stage.disk.origins[state.instance], boot="another")
    left = await take_stock(stage)
    assert (names_of(left), left.strays) == (["db"], (state.instance,))


async def test_of_another_boot_nothing_is_believed(autojump_clock: MockClock) -> None:
    stage = await leave()
    left = await take_stock(stage, boot="the-next-boot")
    assert left.adopted == ()
    assert set(left.strays) == set(stage.disk.instances)


async def test_of_two_instances_the_one_pointed_at_goes_on(autojump_clock: MockClock) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    later = evolve(state, instance="web-late", created_at=state.created_at + 9)
    stage.disk.instances["web-late"] = later
    left = await take_stock(stage)
    assert [one.instance for one in left.adopted if one.name == "web"] == [state]
    assert left.strays == ("web-late",)
    stage.disk.names["web"] = evolve(stage.disk.names["web"], instance="web-late")
    left = await take_stock(stage)
    assert [one.instance for one in left.adopted if one.name == "web"] == [later]
    assert left.strays == (state.instance,)


async def test_every_side_is_asked_for_strays(autojump_clock: MockClock) -> None:
    stage = await leave()
    stage.runtime.halves.add("api-3")
    left = await take_stock(stage, folders=["old-2"])
    assert names_of(left) == ["db", "web"]
    assert left.strays == ("api-3", "old-2")


async def test_a_runtime_that_does_not_answer_ends_the_agent_before_anything_is_touched(
    autojump_clock: MockClock,
) -> None:
    stage = await leave()
    state = instance_of(stage, "web")
    stage.disk.instances[state.instance] = evolve(state, step=Step.STARTING)
    stage.runtime.hangs.add("query")
    with pytest.raises(RuntimeFailed, match=f"cannot query container {state.instance}: fake: took longer"):
        await take_stock(stage)
    assert (stage.disk.calls, set(stage.runtime.containers)) == ([], set(stage.disk.instances))


class NotHeld(OutsideError):
    """A process that is there."""


class Holding:
    """The processes of a runtime, and who holds which; those of some names cannot be held."""

    def __init__(self, stage: Stage, *failing: str) -> None:
        self.held: list[str] = []
        self.found: list[str] = []
        self._stage = stage
        self._failing = failing

    def find(self, state: InstanceState) -> Process:
        if state.name in self._failing:
            raise NotHeld(f"cannot open process {state.pid}: too many open files")
        process = self._stage.runtime.find(state)
        self.found.append(state.name)
        self.held.append(state.name)
        process.close = lambda: self.held.remove(state.name)  # type: ignore[method-assign]
        return process


async def test_no_process_is_held_before_all_is_known_that_may_fail(autojump_clock: MockClock) -> None:
    """What was kept for this agent is had once only, and what is tried again would hold all others once more."""
    stage = await leave()
    state = instance_of(stage, "web")
    stage.disk.instances[state.instance] = evolve(state, step=Step.STARTING)
    stage.runtime.hangs.add("query")
    processes = Holding(stage)
    for _ in range(3):
        with pytest.raises(RuntimeFailed, match="fake: took longer"):
            await take_stock(stage, processes=processes)
    assert processes.found == []
    stage.runtime.hangs.clear()
    await take_stock(stage, processes=processes)
    assert processes.held == ["db", "web"]


async def test_when_one_process_cannot_be_held_none_is(autojump_clock: MockClock) -> None:
    stage = await leave()
    processes = Holding(stage, "web")
    with pytest.raises(NotHeld, match="too many open files"):
        await take_stock(stage, processes=processes)
    assert (processes.found, processes.held) == (["db"], [])


async def test_what_ended_meanwhile_is_a_process_that_has_ended(autojump_clock: MockClock) -> None:
    stage = await leave()
    stage.runtime.process_of("web").finish(code=3)
    left = await take_stock(stage)
    (web,) = (one for one in left.adopted if one.name == "web")
    assert web.process is not None
    with trio.fail_after(1):
        ended = await web.process.wait()
    assert (ended.code, ended.signal) == (None, None), "nobody saw how"


async def test_what_waits_for_a_retry_goes_on_without_an_instance(autojump_clock: MockClock) -> None:
    def failing(stage: Stage) -> None:
        stage.runtime.fail("create", "no such file: /bin/web", times=99)

    stage = await leave(failing)
    left = await take_stock(stage)
    assert [(one.name, one.instance, one.process) for one in left.adopted] == [("db", None, None), ("web", None, None)]
    assert {one.resumption.life.phase for one in left.adopted} == {Phase.BACKOFF}


async def test_a_name_with_nothing_but_problems_does_not_go_on(autojump_clock: MockClock) -> None:
    async with open_stage({"web": "nonsense"}) as stage:
        wreck = Wreck(stage)
    left = await take_stock(Stage({}, wreck))
    assert (left.adopted, left.strays) == ((), ())
