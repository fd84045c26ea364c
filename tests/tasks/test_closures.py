"""Links into a Nix store: what runs follows where they lead, goes on where they do not answer, and is gone back to as
it was."""

import trio
import trio.lowlevel
from attrs import evolve
from trio.testing import MockClock

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.facts import ClosureQuestion, DigestAnswer, PathKind, PlaceQuestion
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source
from orchestrator.model.state import PublicState
from orchestrator.model.store import NIX_STORE, StoreLink
from orchestrator.ports import Part
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.tasks.gather import Asked, gather_facts
from orchestrator.testing.directory import FakeWorld
from orchestrator.testing.nix import FakePath
from tests.tasks.helpers_history import open_after_boot, operator_of, roll_back, settle_long
from tests.tasks.helpers_reconcile import PASSWD, WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import open_next

OLD, NEW = f"{'0' * 32}-web-1", f"{'1' * 32}-web-2"
LINK = "/opt/web"
WORD = PlaceQuestion(NIX_STORE, f"{LINK}/bin/web")
LINKED = f'args = ["{LINK}/bin/web"]\n'
PACKAGE = f'args = ["web"]\npackages = ["{LINK}"]\n'
FIXED = f'args = ["/nix/store/{OLD}/bin/web"]\n'


def give_store(world: FakeWorld) -> None:
    """Two versions in the store, and the links lead to the first."""
    world.texts |= PASSWD
    world.nix.paths |= {OLD: FakePath(programs=("web",)), NEW: FakePath(programs=("web",))}
    world.paths |= {f"/nix/store/{name}": PathKind.DIRECTORY for name in (OLD, NEW)}
    lead_to(world, OLD)


def lead_to(world: FakeWorld, name: str) -> None:
    world.places |= {LINK: f"/nix/store/{name}", WORD.path: f"/nix/store/{name}/bin/web"}
    world.paths[LINK] = PathKind.DIRECTORY


def with_store(stage: Stage) -> None:
    give_store(stage.world)


async def follow(stage: Stage, name: str) -> None:
    """The links lead to this one now, and a watch says so."""
    lead_to(stage.world, name)
    stage.directory.hint()
    await settle_long(stage)


def program_of(stage: Stage, name: str = "web") -> str:
    """What the container runs, of its newest instance."""
    config = stage.runtime.containers[stage.state(name).instance or ""].instance.bundle.config
    args: list[str] = config["process"]["args"]
    return args[0]


class Bench:
    """Compiles one definition again and again."""

    def __init__(self, text: str = LINKED) -> None:
        self.world = FakeWorld()
        give_store(self.world)
        self.source = Source("web", "web.toml", text)
        self.compiled: dict[str, Compiled] = {}

    async def compile(self) -> Compiled:
        self.world.asked.clear()
        parser = Parser(Registry())
        self.compiled = await compile_sources([self.source], self.compiled, parser, self.world)
        return self.compiled["web"]

    async def target(self) -> Target:
        result = (await self.compile()).result
        assert isinstance(result, Target), result
        return result


async def test_a_link_that_leads_elsewhere_makes_it_another() -> None:
    bench = Bench()
    before = await bench.target()
    assert bench.compiled["web"].depends == {WORD.path}
    assert before.bundle.store is not None
    assert before.bundle.store.links == (StoreLink(WORD.path, f"/nix/store/{OLD}/bin/web"),)
    lead_to(bench.world, NEW)
    after = await bench.target()
    assert after.bundle.digest != before.bundle.digest
    assert after.bundle.config["process"]["args"] == [f"/nix/store/{NEW}/bin/web"]
    assert (before.fields[f"host:{WORD.path}"], after.fields[f"host:{WORD.path}"]) == (
        f"/nix/store/{OLD}/bin/web",
        f"/nix/store/{NEW}/bin/web",
    )


async def test_the_same_place_is_the_same_and_asks_for_no_closure() -> None:
    bench = Bench()
    before = await bench.compile()
    again = await bench.compile()
    assert again.result is before.result
    assert bench.world.asked == [WORD]


