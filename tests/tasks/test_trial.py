"""An edit whose new instance does not become ready: what ran before comes back, and nothing is tried for ever."""

from attrs import evolve
from trio.testing import MockClock

from orchestrator.core.lifecycle import Event, Happening
from orchestrator.model.action import Keep, Replace, Retune, Start
from orchestrator.model.life import Exit
from orchestrator.model.policy import OnFailedUpdate, Ready
from orchestrator.model.state import PublicState
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_supervise import POLICY, Stage, make_target, open_stage

ROLLS_BACK = evolve(POLICY, on_failed_update=OnFailedUpdate.ROLLBACK)
SLOW = evolve(ROLLS_BACK, ready=Ready.NOTIFY, start_timeout=30.0)
GOOD = make_target("good", policy=ROLLS_BACK)


async def start_good(stage: Stage) -> None:
    stage.web.tell(Start(GOOD))
    await stage.reach(PublicState.RUNNING)


async def test_an_instance_that_ends_before_it_is_ready_is_rolled_back(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await start_good(stage)
        stage.runtime.set_program("web", FakeProgram(exits=1))
        new = make_target("new", policy=SLOW)
        stage.web.tell(Replace(new))
        await stage.until(lambda: len(stage.runtime.calls) >= 5)
        stage.runtime.set_program("web", FakeProgram())
        await stage.until(lambda: stage.state.bundle == "good" and stage.state.state is PublicState.RUNNING)
        assert stage.state.message == "rolled back: exited with code 1"
        assert stage.state.ready
        assert stage.web.target == new, "the directory says what it says: no other plan follows from it"
        assert [method for method in stage.methods() if method == "create"] == ["create"] * 3
        standing = stage.state.standing
        assert standing is not None
        assert standing.bundle == "good"
        assert standing.refusal is not None
        assert standing.refusal.bundle == "new"


async def test_what_cannot_be_started_is_rolled_back(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await start_good(stage)
        stage.runtime.fail("create", "no such program")
        stage.web.tell(Replace(make_target("new", policy=ROLLS_BACK)))
        await stage.until(lambda: "rolled back" in stage.state.message and stage.state.state is PublicState.RUNNING)
        assert stage.state.bundle == "good"
        assert "no such program" in stage.state.message


async def test_what_is_not_ready_in_time_is_rolled_back(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await start_good(stage)
        stage.web.tell(Replace(make_target("new", policy=SLOW)))
        await stage.reach_bundle("new")
        await stage.until(lambda: stage.state.bundle == "good" and stage.state.state is PublicState.RUNNING)
        assert stage.state.message == "rolled back: it was not ready 30 s after its start"


async def test_what_was_ready_once_is_not_rolled_back(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await start_good(stage)
        stage.web.tell(Replace(make_target("new", policy=SLOW)))
        await stage.until(lambda: stage.state.bundle == "new" and stage.state.state is PublicState.RUNNING)
        stage.web._mailbox.send.send_nowait(Happening(event=Event.READY))
        await stage.until(lambda: stage.state.ready)
        stage.runtime.process_of("web").finish(code=1)
        await stage.reach(PublicState.BACKOFF)
        assert stage.state.message == "exited with code 1"
        await stage.reach(PublicState.RUNNING)
        assert stage.state.bundle == "new"


async def test_a_definition_that_says_retry_is_tried_again(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await start_good(stage)
        stage.runtime.fail("create", "no such program", times=3)
        stage.web.tell(Replace(make_target("new")))
        await stage.until(lambda: stage.state.bundle == "new" and stage.state.state is PublicState.RUNNING)
        assert stage.state.restarts == 3


async def test_the_first_of_all_is_tried_again_since_there_is_nothing_to_go_back_to(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.runtime.fail("create", "no such program")
        stage.web.tell(Start(GOOD))
        await stage.reach(PublicState.BACKOFF)
        await stage.reach(PublicState.RUNNING)
        assert stage.state.bundle == "good"


async def roll_back(stage: Stage, failures: int = 1) -> None:
    await start_good(stage)
    stage.runtime.fail("create", "no such program", times=failures)
    stage.web.tell(Replace(make_target("new", policy=ROLLS_BACK)))
    await stage.until(lambda: "rolled back" in stage.state.message and stage.state.state is PublicState.RUNNING)


async def test_the_same_text_once_more_is_no_news_and_a_further_edit_is_another_trial(
    autojump_clock: MockClock,
) -> None:
    async with open_stage() as stage:
        await roll_back(stage)
        before = stage.state.instance
        stage.web.tell(Keep(make_target("new", policy=ROLLS_BACK)))
        stage.web.tell(Keep(make_target("new", policy=ROLLS_BACK)))
        await stage.until(lambda: not stage.report.unsettled)
        assert (stage.state.instance, stage.state.bundle) == (before, "good")
        stage.web.tell(Retune(make_target("new", policy=evolve(ROLLS_BACK, start_timeout=60.0))))
        await stage.until(lambda: stage.state.bundle == "new" and stage.state.state is PublicState.RUNNING)
        assert stage.state.message == ""
        assert stage.state.standing is not None
        assert stage.state.standing.refusal is None


async def test_the_edit_taken_back_is_what_runs_already(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await roll_back(stage)
        before = stage.state.instance
        stage.web.tell(Replace(GOOD))
        await stage.until(lambda: stage.state.message == "")
        assert stage.state.instance == before


async def test_what_came_back_is_restarted_as_anything_else(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        await roll_back(stage)
        stage.runtime.process_of("web").finish(code=1)
        await stage.reach(PublicState.BACKOFF)
        await stage.reach(PublicState.RUNNING)
        assert stage.state.bundle == "good"
        assert stage.state.last_exit == Exit(code=1, at=stage.state.last_exit.at if stage.state.last_exit else 0)
