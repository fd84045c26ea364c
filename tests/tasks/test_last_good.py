"""What a broken file runs by, over fakes and in virtual time."""

import pytest
from trio.testing import MockClock

from orchestrator.core.generations import digest_text
from orchestrator.model.action import Target
from orchestrator.model.eventlog import RecordKind
from orchestrator.model.facts import PathKind
from orchestrator.model.generation import Changed
from orchestrator.model.source import Form
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from tests.tasks.helpers_history import (
    BROKEN,
    OTHER,
    THIRD,
    changes_of,
    cwd_of,
    make_before,
    open_after_boot,
    operator_of,
    settle_long,
)
from tests.tasks.helpers_order import naming, words
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next


async def test_a_broken_file_runs_by_its_last_good_definition(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB, "db": WEB}, {"web": OTHER, "db": WEB}, {"web": OTHER, "db": THIRD})
    async with open_after_boot(before, {"web": BROKEN, "db": THIRD}) as stage:
        state = stage.state("web")
        assert (state.state, cwd_of(stage, "web")) == (PublicState.RUNNING, "/srv")
        assert state.edit is not None
        assert (state.edit.generation, state.edit.digest) == (2, digest_text(OTHER))
        assert [problem.line for problem in state.problems] == [3]
        assert stage.lines.count("web: goes by its last good definition, of generation 2") == 1
        (record,) = (each for each in stage.disk.records if each.kind is RecordKind.PROBLEM)
        assert record.message == "goes by its last good definition, of generation 2"
        assert not stage.reporter.healthy
        assert stage.state("db").edit != state.edit
        await settle_long(stage)
        assert stage.generations.writes == 3, "its last good definition stays what it is"
        stage.directory.write("web", THIRD)
        await settle_long(stage)
        assert (cwd_of(stage, "web"), stage.state("web").problems) == ("/tmp", ())
        assert changes_of(stage)[3:] == [Changed(changed=("web",))]


async def test_mended_as_it_was_nothing_is_replaced(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})
    async with open_after_boot(before, {"web": BROKEN}) as stage:
        pids = stage.pids()
        stage.directory.write("web", WEB)
        await stage.settle()
        assert stage.pids() == pids
        edit = stage.state("web").edit
        assert edit is not None
        assert edit.generation is None


@pytest.mark.parametrize("ends", ["before the next agent", "later"])
async def test_what_ends_that_cannot_be_made_again_runs_by_its_last_good_definition(
    autojump_clock: MockClock, ends: str
) -> None:
    """An agent was killed before what it followed was a generation, and what it ran was broken then."""
    async with open_stage({"web": WEB}) as stage:
        await settle_long(stage)
        stage.directory.write("web", OTHER)
        await stage.settle()
        assert cwd_of(stage, "web") == "/srv"
        wreck = Wreck(stage)
    assert len(wreck.generations.generations) == 1
    process = wreck.runtime.process_of("web")
    if ends == "before the next agent":
        process.finish(code=1)
    async with open_next({"web": BROKEN}, wreck) as stage:
        if ends == "later":
            assert cwd_of(stage, "web") == "/srv", "what runs goes on"
            process.finish(code=1)
        await settle_long(stage)
        state = stage.state("web")
        assert (state.state, cwd_of(stage, "web")) == (PublicState.RUNNING, None)
        assert state.edit is not None
        assert (state.edit.generation, len(state.problems)) == (1, 1)
        pids = stage.pids()
        stage.directory.write("web", WEB)
        await settle_long(stage)
        assert (stage.pids(), stage.state("web").problems) == (pids, ())


async def test_what_was_never_good_is_invalid(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})
    async with open_after_boot(before, {"web": WEB, "bad": BROKEN}) as stage:
        assert stage.state("bad").state is PublicState.INVALID


async def test_what_was_removed_before_does_not_come_back(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB, "db": WEB}, {"db": WEB})
    async with open_after_boot(before, {"db": WEB, "web": BROKEN}) as stage:
        assert stage.state("web").state is PublicState.INVALID


async def test_a_last_good_definition_that_is_impossible_now(autojump_clock: MockClock) -> None:
    """And is possible once the host has what it needs."""
    text = f'{WEB}mounts."/data".source = "/srv/data"\n'

    def with_data(stage: Stage) -> None:
        stage.world.paths["/srv/data"] = PathKind.DIRECTORY

    async with open_stage({"web": text}, with_data) as before:
        await settle_long(before)
    async with open_after_boot(before, {"web": BROKEN}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert "/srv/data" in stage.directory.also
        with_data(stage)
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_the_same_text_that_the_host_has_made_impossible_is_invalid(autojump_clock: MockClock) -> None:
    text = f'{WEB}mounts."/data".source = "/srv/data"\n'
    async with open_stage(
        {"web": text}, lambda stage: stage.world.paths.update({"/srv/data": PathKind.DIRECTORY})
    ) as before:
        await settle_long(before)
    async with open_after_boot(before, {"web": text}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert not any("last good" in line for line in stage.lines)


async def test_a_last_good_definition_whose_text_is_damaged(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB, "db": WEB})
    before.generations.damaged.add(digest_text(WEB))
    async with open_after_boot(before, {"web": BROKEN, "db": OTHER}) as stage:
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").state is PublicState.INVALID
        assert stage.state("db").state is PublicState.RUNNING
        assert sum("web cannot run by its last good definition" in line for line in stage.lines) == 1


async def test_an_unreadable_store_leaves_what_is_broken_invalid(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})
    before.generations.fail("list_numbers", "input/output error", times=2)
    async with open_after_boot(before, {"web": BROKEN, "db": WEB}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        assert stage.state("db").state is PublicState.RUNNING
        await settle_long(stage)
        stage.directory.hint()
        await settle_long(stage)
        assert stage.state("web").state is PublicState.RUNNING, "it can be read again"
        assert changes_of(stage)[1:] == [Changed(added=("db",))]


async def test_a_doubled_name_goes_by_its_last_good_definition(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})

    def doubled(stage: Stage) -> None:
        stage.directory.write("web", '{"args": ["/usr/bin/other"], "rootfs": "host"}', Form.JSON)

    async with open_after_boot(before, {"web": OTHER}, doubled) as stage:
        state = stage.state("web")
        assert (state.state, cwd_of(stage, "web"), len(state.problems)) == (PublicState.RUNNING, None, 2)