async def test_a_store_path_that_is_written_out_is_asked_for_once() -> None:
    bench = Bench(FIXED)
    before = await bench.compile()
    assert before.depends == frozenset()
    assert (await bench.compile()).result is before.result
    assert bench.world.asked == []


async def test_the_closure_is_asked_for_when_it_is_known_where_links_lead() -> None:
    bench = Bench(PACKAGE)
    await bench.compile()
    (closure,) = (each for each in bench.world.asked if isinstance(each, ClosureQuestion))
    assert closure == ClosureQuestion(NIX_STORE, (f"/nix/store/{OLD}",), (f"/nix/store/{OLD}",))
    assert bench.world.asked[-1] == closure


async def test_a_link_that_does_not_answer_is_taken_to_lead_where_it_led() -> None:
    bench = Bench()
    before = await bench.compile()
    bench.world.unanswered = frozenset({WORD})
    silent = await bench.compile()
    assert silent.result is before.result
    assert silent.depends == frozenset(), "to watch it would be to hang"
    bench.world.unanswered = frozenset()
    lead_to(bench.world, NEW)
    assert (await bench.compile()).result != before.result


async def test_a_link_that_has_never_answered_is_a_problem_until_it_does() -> None:
    bench = Bench()
    bench.world.unanswered = frozenset({WORD})
    broken = await bench.compile()
    assert isinstance(broken.result, Broken)
    (problem,) = broken.result.problems
    assert (problem.line, problem.message) == (1, f'cannot look where "{WORD.path}" leads: it does not answer')
    assert WORD.path not in broken.awaits | broken.depends
    bench.world.unanswered = frozenset()
    assert isinstance((await bench.compile()).result, Target)


async def test_what_is_missing_is_waited_for() -> None:
    bench = Bench()
    del bench.world.nix.paths[OLD]
    broken = await bench.compile()
    assert isinstance(broken.result, Broken)
    assert broken.depends >= {WORD.path, f"/nix/store/{OLD}", "/nix/var/nix/db/db.sqlite"}
    bench.world.nix.paths[OLD] = FakePath()
    assert isinstance((await bench.compile()).result, Target)
    bench = Bench(PACKAGE)
    bench.world.places.clear()
    missing = await bench.compile()
    assert isinstance(missing.result, Broken)
    assert LINK in missing.awaits
    lead_to(bench.world, OLD)
    assert isinstance((await bench.compile()).result, Target)


async def test_the_store_that_cannot_be_asked_is_a_problem_and_no_crash() -> None:
    bench = Bench()
    bench.world.nix.trouble = "there is no nix-store"
    broken = await bench.compile()
    assert isinstance(broken.result, Broken)
    assert "there is no nix-store" in broken.result.problems[0].message


async def test_links_that_were_kept_are_not_asked_again() -> None:
    bench = Bench()
    before = await bench.target()
    assert before.bundle.store is not None
    lead_to(bench.world, NEW)
    bench.source, bench.compiled = evolve(bench.source, links=before.bundle.store.links, generation=1), {}
    kept = await bench.compile()
    assert isinstance(kept.result, Target)
    assert kept.result.bundle.digest == before.bundle.digest
    assert WORD not in bench.world.asked
    assert (kept.depends, kept.answers) == (frozenset(), {})
    del bench.world.places[WORD.path]
    assert (await bench.compile()).result is kept.result


