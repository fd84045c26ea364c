"""From the directory to the running set, over fakes and virtual time: what an edit does, and what it leaves alone."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.facts import PathKind, PathQuestion, PlaceQuestion
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Form
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, PublicState, Step
from orchestrator.model.store import NIX_STORE
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage
from tests.tasks.helpers_takeover import BOOT, take_stock


async def test_every_definition_runs(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "db": WEB}) as stage:
        assert {name: state.state for name, state in stage.disk.names.items()} == {
            "web": PublicState.RUNNING,
            "db": PublicState.RUNNING,
        }


async def test_a_comment_and_another_order_touch_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        calls = list(stage.runtime.calls)
        stage.directory.write("web", "# better\n" + "\n".join(reversed(WEB.splitlines())))
        await stage.settle()
        assert stage.runtime.calls == calls


async def test_restart_touches_no_process(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        calls = list(stage.runtime.calls)
        stage.directory.write("web", WEB + 'restart = { delay = "7s", on_failure = "stop" }\nstop.timeout = "1s"\n')
        await stage.settle()
        assert stage.runtime.calls == calls
        stage.runtime.process_of("web").finish(code=1)
        await stage.settle()
        assert stage.state("web").state is PublicState.FAILED


async def test_env_replaces_that_container_and_no_other(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "db": WEB}) as stage:
        before = stage.pids()
        bundle = stage.state("web").bundle
        stage.directory.write("web", WEB + 'env.A = "1"\n')
        await stage.settle()
        after = stage.pids()
        assert after["db"] == before["db"]
        assert after["web"] not in (None, before["web"])
        assert stage.state("web").bundle != bundle
        assert bundle not in stage.disk.bundles


async def test_memory_is_a_live_update(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        before = stage.pids()
        stage.directory.write("web", WEB + 'resources.memory = "64M"\n')
        await stage.settle()
        assert stage.pids() == before
        assert stage.disk.instances[str(stage.state("web").instance)].resources.memory == 64 * 2**20


async def test_a_broken_edit_leaves_its_container_until_mended(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        before = stage.pids()
        stage.directory.write("web", WEB + "env = 3\n")
        await stage.settle()
        assert stage.pids() == before
        (problem,) = stage.state("web").problems
        assert (problem.line, problem.path) == (3, "env")
        assert any("web.toml:3:" in line for line in stage.lines)
        stage.directory.write("web", WEB)
        await stage.settle()
        assert stage.pids() == before
        assert stage.state("web").problems == ()
        assert "web: mended" in stage.lines


async def test_a_file_that_was_never_valid(autojump_clock: MockClock) -> None:
    async with open_stage({"web": "nonsense"}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert not stage.reporter.healthy
        stage.directory.write("web", WEB)
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.reporter.healthy


async def test_a_file_that_was_never_valid_goes(autojump_clock: MockClock) -> None:
    async with open_stage({"web": "nonsense"}) as stage:
        stage.directory.remove("web")
        await trio.sleep(2)
        assert stage.disk.names == {}


async def test_a_second_file_for_a_name_leaves_its_container_until_one_is_left(autojump_clock: MockClock) -> None:
    other = '{"args": ["/usr/bin/other"], "rootfs": "host"}'
    async with open_stage({"web": WEB}) as stage:
        before = stage.pids()
        stage.directory.write("web", other, Form.JSON)
        await stage.settle()
        assert stage.pids() == before
        assert [str(problem) for problem in stage.state("web").problems] == [
            'web.json:1:1: a second definition of "web": also in web.toml (remove or rename all but one)',
            'web.toml:1:1: a second definition of "web": also in web.json (remove or rename all but one)',
        ]
        stage.directory.remove("web", Form.JSON)
        await stage.settle()
        assert stage.pids() == before
        assert stage.state("web").problems == ()


async def test_a_deleted_file_stops_its_container_after_the_grace(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "db": WEB}) as stage:
        stage.directory.remove("web")
        await trio.sleep(0.9)
        assert "web" in stage.disk.names
        await trio.sleep(0.5)
        assert set(stage.disk.names) == {"db"}
        assert len(stage.runtime.containers) == 1


async def test_a_file_that_comes_back_within_the_grace_was_only_moved(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        before = stage.pids()
        stage.directory.remove("web")
        await trio.sleep(0.9)
        stage.directory.write("web", WEB)
        await trio.sleep(5)
        assert stage.pids() == before


async def test_a_directory_that_cannot_be_read_says_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        before = stage.pids()
        stage.directory.remove("web")
        stage.directory.break_down("cannot read /c: no such file or directory")
        reads = stage.directory.reads
        await trio.sleep(60)
        assert stage.pids() == before
        assert stage.disk.agent is not None
        assert stage.disk.agent.message == "cannot read /c: no such file or directory"
        assert stage.directory.reads == reads + 1
        stage.directory.break_down(None)
        await trio.sleep(2)
        assert stage.disk.names == {}
        assert stage.disk.agent.message == ""


async def test_what_the_world_lacks_is_looked_for_again(autojump_clock: MockClock) -> None:
    text = WEB + 'mounts."/data".source = "/srv/data"\n'
    async with open_stage({"web": text, "db": WEB}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert stage.directory.also == {"/srv/data", "/etc/passwd", "/etc/group"}
        stage.world.paths["/srv/data"] = PathKind.DIRECTORY
        stage.world.asked.clear()
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.directory.also == frozenset()


async def test_what_is_well_is_not_compiled_again(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.world.asked.clear()
        stage.directory.write("db", WEB + 'env.A = "1"\n')
        await stage.settle()
        asked = len(stage.world.asked)
        stage.directory.hint()
        await stage.settle()
        assert len(stage.world.asked) == asked


async def test_an_operators_word_compiles_all_again(autojump_clock: MockClock) -> None:
    text = WEB + 'user = "web"\n'

    def with_user(stage: Stage) -> None:
        stage.world.texts = {"/etc/passwd": "web:x:7:7::/:/bin/sh\n", "/etc/group": "web:x:7:\n"}

    async with open_stage({"web": text}, with_user) as stage:
        bundle = stage.state("web").bundle
        stage.world.texts = {"/etc/passwd": "web:x:8:8::/:/bin/sh\n", "/etc/group": "web:x:8:\n"}
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").bundle == bundle
        stage.reconciler.look_again()
        await stage.settle()
        assert stage.state("web").bundle not in (None, bundle)


async def test_an_operators_word_during_a_plan_is_not_lost(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.world.delay = 5.0
        stage.directory.write("db", WEB)
        await trio.sleep(1)  # in the midst of that plan
        stage.world.asked.clear()
        stage.reconciler.look_again()
        await trio.sleep(100)
        # Passwd and group for the one that was under way, then for both: what is well is compiled again too.
        assert len(stage.world.asked) == 2 + 4


async def test_an_operators_word_while_the_directory_is_away_is_not_lost(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.directory.break_down("cannot read /c")
        await stage.settle()
        stage.reconciler.look_again()
        await stage.settle()
        stage.world.asked.clear()
        stage.directory.break_down(None)
        await stage.settle()
        assert stage.world.asked


async def test_a_user_that_comes_is_looked_for(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB + 'user = "web"\n'}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert "/etc/passwd" in stage.directory.also


async def test_put_back_broken_while_it_stops(autojump_clock: MockClock) -> None:
    def deaf(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({15})))

    async with open_stage({"web": WEB}, deaf) as stage:
        stage.directory.remove("web")
        await trio.sleep(2)
        assert stage.state("web").state is PublicState.STOPPING
        stage.directory.write("web", "nonsense")
        await trio.sleep(20)
        assert stage.state("web").state is PublicState.INVALID
        assert stage.state("web").problems
        assert not stage.reporter.healthy
        assert stage.runtime.containers == {}


async def test_what_an_earlier_agent_left_half_made_is_ended_before_its_name_starts(autojump_clock: MockClock) -> None:
    stage = Stage({"web": WEB})
    left = InstanceState(
        name="web",
        instance="web-old",
        bundle="old",
        runtime="/r",
        root="/run/runtime",
        folder="/run/instances/web-old",
        rootfs="/x",
        cgroups_path="/elsewhere/web-old",
        log="/l",
        step=Step.CREATED,
        created_at=0,
        resources=Resources(),
        policy=Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop()),
        boot=BOOT,
    )
    orphan = evolve(left, name="gone", instance="gone-old")
    stage.disk.instances |= {state.instance: state for state in (left, orphan)}
    stage.runtime.fail("remove", "device or resource busy", times=3)
    async with trio.open_nursery() as nursery:
        stage.reconciler.take_over((await take_stock(stage)).adopted, nursery)
        await nursery.start(stage.reconciler.run, nursery)
        await trio.sleep(1)
        assert ("create", "web-000") not in stage.runtime.calls
        assert stage.reconciler.bundles_in_use() >= {"old"}
        await trio.sleep(30)
        assert stage.state("web").state is PublicState.RUNNING
        assert set(stage.disk.names) == {"web"}
        removed = [identity for method, identity in stage.runtime.calls if method == "remove"]
        assert set(removed) == {"web-old", "gone-old"}
        assert len(removed) == 5
        nursery.cancel_scope.cancel()


async def test_what_did_not_answer_is_asked_again_when_it_may(autojump_clock: MockClock) -> None:
    text = WEB + 'mounts."/data".source = "/net/data"\n'

    def hang(stage: Stage) -> None:
        stage.world.paths["/net/data"] = PathKind.DENIED
        stage.world.unanswered = frozenset(
            {PathQuestion("/net/data"), PlaceQuestion(NIX_STORE, "/net/data", whole=True)}
        )

    async with open_stage({"web": text}, hang) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage.reconciler.follow_world)
        assert stage.state("web").state is PublicState.INVALID
        assert "/net/data" not in stage.directory.also
        stage.world.paths["/net/data"] = PathKind.DIRECTORY
        stage.world.unanswered = frozenset()
        stage.world.news.set()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING
        nursery.cancel_scope.cancel()


async def test_a_burst_of_hints_is_few_plans(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        reads = stage.directory.reads
        for _ in range(100):
            stage.directory.hint()
            await trio.sleep(0.001)
        assert stage.directory.reads - reads <= 4


async def test_a_name_that_cannot_be_a_containers_is_a_problem_of_the_agent(autojump_clock: MockClock) -> None:
    async with open_stage({"Web Site": WEB, "web": WEB}) as stage:
        assert set(stage.disk.names) == {"web"}
        assert stage.disk.agent is not None
        assert [problem.file for problem in stage.disk.agent.problems] == ["Web Site.toml"]
        assert isinstance(stage.disk.agent.problems[0], Problem)


async def test_stop_all_ends_every_supervision(autojump_clock: MockClock) -> None:
    stage = Stage({"web": WEB, "db": WEB, "bad": "x"})
    async with trio.open_nursery() as supervisions:
        async with trio.open_nursery() as following:
            await following.start(stage.reconciler.run, supervisions)
            await stage.settle()
            following.cancel_scope.cancel()
        stage.reconciler.stop_all()
    assert (stage.disk.names, stage.disk.instances, stage.runtime.containers) == ({}, {}, {})


async def test_ready_is_told_once_all_has_settled(autojump_clock: MockClock) -> None:
    def slow(stage: Stage) -> None:
        stage.runtime.delays["create"] = 20.0

    async with open_stage({"web": WEB}, slow) as stage:
        await stage.reporter.wait_settled()
        assert trio.current_time() >= 20
        stage.reporter.settled()
        assert stage.notifier.told == ["1 running", "READY=1"]
        assert stage.disk.agent is not None
        assert stage.disk.agent.settled


async def test_status_follows_and_rests(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB, "bad": "x"}) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage.reporter.run)
        await trio.sleep(10)
        assert stage.notifier.told == ["1 running, 1 invalid"]
        stage.runtime.process_of("web").finish(code=1)
        await trio.sleep(10)
        assert stage.notifier.told[-1] == "1 running, 1 invalid"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "restart", ['restart = { max_restarts = 2, delay = "100ms" }\n', 'type = "oneshot"\nrestart.on_failure = "stop"\n']
)
async def test_what_cannot_be_made_is_no_failure_of_its_own_and_begins_once_it_can(
    autojump_clock: MockClock, restart: str
) -> None:
    """A full disk: nothing gives up for that."""

    def fill(stage: Stage) -> None:
        stage.disk.fail("store_bundle", times=12)

    async with open_stage({"web": WEB + restart}, fill, settled=False) as stage:
        await trio.sleep(20)
        web = stage.state("web")
        assert web.state is PublicState.BACKOFF
        assert "no space left on device" in web.message
        assert web.restarts == 0
        await trio.sleep(600)
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.state("web").restarts == 0
