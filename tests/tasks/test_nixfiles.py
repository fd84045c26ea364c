"""Definitions that are Nix expressions, built by a nix of the tests: when one is built, and what there is meanwhile."""

import trio
from trio.testing import MockClock

from orchestrator.model.action import Target
from orchestrator.model.facts import StampAnswer
from orchestrator.model.problem import Problem
from orchestrator.model.source import Form
from orchestrator.model.state import PublicState
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

BUILT = '{"args": ["/usr/bin/web"], "rootfs": "host"}'
OTHER = '{"args": ["/usr/bin/other"], "rootfs": "host"}'
FAILS = "error: undefined variable 'foo'"
COMMON = "/etc/orchestrator/common.nix"


def stamp(number: int) -> StampAnswer:
    return StampAnswer(modified_at=0, changed_at=number, size=1, inode=1)


def write(stage: Stage, text: str, name: str = "web") -> None:
    stage.directory.write(name, text, Form.NIX)


def prepare(stage: Stage) -> None:
    write(stage, BUILT)
    stage.nix.imports = (COMMON,)
    stage.world.stamps |= {"web.nix": stamp(1), COMMON: stamp(1)}
    stage.nix.began = 2


async def test_it_runs_as_it_is_built_and_is_built_once(autojump_clock: MockClock) -> None:
    async with open_stage({"other": WEB}, prepare) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.state("web").message == ""
        assert {COMMON, "web.nix"} <= stage.directory.contents
        stage.directory.hint()
        await stage.settle()
        assert stage.nix.built == ["web"]


