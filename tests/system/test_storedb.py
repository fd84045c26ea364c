"""The database of a real store, read: the same closures as nix has them, and what to do where it cannot be read."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio
from attrs import evolve

from orchestrator.model.facts import ClosureQuestion
from orchestrator.model.store import ClosureAnswer, EntryKind, Requisites, Store
from orchestrator.system import nix as nix_command
from orchestrator.system import storedb
from orchestrator.system.facts import HostWorld, probe_host
from orchestrator.system.nix import NixStore
from orchestrator.system.reaper import Children
from orchestrator.system.storedb import SCHEMA, DatabaseUnreadable, find_invalid, query_requisites
from tests.nix.private_store import PrivateStore, make_private_store
from tests.system.helpers_store import name_path, store_of


@pytest.fixture(scope="module")
def nix(tmp_path_factory: pytest.TempPathFactory) -> PrivateStore:
    return make_private_store(tmp_path_factory.mktemp("nix"))


@pytest.fixture(scope="module")
def tower(nix: PrivateStore) -> list[str]:
    """Paths of which each needs the one before it, and the last is needed by itself too."""
    bottom = nix.derive("bottom", "echo $RANDOM > $out")
    middle = nix.derive("middle", f"mkdir $out; echo {bottom} > $out/needs", bottom)
    top = nix.derive("top", f"mkdir -p $out/bin; echo {middle} $out > $out/needs; echo > $out/bin/x", middle)
    return [bottom, middle, top]


@pytest.fixture
def copied(nix: PrivateStore, tower: list[str], tmp_path: Path) -> Store:
    """The same store with a database of its own, to be spoilt."""
    shutil.copytree(f"{nix.root}/state/db", tmp_path / "db")
    return evolve(store_of(nix), state=str(tmp_path))


def closure_of(requisites: Requisites) -> list[str]:
    assert requisites.invalid == ()
    assert len(requisites.paths) == len(set(requisites.paths))
    return sorted(requisites.paths)


def test_a_closure_is_what_nix_says(nix: PrivateStore, tower: list[str]) -> None:
    store = store_of(nix)
    for path in (*tower, nix.busybox):
        assert closure_of(query_requisites(store, [path])) == sorted(nix.requisites(path))
    assert tower[0] in nix.requisites(tower[2]), "else this proves little"
    both = closure_of(query_requisites(store, [tower[1], nix.busybox]))
    assert both == sorted({*nix.requisites(tower[1]), *nix.requisites(nix.busybox)})


def test_of_nothing_there_is_nothing(nix: PrivateStore) -> None:
    assert query_requisites(store_of(nix), []) == Requisites()


def test_what_is_not_valid_is_told_and_nothing_else(nix: PrivateStore, tower: list[str]) -> None:
    store = store_of(nix)
    gone = [name_path(store, "x", "gone"), "/nix/store/nothing", "", "' OR 1 --", "é"]
    assert query_requisites(store, [tower[0], *gone]) == Requisites(invalid=tuple(gone))
    assert find_invalid(store, [tower[0], *gone]) == tuple(gone)
    assert find_invalid(store, tower) == ()


def test_a_path_on_disk_that_was_never_registered_is_not_valid(nix: PrivateStore) -> None:
    store = store_of(nix)
    os.mkdir(path := name_path(store, "y", "half-built"))
    assert query_requisites(store, [path]).invalid == (path,)


def test_many_paths_at_once(nix: PrivateStore, tower: list[str]) -> None:
    """More than SQLite has variables in old versions, and more than it has terms of a compound."""
    paths = tower * 700
    assert closure_of(query_requisites(store_of(nix), paths)) == sorted(nix.requisites(tower[2]))


@pytest.mark.parametrize("text", ["9", "11", "", "ten"])
def test_another_schema_is_not_read(copied: Store, tower: list[str], text: str) -> None:
    Path(copied.state, "db/schema").write_text(text)
    for ask in (query_requisites, find_invalid):
        with pytest.raises(DatabaseUnreadable, match=f"schema is {text}, known is {SCHEMA}"):
            ask(copied, tower)


def test_the_schema_is_that_of_the_nix_that_is_here(nix: PrivateStore) -> None:
    assert Path(nix.root, "state/db/schema").read_text().strip() == SCHEMA


@pytest.mark.parametrize("missing", ["db", "db/schema", "db/db.sqlite"])
def test_where_there_is_no_database_none_is_made(copied: Store, tower: list[str], missing: str) -> None:
    place = Path(copied.state, missing)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(DatabaseUnreadable, match=r"cannot (read|open) .*/db/(schema|db\.sqlite)"):
        query_requisites(copied, tower)
    assert not place.exists()


@pytest.mark.parametrize("data", [b"", b"no database " * 1000])
def test_what_is_no_database(copied: Store, tower: list[str], data: bytes) -> None:
    for name in ("db.sqlite-wal", "db.sqlite-shm"):
        Path(copied.state, "db", name).unlink(missing_ok=True)
    Path(copied.state, "db/db.sqlite").write_bytes(data)
    with pytest.raises(DatabaseUnreadable, match=r"cannot read .*/db/db\.sqlite: "):
        query_requisites(copied, tower)


def test_it_is_read_while_nix_writes(nix: PrivateStore, copied: Store, tower: list[str]) -> None:
    with closing(sqlite3.connect(f"{copied.state}/db/db.sqlite", isolation_level=None)) as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",), "as nix has it"
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM Refs")
        assert closure_of(query_requisites(copied, [tower[2]])) == sorted(nix.requisites(tower[2]))
        writer.execute("COMMIT")
        assert query_requisites(copied, [tower[2]]).paths == (tower[2],)


def test_a_lock_that_is_not_given_up_is_not_waited_for_long(copied: Store, tower: list[str]) -> None:
    """As with a journal mode other than nix' own (`use-sqlite-wal = false`)."""
    with closing(sqlite3.connect(f"{copied.state}/db/db.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = truncate")
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnreadable, match="locked"):
            query_requisites(copied, tower)


