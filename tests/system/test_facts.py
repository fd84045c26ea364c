"""The world's answers, by real files."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from orchestrator.model.facts import PathAnswer, PathKind, PathQuestion, Question, TextQuestion, TextsQuestion
from orchestrator.ports import OutsideError, World
from orchestrator.system.controllers import find_controllers
from orchestrator.system.facts import (
    LARGEST_TEXT,
    HostWorld,
    answer_question,
    look_at,
    probe_host,
    read_kernel_version,
    read_text,
    read_texts,
)
from orchestrator.system.hierarchies import read_hierarchies
from orchestrator.system.inquiry import Inquiry


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root directory as a merged-usr host has it."""
    for folder in ("usr/bin", "usr/lib", "etc/ssl/certs", "lib64"):
        (tmp_path / "host" / folder).mkdir(parents=True)
    root = tmp_path / "host"
    (root / "bin").symlink_to("usr/bin")
    (root / "sbin").symlink_to("bin")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/resolv.conf").symlink_to("../run/nowhere")
    return root


def test_what_stands_at_a_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert look_at(f"{tmp_path}") == PathAnswer(PathKind.DIRECTORY, f"{tmp_path}")
    assert look_at(f"{tmp_path}/link") == PathAnswer(PathKind.FILE, f"{tmp_path}/file")
    assert look_at(f"{tmp_path}/pipe").kind is PathKind.OTHER
    assert look_at("/dev/null").kind is PathKind.OTHER
    for missing in ("gone", "nul\0", "\ud800"):
        assert look_at(f"{tmp_path}/{missing}") == PathAnswer(PathKind.MISSING, f"{tmp_path}/{missing}")
    below = f"{tmp_path}/file/below"
    assert look_at(below) == PathAnswer(PathKind.MISSING, below, "not a directory")


def test_of_what_is_missing_it_is_known_where_it_would_be(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk/web")
    at = f"{tmp_path}/data/in/it"
    missing = look_at(at)
    assert missing == PathAnswer(PathKind.MISSING, f"{tmp_path}/disk/web/in/it")
    os.makedirs(missing.resolved)
    assert look_at(at) == PathAnswer(PathKind.DIRECTORY, missing.resolved)


def test_what_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    answer = look_at(f"{tmp_path}/loop")
    assert (answer.kind, answer.detail) == (PathKind.DENIED, "too many levels of symbolic links")
    assert look_at(f"{tmp_path}/{'x' * 300}").detail == "file name too long"


def test_a_text_is_read_with_links_resolved_inside(host: Path) -> None:
    (host / "etc/absolute").symlink_to("/etc/passwd")
    (host / "etc/up").symlink_to("../../../../../etc/passwd")
    (host / "conf").symlink_to("/etc")
    text = (host / "etc/passwd").read_text()
    for path in ("/etc/passwd", "/etc/absolute", "/etc/up", "/conf/passwd", "/../etc/./ssl/../passwd", "etc//passwd"):
        assert read_text(path, f"{host}") == text, path


def test_no_way_leads_out_of_a_root(host: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (host / "etc/out").symlink_to("../../secret")
    (host / "etc/far").symlink_to(f"{tmp_path}/secret")
    for path in ("/etc/out", "/etc/far", "/../secret", "/etc/../../secret"):
        assert read_text(path, f"{host}") is None, path


@pytest.mark.parametrize("name", ["pipe", "folder", "socket", "large", "loop", "gone", "file/below", "nul\0"])
def test_what_is_no_small_file_has_no_text(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_TEXT + 1))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/socket")
        assert read_text(f"/{name}", f"{tmp_path}") is None


def test_an_odd_character_does_not_hide_the_rest(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_bytes(b"ren\xe9:x:1:1\nweb:x:2:2\n")
    assert read_text("/passwd", f"{tmp_path}") == "ren\ufffd:x:1:1\nweb:x:2:2\n"


async def test_the_files_of_a_folder_are_read_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    assert read_texts(f"{folder}", (".json",)) == ()
    folder.mkdir()
    (folder / "b.json").write_text("b")
    (tmp_path / "elsewhere").write_text("a")
    (folder / "a.json").symlink_to("../elsewhere")
    for passed_over in (".hidden.json", "c.txt", "d.json~"):
        (folder / passed_over).write_text("no")
    (folder / "e.json").mkdir()
    question = TextsQuestion(f"{folder}", (".json",))
    facts = await HostWorld.probe().gather([question])
    assert facts.folder_texts == {question: (("a.json", "a"), ("b.json", "b"), ("e.json", None))}
    assert read_texts(f"{tmp_path}/elsewhere", (".json",)) == (), "a file is no folder"
    assert read_texts(f"{tmp_path}/{'x' * 300}", (".json",)) is None


def test_reading_leaves_no_descriptor(host: Path) -> None:
    (host / "etc/out").symlink_to("../../secret")
    before = os.listdir("/proc/self/fd")
    for path in ("/etc/passwd", "/etc/out", "/etc"):
        read_text(path, f"{host}")
    assert os.listdir("/proc/self/fd") == before


def test_a_host_is_probed_below_its_root(host: Path) -> None:
    facts = probe_host(f"{host}", profiles=())
    assert facts.usr_links == {"/bin": "usr/bin", "/sbin": "bin", "/lib64": ""}
    assert facts.etc_files == ("/etc/passwd", "/etc/ssl/certs")
    assert facts.seccomp_profile is None
    assert facts.machine == os.uname().machine
    assert facts.controllers == find_controllers(read_hierarchies()), "those of this host, wherever its files are"


def test_a_link_that_leads_elsewhere_is_mounted(host: Path) -> None:
    (host / "lib").symlink_to("etc/ssl")
    assert probe_host(f"{host}", profiles=()).usr_links["/lib"] == ""


def test_the_first_profile_that_is_there_is_used(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    second.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    profiles = (f"{first}", f"{second}")
    assert probe_host(profiles=profiles).seccomp_profile == {"defaultAction": "SCMP_ACT_ALLOW"}
    first.write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    assert probe_host(profiles=profiles).seccomp_profile == {"defaultAction": "SCMP_ACT_LOG"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "not an object"),
        ("{", "Expecting property name"),
        ('{"defaultAction": "ALLOW"}', 'unknown action "ALLOW"'),
        (b"\xff", "codec can't decode"),
    ],
)
def test_a_profile_that_cannot_be_used_is_one_clear_line(tmp_path: Path, text: str | bytes, why: str) -> None:
    path = tmp_path / "seccomp.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(OutsideError) as caught:
        probe_host(profiles=(f"{path}",))
    message = str(caught.value)
    assert message.startswith(f"cannot use the seccomp profile {path}: ")
    assert why in message
    assert "\n" not in message


def test_a_profile_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match=r"cannot read the seccomp profile .*: Is a directory"):
        probe_host(profiles=(f"{tmp_path}",))


