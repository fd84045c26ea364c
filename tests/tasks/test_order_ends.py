"""Order among containers in virtual time: what an edit of it does, and who ends before whom."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.action import Retune
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from tests.tasks.helpers_order import (
    DEAF,
    finish,
    message,
    oneshot,
    open_busy,
    operate,
    removed,
    service,
    words,
)
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

# Edits


async def test_an_edit_of_what_it_waits_for_is_looked_at_at_once(autojump_clock: MockClock) -> None:
    files = {"job": oneshot(), "db": WEB, "web": service(after=["job"])}
    async with open_busy(files) as stage:
        assert message(stage, "web") == "waits for job to be ready"
        stage.directory.write("web", service(after=["db"]))
        await trio.sleep(1)
        assert words(stage)["web"] == "running"
        finish(stage, "job", 0)


async def test_an_edit_of_after_touches_nothing_that_runs(autojump_clock: MockClock) -> None:
    async with open_stage({"job": oneshot(), "web": WEB}) as stage:
        before = stage.state("web")
        stage.directory.write("web", service(after=["job"]))
        await trio.sleep(1)
        after = stage.state("web")
        assert (after.instance, after.pid, after.state) == (before.instance, before.pid, PublicState.RUNNING)
        finish(stage, "web", 1)
        await trio.sleep(5)
        assert message(stage, "web") == "waits for job to be ready"
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage)["web"] == "running"


async def test_what_is_edited_to_require_one_that_is_stopped_stands_down(autojump_clock: MockClock) -> None:
    async with open_stage({"db": WEB, "web": WEB}) as stage:
        operate(stage, Operation.STOP, "db")
        await stage.settle()
        stage.directory.write("web", service(requires=["db"]))
        await stage.settle()
        assert words(stage) == {"db": "stopped", "web": "waiting"}
        stage.directory.write("web", service(after=["db"]))
        await stage.settle()
        assert words(stage) == {"db": "stopped", "web": "running"}


async def test_a_stop_while_it_waits_is_final_and_a_later_start_waits_anew(autojump_clock: MockClock) -> None:
    async with open_busy({"job": oneshot(), "web": service(after=["job"])}) as stage:
        operate(stage, Operation.STOP, "web")
        await trio.sleep(1)
        assert (words(stage)["web"], stage.state("web").waits_for) == ("stopped", ())
        operate(stage, Operation.START, "web")
        await trio.sleep(1)
        operate(stage, Operation.STOP, "web")
        # In one instant with the stop: that its turn has come is on its way.
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "stopped"}
        operate(stage, Operation.RESTART, "job")
        operate(stage, Operation.START, "web")
        await trio.sleep(5)
        assert words(stage) == {"job": "running", "web": "waiting"}
        finish(stage, "job", 0)
        await stage.settle()
        assert words(stage) == {"job": "completed", "web": "running"}


async def test_a_start_that_waits_goes_on_when_the_file_of_what_it_waits_for_is_gone(
    autojump_clock: MockClock,
) -> None:
    async with open_busy({"job": oneshot(), "web": service(after=["job"])}) as stage:
        stage.directory.remove("job")
        await trio.sleep(5)
        assert words(stage) == {"web": "running"}


async def test_nothing_is_started_before_the_first_look_and_after_it_even_if_there_was_nothing_to_see(
    autojump_clock: MockClock,
) -> None:
    stage = Stage({"web": WEB})
    stage.world.delay = 20.0
    async with trio.open_nursery() as nursery:
        await stage.history.recall_pin()
        nursery.start_soon(stage.reconciler.run, nursery)
        await trio.sleep(19)
        assert stage.runtime.calls == []
        await trio.sleep(2)
        assert words(stage) == {"web": "running"}
        nursery.cancel_scope.cancel()


# Ends


async def end_agent(stage: Stage) -> None:
    """As the agent ends with all its containers."""
    stage.reporter.stopping()
    stage.reconciler.stop_all()
    with trio.fail_after(1000):
        while stage.disk.names:  # noqa: ASYNC110 - a folder is no event
            await trio.sleep(0.01)


async def test_the_agents_end_stops_in_reverse(autojump_clock: MockClock) -> None:
    files = {
        "db": WEB,
        "api": service(requires=["db"]),
        "web": service(after=["api"]),
        "ui": service(after=["api"]),
        "aside": WEB,
    }
    async with open_stage(files) as stage:
        await end_agent(stage)
        ended = removed(stage)
        assert sorted(ended) == sorted(files)
        assert [name for name in ended if name != "aside"] in (["ui", "web", "api", "db"], ["web", "ui", "api", "db"])
        assert stage.runtime.containers == {}


async def test_what_hangs_delays_only_what_it_comes_after(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"]), "log": WEB, "cron": service(after=["log"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        began = trio.current_time()
        stage.reconciler.stop_all()
        await trio.sleep(5)
        assert words(stage) == {"db": "running", "web": "stopping"}
        assert message(stage, "db") == "stops once web has ended"
        assert stage.runtime.process_of("db").signals == []
        await end_agent(stage)
        assert trio.current_time() == pytest.approx(began + 10, abs=0.1)


async def test_a_hurry_kills_all_at_once(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "api": service(after=["db"]), "web": service(after=["api"])}

    def deaf(stage: Stage) -> None:
        for name in files:
            stage.runtime.set_program(name, DEAF)

    async with open_stage(files, deaf) as stage:
        stage.reconciler.stop_all()
        await trio.sleep(1)
        began = trio.current_time()
        stage.reconciler.hurry_all()
        await end_agent(stage)
        assert trio.current_time() == pytest.approx(began, abs=0.1)


async def test_a_stop_of_several_goes_in_reverse_over_one_that_stays(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "api": service(after=["db"]), "web": service(after=["api"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP, "web", "db")
        await trio.sleep(5)
        assert words(stage) == {"api": "running", "db": "running", "web": "stopping"}
        await trio.sleep(6)
        assert words(stage) == {"api": "running", "db": "stopped", "web": "stopped"}


async def test_a_stop_is_done_when_what_it_waits_for_and_itself_have_ended(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(requires=["db"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP, "db")
        began = trio.current_time()
        state = await stage.reporter.wait_done("db")
        assert trio.current_time() == pytest.approx(began + 10, abs=0.1)
        assert state is not None
        assert state.state is PublicState.STOPPED
        assert removed(stage) == ["web", "db"]


async def test_one_that_is_to_stop_after_others_is_kept_by_a_start(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        before = stage.state("db")
        operate(stage, Operation.STOP)
        await trio.sleep(1)
        operate(stage, Operation.START, "db")
        await trio.sleep(20)
        assert words(stage) == {"db": "running", "web": "stopped"}
        assert stage.state("db").instance == before.instance
        assert message(stage, "db") == ""


async def test_one_that_ends_by_itself_while_its_stop_waits_is_stopped(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(after=["db"])}
    async with open_stage(files, lambda stage: stage.runtime.set_program("web", DEAF)) as stage:
        operate(stage, Operation.STOP)
        await trio.sleep(1)
        finish(stage, "db", 1)
        await trio.sleep(1)
        assert words(stage) == {"db": "stopped", "web": "stopping"}


async def test_files_that_go_together_stop_in_reverse(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(requires=["db"])}
    async with open_stage(files) as stage:
        stage.directory.remove("db")
        stage.directory.remove("web")
        await trio.sleep(5)
        assert removed(stage) == ["web", "db"]
        assert stage.disk.names == {}


async def test_what_waits_for_each_other_to_end_ends(autojump_clock: MockClock) -> None:
    """Definitions that are valid together never say so; what runs may be of different times."""
    files = {"a": WEB, "b": service(after=["a"]), "c": service(after=["b"])}
    async with open_stage(files) as stage:
        a = stage.reconciler.find("a")
        assert a is not None
        assert a.target is not None
        a.tell(Retune(evolve(a.target, policy=evolve(a.target.policy, after=("b",)))))
        await trio.sleep(0.1)
        await end_agent(stage)
        assert removed(stage)[0] == "c"
        assert sorted(removed(stage)) == ["a", "b", "c"]


async def test_nothing_is_kept_of_names_that_are_gone(autojump_clock: MockClock) -> None:
    files = {"db": WEB, "web": service(requires=["db"]), "bad": "args = 3\n"}
    async with open_stage(files) as stage:
        for name in files:
            stage.directory.remove(name)
        await trio.sleep(5)
        order = stage.reconciler._outside.order
        kept = (order._names, order._outlooks, order._dependents, order._ending, order._held_back)
        assert [len(each) for each in (*kept, order._suspects)] == [0] * 6