async def test_one_of_two_files_may_be_its_last_good_definition(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})

    def doubled(stage: Stage) -> None:
        stage.directory.write("web", '{"args": ["/usr/bin/other"], "rootfs": "host"}', Form.JSON)

    async with open_after_boot(before, {"web": WEB}, doubled) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        pids = stage.pids()
        stage.directory.remove("web", Form.JSON)
        await stage.settle()
        assert (stage.pids(), stage.state("web").problems) == (pids, ())


async def test_what_only_others_make_wrong_has_no_other_definition(autojump_clock: MockClock) -> None:
    """Whom it names is gone: what it said before is what it says now."""
    needy = f'{WEB}requires = ["db"]\n'
    before = await make_before({"web": needy, "db": WEB})
    async with open_after_boot(before, {"web": needy}) as stage:
        assert stage.state("web").state is PublicState.INVALID


async def test_what_breaks_while_it_runs_goes_on(autojump_clock: MockClock) -> None:
    async with open_stage({"web": OTHER}) as stage:
        before = stage.pids()
        stage.directory.write("web", BROKEN)
        await settle_long(stage)
        assert stage.pids() == before
        assert stage.state("web").problems
        stage.runtime.process_of("web").finish(code=1)
        await settle_long(stage)
        assert stage.state("web").state is PublicState.RUNNING
        assert cwd_of(stage, "web") == "/srv"
        assert changes_of(stage) == [Changed(added=("web",))]


@pytest.mark.parametrize("operation", [Operation.START, Operation.RESTART])
async def test_an_operator_starts_what_is_broken_by_its_last_good_definition(
    autojump_clock: MockClock, operation: Operation
) -> None:
    async with open_stage({"web": OTHER}) as stage:
        operator = operator_of(stage)
        operator.operate(Operation.STOP, ["web"])
        await stage.settle()
        stage.directory.write("web", BROKEN)
        await stage.settle()
        assert stage.state("web").state is PublicState.STOPPED
        operator.operate(operation, ["web"])
        await stage.settle()
        assert (stage.state("web").state, cwd_of(stage, "web")) == (PublicState.RUNNING, "/srv")
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_what_is_held_and_broken_is_known_by_its_last_good_definition(autojump_clock: MockClock) -> None:
    before = await make_before({"web": OTHER})
    async with open_after_boot(before, {"web": BROKEN}, lambda stage: stage.holds.hold(["web"])) as stage:
        assert (stage.state("web").state, cwd_of(stage, "web")) == (PublicState.STOPPED, "/srv")
        operator_of(stage).operate(Operation.START, ["web"])
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_what_is_kept_is_compiled_once(autojump_clock: MockClock) -> None:
    before = await make_before({"web": WEB})
    async with open_after_boot(before, {"web": BROKEN}) as stage:
        stage.world.asked.clear()
        stage.directory.hint()
        await stage.settle()
        assert stage.world.asked == []
        stage.reconciler.look_again()
        await stage.settle()
        assert stage.world.asked != []


async def test_what_a_bundle_was_made_of(autojump_clock: MockClock) -> None:
    stage = await make_before({"web": WEB}, {"web": OTHER})
    first, second = (stage.generations.generations[number].definitions["web"].bundle for number in (1, 2))

    async def recall(name: str, bundle: str) -> Target | None:
        return (await stage.history.recall({name: bundle}, stage.parser, stage.world)).get(name)

    target = await recall("web", first)
    assert target is not None
    assert target.source is not None
    assert (target.bundle.digest, target.source.text, target.source.generation) == (first, WEB, 1)
    assert await recall("web", "unknown") is None
    assert await recall("db", first) is None
    stage.generations.damaged.add(digest_text(OTHER))
    assert await recall("web", second) is None
    assert "is damaged" in stage.lines[-1]


@pytest.mark.parametrize("word", ["after", "requires"])
async def test_after_a_boot_nothing_waits_for_what_comes_after_it_by_its_last_good_definition(
    autojump_clock: MockClock, word: str
) -> None:
    before = await make_before({"a": naming(word, "b"), "b": WEB})
    async with open_after_boot(before, {"a": BROKEN, "b": naming(word, "a")}) as stage:
        assert words(stage) == {"a": "running", "b": "running"}
        assert [problem.message for problem in stage.state("b").problems] == ["they wait for each other: b → a → b"]
        edit = stage.state("b").edit
        assert edit is not None
        assert edit.generation == 1
        stage.directory.write("a", WEB)
        await stage.settle()
        assert stage.state("b").problems == ()