async def test_an_edit_of_what_it_imports_is_built_and_changes_what_it_changes(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        pid = stage.pids()["web"]
        stage.world.stamps[COMMON] = stamp(5)
        stage.nix.began = 6
        stage.directory.hint()
        await stage.settle()
        assert (stage.nix.built, stage.pids()["web"]) == (["web", "web"], pid)
        write(stage, OTHER)
        await stage.settle()
        assert stage.pids()["web"] not in (pid, None)


async def test_while_it_is_built_the_first_time_it_is_told_to_be(autojump_clock: MockClock) -> None:
    def wait(stage: Stage) -> None:
        prepare(stage)
        stage.nix.may_end = trio.Event()

    async with open_stage({"other": WEB}, wait, settled=False) as stage:
        await trio.sleep(1)
        web = stage.state("web")
        assert (web.state, web.message) == (PublicState.BUILDING, "nix evaluates it")
        assert stage.state("other").state is PublicState.RUNNING
        assert not stage.reporter.agent.settled
        stage.nix.may_end.set()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_while_it_is_built_again_what_it_was_built_to_goes_on(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        pid = stage.pids()["web"]
        stage.nix.may_end = trio.Event()
        write(stage, OTHER)
        await trio.sleep(1)
        web = stage.state("web")
        assert (web.state, web.message, web.pid) == (PublicState.RUNNING, "nix evaluates it", pid)
        edit = web.edit
        write(stage, FAILS)  # the build under way is of no use any more
        await trio.sleep(1)
        assert stage.nix.cancelled == ["web"]
        stage.nix.may_end.set()
        await stage.settle()
        web = stage.state("web")
        assert (web.pid, web.edit, web.message) == (pid, edit, "")
        assert web.problems == (Problem("web.nix", 2, 3, "", FAILS),)


async def test_a_failed_build_is_tried_again_when_a_file_changes_and_when_an_operator_says_so(
    autojump_clock: MockClock,
) -> None:
    async with open_stage({}, prepare) as stage:
        write(stage, FAILS)
        await stage.settle()
        stage.directory.hint()
        await stage.settle()
        assert stage.nix.built == ["web", "web"]
        stage.world.stamps[COMMON], stage.nix.began = stamp(7), 8
        stage.directory.hint()
        await stage.settle()
        assert len(stage.nix.built) == 3
        stage.reconciler.look_again()
        await stage.settle()
        assert len(stage.nix.built) == 4


async def test_what_was_written_while_it_was_read_is_read_again_a_few_times(autojump_clock: MockClock) -> None:
    def prepare_late(stage: Stage) -> None:
        prepare(stage)
        stage.world.stamps[COMMON] = stamp(10)  # always newer than the beginning of the build

    async with open_stage({}, prepare_late) as stage:
        await trio.sleep(10)
        assert stage.nix.built == ["web"] * 3
        assert stage.state("web").state is PublicState.RUNNING


async def test_a_mistake_in_it_is_placed_where_nix_has_the_key_from(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        write(stage, '{"args": ["/usr/bin/web"], "rootfs": "host", "umask": 5}')
        await stage.settle()
        (problem,) = stage.state("web").problems
        assert (problem.file, problem.line, problem.path) == ("web.nix", 12, "umask")
        assert stage.nix.places_asked[0][:3] == (("args",), ("rootfs",), ("umask",))
        stage.directory.hint()
        await stage.settle()
        assert len(stage.nix.places_asked) == 1


async def test_what_is_gone_is_built_no_more_and_forgotten(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        stage.nix.may_end = trio.Event()
        write(stage, OTHER)
        await trio.sleep(0.5)
        stage.directory.remove("web", Form.NIX)
        await trio.sleep(3)
        assert stage.nix.cancelled == ["web"]
        assert stage.nix.forgotten == ["web"]
        assert "web" not in stage.disk.names


async def test_a_next_agent_says_nothing_of_what_runs_before_it_is_built(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        pid = stage.pids()["web"]
        await trio.sleep(5)
        left = Wreck(stage)

    def wait(stage: Stage) -> None:
        prepare(stage)
        stage.nix.may_end = trio.Event()

    async with open_next({}, left, wait) as stage:
        await trio.sleep(100)
        assert (stage.state("web").pid, stage.state("web").message) == (pid, "nix evaluates it")
        stage.nix.may_end.set()
        await stage.settle()
        assert (stage.state("web").pid, stage.state("web").message) == (pid, "")
        write(stage, OTHER)
        await stage.settle()
        assert stage.pids()["web"] not in (pid, None)


async def test_a_generation_keeps_what_it_was_built_to(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        await trio.sleep(5)
        (number,) = stage.generations.list_numbers()
        accepted = stage.generations.read(number).definitions["web"]
        assert (accepted.form, stage.generations.read_text(accepted.digest)) == (Form.JSON, BUILT)
        write(stage, OTHER)
        await trio.sleep(5)
        built = list(stage.nix.built)
        await stage.history.roll_back(number, stage.parser, stage.world)
        stage.reconciler.follow_again()
        await stage.settle()
        assert stage.nix.built == built
        target = stage.reconciler.wanted("web")
        assert isinstance(target, Target)
        assert target.bundle.config["process"]["args"] == ["/usr/bin/web"]


async def test_a_build_that_ends_while_its_files_are_asked_about_is_seen_at_the_next_look(
    autojump_clock: MockClock,
) -> None:
    """What it was made from is another then, and nothing was asked of it."""

    def slowly(stage: Stage) -> None:
        prepare(stage)
        stage.world.delay = 2.0
        stage.nix.imports = ()

    async with open_stage({"other": WEB}, slowly) as stage:
        stage.nix.may_end = trio.Event()
        write(stage, OTHER)
        await trio.sleep(5)
        stage.directory.hint()
        await trio.sleep(1)
        stage.nix.imports = (COMMON,)
        stage.nix.may_end.set()
        await trio.sleep(60)
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.nix.built == ["web", "web"]


async def test_a_file_that_was_written_long_ago_and_put_in_place_during_a_build_is_read_again(
    autojump_clock: MockClock,
) -> None:
    async with open_stage({}, prepare) as stage:
        stage.nix.may_end = trio.Event()
        write(stage, OTHER)
        await trio.sleep(1)
        stage.world.stamps[COMMON] = StampAnswer(modified_at=0, changed_at=1, size=1, inode=7)
        stage.nix.may_end.set()
        await trio.sleep(5)
        assert stage.nix.built == ["web", "web", "web"]


async def test_after_a_boot_it_runs_by_its_last_good_definition_until_it_is_built(autojump_clock: MockClock) -> None:
    async with open_stage({}, prepare) as stage:
        await trio.sleep(5)
        left = Wreck(stage)
    left.disk.instances.clear()
    left.disk.names.clear()
    left.runtime.containers.clear()

    def wait(stage: Stage) -> None:
        prepare(stage)
        stage.nix.may_end = trio.Event()

    async with open_next({}, left, wait) as stage:
        await trio.sleep(100)
        web = stage.state("web")
        assert (web.state, web.message) == (PublicState.RUNNING, "nix evaluates it")
        stage.nix.may_end.set()
        await stage.settle()
        assert (stage.state("web").pid, stage.state("web").message) == (web.pid, "")
