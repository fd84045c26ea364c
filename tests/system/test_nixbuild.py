"""Builds by a real nix: which files and links a definition is made from, what is read of a long log, and that nothing
is left of a build that is called off."""

import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from orchestrator.model.facts import PlaceQuestion, StampQuestion
from orchestrator.model.source import Form, Source
from orchestrator.ports.nix import NixResult
from orchestrator.system import nixbuild
from orchestrator.system.facts import answer_question
from orchestrator.system.nixbuild import HostNix
from orchestrator.system.reaper import Children, become_subreaper, list_children, reap_orphans
from orchestrator.system.spawn import CommandResult, run_command
from tests.nix.private_store import PrivateStore, make_private_store
from tests.system.helpers_store import store_of


@pytest.fixture(scope="module")
def nix(tmp_path_factory: pytest.TempPathFactory) -> PrivateStore:
    return make_private_store(tmp_path_factory.mktemp("nix") / "nix")


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    """With a reaper at work; all children of the test are gone at its end."""
    become_subreaper()
    children = Children()
    before = set(list_children())
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        yield children
        assert set(list_children()) <= before
        nursery.cancel_scope.cancel()


class Builder:
    """One definition, ``web.nix`` in a folder of its own, and how it is built."""

    def __init__(self, nix: PrivateStore, children: Children, folder: Path) -> None:
        self.store = store_of(nix)
        self.config = folder / "config"
        self.config.mkdir()
        self.log = folder / "builds/web.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        environ = nix.environment | {"PATH": os.environ["PATH"], "TMPDIR": str(self.temporary)}
        self.builder = HostNix(self.store, children, environ, str(folder / "builds"))

    def write(self, name: str, text: str) -> Path:
        path = self.config / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    async def build(self, text: str | None = None) -> NixResult:
        file = self.config / "web.nix"
        if text is not None:
            file.write_text(text)
        source = Source("web", str(file), file.read_text(), form=Form.NIX)
        return await self.builder.build(source, lambda progress: None)


@pytest.fixture
def builder(nix: PrivateStore, children: Children, tmp_path: Path) -> Builder:
    return Builder(nix, children, tmp_path)


def derive(script: str) -> str:
    """A definition with a derivation of lines of the shell that say nothing of quotes."""
    words = f'name = "luck"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "{script}" ];'
    return f"{{ args = [ (derivation {{ {words} }}) ]; }}"


def add(nix: PrivateStore, folder: Path, word: str) -> str:
    """A file in the store that says a word."""
    file = folder / f"{word}.nix"
    file.write_text(f'{{ word = "{word}"; }}')
    return nix.add(file)


def point(link: Path, target: str | Path) -> None:
    """Make a link, or have it lead elsewhere, by rename."""
    link.parent.mkdir(exist_ok=True, parents=True)
    draft = link.with_name(f".{link.name}.new")
    draft.symlink_to(target)
    draft.rename(link)


async def see_change(builder: Builder, change: Callable[[], None]) -> list[str]:
    """The paths of those inputs of a build that have another answer once something is changed."""
    result = await builder.build()
    assert result.problem is None
    before = [answer_question(each) for each in result.inputs]
    assert before == [answer_question(each) for each in result.inputs]
    change()
    return [each.path for each, answer in zip(result.inputs, before, strict=True) if answer_question(each) != answer]


# Links


@pytest.mark.parametrize("name", ["common.nix", "lib/common.nix"])
@pytest.mark.parametrize("by", ["a store path", "a link elsewhere", "a link in the store"])
async def test_a_link_to_an_imported_file_in_the_store(
    nix: PrivateStore, builder: Builder, tmp_path: Path, name: str, by: str
) -> None:
    """As NixOS' environment.etc has it: the path that nix tells is that in the store."""
    old, new = add(nix, tmp_path, "old"), add(nix, tmp_path, "new")
    link = builder.config / name
    moved = link
    if by == "a link elsewhere":
        moved = tmp_path / "static" / name
        point(link, moved)
    elif by == "a link in the store":
        for word, target in (("old", old), ("new", new)):
            (tmp_path / f"{word}-etc").mkdir()
            (tmp_path / f"{word}-etc/common.nix").symlink_to(target)
        old, new = (f"{nix.add(tmp_path / f'{word}-etc')}/common.nix" for word in ("old", "new"))
    point(moved, old)
    builder.write("web.nix", f"{{ args = [ (import ./{name}).word ]; }}")
    assert await see_change(builder, lambda: point(moved, new)) == [str(link)]


async def test_a_link_to_an_imported_file_elsewhere(builder: Builder, tmp_path: Path) -> None:
    for word in ("old", "new"):
        builder.write(f"../other/{word}.nix", f'{{ word = "{word}"; }}')
    link = builder.config / "common.nix"
    point(link, tmp_path / "other/old.nix")
    builder.write("web.nix", "{ args = [ (import ./common.nix).word ]; }")
    assert await see_change(builder, lambda: point(link, tmp_path / "other/new.nix")) == [str(link)]