async def test_what_one_keeps_is_no_answer_for_another() -> None:
    world = FakeWorld()
    give_store(world)
    lead_to(world, NEW)
    definition = Parser(Registry()).parse(Source("web", "web.toml", LINKED))
    assert not isinstance(definition, tuple)
    kept = Asked(definition, (StoreLink(WORD.path, f"/nix/store/{OLD}/bin/web"),))
    gathered = await gather_facts({"live": Asked(definition), "kept": kept}, world)
    assert gathered.facts_of("live").places[WORD] == f"/nix/store/{NEW}/bin/web"
    assert gathered.facts_of("kept").places[WORD] == f"/nix/store/{OLD}/bin/web"
    paths = {question.paths for question in gathered.facts.closures}
    assert paths == {(f"/nix/store/{OLD}",), (f"/nix/store/{NEW}",)}
    assert WORD in gathered.questions["live"]
    assert WORD not in gathered.questions["kept"]


async def test_a_profile_switch_replaces_and_what_is_fixed_goes_on(autojump_clock: MockClock) -> None:
    files = {"web": LINKED, "package": PACKAGE, "fixed": FIXED, "db": WEB}
    async with open_stage(files, with_store) as stage:
        assert stage.directory.contents == {LINK, WORD.path}
        before = stage.pids()
        assert None not in before.values()
        stage.directory.hint()
        await stage.settle()
        assert stage.pids() == before
        await follow(stage, NEW)
        after = stage.pids()
        assert {name for name in files if after[name] != before[name]} == {"web", "package"}
        assert None not in after.values()
        assert program_of(stage) == f"/nix/store/{NEW}/bin/web"
        assert stage.state("web").store_links == (StoreLink(WORD.path, f"/nix/store/{NEW}/bin/web"),)
        assert stage.state("fixed").store_links == ()


