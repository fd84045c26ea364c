"""Roots of bundles: what keeps store paths from a collection of garbage, made, given up, and found out to be too late.

A collection of nix' own stands behind it; what one at work does is played by a thread with its lock and its socket.
"""

import fcntl
import os
import select
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.model.layout import Layout
from orchestrator.model.store import Store, StoreUse
from orchestrator.ports import DiskFailed
from orchestrator.system import storeroots
from orchestrator.system.disk import HostDisk
from orchestrator.system.generations import HostGenerations
from orchestrator.system.storeroots import StoreRoots
from tests.core.helpers_generations import follow, make_target, text_of
from tests.nix.private_store import PrivateStore, make_private_store
from tests.system.helpers_disk import make_bundle
from tests.system.helpers_store import name_path, store_of

DIGEST = "1" * 64
OTHER = "2" * 64


@pytest.fixture
def nix(tmp_path: Path) -> PrivateStore:
    """One for each test, since they collect garbage."""
    return make_private_store(tmp_path / "nix")


@pytest.fixture
def store(nix: PrivateStore) -> Store:
    return store_of(nix)


class Agent:
    """The roots of an agent, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "gcroots"
        self.roots = StoreRoots(str(self.folder))
        self.said: list[str] = []
        self.roots.tell(self.said.append)

    def sweep(self, kept: set[str], in_use: set[str]) -> None:
        self.roots.sweep(lambda: kept, in_use)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "state")


def use_of(store: Store, *paths: str) -> StoreUse:
    return StoreUse(store, tuple(sorted(paths)))


def derive(nix: PrivateStore, name: str = "data") -> str:
    return nix.derive(name, f"echo {name} > $out")


def roots_in(store: Store) -> dict[str, str]:
    """All links to store paths below gcroots of the store that the agents have made, by their places."""
    place = Path(store.state, "gcroots/orchestrator")
    links = (path for path in place.rglob("*") if path.is_symlink())
    return {str(path.relative_to(place)): os.readlink(path) for path in links}


def test_what_a_bundle_needs_outlives_a_collection(nix: PrivateStore, store: Store, agent: Agent) -> None:
    data = derive(nix)
    user = nix.derive("user", f"echo {data} > $out", data)
    left = derive(nix, "left")
    agent.roots.add(DIGEST, use_of(store, user, nix.busybox))
    nix.collect_garbage()
    assert [os.path.exists(path) for path in (data, user, left)] == [True, True, False]
    agent.sweep(set(), set())
    nix.collect_garbage()
    assert [os.path.exists(path) for path in (data, user)] == [False, False]
    assert os.listdir(agent.folder) == []
    assert roots_in(store) == {}


def test_nix_tells_whose_roots_they_are(nix: PrivateStore, store: Store, agent: Agent) -> None:
    agent.roots.add(DIGEST, use_of(store, data := derive(nix)))
    said = nix.run("nix-store", "--query", "--roots", data).stdout
    assert "/gcroots/orchestrator/" in said
    assert DIGEST in said


def test_it_is_the_same_the_second_time(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, derive(nix, "a"), derive(nix, "b"))
    agent.roots.add(DIGEST, use)
    before = roots_in(store)
    assert sorted(before.values()) == sorted(use.paths)
    times = {path: os.lstat(f"{store.state}/gcroots/orchestrator/{path}").st_ino for path in before}
    agent.roots.add(DIGEST, use)
    assert roots_in(store) == before
    assert times == {path: os.lstat(f"{store.state}/gcroots/orchestrator/{path}").st_ino for path in before}
    assert agent.said == []


def test_what_somebody_has_taken_away_is_made_again(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, derive(nix, "a"), derive(nix, "b"))
    agent.roots.add(DIGEST, use)
    before = roots_in(store)
    first, second = sorted(before)
    base = f"{store.state}/gcroots/orchestrator"
    os.unlink(f"{base}/{first}")
    os.unlink(f"{base}/{second}")
    os.symlink("/nowhere", f"{base}/{second}")
    agent.roots.add(DIGEST, use)
    assert roots_in(store) == before
    shutil.rmtree(base)
    agent.roots.add(DIGEST, use)
    assert roots_in(store) == before
    shutil.rmtree(agent.folder)
    agent.roots.add(DIGEST, use)
    assert os.listdir(agent.folder) == [DIGEST]


def test_one_that_was_cut_short_is_swept_too(nix: PrivateStore, store: Store, agent: Agent) -> None:
    agent.roots.add(DIGEST, use_of(store, derive(nix)))
    shutil.rmtree(f"{store.state}/gcroots/orchestrator")
    agent.sweep(set(), set())
    assert os.listdir(agent.folder) == []
    agent.roots.add(DIGEST, use_of(store, derive(nix)))
    os.unlink(agent.folder / DIGEST)
    os.symlink("/etc/passwd", agent.folder / DIGEST)
    agent.sweep(set(), set())
    assert os.path.exists("/etc/passwd")
    assert os.listdir(agent.folder) == []


def test_a_sweep_leaves_what_is_in_use_and_what_is_kept(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, derive(nix))
    for digest in (DIGEST, OTHER, "3" * 64):
        agent.roots.add(digest, use)
    agent.sweep({OTHER}, {DIGEST})
    assert sorted(os.listdir(agent.folder)) == [DIGEST, OTHER]
    assert {path.split("/")[1] for path in roots_in(store)} == {DIGEST, OTHER}


def test_what_is_kept_is_looked_for_only_where_it_counts(nix: PrivateStore, store: Store, agent: Agent) -> None:
    def look() -> set[str]:
        raise AssertionError("nobody needs to know")

    agent.roots.sweep(look, set())
    agent.roots.add(DIGEST, use_of(store, derive(nix)))
    agent.roots.sweep(look, {DIGEST})


def test_two_agents_with_one_bundle_do_not_take_it_from_each_other(
    nix: PrivateStore, store: Store, agent: Agent, tmp_path: Path
) -> None:
    other = Agent(tmp_path / "other")
    use = use_of(store, data := derive(nix))
    agent.roots.add(DIGEST, use)
    other.roots.add(DIGEST, use)
    assert len(roots_in(store)) == 2
    agent.sweep(set(), set())
    nix.collect_garbage()
    assert os.path.exists(data)
    other.sweep(set(), set())
    assert roots_in(store) == {}


def move(agent: Agent, to: Path) -> Agent:
    to.mkdir()
    agent.folder.rename(to / "gcroots")
    return Agent(to)


def test_a_state_directory_that_was_moved_leaves_no_roots_behind(
    nix: PrivateStore, store: Store, agent: Agent, tmp_path: Path
) -> None:
    use = use_of(store, data := derive(nix))
    for digest in (DIGEST, OTHER):
        agent.roots.add(digest, use)
    later = move(agent, tmp_path / "moved")
    later.roots.add(DIGEST, use)
    assert sorted(path.split("/")[1] for path in roots_in(store)) == [DIGEST, OTHER]
    # Of the other, which nothing needs, only the record is left of where they were.
    later.sweep(set(), {DIGEST})
    assert [path.split("/")[1] for path in roots_in(store)] == [DIGEST]
    nix.collect_garbage()
    assert os.path.exists(data)
    later.sweep(set(), set())
    assert roots_in(store) == {}


def test_one_that_is_found_by_its_old_name_too_is_moved_all_the_same(
    nix: PrivateStore, store: Store, agent: Agent, tmp_path: Path
) -> None:
    use = use_of(store, derive(nix))
    agent.roots.add(DIGEST, use)
    later = move(agent, tmp_path / "moved")
    agent.folder.parent.rmdir()
    agent.folder.parent.symlink_to(tmp_path / "moved")
    later.roots.add(DIGEST, use)
    assert len(roots_in(store)) == 1


def test_a_copy_of_a_state_directory_leaves_the_first_ones_roots(
    nix: PrivateStore, store: Store, agent: Agent, tmp_path: Path
) -> None:
    use = use_of(store, derive(nix))
    for digest in (DIGEST, OTHER):
        agent.roots.add(digest, use)
    shutil.copytree(agent.folder, tmp_path / "copy/gcroots", symlinks=True)
    before = roots_in(store)
    copy = Agent(tmp_path / "copy")
    copy.roots.add(DIGEST, use)
    assert len(roots_in(store)) == 3
    copy.sweep(set(), set())
    assert roots_in(store) == before


def test_roots_without_a_record_are_given_up(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, derive(nix))
    lost = ["3" * 64, "4" * 64, "5" * 64]
    for digest in (DIGEST, *lost):
        agent.roots.add(digest, use)
    for digest in lost:
        os.unlink(agent.folder / digest)
    agent.sweep({lost[1]}, {DIGEST, lost[2]})
    assert {path.split("/")[1] for path in roots_in(store)} == {DIGEST, lost[1], lost[2]}


def test_of_a_chroot_store_the_roots_are_in_it(tmp_path: Path, agent: Agent) -> None:
    root = tmp_path / "root"
    store = Store("/nix/store", f"{root}/nix/store", f"{root}/nix/var/nix", str(root))
    path = name_path(store, "a", "data")
    Path(store.find_real(path)).mkdir(parents=True)
    agent.roots.add(DIGEST, use_of(store, path))
    assert list(roots_in(store).values()) == [path]


@pytest.mark.parametrize("gone", ["collected", "deleted", "never"])
def test_a_path_that_is_gone_is_found_out(nix: PrivateStore, store: Store, agent: Agent, gone: str) -> None:
    kept, lost = derive(nix, "kept"), derive(nix, "lost")
    nix.root_for(kept, nix.root / "kept")
    match gone:
        case "collected":
            nix.collect_garbage()
        case "deleted":
            os.unlink(lost)
        case _:
            lost = name_path(store, "x", "gone")
    with pytest.raises(DiskFailed) as caught:
        agent.roots.add(DIGEST, use_of(store, kept, lost))
    assert str(caught.value) == f"{lost}: not valid in the store any more"


def test_a_path_that_is_left_on_disk_and_not_valid_is_gone(nix: PrivateStore, store: Store, agent: Agent) -> None:
    lost = [name_path(store, "x", "half"), name_path(store, "y", "half")]
    for path in lost:
        os.mkdir(path)
    with pytest.raises(DiskFailed, match=f"^{lost[0]} and 1 more: not valid"):
        agent.roots.add(DIGEST, use_of(store, *lost))


def test_where_the_database_cannot_be_read_the_disk_is_believed(nix: PrivateStore, store: Store, agent: Agent) -> None:
    path = derive(nix)
    Path(store.state, "db/schema").write_text("11")
    agent.roots.add(DIGEST, use_of(store, path))
    assert len(roots_in(store)) == 1


@pytest.fixture
def barred(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Folders below which no link can be made, as on a file system that is read-only (root may do all else)."""
    places: set[str] = set()
    symlink = os.symlink

    def refuse(target: str, path: str, *more: bool) -> None:
        if any(str(path).startswith(f"{place}/") for place in places):
            raise OSError(30, "Read-only file system", path)
        symlink(target, path, *more)

    monkeypatch.setattr(os, "symlink", refuse)
    yield places
    places.clear()