@pytest.mark.parametrize("stored", [False, True])
async def test_a_link_to_a_folder_of_imported_files(
    nix: PrivateStore, builder: Builder, tmp_path: Path, stored: bool
) -> None:
    folders: list[str] = []
    for word in ("old", "new"):
        folder = builder.write(f"../{word}/common.nix", f'{{ word = "{word}"; }}').parent
        folders.append(nix.add(folder) if stored else str(folder.resolve()))
    link = builder.config / "lib"
    point(link, folders[0])
    builder.write("web.nix", "{ args = [ (import ./lib/common.nix).word ]; }")
    seen = await see_change(builder, lambda: point(link, folders[1]))
    assert seen == [str(link) if stored else f"{link}/common.nix"]


async def test_a_newer_nix_names_folders_without_their_links_too(
    nix: PrivateStore, builder: Builder, tmp_path: Path
) -> None:
    stored = nix.add(builder.write("../stored/common.nix", "{ }").parent)
    near = builder.write("../near/common.nix", "{ }")
    point(builder.config / "a", stored)
    point(builder.config / "b", near.parent.resolve())
    file = str(builder.config / "web.nix")
    log = "".join(f"evaluating file '{path}'\n" for path in (file, f"{stored}/common.nix", near.resolve()))
    inputs = await builder.builder._find_inputs(Source("web", file, "", form=Form.NIX), log)
    assert inputs[:2] == (StampQuestion(file), StampQuestion(str(near.resolve())))
    assert set(inputs[2:]) == {
        PlaceQuestion(builder.store, f"{builder.config}/a", whole=True),
        StampQuestion(f"{builder.config}/b/common.nix"),
    }