def test_nothing_is_written(copied: Store, tower: list[str]) -> None:
    def look() -> dict[str, bytes]:
        return {
            path.name: path.read_bytes() for path in Path(copied.state, "db").iterdir() if path.suffix != ".sqlite-shm"
        }

    before = look()["db.sqlite"]
    query_requisites(copied, tower)
    find_invalid(copied, tower)
    assert look()["db.sqlite"] == before
    with closing(sqlite3.connect(f"{copied.state}/db/db.sqlite", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")  # nobody has it any more


def world_of(nix: PrivateStore, store: Store, **environ: str) -> HostWorld:
    """The host, with this store."""
    children = NixStore(Children(), nix.environment | environ)
    return HostWorld(evolve(probe_host(), store=store), nix=children)


async def test_a_closure_that_the_database_tells_needs_no_command(nix: PrivateStore, tower: list[str]) -> None:
    question = ClosureQuestion(store_of(nix), (tower[2],), (tower[2],))
    facts = await world_of(nix, question.store, PATH="/nowhere").gather([question])
    answer = facts.closures[question]
    assert [entry.path for entry in answer.entries] == sorted(nix.requisites(tower[2]))
    assert {entry.kind for entry in answer.entries if entry.path == tower[0]} == {EntryKind.FILE}
    assert answer.packages[tower[2]].programs == ("x",)
    assert facts.unanswered == frozenset()


async def test_where_the_database_cannot_be_read_the_command_is_asked(
    nix: PrivateStore, tower: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(nix)
    good = ClosureQuestion(store, (tower[2],), (tower[2],))
    bad = ClosureQuestion(store, (tower[0], name_path(store, "x", "gone")))
    by_database = (await world_of(nix, store).gather([good, bad])).closures
    monkeypatch.setattr(storedb, "SCHEMA", "11")
    facts = await world_of(nix, store).gather([good, bad])
    assert facts.closures == by_database
    assert len(by_database[good].entries) == len(nix.requisites(tower[2]))
    assert by_database[bad].invalid == bad.paths[1:]
    without = await world_of(nix, store, PATH="/nowhere").gather([good])
    assert "there is no nix-store" in without.closures[good].detail, "so it was the command"


async def test_without_both_it_is_said_why(nix: PrivateStore, tower: list[str], tmp_path: Path) -> None:
    store = evolve(store_of(nix), state=str(tmp_path / "none"))
    question = ClosureQuestion(store, (tower[2],))
    facts = await world_of(nix, store, PATH=str(tmp_path)).gather([question])
    assert facts.closures[question] == ClosureAnswer(
        detail="there is no nix-store on PATH, nor in /run/current-system/sw/bin or /nix/var/nix/profiles/default/bin"
    )
    assert facts.unanswered == frozenset()


async def test_a_command_that_hangs_is_waited_for_once_however_many_ask(
    tmp_path: Path, nix: PrivateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nix-store"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    store = evolve(store_of(nix), state=str(tmp_path / "none"))
    monkeypatch.setattr(nix_command, "PATIENCE", 0.3)
    questions = [ClosureQuestion(store, (name_path(store, letter, "x"),)) for letter in "abcdf"]
    began = trio.current_time()
    facts = await world_of(nix, store, PATH=f"{tmp_path}:{os.environ['PATH']}").gather(questions)
    assert all("took too long" in answer.detail for answer in facts.closures.values())
    assert trio.current_time() - began < 1