def test_where_roots_cannot_be_made_it_is_told_once_and_goes_on(
    nix: PrivateStore, store: Store, agent: Agent, barred: set[str]
) -> None:
    use = use_of(store, derive(nix))
    barred.add(store.state)
    for digest in (DIGEST, OTHER, DIGEST):
        agent.roots.add(digest, use)
    (said,) = agent.said
    assert said == (
        "cannot keep store paths from the garbage collector, which may delete what runs: "
        f"{store.state}/gcroots/orchestrator: read-only file system"
    )
    barred.clear()
    agent.roots.add(DIGEST, use)
    assert agent.said == [said, ""]
    assert len(roots_in(store)) == 1
    agent.sweep(set(), set())
    assert os.listdir(agent.folder) == []


def test_of_two_stores_the_trouble_of_one_is_told_once(
    nix: PrivateStore, store: Store, agent: Agent, barred: set[str], tmp_path: Path
) -> None:
    other = make_private_store(tmp_path / "other")
    good, bad = use_of(store, derive(nix)), use_of(store_of(other), other.busybox)
    barred.add(f"{other.root}/state")
    for _ in range(3):
        agent.roots.add(DIGEST, good)
        agent.roots.add(OTHER, bad)
    assert len(agent.said) == 1


def test_what_is_gone_is_found_out_there_too(nix: PrivateStore, store: Store, agent: Agent, barred: set[str]) -> None:
    barred.add(store.state)
    with pytest.raises(DiskFailed, match="not valid"):
        agent.roots.add(DIGEST, use_of(store, name_path(store, "x", "gone")))