async def test_a_link_to_what_hangs_holds_up_nothing(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang(*_: object) -> list[str]:
        go_on.wait(60)
        return []

    monkeypatch.setattr(nixbuild, "_find_links", hang)
    monkeypatch.setattr(nixbuild, "LOOKING_FOR_LINKS", 0.05)
    try:
        with trio.fail_after(20):
            for number in range(4):
                result = await builder.build(f'{{ args = [ "{number}" ]; }}')
                assert result.inputs == (StampQuestion(str(builder.config / "web.nix")),)
        assert builder.builder.searches.borrowed_tokens == 2
    finally:
        go_on.set()


@pytest.mark.parametrize("whole", [False, True])
async def test_a_definition_that_lies_in_the_store_itself(
    nix: PrivateStore, builder: Builder, tmp_path: Path, whole: bool
) -> None:
    """Two may say the same, and be one file where the store is optimised, with other files beside them."""
    folders: list[str] = []
    for word in ("old", "new"):
        builder.write(f"../{word}/common.nix", f'{{ word = "{word}"; }}')
        folder = builder.write(f"../{word}/web.nix", "{ args = [ (import ./common.nix).word ]; }").parent
        folders.append(nix.add(folder))
    link = builder.config / "web.nix"
    if whole:
        builder.config.rmdir()
        link = builder.config
    tail = "" if whole else "/web.nix"
    point(link, folders[0] + tail)
    inputs = (await builder.build()).inputs
    assert PlaceQuestion(builder.store, str(builder.config / "web.nix"), whole=True) in inputs
    seen = await see_change(builder, lambda: point(link, folders[1] + tail))
    assert str(builder.config / "web.nix") in seen


async def test_a_link_that_leads_nowhere_is_awaited(nix: PrivateStore, builder: Builder, tmp_path: Path) -> None:
    target = add(nix, tmp_path, "new")
    link = builder.config / "common.nix"
    point(link, f"{target}-gone")
    result = await builder.build("{ args = [ (import ./common.nix).word ]; }")
    assert result.problem is not None
    (question,) = [each for each in result.inputs if each.path == str(link)]
    before = answer_question(question)
    point(link, target)
    assert answer_question(question) != before


async def test_links_that_have_to_do_with_nothing_are_no_inputs(
    nix: PrivateStore, builder: Builder, tmp_path: Path
) -> None:
    builder.write("../other/file.nix", "{ }")
    for name, target in (
        ("other", tmp_path / "other"),
        ("up", tmp_path),
        ("root", Path("/")),
        ("store", Path(builder.store.folder)),
        ("self", builder.config),
        ("loop", builder.config / "loop"),
        ("unused.nix", Path(add(nix, tmp_path, "unused"))),
    ):
        point(builder.config / name, target)
    builder.write("common.nix", '{ word = "old"; }')
    result = await builder.build("{ args = [ (import ./common.nix).word ]; }")
    assert {each.path for each in result.inputs} == {f"{builder.config}/{name}" for name in ("web.nix", "common.nix")}


async def test_only_so_many_entries_are_looked_at(
    nix: PrivateStore, builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(builder.config / "z/common.nix", add(nix, tmp_path, "old"))
    text = "{ args = [ (import ./z/common.nix).word ]; }"
    assert len((await builder.build(text)).inputs) == 2
    monkeypatch.setattr(nixbuild, "MOST_LOOKED_AT", 2)
    assert len((await builder.build(text)).inputs) == 1


# Logs


async def test_of_a_long_log_the_beginning_and_the_end_are_read(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nixbuild, "_LOG_PART", 8192)
    builder.write("common.nix", derive("/usr/bin/yes noise | /usr/bin/head -c 100000; echo; echo no luck; exit 3"))
    result = await builder.build("import ./common.nix")
    assert result.problem is not None
    assert result.problem.message == "the builder of luck failed (exit code 3): no luck"
    assert str(builder.config / "common.nix") in {each.path for each in result.inputs}
    assert builder.log.stat().st_size > 100_000


async def test_what_a_builder_calls_an_error_is_not_nixs(builder: Builder) -> None:
    result = await builder.build(derive("echo error: of a test; echo no luck; exit 3"))
    assert result.problem is not None
    assert result.problem.message == "the builder of luck failed (exit code 3): no luck"


async def test_a_build_that_writes_without_end_is_called_off(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nixbuild, "LARGEST_LOG", 1024**2)
    monkeypatch.setattr(nixbuild, "_LOG_PART", 8192)
    monkeypatch.setattr(nixbuild, "LOOK_EVERY", 0.02)
    builder.write("common.nix", derive("while /bin/sleep 0.01; do /usr/bin/yes noise | /usr/bin/head -c 100000; done"))
    with trio.fail_after(30):
        result = await builder.build("import ./common.nix")
    assert result.problem is not None
    assert result.problem.message == f"it wrote more than 1 MiB to its log, {builder.log}"
    assert str(builder.config / "common.nix") in {each.path for each in result.inputs}
    assert builder.log.stat().st_size == 8192


async def test_the_log_of_a_build_that_is_called_off_is_another_file(builder: Builder) -> None:
    builder.log.parent.mkdir()
    with builder.log.open("w") as before:
        await builder.build("{ }")
        before.write("error: interrupted by the user\n")
    assert "interrupted" not in builder.log.read_text()


async def test_without_nix_that_is_the_problem(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.system.nix.PLACES", ())
    monkeypatch.setitem(builder.builder.environ, "PATH", str(tmp_path))
    result = await builder.build("{ }")
    assert result.problem is not None
    assert "there is no nix-build on PATH" in result.problem.message


# The end of a build


def find_processes(word: str) -> list[int]:
    """The processes that have a word in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_of_a_build_that_is_called_off_nothing_goes_on(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Without a daemon only nix itself can end what its builders began."""
    seconds = f"1000.{os.getpid()}{len(how)}"
    if how == "timed out":
        monkeypatch.setattr(nixbuild, "LONGEST", 2.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(builder.build, derive(f"/bin/sleep {seconds} & wait"))
        with trio.fail_after(20):
            while not find_processes(seconds):  # noqa: ASYNC110 - nix tells nobody
                await trio.sleep(0.02)
        assert os.listdir(builder.temporary) != []
        if how == "cancelled":
            nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        while find_processes(seconds):  # noqa: ASYNC110 - killed, and not reaped yet
            await trio.sleep(0.02)
    assert os.listdir(builder.temporary) == []


async def run_gently(script: str, children: Children, gently: float) -> CommandResult:
    argv = ("/bin/sh", "-c", script)
    env = {"PATH": "/usr/bin:/bin"}
    return await run_command(argv, children=children, env=env, deadline=0.3, gently=gently)


async def test_a_command_may_clear_up_before_it_is_killed(children: Children, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap 'echo x > {mark}; exit 4' TERM; sleep 1000 & wait"
    with trio.fail_after(10):
        result = await run_gently(script, children, 60)
    assert (result.timed_out, result.code, mark.exists()) == (True, 4, True)
    mark.unlink()
    result = await run_gently(script, children, 0)
    assert (result.timed_out, result.signal, mark.exists()) == (True, signal.SIGKILL, False)


async def test_one_that_does_not_end_for_that_is_killed(children: Children) -> None:
    began = trio.current_time()
    result = await run_gently("trap '' TERM; sleep 1000; sleep 1000", children, 0.3)
    assert (result.timed_out, result.signal) == (True, signal.SIGKILL)
    assert trio.current_time() - began < 5


async def test_it_may_clear_up_when_cancelled_too_and_that_is_waited_for(children: Children, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap 'sleep 0.2; echo x > {mark}; exit 0' TERM; echo > {tmp_path}/began; sleep 1000 & wait"
    argv = ("/bin/sh", "-c", script)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run_command(argv, children=children, env={"PATH": "/bin"}, deadline=60, gently=30))
        while not (tmp_path / "began").exists():  # noqa: ASYNC110
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert mark.exists()