def test_kernel_versions() -> None:
    assert read_kernel_version("6.1.0-18-amd64") == (6, 1)
    assert read_kernel_version("5.15") == (5, 15)
    assert read_kernel_version("custom") == (0, 0)


async def test_all_questions_are_answered(tmp_path: Path) -> None:
    world = HostWorld.probe()
    port: World = world
    (tmp_path / "file").write_text("x")
    questions: list[Question] = [PathQuestion(f"{tmp_path}"), TextQuestion("/file", f"{tmp_path}"), TextQuestion("/no")]
    facts = await port.gather([*questions, *questions])
    assert facts.paths == {f"{tmp_path}": PathAnswer(PathKind.DIRECTORY, f"{tmp_path}")}
    assert facts.unanswered == frozenset()
    assert facts.texts == {TextQuestion("/file", f"{tmp_path}"): "x", TextQuestion("/no"): None}
    assert facts.host is world.host


async def test_no_question_needs_no_thread() -> None:
    world = HostWorld(evolve(probe_host(profiles=())))
    with trio.CancelScope() as scope:
        scope.cancel()
        facts = await world.gather(())
    assert facts.host is world.host
    assert not scope.cancelled_caught


class HungPaths:
    """A look at the host whose answer for these paths comes when they are let go."""

    def __init__(self, *paths: str) -> None:
        self.held = {path: threading.Event() for path in paths}
        self.looks: list[str] = []

    def look_at(self, path: str) -> PathAnswer:
        self.looks.append(path)
        if path in self.held:
            self.held[path].wait()
        return PathAnswer(PathKind.FILE, path)

    def let_go(self) -> None:
        for event in self.held.values():
            event.set()


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[HungPaths]:
    hung = HungPaths("/dead/a", "/dead/b")
    monkeypatch.setattr("orchestrator.system.facts.look_at", hung.look_at)
    yield hung
    hung.let_go()


def impatient_world() -> HostWorld:
    return HostWorld(HostWorld.probe().host, Inquiry(answer_question, whole=30, one=0.05))


async def test_a_path_that_hangs_keeps_no_answer_from_the_others(hung: HungPaths, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    text = TextQuestion("/file", f"{tmp_path}")
    dead = PathQuestion("/dead/a"), PathQuestion("/dead/b")
    world = impatient_world()
    facts = await world.gather([PathQuestion("/first"), dead[0], text, dead[1], PathQuestion("/last")])
    assert facts.paths == {
        "/first": PathAnswer(PathKind.FILE, "/first"),
        "/dead/a": PathAnswer(PathKind.DENIED, "/dead/a", "it does not answer"),
        "/dead/b": PathAnswer(PathKind.DENIED, "/dead/b", "it does not answer"),
        "/last": PathAnswer(PathKind.FILE, "/last"),
    }
    assert facts.texts == {text: "x"}
    assert facts.unanswered == frozenset(dead)


async def test_what_hangs_is_not_asked_again_until_it_answers(hung: HungPaths) -> None:
    world = impatient_world()
    dead = PathQuestion("/dead/a")
    for _ in range(3):
        assert (await world.gather((dead,))).unanswered == {dead}
    assert hung.looks == ["/dead/a"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.wait_news)
        await trio.testing.wait_all_tasks_blocked()
        hung.let_go()
    facts = await world.gather((dead,))
    assert facts.paths["/dead/a"].kind is PathKind.FILE
    assert facts.unanswered == frozenset()


async def test_the_whole_takes_no_longer_than_it_may(hung: HungPaths) -> None:
    world = HostWorld(HostWorld.probe().host, Inquiry(answer_question, whole=0.05, one=30))
    dead, after = PathQuestion("/dead/a"), PathQuestion("/after")
    facts = await world.gather((PathQuestion("/first"), dead, after))
    assert facts.unanswered == {dead, after}
    assert facts.paths["/first"].kind is PathKind.FILE
    # What nobody is at any more is worth another look at once.
    with trio.fail_after(30):
        await world.wait_news()
    assert (await world.gather((dead, after))).unanswered == {dead}


async def test_a_cancel_does_not_wait_for_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    world = HostWorld.probe()
    entered, leave = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def look_slowly(path: str) -> PathAnswer:
        trio.from_thread.run_sync(entered.set, trio_token=token)
        leave.wait()
        return PathAnswer(PathKind.MISSING, path)

    monkeypatch.setattr("orchestrator.system.facts.look_at", look_slowly)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gather, (PathQuestion("/x"),))
        await entered.wait()
        nursery.cancel_scope.cancel()
    leave.set()
