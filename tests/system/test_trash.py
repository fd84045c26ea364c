"""What is removed is gone at once, and freed in a thread: the loop never waits for what an application has written."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed
from orchestrator.system import trash
from orchestrator.system.disk import HostDisk
from orchestrator.system.files import remove_tree
from tests.system.helpers_disk import listing, make_bundle, make_instance, make_instance_state


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=f"{tmp_path}/state", run=f"{tmp_path}/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    """With one instance that has a writable root."""
    disk = HostDisk(layout)
    disk.write_instance(make_instance_state(layout))
    disk.prepare_instance(make_instance(layout, make_bundle(readonly=False)))
    return disk


def trash_of(layout: Layout) -> list[str] | None:
    """What is in the trash; None where there is none."""
    path = f"{layout.state}/trash"
    return os.listdir(path) if os.path.lexists(path) else None


def leave(layout: Layout, *paths: str) -> None:
    """Folders in the trash, as an agent leaves them that is killed."""
    for path in paths:
        os.makedirs(f"{layout.state}/trash/{path}")


class Remover:
    """Stands for `remove_tree` of the trash: tells when it has begun, and goes on when it may."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, fail: Callable[[str], OSError | None] = lambda path: None
    ) -> None:
        self.begun = trio.Event()
        self.may_go_on = threading.Event()
        self.fail = fail
        self.removed: list[str] = []
        self._token = trio.lowlevel.current_trio_token()
        monkeypatch.setattr(trash, "remove_tree", self.remove)

    def remove(self, path: str) -> None:
        self._token.run_sync_soon(self.begun.set)
        assert self.may_go_on.wait(30)
        if error := self.fail(path):
            raise error
        remove_tree(path)
        self.removed.append(path)


async def test_the_loop_goes_on_while_a_root_is_freed(
    disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    remover = Remover(monkeypatch)
    async with trio.open_nursery() as nursery:
        await nursery.start(disk.empty_trash_for_ever, pytest.fail)
        disk.remove_instance("web-1")
        assert listing(layout.roots) == listing(layout.instances) == []
        disk.remove_instance("web-1")
        await remover.begun.wait()
        assert remover.removed == []
        disk.prepare_instance(make_instance(layout, make_bundle(readonly=False), "web-2"))
        disk.remove_instance("web-2")
        remover.may_go_on.set()
        nursery.cancel_scope.cancel()
    assert len(remover.removed) == 2
    assert trash_of(layout) is None


async def test_the_sweep_only_moves(disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle()
    disk.store_bundle(bundle)
    remove_tree(layout.instance("web-1"))
    os.unlink(layout.instance_state("web-1"))
    remover = Remover(monkeypatch)
    async with trio.open_nursery() as nursery:
        await nursery.start(disk.empty_trash_for_ever, pytest.fail)
        disk.sweep_bundles(())
        assert remover.removed == []
        assert listing(layout.bundles) == listing(layout.skeletons) == listing(layout.roots) == []
        # The same again, while it is still being removed.
        disk.store_bundle(bundle)
        assert os.listdir(layout.bundles) == [bundle.digest]
        remover.may_go_on.set()
        nursery.cancel_scope.cancel()
    assert len(remover.removed) == 3
    assert "etc" in os.listdir(f"{layout.bundle(bundle.digest)}/rootfs")


async def test_what_a_killed_agent_left_is_freed_first(
    disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(layout, "0123/deep", "4567")
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()
    empty_now = disk._trash.empty_now

    def empty_and_tell() -> dict[str, OSError]:
        try:
            return empty_now()
        finally:
            token.run_sync_soon(done.set)

    monkeypatch.setattr(disk._trash, "empty_now", empty_and_tell)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.empty_trash_for_ever, pytest.fail)
        await done.wait()
        assert trash_of(layout) is None
        # And when something comes later.
        done = trio.Event()
        await trio.testing.wait_all_tasks_blocked()
        disk.remove_instance("web-1")
        await done.wait()
        assert trash_of(layout) is None
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_freed_is_told_once_and_hinders_nothing(
    disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = f"{layout.state}/trash/stuck"
    leave(layout, "stuck")
    denied = OSError(errno.EPERM, os.strerror(errno.EPERM), f"{stuck}/immutable")
    remover = Remover(monkeypatch, lambda path: denied if path == stuck else None)
    remover.may_go_on.set()
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(disk.empty_trash_for_ever, told.append)
        await remover.begun.wait()
        disk.remove_instance("web-1")
        nursery.cancel_scope.cancel()
    assert told == [f"cannot remove {stuck}: Operation not permitted ({stuck}/immutable)"]
    assert trash_of(layout) == ["stuck"]
    assert len(remover.removed) == 1
    with pytest.raises(DiskFailed, match=rf"^cannot empty {layout.state}/trash: Operation not permitted"):
        disk.empty_trash_now()
    monkeypatch.undo()
    disk.empty_trash_now()
    assert trash_of(layout) is None


def test_without_a_task_that_empties_it_nothing_is_left(disk: HostDisk, layout: Layout) -> None:
    disk.remove_instance("web-1")
    disk.empty_trash_now()
    assert listing(layout.roots) == []
    assert trash_of(layout) is None


async def test_what_is_on_another_file_system_is_removed_in_place(
    disk: HostDisk, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, target: str) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)

    monkeypatch.setattr(trash, "move_tree", refuse)
    async with trio.open_nursery() as nursery:
        await nursery.start(disk.empty_trash_for_ever, pytest.fail)
        disk.remove_instance("web-1")
        assert listing(layout.roots) == []
        nursery.cancel_scope.cancel()


@pytest.mark.real
def test_what_something_is_mounted_in_stays_where_it_is(disk: HostDisk, layout: Layout) -> None:
    """In a mount namespace of its own."""
    source = Path(layout.state).parent / "source"
    source.mkdir()
    (source / "precious").touch()
    code = (
        "import sys, trio\n"
        "from orchestrator.model.layout import Layout\n"
        "from orchestrator.ports import DiskFailed\n"
        "from orchestrator.system.disk import HostDisk\n"
        "async def main():\n"
        "    disk = HostDisk(Layout(*sys.argv[1:]))\n"
        "    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(disk.empty_trash_for_ever, print)\n"
        "        try: disk.remove_instance('web-1')\n"
        "        except DiskFailed as error: print(error)\n"
        "        nursery.cancel_scope.cancel()\n"
        "trio.run(main)"
    )
    script = 'mount --bind "$0" "$1/etc" && exec "$2" -c "$3" "$4" "$5"'
    root = layout.root("web-1")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(source), root, sys.executable, code, layout.state, layout.run],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"cannot remove the instance web-1 from {layout.instances}: something is mounted there ({root}/etc)\n"
    )
    assert os.listdir(source) == ["precious"]
    assert os.path.exists(f"{root}/etc/hostname")
