"""Generations on a real disk: whole or not at all, whatever happens between two writes; damaged ones; how many are
kept."""

import contextlib
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.generations import digest_text
from orchestrator.model.action import Target
from orchestrator.model.generation import Generation, Pin
from orchestrator.model.layout import Layout
from orchestrator.ports import Damaged, DiskFailed
from orchestrator.system import files
from orchestrator.system.generations import KEPT, MORE, HostGenerations
from tests.core.helpers_generations import follow, make_one, make_target, text_of

A, B = text_of("a"), text_of("b")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def store(layout: Layout) -> HostGenerations:
    os.mkdir(layout.state)
    return HostGenerations(layout)


def texts_of(*texts: str) -> dict[str, str]:
    return {digest_text(text): text for text in texts}


def list_files(layout: Layout) -> set[str]:
    """All files of the generations, by their paths below their folder."""
    base = Path(layout.generations)
    return {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file()}


def test_where_nothing_was_written_there_is_nothing(layout: Layout) -> None:
    store = HostGenerations(layout)
    assert store.list_numbers() == ()
    assert store.last_number() == 0
    assert store.read_pin() is None
    assert store.find("web", "x") is None
    assert not os.path.exists(layout.state)


def test_what_was_written_is_read(store: HostGenerations, layout: Layout) -> None:
    first = make_one(web=A, db="# ä\r\n" + B)
    store.write_now(first, texts_of(A, "# ä\r\n" + B))
    assert store.list_numbers() == (1,)
    assert store.read(1) == first
    assert store.read_head(1) == first.head
    assert store.read_text(digest_text(A)) == A
    assert store.read_text(digest_text("# ä\r\n" + B)) == "# ä\r\n" + B
    # A definition may hold what is private.
    assert {stat.S_IMODE(os.stat(folder).st_mode) for folder in (layout.generations, layout.texts)} == {0o700}
    assert stat.S_IMODE(os.stat(layout.generation(1)).st_mode) == 0o600
    assert list_files(layout) == {
        "1.jsonl",
        f"texts/{digest_text(A)}",
        f"texts/{digest_text('# ä' + chr(13) + chr(10) + B)}",
    }


async def test_in_a_loop_too(store: HostGenerations) -> None:
    await store.write(make_one(web=A), texts_of(A))
    await store.write_pin(Pin(number=1, at=1.0))
    await store.clear_out()
    assert (store.list_numbers(), store.read_pin()) == ((1,), Pin(number=1, at=1.0))


def test_a_text_is_stored_once(store: HostGenerations, layout: Layout) -> None:
    store.write_now(make_one(1, web=A), texts_of(A))
    inode = os.stat(f"{layout.texts}/{digest_text(A)}").st_ino
    store.write_now(make_one(2, web=A, db=A), texts_of(A))
    assert os.listdir(layout.texts) == [digest_text(A)]
    assert os.stat(f"{layout.texts}/{digest_text(A)}").st_ino == inode


def test_what_a_power_cut_has_emptied_is_written_again(store: HostGenerations, layout: Layout) -> None:
    store.write_now(make_one(1, web=A), texts_of(A))
    Path(f"{layout.texts}/{digest_text(A)}").write_text("")
    store.write_now(make_one(2, web=A, db=B), texts_of(A, B))
    assert store.read_text(digest_text(A)) == A


def test_the_definition_that_a_bundle_was_made_from(store: HostGenerations, layout: Layout) -> None:
    first = follow(None, {"web": make_target("web", A, "1" * 64), "db": make_target("db", A, "1" * 64)}, 1)
    second = follow(first, {"web": make_target("web", B, "1" * 64), "db": make_target("db", A, "2" * 64)}, 2)
    store.write_now(first, texts_of(A))
    store.write_now(second, texts_of(B))
    assert store.find("web", "1" * 64) == second.definitions["web"]
    assert store.find("db", "1" * 64) == first.definitions["db"]
    assert store.find("web", "2" * 64) is None
    Path(layout.generation(2)).write_text("1" * 64)
    assert store.find("web", "1" * 64) == first.definitions["web"]


class Killed(BaseException):
    """The agent has died."""


STEPS = ("mkdir", "open", "write", "fsync", "rename")


