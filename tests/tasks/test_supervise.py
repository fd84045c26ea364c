"""One supervision over fakes and virtual time: what it asks of the runtime, what it writes down, and in which order."""

import signal

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from orchestrator.core.render import digest_skeleton
from orchestrator.model.action import Hold, Keep, Renew, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.bundle import Bundle
from orchestrator.model.policy import OnExit
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Source
from orchestrator.model.spec import FolderRoot, SkeletonRoot
from orchestrator.model.state import InstanceState, PublicState, Step
from orchestrator.model.types import Duration, SignalName, Size
from orchestrator.ports import Refused
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_supervise import NOTHING, POLICY, Stage, make_target, open_stage

PROBLEM = Problem("web.toml", 3, 1, "args", "wrong")


async def test_a_start_writes_each_step_before_what_it_tells_of(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        assert stage.steps() == [Step.CREATING, Step.CREATED, Step.STARTING, Step.RUNNING]
        assert stage.methods() == ["create", "start"]
        names = [name for name, _ in stage.disk.calls if name != "write_name"]
        assert names[:3] == ["write_instance", "store_bundle", "keep_store_paths"]
        state = stage.state
        assert (state.pid, state.instance, state.bundle, state.ready) == (1000, "web-000", "a", True)
        assert stage.disk.instances["web-000"].pid_start_time == 100_000
        await wait_all_tasks_blocked()
        assert stage.trimmed == ["/state/logs/web.log"]


async def test_stop_writes_before_the_signal_and_leaves_nothing(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        process = stage.runtime.process_of("web")
        stage.web.tell(Stop())
        await stage.until(lambda: bool(stage.report.forgotten))
        assert process.signals == [signal.SIGTERM]
        assert process.closed
        assert stage.steps()[-2:] == [Step.STOPPING, Step.STOPPING]
        last = stage.disk.calls_of("write_instance")[-1]
        assert isinstance(last, InstanceState)
        assert last.exit is not None
        assert (stage.disk.names, stage.disk.instances, stage.runtime.containers) == ({}, {}, {})
        assert stage.web.gone
        assert stage.trimmed == []
        assert stage.swept == 1


async def test_what_ignores_the_signal_is_killed_after_the_timeout(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage(deaf) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        process = stage.runtime.process_of("web")
        began = trio.current_time()
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert process.signals == [signal.SIGTERM, signal.SIGKILL]
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)


async def test_hurry_kills_at_once(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage(deaf) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        began = trio.current_time()
        stage.web.tell(Stop())
        stage.web.hurry()
        await stage.until(lambda: stage.web.gone)
        assert trio.current_time() - began < 1


async def test_a_crash_loop_waits_longer_each_time(autojump_clock: MockClock) -> None:
    def crashing(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(exits=3))

    async with open_stage(crashing) as stage:
        stage.web.tell(Start(make_target()))
        await trio.sleep(0.05 + 0.1 + 0.2 + 0.4 + 0.8)
        assert stage.methods().count("create") == 5
        state = stage.state
        assert (state.state, state.restarts, state.failures) == (PublicState.BACKOFF, 4, 5)
        assert state.message == "exited with code 3"
        assert state.last_exit is not None
        assert state.last_exit.code == 3
        assert state.next_retry_at is not None
        assert state.pid is None
        ids = [identity for method, identity in stage.runtime.calls if method == "create"]
        assert len(set(ids)) == 5


async def test_a_start_that_fails_is_undone_and_tried_again(autojump_clock: MockClock) -> None:
    def failing(stage: Stage) -> None:
        stage.runtime.fail("create", "no such file: /bin/nope")

    async with open_stage(failing) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.BACKOFF)
        assert "no such file: /bin/nope" in stage.state.message
        assert stage.state.last_exit is not None
        assert stage.state.last_exit.code is None
        assert stage.runtime.halves == set()
        assert stage.disk.instances == {}
        await stage.reach(PublicState.RUNNING)
        assert stage.state.message == ""
        assert stage.state.restarts == 1


@pytest.mark.parametrize("method", ["write_instance", "store_bundle", "keep_store_paths", "prepare_instance"])
async def test_a_full_disk_is_a_start_that_fails(autojump_clock: MockClock, method: str) -> None:
    async with open_stage(lambda stage: stage.disk.fail(method)) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.BACKOFF)
        assert stage.state.message == "no space left on device"
        await stage.reach(PublicState.RUNNING)


async def test_a_full_disk_does_not_stop_what_runs(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("write_name", times=3)
        stage.disk.fail("write_instance", times=3)
        stage.web.tell(Keep(), (PROBLEM,))
        await wait_all_tasks_blocked()
        assert stage.report.troubles == ["web: no space left on device"]
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert stage.runtime.containers == {}


async def test_out_of_memory_is_told_apart(autojump_clock: MockClock) -> None:
    def hungry(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(out_of_memory=True))

    async with open_stage(hungry) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.BACKOFF)
        assert stage.state.last_exit is not None
        assert (stage.state.last_exit.oom, stage.state.last_exit.signal) == (True, 9)
        assert stage.state.message == "killed by signal 9 (out of memory)"


async def test_a_oneshot_completes_and_rests(autojump_clock: MockClock) -> None:
    oneshot = evolve(POLICY, oneshot=True, restart=evolve(POLICY.restart, on_success=OnExit.STOP))
    async with open_stage(lambda stage: stage.runtime.set_program("web", FakeProgram(exits=0))) as stage:
        stage.web.tell(Start(make_target(policy=oneshot)))
        await stage.reach(PublicState.COMPLETED)
        await trio.sleep(1000)
        assert stage.methods().count("create") == 1
        assert stage.state.ready
        # What has completed begins again when its settings say that it should run.
        stage.web.tell(Retune(make_target()))
        await wait_all_tasks_blocked()
        assert stage.methods().count("create") == 2


async def test_replace_ends_the_old_before_the_new_begins(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Replace(make_target("b")))
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert stage.methods() == ["create", "start", "remove", "create", "start"]
        assert stage.swept == 1
        assert stage.state.restarts == 0
        assert stage.web.bundles_in_use == {"b"}


async def test_update_is_live_and_a_refused_one_leaves_the_container(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Update(make_target(memory=2**26)))
        await wait_all_tasks_blocked()
        assert stage.disk.instances["web-000"].resources.memory == 2**26
        stage.runtime.fail("update", "too small")
        stage.web.tell(Update(make_target(memory=2**25)))
        await wait_all_tasks_blocked()
        assert stage.disk.instances["web-000"].resources.memory == 2**26
        assert "cannot update" in stage.state.message
        assert "too small" in stage.state.message
        assert stage.state.state is PublicState.RUNNING
        assert stage.methods().count("update") == 2
        # The next edit is tried again.
        stage.web.tell(Update(make_target(memory=2**25)))
        await wait_all_tasks_blocked()
        assert stage.disk.instances["web-000"].resources.memory == 2**25
        assert stage.state.message == ""
        assert stage.methods().count("create") == 1


async def test_retune_touches_no_process_and_counts_from_then_on(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        calls = list(stage.runtime.calls)
        stop_soon = evolve(POLICY, stop=StopPolicy(timeout=Duration(1.0)))
        stage.web.tell(Retune(make_target(policy=stop_soon)))
        await wait_all_tasks_blocked()
        assert stage.runtime.calls == calls


async def test_a_new_definition_ends_the_backoff(autojump_clock: MockClock) -> None:
    slow = evolve(POLICY, restart=evolve(POLICY.restart, delay=Duration(3600), max_delay=Duration(3600)))
    async with open_stage(lambda stage: stage.runtime.fail("create", "not yet")) as stage:
        stage.web.tell(Start(make_target(policy=slow)))
        await stage.reach(PublicState.BACKOFF)
        began = trio.current_time()
        stage.web.tell(Update(make_target(memory=2**25, policy=slow)))
        await stage.reach(PublicState.RUNNING)
        assert trio.current_time() - began < 1


async def test_a_stop_during_create_waits_for_its_answer(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.runtime.delays["create"] = 5.0
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.STARTING)
        stage.web.tell(Stop())
        await stage.reach(PublicState.STOPPING)
        await stage.until(lambda: stage.web.gone)
        assert stage.methods() == ["create", "remove"]
        assert stage.runtime.containers == {}


async def test_wanted_again_while_stopping(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Stop())
        stage.web.tell(Start(make_target("b")))
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert not stage.web.gone
        assert len(stage.runtime.containers) == 1


async def test_what_cannot_be_removed_is_said_and_tried_again(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.runtime.fail("remove", "device or resource busy", times=2)
        stage.web.tell(Stop())
        await stage.reach(PublicState.STOPPING)
        await trio.sleep(1)
        assert "device or resource busy" in stage.state.message
        assert not stage.report.unsettled
        await trio.sleep(12)
        assert stage.web.gone


async def test_problems_of_what_never_ran(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Keep(), (PROBLEM,))
        await stage.reach(PublicState.INVALID)
        assert stage.state.problems == (PROBLEM,)
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        assert not stage.state.problems
        stage.web.tell(Keep(), (PROBLEM,))
        await wait_all_tasks_blocked()
        assert (stage.state.state, stage.state.problems) == (PublicState.RUNNING, (PROBLEM,))


async def test_what_was_never_valid_goes_quietly(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Keep(), (PROBLEM,))
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert stage.disk.names == {}
        assert stage.runtime.calls == []


async def test_a_folder_is_its_own_root_and_a_writable_skeleton_one_of_the_instance(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        target = make_target()
        folder = evolve(target, bundle=Bundle("f", {}, FolderRoot(path="/srv/root"), readonly=False))
        writable = evolve(target, bundle=Bundle("w", {}, SkeletonRoot(entries=()), readonly=False))
        for each in (target, folder, writable):
            stage.web.tell(Start(each) if each is target else Replace(each))
            await stage.reach_bundle(each.bundle.digest)
        roots = [given.rootfs for given in stage.disk.calls_of("prepare_instance")]  # type: ignore[attr-defined]
        assert roots == [f"/state/skeletons/{digest_skeleton(NOTHING)}", "/srv/root", "/state/roots/web-002"]


@pytest.mark.parametrize("checkpoints", range(8))
async def test_a_stop_in_the_instant_of_an_admission(autojump_clock: MockClock, checkpoints: int) -> None:
    async with open_stage() as stage:
        blocker = object()
        stage.outside.starts.acquire_on_behalf_of_nowait(blocker)
        stage.web.tell(Start(make_target()))
        await wait_all_tasks_blocked()
        stage.outside.starts.release_on_behalf_of(blocker)
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert stage.runtime.containers == {}
        assert stage.outside.starts.borrowed_tokens == 0


@pytest.mark.parametrize("checkpoints", range(12))
async def test_a_start_in_the_instant_of_retiring_is_not_lost(autojump_clock: MockClock, checkpoints: int) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Stop())
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        if not stage.web.gone:  # whoever plans looks, without an await, before it tells
            stage.web.tell(Start(make_target("b")))
            await stage.until(lambda: "web" in stage.disk.names and stage.state.bundle == "b" and stage.state.ready)


async def test_halted_while_it_waits_and_wanted_again_is_no_failure(autojump_clock: MockClock) -> None:
    never = evolve(POLICY, restart=evolve(POLICY.restart, on_failure=OnExit.STOP))
    async with open_stage() as stage:
        blocker = object()
        stage.outside.starts.acquire_on_behalf_of_nowait(blocker)
        for action in (Start(make_target(policy=never)), Stop(), Start(make_target("b", policy=never))):
            stage.web.tell(action)
            await wait_all_tasks_blocked()
        stage.outside.starts.release_on_behalf_of(blocker)
        await stage.reach(PublicState.RUNNING)
        assert stage.state.restarts == 0


async def test_a_state_that_could_not_be_written_is_written_later(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("write_name", times=3)
        stage.web.tell(Keep(), (PROBLEM,))
        await trio.sleep(4)
        assert not stage.state.problems
        await trio.sleep(20)
        assert stage.state.problems == (PROBLEM,)
        assert stage.report.troubles == ["web: no space left on device"]
        began = trio.current_time()
        writes = len(stage.disk.calls_of("write_name"))
        await trio.sleep(1000)
        assert trio.current_time() > began
        assert len(stage.disk.calls_of("write_name")) == writes


async def test_what_can_never_be_removed_does_not_hold_up_who_is_in_a_hurry(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.runtime.fail("remove", "device or resource busy", times=1000)
        stage.web.tell(Stop())
        await trio.sleep(100)
        assert not stage.web.gone
        stage.web.hurry()
        await stage.until(lambda: stage.web.gone)
        assert any("left behind" in text for text in stage.report.troubles)
        assert set(stage.disk.instances) == {"web-000"}  # for the next agent


async def test_a_hurry_before_the_stop_is_remembered(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage(deaf) as stage:
        stage.runtime.delays["start"] = 1.0
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.STARTING)
        stage.web.hurry()
        stage.web.tell(Stop())
        began = trio.current_time()
        await stage.until(lambda: stage.web.gone)
        assert trio.current_time() - began < 5


async def test_more_restarts_try_again_what_gave_up_and_nothing_else_does(autojump_clock: MockClock) -> None:
    def allow(restarts: int, delay: float = 0.1) -> Target:
        restart = evolve(POLICY.restart, max_restarts=restarts, delay=Duration(delay))
        return make_target(policy=evolve(POLICY, restart=restart))

    async with open_stage(lambda stage: stage.runtime.set_program("web", FakeProgram(exits=3))) as stage:
        stage.web.tell(Start(allow(2)))
        await stage.reach(PublicState.FAILED)
        assert stage.methods().count("create") == 3
        assert stage.state.message == "gave up: 2 restarts within 10m; last: exited with code 3"
        await trio.sleep(3600)
        stage.web.tell(Retune(allow(2, delay=0.2)))
        await trio.sleep(3600)
        assert stage.methods().count("create") == 3, "neither time nor another wait"
        stage.runtime.set_program("web", FakeProgram())
        stage.web.tell(Retune(allow(3)))
        await stage.reach(PublicState.RUNNING)
        assert stage.state.message == ""


async def test_more_memory_tries_again_what_gave_up(autojump_clock: MockClock) -> None:
    never = evolve(POLICY, restart=evolve(POLICY.restart, on_failure=OnExit.STOP))
    async with open_stage(lambda stage: stage.runtime.set_program("web", FakeProgram(out_of_memory=True))) as stage:
        stage.web.tell(Start(make_target(memory=2**23, policy=never)))
        await stage.reach(PublicState.FAILED)
        stage.runtime.set_program("web", FakeProgram())
        stage.web.tell(Update(make_target(memory=2**26, policy=never)))
        await stage.reach(PublicState.RUNNING)


async def test_the_state_file_tells_how_to_stop_it_now(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Retune(make_target(policy=evolve(POLICY, stop=StopPolicy(timeout=Duration(1.0))))))
        await wait_all_tasks_blocked()
        assert stage.disk.instances["web-000"].policy.stop.timeout == 1.0


@pytest.mark.parametrize("method", ["write_instance", "store_bundle", "keep_store_paths", "prepare_instance"])
async def test_a_replacement_that_cannot_be_made_ready_costs_nothing_that_runs(
    autojump_clock: MockClock, method: str
) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        pid = stage.state.pid
        stage.disk.fail(method, times=2)
        stage.web.tell(Replace(make_target("b")))
        await trio.sleep(4)
        assert (stage.state.state, stage.state.pid) == (PublicState.RUNNING, pid)
        assert stage.state.message == "cannot replace: no space left on device"
        assert set(stage.disk.prepared) == {"web-000"}
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert stage.state.message == ""
        assert len(stage.disk.prepared) == 1


async def test_an_application_that_ends_while_its_replacement_is_put_off_is_replaced(autojump_clock: MockClock) -> None:
    oneshot = evolve(POLICY, restart=evolve(POLICY.restart, on_success=OnExit.STOP))
    async with open_stage() as stage:
        stage.web.tell(Start(make_target(policy=oneshot)))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("store_bundle")
        stage.web.tell(Replace(make_target("b", policy=oneshot)))
        await wait_all_tasks_blocked()
        stage.runtime.process_of("web").finish(code=0)
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)


async def test_a_successor_that_is_not_wanted_any_more_is_given_up(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage(deaf) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Replace(make_target("b")))
        await wait_all_tasks_blocked()
        assert set(stage.disk.prepared) == {"web-000", "web-001"}
        assert stage.web.bundles_in_use == {"a", "b"}
        stage.web.tell(Replace(make_target("c")))
        await stage.until(lambda: stage.state.bundle == "c" and stage.state.ready)
        assert len(stage.disk.prepared) == 1
        stage.web.tell(Replace(make_target("d")))
        await wait_all_tasks_blocked()
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert (stage.disk.prepared, stage.disk.instances) == ({}, {})


async def test_what_runs_is_stopped_as_its_own_definition_says(autojump_clock: MockClock) -> None:
    quits = evolve(POLICY, stop=StopPolicy(signal=SignalName("SIGQUIT")))
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        process = stage.runtime.process_of("web")
        stage.web.tell(Replace(make_target("b", policy=quits)))
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert process.signals == [signal.SIGTERM]


async def put_off(stage: Stage, target: Target) -> None:
    """A replacement that cannot be made ready, of a container that runs."""
    stage.web.tell(Start(make_target()))
    await stage.reach(PublicState.RUNNING)
    stage.disk.fail("store_bundle", times=1)
    stage.web.tell(Replace(target))
    await wait_all_tasks_blocked()
    assert stage.state.message.startswith("cannot replace")


async def test_put_off_then_stopped(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await put_off(stage, make_target("b"))
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert (stage.runtime.containers, stage.disk.instances, stage.disk.prepared) == ({}, {}, {})


@pytest.mark.parametrize("action", [Retune, Update])
async def test_put_off_then_changed_otherwise_is_not_lost(
    autojump_clock: MockClock, action: type[Retune] | type[Update]
) -> None:
    async with open_stage() as stage:
        await put_off(stage, make_target("b"))
        slower = evolve(POLICY, stop=StopPolicy(signal=SignalName("SIGQUIT")))
        process = stage.runtime.process_of("web")
        memory = 2**26 if action is Update else None
        stage.web.tell(action(make_target("b", memory=memory, policy=slower)))
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert process.signals == [signal.SIGTERM]
        assert ("update", "web-000") not in stage.runtime.calls


async def test_limits_of_a_replacement_that_is_put_off_are_not_the_old_ones(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await put_off(stage, make_target("b", memory=2**23))
        await trio.sleep(4)
        assert "update" not in stage.methods()


async def test_put_off_then_taken_back_touches_nothing(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await put_off(stage, make_target("b"))
        stage.web.tell(Replace(make_target()))
        await trio.sleep(60)
        assert stage.methods() == ["create", "start"]
        assert (stage.state.state, stage.state.message) == (PublicState.RUNNING, "")
        assert set(stage.disk.prepared) == {"web-000"}


async def test_many_edits_that_are_put_off_have_one_clock(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("store_bundle", times=1000)
        for number in range(20):
            stage.web.tell(Replace(make_target(f"b{number}")))
        await wait_all_tasks_blocked()
        writes = len(stage.disk.calls_of("write_instance"))
        await trio.sleep(51)
        assert len(stage.disk.calls_of("write_instance")) - writes == 10


async def test_what_cannot_be_discarded_is_removed_later(autojump_clock: MockClock) -> None:
    def full(stage: Stage) -> None:
        stage.disk.fail("prepare_instance")
        stage.disk.fail("remove_instance", "input/output error", times=2)

    async with open_stage(full) as stage:
        stage.web.tell(Start(make_target()))
        await trio.sleep(0.01)
        assert stage.state.message == "input/output error"
        await stage.reach(PublicState.RUNNING)
        assert set(stage.disk.instances) == {str(stage.state.instance)}


async def test_a_successor_whose_folder_is_gone_is_made_anew(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage(deaf) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Replace(make_target("b")))
        await wait_all_tasks_blocked()
        stage.web.write_again()
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert stage.state.instance == "web-002"
        assert set(stage.disk.prepared) == {"web-002"}


async def test_a_late_answer_of_an_update_writes_nothing_of_what_is_removed(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        live = stage.web._effects.current
        await live.remove()
        live.note(resources=Resources(memory=Size(2**26)))
        assert stage.disk.instances == {}


async def test_what_is_held_ends_and_is_told_of_until_it_is_started(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Hold(make_target()))
        await stage.reach(PublicState.STOPPED)
        assert (stage.state.held, stage.state.pid, stage.disk.instances) == (True, None, {})
        assert not stage.web.gone
        await trio.sleep(1000)
        assert stage.methods().count("create") == 1
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        assert (stage.state.held, stage.state.restarts) == (False, 0)


async def test_what_is_held_before_it_ever_ran_is_stopped(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Hold(make_target()))
        await stage.reach(PublicState.STOPPED)
        assert (stage.state.held, stage.methods()) == (True, [])
        stage.web.tell(Hold(make_target("b")))
        await wait_all_tasks_blocked()
        assert stage.methods() == []
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)


async def test_a_hold_ends_the_wait_for_a_retry(autojump_clock: MockClock) -> None:
    def broken(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(exits=1))

    async with open_stage(broken) as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.BACKOFF)
        stage.web.tell(Hold(make_target()))
        await stage.reach(PublicState.STOPPED)
        assert stage.state.next_retry_at is None
        created = stage.methods().count("create")
        await trio.sleep(1000)
        assert stage.methods().count("create") == created


async def test_a_start_while_it_is_being_stopped_comes_after_it(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Hold(make_target()))
        stage.web.tell(Start(make_target()))
        await stage.until(lambda: stage.state.instance == "web-001" and stage.state.ready)
        assert not stage.state.held
        assert set(stage.disk.instances) == {"web-001"}


async def test_renew_makes_another_instance_of_the_same(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.tell(Renew(make_target()))
        await stage.until(lambda: stage.state.instance == "web-001" and stage.state.ready)
        assert (stage.state.restarts, set(stage.disk.instances)) == (0, {"web-001"})


async def test_renew_that_finds_no_room_costs_nothing_and_comes_later(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("prepare_instance")
        stage.web.tell(Renew(make_target()))
        await stage.until(lambda: "cannot replace: no space left on device" in stage.state.message)
        assert (stage.state.instance, stage.state.state) == ("web-000", PublicState.RUNNING)
        await stage.until(lambda: stage.state.instance == "web-002" and stage.state.ready)


@pytest.mark.parametrize("word", [Start, Replace, Retune, Update])
async def test_renew_that_was_put_off_is_lost_by_no_other_word(
    autojump_clock: MockClock, word: type[Start | Replace | Retune | Update]
) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("prepare_instance", times=2)
        stage.web.tell(Renew(make_target()))
        await stage.until(lambda: "cannot replace" in stage.state.message)
        stage.web.tell(word(make_target()))
        await stage.until(lambda: stage.state.instance != "web-000" and stage.state.ready)
        await trio.sleep(100)
        assert stage.methods().count("create") == 2


@pytest.mark.parametrize("word", [Start, Renew])
async def test_an_edit_that_was_put_off_is_lost_by_no_operators_word(
    autojump_clock: MockClock, word: type[Start | Renew]
) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("prepare_instance", times=2)
        stage.web.tell(Replace(make_target("b")))
        await stage.until(lambda: "cannot replace" in stage.state.message)
        stage.web.tell(word(make_target("b")))
        await stage.until(lambda: stage.state.bundle == "b" and stage.state.ready)
        assert stage.state.message == ""


async def test_renew_that_was_put_off_ends_with_a_hold(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("prepare_instance", times=1000)
        stage.web.tell(Renew(make_target()))
        await stage.until(lambda: "cannot replace" in stage.state.message)
        stage.web.tell(Hold(make_target()))
        await stage.until(lambda: "cannot replace" not in stage.state.message)
        stage.disk.fail("prepare_instance", times=0)
        await trio.sleep(100)
        assert stage.methods().count("create") == 1


async def test_a_new_text_of_the_same_is_told_of(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(evolve(make_target(), source=Source("web", "/c/web.toml", "old", modified_at=1.0))))
        await stage.reach(PublicState.RUNNING)
        assert stage.state.edit is not None
        assert stage.state.edit.modified_at == 1.0
        stage.web.tell(Keep(evolve(make_target(), source=Source("web", "/c/web.toml", "new", modified_at=2.0))))
        await stage.until(lambda: stage.state.edit is not None and stage.state.edit.modified_at == 2.0)
        assert stage.methods() == ["create", "start"]


async def test_the_edit_that_is_live_is_the_one_that_the_instance_was_made_from(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(evolve(make_target(), source=Source("web", "/c/web.toml", "old"), fields={"cwd": "/a"})))
        await stage.reach(PublicState.RUNNING)
        stage.disk.fail("prepare_instance", times=1000)
        newer = evolve(make_target("b"), source=Source("web", "/c/web.toml", "new"), fields={"cwd": "/b"})
        stage.web.tell(Replace(newer))
        await stage.until(lambda: "cannot replace" in stage.state.message)
        assert stage.state.fields == {"cwd": "/a"}
        stage.disk.fail("prepare_instance", times=0)
        await stage.until(lambda: stage.state.fields == {"cwd": "/b"})


async def test_a_signal_goes_to_what_runs_only(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGHUP})))

    async with open_stage(deaf) as stage:
        stage.web.tell(Hold(make_target()))
        await stage.reach(PublicState.STOPPED)
        with pytest.raises(Refused, match="web does not run"):
            stage.web.send_signal(signal.SIGHUP)
        stage.web.tell(Start(make_target()))
        await stage.reach(PublicState.RUNNING)
        stage.web.send_signal(signal.SIGHUP)
        assert stage.runtime.process_of("web").signals == [signal.SIGHUP]


async def test_a_limit_that_is_refused_is_not_told_as_live_and_is_tried_again(autojump_clock: MockClock) -> None:
    old = evolve(make_target(memory=2**24), source=Source("web", "/c/web.toml", "old"), fields={"memory": "16M"})
    new = evolve(make_target(memory=2**25), source=Source("web", "/c/web.toml", "new"), fields={"memory": "32M"})
    async with open_stage() as stage:
        stage.web.tell(Start(old))
        await stage.reach(PublicState.RUNNING)
        stage.runtime.fail("update", "busy", times=2)
        stage.web.tell(Update(new))
        await stage.until(lambda: stage.state.message.endswith("busy"))
        assert stage.state.fields == old.fields
        told = len(stage.report.states)
        await stage.until(lambda: stage.state.message == "")
        assert (stage.state.fields, stage.disk.instances["web-000"].resources) == (new.fields, new.resources)
        seen = [bool(state.message) for state in stage.report.states[told:]]
        assert seen == sorted(seen, reverse=True), "it stays refused until it is not"


async def test_limits_that_may_be_half_applied_are_seen_to_when_the_edit_is_taken_back(
    autojump_clock: MockClock,
) -> None:
    async with open_stage() as stage:
        stage.web.tell(Start(make_target(memory=2**24)))
        await stage.reach(PublicState.RUNNING)
        stage.runtime.fail("update", "what held before could not be put back", times=1)
        stage.web.tell(Update(make_target(memory=2**25)))
        await stage.until(lambda: "cannot update" in stage.state.message)
        updates = stage.methods().count("update")
        stage.web.tell(Update(make_target(memory=2**24)))
        await stage.until(lambda: stage.state.message == "")
        await wait_all_tasks_blocked()
        assert stage.methods().count("update") == updates + 1