async def test_what_runs_goes_on_where_a_link_does_not_answer(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        before = stage.pids()
        stage.world.unanswered = frozenset({WORD})
        stage.directory.hint()
        await stage.settle()
        assert stage.pids() == before
        stage.directory.write("web", LINKED + 'env.A = "b"\n')
        await stage.settle()
        assert stage.pids() == before
        (problem,) = stage.state("web").problems
        assert "does not answer" in problem.message
        stage.world.unanswered = frozenset()
        stage.world.news.set()
        stage.reconciler.follow_again()
        await stage.settle()
        assert stage.state("web").problems == ()
        assert stage.pids() != before


async def test_what_runs_goes_on_where_a_link_leads_to_what_is_not_valid(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        before = stage.pids()
        del stage.world.nix.paths[NEW]
        await follow(stage, NEW)
        assert stage.pids() == before
        assert stage.state("web").state is PublicState.RUNNING
        assert len(stage.state("web").problems) == 1
        stage.world.nix.paths[NEW] = FakePath()
        stage.directory.hint()
        await stage.settle()
        assert program_of(stage) == f"/nix/store/{NEW}/bin/web"


async def test_what_runs_goes_on_where_a_link_is_gone(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        before = stage.pids()
        del stage.world.places[WORD.path]
        stage.directory.hint()
        await stage.settle()
        assert stage.pids() == before
        assert len(stage.state("web").problems) == 1


async def test_a_generation_is_gone_back_to_with_the_links_as_they_were(autojump_clock: MockClock) -> None:
    files = {"web": LINKED, "package": PACKAGE}
    async with open_stage(files, with_store) as stage:
        await settle_long(stage)
        first = {name: stage.state(name).bundle for name in files}
        await follow(stage, NEW)
        second = {name: stage.state(name).bundle for name in files}
        assert set(first.values()) & set(second.values()) == set()
        newest = stage.generations.generations[2].definitions["web"]
        assert newest.links == (StoreLink(WORD.path, f"/nix/store/{NEW}/bin/web"),)
        assert stage.generations.generations[2].head.changed.changed == ("package", "web")
        await roll_back(stage, 1)
        assert {name: stage.state(name).bundle for name in files} == first
        assert program_of(stage) == f"/nix/store/{OLD}/bin/web"
        # Whatever the link does, the pin holds.
        del stage.world.places[WORD.path]
        stage.directory.hint()
        await stage.settle()
        assert {name: stage.state(name).bundle for name in files} == first
        lead_to(stage.world, NEW)
        await operator_of(stage).resume()
        await stage.settle()
        assert {name: stage.state(name).bundle for name in files} == second


async def test_a_mounted_link_is_gone_back_to_as_it_was(autojump_clock: MockClock) -> None:
    text = f'args = ["/nix/store/{OLD}/bin/web"]\nmounts."/x" = {{ source = "{LINK}" }}\n'
    async with open_stage({"web": text}, with_store) as stage:
        await settle_long(stage)
        first = stage.state("web").bundle
        await follow(stage, NEW)
        assert stage.state("web").bundle != first
        await roll_back(stage, 1)
        assert stage.state("web").bundle == first


async def test_a_pin_holds_over_a_boot(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        await settle_long(stage)
        first = stage.state("web").bundle
        await follow(stage, NEW)
        await roll_back(stage, 1)

    def with_new(later: Stage) -> None:
        give_store(later.world)
        lead_to(later.world, NEW)

    async with open_after_boot(stage, {"web": LINKED}, with_new) as later:
        await later.settle()
        assert later.state("web").bundle == first


async def test_a_broken_edit_goes_by_the_links_of_the_last_good_one_after_a_boot(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        await settle_long(stage)
        first = stage.state("web").bundle

    def with_new(later: Stage) -> None:
        give_store(later.world)
        lead_to(later.world, NEW)

    async with open_after_boot(stage, {"web": LINKED + "env = 3\n"}, with_new) as later:
        await later.settle()
        assert later.state("web").bundle == first
        assert len(later.state("web").problems) == 1


async def test_a_link_to_what_is_not_valid_runs_by_the_last_good_one_after_a_boot(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        await settle_long(stage)
        first = stage.state("web").bundle

    def with_broken_link(later: Stage) -> None:
        give_store(later.world)
        lead_to(later.world, NEW)
        del later.world.nix.paths[NEW]

    async with open_after_boot(stage, {"web": LINKED}, with_broken_link) as later:
        await later.settle()
        assert later.state("web").bundle == first


async def test_the_next_agent_knows_what_runs_though_the_link_has_moved_on(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        await settle_long(stage)
        before = stage.pids()
        assert before["web"] is not None
    left = Wreck(stage)
    async with open_stage({"web": LINKED}, with_store, left) as later:
        await settle_long(later)
        assert later.generations.writes == 1
        assert later.state("web").store_links == stage.state("web").store_links


async def test_what_a_generation_has_is_kept_from_the_collector_before_it_is_written(
    autojump_clock: MockClock,
) -> None:
    async with open_stage({"web": LINKED, "db": WEB}, with_store) as stage:
        stage.disk.calls.clear()  # what starts is kept by itself
        stage.generations.fail("write")
        await settle_long(stage)
        assert [bundle.digest for bundle in kept_by(stage)] == [stage.state("web").bundle]
        assert stage.generations.generations == {}


async def test_what_cannot_be_kept_is_written_all_the_same(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        stage.disk.calls.clear()
        stage.disk.fail("keep_store_paths", "not valid any more")
        await settle_long(stage)
        assert kept_by(stage) == []
        assert list(stage.generations.generations) == [1]


def kept_by(stage: Stage) -> list[Bundle]:
    """The bundles whose store paths generations have kept."""
    return [given for method, given in stage.disk.calls if method == "keep_store_paths" and isinstance(given, Bundle)]


async def test_it_is_shown_as_it_was_made(autojump_clock: MockClock) -> None:
    async with open_stage({"web": LINKED}, with_store) as stage:
        await settle_long(stage)
        await follow(stage, NEW)
        await roll_back(stage, 1)
        shown = await operator_of(stage).show("web", Part.SPEC)
        assert shown["args"] == [f"/nix/store/{OLD}/bin/web"]
        await trio.lowlevel.checkpoint()


async def test_a_link_that_leads_nowhere_any_more_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    """Not of the program: inside, the word by itself would be another file."""
    text = f'args = ["/nix/store/{OLD}/bin/web", "--data={LINK}"]\n'
    async with open_stage({"web": text}, with_store) as stage:
        before = stage.state("web")
        del stage.world.places[LINK]
        stage.directory.hint()
        await settle_long(stage)
        (problem,) = stage.state("web").problems
        assert problem.path == "args[1]"
        assert f"it led to /nix/store/{OLD}" in problem.message
        assert stage.state("web").pid == before.pid
        stage.directory.hint()
        await settle_long(stage)
        assert stage.state("web").pid == before.pid, "it is not forgotten by a second look"
        lead_to(stage.world, OLD)
        stage.directory.hint()
        await settle_long(stage)
        assert (stage.state("web").pid, stage.state("web").problems) == (before.pid, ())
        stage.directory.write("web", f'args = ["/nix/store/{OLD}/bin/web"]\n')
        await settle_long(stage)
        assert stage.state("web").pid != before.pid


async def test_neither_an_edit_nor_a_next_agent_forgets_where_a_link_led(autojump_clock: MockClock) -> None:
    text = f'args = ["/nix/store/{OLD}/bin/web", "--data={LINK}"]\n'
    async with open_stage({"web": text}, with_store) as stage:
        before = stage.state("web")
        del stage.world.places[LINK]
        stage.directory.write("web", text + "# a comment\n")
        await settle_long(stage)
        assert (stage.state("web").pid, len(stage.state("web").problems)) == (before.pid, 1)
        left = Wreck(stage)

    def without_link(later: Stage) -> None:
        give_store(later.world)
        del later.world.places[LINK]

    async with open_next({"web": text}, left, without_link) as later:
        await settle_long(later)
        assert (later.state("web").pid, len(later.state("web").problems)) == (before.pid, 1)


async def test_a_link_that_appears_later_is_watched_for(autojump_clock: MockClock) -> None:
    text = f'args = ["/nix/store/{OLD}/bin/web", "--data=/opt/later"]\n'
    async with open_stage({"web": text}, with_store) as stage:
        before = stage.state("web")
        assert "/opt/later" in stage.directory.also
        stage.world.places["/opt/later"] = f"/nix/store/{NEW}"
        stage.directory.hint()
        await settle_long(stage)
        assert stage.state("web").pid not in (before.pid, None)
        assert "/opt/later" in stage.directory.contents


SITE = """args = ["/usr/bin/web"]
rootfs = "host"
env_files = ["/opt/env"]
mounts."/srv".source = "/opt/web"
"""


async def test_what_another_root_mounts_and_reads_of_the_store_is_kept_and_followed(autojump_clock: MockClock) -> None:
    def with_site(stage: Stage) -> None:
        with_store(stage)
        stage.world.digests["/opt/env"] = DigestAnswer("one")
        stage.world.places["/opt/env"] = f"/nix/store/{NEW}"

    async with open_stage({"web": SITE}, with_site) as stage:
        target = stage.reconciler.wanted("web")
        assert target is not None
        assert target.bundle.store is not None
        assert target.bundle.store.paths == tuple(sorted(f"/nix/store/{name}" for name in (OLD, NEW)))
        before = stage.pids()["web"]
        await follow(stage, NEW)
        assert stage.pids()["web"] not in (before, None)
        target = stage.reconciler.wanted("web")
        assert target is not None
        assert target.bundle.store is not None
        assert target.bundle.store.paths == (f"/nix/store/{NEW}",)


async def test_what_is_mounted_and_not_valid_in_the_store_is_mounted_all_the_same(autojump_clock: MockClock) -> None:
    """It is there; who keeps it is not known."""

    def with_site(stage: Stage) -> None:
        with_store(stage)
        del stage.world.nix.paths[OLD]

    async with open_stage({"web": SITE.replace('env_files = ["/opt/env"]\n', "")}, with_site) as stage:
        assert stage.state("web").state is PublicState.RUNNING
        target = stage.reconciler.wanted("web")
        assert target is not None
        assert target.bundle.store is None