@pytest.mark.parametrize("step", STEPS)
def test_an_agent_that_dies_between_two_writes_leaves_what_there_was(
    store: HostGenerations, layout: Layout, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At each call of each kind: the next agent reads what there was, and writes what this one could not."""
    first = make_one(1, web=A)
    second = follow(first, {"web": make_target("web", B), "db": make_target("db", text_of("c"))}, 2)
    store.write_now(first, texts_of(A))
    original: Callable[..., object] = getattr(os, step)
    calls = 0
    for fatal in range(1, 40):
        calls = 0

        def die(*args: object, fatal: int = fatal, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise Killed
            return original(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, step, die)
            with contextlib.suppress(Killed):
                store.write_now(second, texts_of(B, text_of("c")))
        died = calls >= fatal
        assert store.read(1) == first
        assert store.list_numbers() in ((1,), (1, 2))
        if store.list_numbers() == (1, 2):
            assert store.read(2) == second
            assert [store.read_text(each.digest) for each in store.read(2).definitions.values()] == [text_of("c"), B]
        if not died:
            break
        store.write_now(second, texts_of(B, text_of("c")))
        assert store.read(2) == second
        assert not any("tmp" in name for name in list_files(layout))
        os.unlink(layout.generation(2))
        for text in (B, text_of("c")):
            os.unlink(f"{layout.texts}/{digest_text(text)}")
    else:
        pytest.fail("it was never let live")
    assert fatal > 1


def test_a_process_that_is_killed_leaves_what_there_was(store: HostGenerations, layout: Layout) -> None:
    """By SIGKILL, as often as it takes to meet it at its work."""
    store.write_now(make_one(1, web=A), texts_of(A))
    last = 1
    for _ in range(10):
        child = os.fork()
        if child == 0:
            try:
                for number in range(last + 1, last + 10_000):
                    store.write_now(make_one(number, web=text_of(str(number))), texts_of(text_of(str(number))))
            finally:
                os._exit(0)
        while store.last_number() < last + 3:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it writes until it is killed"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for number in store.list_numbers()[-5:]:
            for accepted in store.read(number).definitions.values():
                store.read_text(accepted.digest)
        last = store.last_number()


def test_a_full_disk_takes_nothing_away(
    store: HostGenerations, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_one(1, web=A)
    store.write_now(first, texts_of(A))
    before = list_files(layout)
    full = OSError(28, "No space left on device")

    def refuse(*args: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_all", refuse)
        with pytest.raises(DiskFailed, match=r"cannot write .*/2\.jsonl: No space left on device"):
            store.write_now(make_one(2, web=B), texts_of(B))
        with pytest.raises(DiskFailed, match=r"cannot write .*/pinned\.json: No space left on device"):
            store.write_pin_now(Pin(number=1, at=1.0))
    assert list_files(layout) == before
    assert store.read_pin() is None
    store.write_now(make_one(2, web=B), texts_of(B))
    assert store.list_numbers() == (1, 2)


def test_a_pin_stays_until_it_is_taken_away(store: HostGenerations, layout: Layout) -> None:
    store.write_now(make_one(7, web=A), texts_of(A))
    pin = Pin(number=7, at=1.5)
    store.write_pin_now(pin)
    assert HostGenerations(layout).read_pin() == pin
    assert store.list_numbers() == (7,), "it is none itself"
    store.write_pin_now(None)
    assert store.read_pin() is None
    store.write_pin_now(None)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.write_text(""), "it is not JSON"),
        (lambda path: path.write_bytes(b"\xff"), "it holds bytes that it cannot hold"),
        (lambda path: path.unlink(), "no such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
        (
            lambda path: path.write_text(path.read_text().replace('"number":2', '"number":3')),
            "it is that of generation 3",
        ),
    ],
)
def test_a_damaged_generation_is_named(
    store: HostGenerations, layout: Layout, damage: Callable[[Path], object], why: str
) -> None:
    store.write_now(make_one(1, web=A), texts_of(A))
    store.write_now(make_one(2, web=B), texts_of(B))
    damage(Path(layout.generation(2)))
    with pytest.raises(Damaged, match=why) as raised:
        store.read(2)
    assert str(raised.value).startswith(f"{layout.generation(2)} is damaged: ")
    with pytest.raises(Damaged, match=why):
        store.read_head(2)
    assert store.set_aside(raised.value) == f"{layout.generation(2)}.damaged"
    assert store.list_numbers() == (1,)
    if why != "no such file or directory":
        assert store.last_number() == 2, "its number is not given again"


@pytest.mark.parametrize("damaged", ["", "args = 1", None])
def test_a_damaged_text_is_named(store: HostGenerations, layout: Layout, damaged: str | None) -> None:
    store.write_now(make_one(1, web=A), texts_of(A))
    path = Path(f"{layout.texts}/{digest_text(A)}")
    path.unlink() if damaged is None else path.write_text(damaged)
    with pytest.raises(Damaged, match=str(path)):
        store.read_text(digest_text(A))


def test_a_damaged_pin_is_named(store: HostGenerations, layout: Layout) -> None:
    store.write_now(make_one(1, web=A), texts_of(A))
    Path(layout.pin).write_text("7\n")
    with pytest.raises(Damaged, match=r"pinned\.json is damaged: its schema"):
        store.read_pin()


def test_while_the_pin_is_damaged_nothing_is_cleared_out(store: HostGenerations, layout: Layout) -> None:
    numbers = tuple(range(1, KEPT + MORE + 2))
    for number in numbers:
        store.write_now(make_one(number, web=A), texts_of(A))
    Path(layout.pin).write_text("")
    with pytest.raises(Damaged, match=r"pinned\.json is damaged: it is not JSON"):
        store.clear_out_now()
    assert store.list_numbers() == numbers
    store.write_pin_now(Pin(number=1, at=1.0))
    store.clear_out_now()
    assert store.list_numbers() == (1, *numbers[-KEPT:])


def test_what_may_not_be_read_is_said(store: HostGenerations, layout: Layout) -> None:
    os.rmdir(layout.state)
    Path(layout.state).write_text("")
    with pytest.raises(DiskFailed, match=r"cannot read .*/generations: Not a directory"):
        store.list_numbers()
    with pytest.raises(DiskFailed, match="Not a directory"):
        store.read_pin()
    with pytest.raises(DiskFailed, match="Not a directory"):
        store.write_now(make_one(1, web=A), texts_of(A))


def write_many(store: HostGenerations, first: int, last: int, desired: Callable[[int], dict[str, Target]]) -> None:
    """Generations of these numbers, each written without asking the disk to be sure."""
    newest: Generation | None = None
    for number in range(first, last + 1):
        targets = desired(number)
        newest = follow(newest, targets, number)
        texts = texts_of(*(each.source.text for each in targets.values() if each.source and each.source.text))
        store.write_now(newest, texts)


def test_the_old_ones_go_and_the_texts_that_none_has(
    store: HostGenerations, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def desired(number: int) -> dict[str, Target]:
        texts = {"web": text_of(str(number)), "same": A, "early": B if number < 10 else A}
        return {name: make_target(name, text) for name, text in texts.items()}

    last = KEPT + MORE
    write_many(store, 1, last, desired)
    Path(f"{layout.generation(3)}.damaged").write_text("")
    Path(f"{layout.texts}/.{'0' * 64}.tmp").write_text("cut short")
    store.write_pin_now(Pin(number=5, at=1.0))
    store.clear_out_now()
    assert len(store.list_numbers()) == last, "not for each one"
    write_many(store, last + 1, last + 1, desired)
    store.clear_out_now()
    kept = {5, *range(last + 2 - KEPT, last + 2)}
    assert set(store.list_numbers()) == kept
    assert list_files(layout) == {
        "pinned.json",
        *(f"{number}.jsonl" for number in kept),
        *(f"texts/{digest_text(text)}" for text in (A, B, *(text_of(str(number)) for number in kept))),
    }


def test_what_cannot_be_read_keeps_all_texts(
    store: HostGenerations, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    last = KEPT + MORE + 1
    write_many(store, 1, last, lambda number: {"web": make_target("web", text_of(str(number)))})
    os.unlink(layout.generation(last))
    os.mkdir(layout.generation(last))
    with pytest.raises(DiskFailed, match="cannot clear out"):
        store.clear_out_now()
    assert len(os.listdir(layout.texts)) == last