def test_a_full_disk_is_no_such_case(
    nix: PrivateStore, store: Store, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: str, path: str) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(OSError, match="No space left"):
        agent.roots.add(DIGEST, use_of(store, derive(nix)))
    assert agent.said == []


class Collector:
    """A collection of garbage at work: it has the lock, and takes note of paths by its socket."""

    def __init__(self, store: Store) -> None:
        self.noted: list[str] = []
        self.answer = b"1"
        self.delay = 0.0
        self._store = store

    @contextmanager
    def at_work(self, *, listens: bool = True) -> Iterator[None]:
        lock = os.open(f"{self._store.state}/gc.lock", os.O_RDWR | os.O_CREAT, 0o600)
        place = Path(self._store.state, "gc-socket")
        place.mkdir(exist_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            if listens:
                server.bind(f"{place}/socket")
                server.listen()
            fcntl.flock(lock, fcntl.LOCK_EX)
            thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
            if listens:
                thread.start()
            try:
                yield
            finally:
                os.close(lock)
                if listens:
                    os.unlink(f"{place}/socket")
                    server.shutdown(socket.SHUT_RDWR)
                    thread.join(5)
                    assert not thread.is_alive()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                for line in lines:
                    self.noted.append(line.decode().removesuffix("\n"))
                    time.sleep(self.delay)
                    if self.answer and not _is_gone(client):
                        client.sendall(self.answer)


def _is_gone(client: socket.socket) -> bool:
    """Whether the other side has closed."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    return bool(poll.poll(0))


def test_a_collector_at_work_is_told(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, derive(nix, "a"), derive(nix, "b"))
    collector = Collector(store)
    with collector.at_work():
        agent.roots.add(DIGEST, use)
    assert collector.noted == list(use.paths)
    assert sorted(roots_in(store).values()) == list(use.paths)


def test_what_it_has_deleted_by_then_is_found_out(nix: PrivateStore, store: Store, agent: Agent) -> None:
    use = use_of(store, path := derive(nix))
    with Collector(store).at_work():
        os.unlink(path)
        with pytest.raises(DiskFailed, match="not valid in the store any more"):
            agent.roots.add(DIGEST, use)


@pytest.mark.parametrize(
    ("answer", "listens", "why"),
    [
        (b"1", False, "no such file or directory"),
        (b"0", True, "it did not take note"),
        (b"", True, "timed out"),
    ],
)
def test_a_collector_that_cannot_be_told_keeps_it_from_starting(
    nix: PrivateStore,
    store: Store,
    agent: Agent,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    listens: bool,
    why: str,
) -> None:
    monkeypatch.setattr(storeroots, "COLLECTOR_PATIENCE", 0.05)
    use = use_of(store, derive(nix))
    collector = Collector(store)
    collector.answer = answer
    with collector.at_work(listens=listens), pytest.raises(DiskFailed) as caught:
        agent.roots.add(DIGEST, use)
    assert str(caught.value) == (
        f"garbage of the store {store.real} is being collected, and the collector cannot be told: {why}"
    )
    assert roots_in(store) == {}
    agent.roots.add(DIGEST, use)
    assert len(roots_in(store)) == 1


def test_roots_that_stand_need_no_collector(nix: PrivateStore, store: Store, agent: Agent) -> None:
    """A restart must not wait for a collection that began weeks after its roots were made."""
    use = use_of(store, path := derive(nix))
    agent.roots.add(DIGEST, use)
    with Collector(store).at_work(listens=False):
        agent.roots.add(DIGEST, use)
        with pytest.raises(DiskFailed, match="cannot be told"):
            agent.roots.add(OTHER, use)
        os.unlink(path)
        with pytest.raises(DiskFailed, match="not valid in the store any more"):
            agent.roots.add(DIGEST, use)


def test_a_slow_collector_has_one_time_for_all_paths(
    nix: PrivateStore, store: Store, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storeroots, "COLLECTOR_PATIENCE", 0.3)
    collector = Collector(store)
    collector.delay = 0.1
    use = StoreUse(store, (derive(nix),) * 50)
    began = time.monotonic()
    with collector.at_work(), pytest.raises(DiskFailed, match="cannot be told: timed out"):
        agent.roots.add(DIGEST, use)
    assert time.monotonic() - began < 2


def test_no_collection_begins_while_roots_are_made(
    nix: PrivateStore, store: Store, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    symlink = os.symlink
    tried: list[bool] = []

    def look(target: str, path: str) -> None:
        lock = os.open(f"{store.state}/gc.lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tried.append(True)
        except BlockingIOError:
            tried.append(False)
        finally:
            os.close(lock)
        symlink(target, path)

    monkeypatch.setattr(os, "symlink", look)
    agent.roots.add(DIGEST, use_of(store, derive(nix)))
    assert set(tried) == {False}
    monkeypatch.undo()
    nix.collect_garbage()  # it is free again, or this would hang


def test_the_same_lock_and_socket_as_nix_has(nix: PrivateStore, store: Store) -> None:
    """Of nix itself: with the lock held a path is added only once the collector has been told."""
    collector = Collector(store)
    with collector.at_work():
        path = nix.run("nix-store", "--add", str(nix.root / "conf/nix.conf")).stdout.strip()
    assert path in collector.noted


def test_without_a_state_folder_nothing_is_made(tmp_path: Path, agent: Agent) -> None:
    """A store that was copied without its database: the host has no nix that could collect anything."""
    store = Store(f"{tmp_path}/store", f"{tmp_path}/store", f"{tmp_path}/none")
    path = name_path(store, "a", "data")
    os.makedirs(path)
    agent.roots.add(DIGEST, use_of(store, path))
    assert len(roots_in(store)) == 1


# What the agent makes of it


def test_a_bundle_whose_paths_are_gone_is_told_so(nix: PrivateStore, store: Store, tmp_path: Path) -> None:
    disk = HostDisk(Layout(f"{tmp_path}/state", f"{tmp_path}/run"))
    path = derive(nix)
    bundle = evolve(make_bundle(), store=use_of(store, path))
    disk.keep_store_paths(bundle)
    disk.keep_store_paths(bundle)
    assert list(roots_in(store).values()) == [path]
    disk.sweep_store_roots((), lambda: ())
    nix.collect_garbage()
    with pytest.raises(DiskFailed) as caught:
        disk.keep_store_paths(bundle)
    assert str(caught.value) == f"{path}: not valid in the store any more"


def test_a_bundle_of_no_store_has_no_roots(tmp_path: Path) -> None:
    disk = HostDisk(Layout(f"{tmp_path}/state", f"{tmp_path}/run"))
    disk.keep_store_paths(make_bundle())
    assert not os.path.exists(f"{tmp_path}/state/gcroots")


def test_the_bundles_of_all_generations_are_known(tmp_path: Path) -> None:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    os.mkdir(layout.state)
    generations = HostGenerations(layout)
    assert generations.list_bundles() == frozenset()
    text = text_of("a")
    # A text that looks like one is none.
    odd = f'{text}env.A = \'"bundle":"{"f" * 64}"\'\n'
    first = follow(None, {"web": make_target("web", text, "1" * 64), "db": make_target("db", odd, "2" * 64)}, 1)
    second = follow(first, {"web": make_target("web", text, "3" * 64)}, 2)
    generations.write_now(first, {each.digest: each.name for each in first.definitions.values()})
    assert generations.list_bundles() == {"1" * 64, "2" * 64}
    generations.write_now(second, {})
    assert generations.list_bundles() == {"1" * 64, "2" * 64, "3" * 64}
    os.unlink(layout.generation(1))
    assert generations.list_bundles() == {"3" * 64}
    assert HostGenerations(layout).list_bundles() == {"3" * 64}
