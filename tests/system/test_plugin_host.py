"""What a plugin kind may do to the host: one suite, on the fake that its authors test with and on the real one."""

import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from attrs import frozen

from orchestrator.model.host import Host, HostFailed, Ran
from orchestrator.system import plugin_host
from orchestrator.system.plugin_host import PluginHost
from orchestrator.system.reaper import Children
from orchestrator.system.unmount import unmount_below
from orchestrator.testing.host_files import FakeFolder
from orchestrator.testing.plugin_host import Command, FakeHost

T = TypeVar("T")


@frozen
class Bench:
    """A host, and a folder on it in which a test works."""

    host: Host
    base: str

    async def do(self, work: Callable[[Host, str], T]) -> T:
        """As a kind does it: in a thread, where it is the real one."""
        if isinstance(self.host, FakeHost):
            return work(self.host, self.base)
        return await trio.to_thread.run_sync(work, self.host, self.base)

    async def fails(self, work: Callable[[Host, str], object], why: str) -> None:
        """It raises HostFailed, and its one line says why."""
        with pytest.raises(HostFailed, match=why) as raised:
            await self.do(work)
        assert "\n" not in str(raised.value)

    def look(self, name: str) -> tuple[str, int, int, int] | None:
        """What stands there in the folder: ``file`` or ``folder``, mode, uid, gid."""
        path = f"{self.base}/{name}"
        if isinstance(self.host, FakeHost):
            node = self.host.look(path)
            kind = "folder" if isinstance(node, FakeFolder) else "file"
            return None if node is None else (kind, node.mode, node.uid, node.gid)
        if not os.path.lexists(path):
            return None
        found = os.lstat(path)
        kind = "folder" if stat.S_ISDIR(found.st_mode) else "file"
        return kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "fake":
        host = FakeHost({f"{tmp_path}/there": b"text"}, environ={"ORCHESTRATOR_TRIED": "yes"})
        host.reply("/bin/sh", play_shell)
        yield Bench(host, f"{tmp_path}")
        return
    (tmp_path / "there").write_text("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRATOR_TRIED", "yes")
        patch.setenv("NOTIFY_SOCKET", "/run/of-the-agent")
        before = os.umask(0o077)
        try:
            yield Bench(PluginHost(Children(), {}), f"{tmp_path}")
        finally:
            os.umask(before)
            unmount_below(f"{tmp_path}")


def play_shell(command: Command) -> Ran:
    """The scripts of this file."""
    match command.args[-1]:
        case "exit 3":
            return Ran(3, b"", b"")
        case "kill -9 $$":
            return Ran(137, b"", b"")
        case "cat; echo wrong >&2":
            return Ran(0, command.stdin, b"wrong\n")
        case "env":
            return Ran(0, "".join(f"{name}={value}\n" for name, value in (command.env or {}).items()).encode(), b"")
        case script:
            raise HostFailed(f"/bin/sh took longer than 0.05 s: {script}")


async def test_a_file_is_put_in_place_with_mode_and_owner(bench: Bench) -> None:
    await bench.do(lambda host, base: host.write_file(f"{base}/a/b/file", b"1", mode=0o640, uid=7, gid=8))
    assert bench.look("a/b/file") == ("file", 0o640, 7, 8)
    assert bench.look("a") == bench.look("a/b") == ("folder", 0o755, 0, 0)
    assert await bench.do(lambda host, base: host.read_file(f"{base}/a/b/file")) == b"1"
    await bench.do(lambda host, base: host.write_file(f"{base}/a/b/file", b"22"))
    assert bench.look("a/b/file") == ("file", 0o644, 0, 0)
    assert await bench.do(lambda host, base: host.list_folder(f"{base}/a/b")) == ("file",)


async def test_a_folder_is_made_once(bench: Bench) -> None:
    def make(host: Host, base: str) -> tuple[bool, bool]:
        first = host.make_folder(f"{base}/a/b", mode=0o1770, uid=7, gid=8)
        return first, host.make_folder(f"{base}/a/b", mode=0o700)

    assert await bench.do(make) == (True, False)
    assert bench.look("a/b") == ("folder", 0o1770, 7, 8)
    assert bench.look("a") == ("folder", 0o755, 0, 0)
    await bench.fails(lambda host, base: host.make_folder(f"{base}/there"), "cannot make the folder .*: File exists")
    await bench.fails(lambda host, base: host.make_folder(f"{base}/there/x"), "cannot make the folder .*Not a dir")


async def test_a_file_says_something_else_and_stays_the_file_that_it_is(bench: Bench) -> None:
    def rewrite(host: Host, base: str) -> bytes | None:
        host.write_file(f"{base}/other", b"")
        host.mount(f"{base}/there", f"{base}/other", "", ["bind"])
        host.rewrite_file(f"{base}/there", b"new")
        return host.read_file(f"{base}/other")

    assert await bench.do(rewrite) == b"new"
    await bench.do(lambda host, base: host.rewrite_file(f"{base}/a/hosts", b"made"))
    assert bench.look("a/hosts") == ("file", 0o644, 0, 0)
    await bench.fails(lambda host, base: host.rewrite_file(base, b""), "cannot write .*: Is a directory")


async def test_what_is_not_there_is_no_failure(bench: Bench) -> None:
    assert await bench.do(lambda host, base: host.read_file(f"{base}/none/at/all")) is None
    assert await bench.do(lambda host, base: host.read_file(f"{base}/there/below")) is None
    assert await bench.do(lambda host, base: host.list_folder(f"{base}/none")) == ()
    await bench.do(lambda host, base: host.remove(f"{base}/none/at/all"))
    await bench.do(lambda host, base: host.remove(f"{base}/there/below"))
    await bench.do(lambda host, base: host.unmount(f"{base}/none"))


async def test_what_cannot_be_read_is_told(bench: Bench) -> None:
    await bench.fails(lambda host, base: host.read_file(f"{base}/there", limit=3), "larger than 3 bytes")
    assert await bench.do(lambda host, base: host.read_file(f"{base}/there", limit=4)) == b"text"
    await bench.fails(lambda host, base: host.read_file(base), "cannot read .*: it is no file")
    await bench.fails(lambda host, base: host.list_folder(f"{base}/there"), "cannot look through .*: Not a directory")
    await bench.fails(lambda host, base: host.write_file(base, b""), "cannot write .*: Is a directory")


async def test_a_folder_is_removed_with_all_in_it_and_what_is_mounted_stays(bench: Bench) -> None:
    def fill(host: Host, base: str) -> None:
        host.write_file(f"{base}/data/precious", b"1")
        host.make_folder(f"{base}/a/b/c")
        host.make_folder(f"{base}/a/data")
        host.write_file(f"{base}/a/there", b"")
        host.mount(f"{base}/data", f"{base}/a/data", "", ["bind"])
        host.mount(f"{base}/there", f"{base}/a/there", "", ["bind"])
        host.remove(f"{base}/a/there")
        host.remove(f"{base}/a")

    await bench.do(fill)
    assert bench.look("a") is None
    assert bench.look("data/precious") is not None
    assert await bench.do(lambda host, base: host.read_file(f"{base}/there")) == b"text"


async def test_a_file_system_hides_what_was_there_and_goes_with_what_it_has(bench: Bench) -> None:
    def use(host: Host, base: str) -> list[tuple[str, ...]]:
        host.write_file(f"{base}/m/under", b"")
        host.mount("tmpfs", f"{base}/m", "tmpfs", ["nosuid", "nodev", "size=64k", "mode=0711", "uid=7"])
        seen = [host.list_folder(f"{base}/m")]
        host.write_file(f"{base}/m/upon", b"")
        host.make_folder(f"{base}/m/deep")
        host.mount("tmpfs", f"{base}/m/deep", "tmpfs")
        seen.append(host.list_folder(f"{base}/m"))
        return seen

    assert await bench.do(use) == [(), ("deep", "upon")]
    assert bench.look("m") == ("folder", 0o711, 7, 0)
    await bench.do(lambda host, base: host.unmount(f"{base}/m"))
    assert await bench.do(lambda host, base: host.list_folder(f"{base}/m")) == ("under",)


async def test_a_bind_mount_that_is_read_only_is(bench: Bench) -> None:
    """mount(2) ignores the flag in the call that binds."""

    def bind(host: Host, base: str) -> None:
        host.make_folder(f"{base}/data")
        host.make_folder(f"{base}/seen")
        host.mount(f"{base}/data", f"{base}/seen", "", ["bind", "ro", "nosuid", "private"])

    await bench.do(bind)
    await bench.fails(lambda host, base: host.write_file(f"{base}/seen/x", b""), "Read-only file system")
    await bench.fails(lambda host, base: host.make_folder(f"{base}/seen/x"), "Read-only file system")
    await bench.do(lambda host, base: host.write_file(f"{base}/data/x", b""))
    await bench.do(lambda host, base: host.mount("", f"{base}/seen", "", ["remount", "bind", "rw"]))
    await bench.do(lambda host, base: host.write_file(f"{base}/seen/y", b""))
    assert await bench.do(lambda host, base: host.list_folder(f"{base}/data")) == ("x", "y")


async def test_what_is_mounted_below_comes_along_where_that_is_asked(bench: Bench) -> None:
    def bind(host: Host, base: str) -> list[tuple[str, ...]]:
        for name in ("data/inner", "alone", "whole"):
            host.make_folder(f"{base}/{name}")
        host.mount("tmpfs", f"{base}/data/inner", "tmpfs")
        host.mount("", f"{base}/data/inner", "", ["private"])
        host.write_file(f"{base}/data/inner/file", b"")
        host.mount(f"{base}/data", f"{base}/alone", "", ["bind"])
        host.mount(f"{base}/data", f"{base}/whole", "", ["rbind", "rprivate"])
        return [host.list_folder(f"{base}/{name}/inner") for name in ("alone", "whole")]

    assert await bench.do(bind) == [(), ("file",)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("tmpfs", "none", "tmpfs", ()), "cannot mount tmpfs on .*/none: No such file or directory"),
        (("/none/at/all", "folder", "", ("bind",)), "cannot mount it on .*: No such file or directory"),
        (("tmpfs", "there", "tmpfs", ()), "Not a directory"),
        (("", "folder", "", ("remount", "ro")), "Invalid argument"),
        (("", "folder", "", ("private",)), "Invalid argument"),
        (("/", "folder", "", ("bind", "size=1m")), 'a bind mount has no option "size=1m"'),
    ],
)
async def test_a_mount_that_cannot_be(bench: Bench, arguments: tuple[str, str, str, tuple[str, ...]], why: str) -> None:
    source, name, kind, options = arguments
    await bench.do(lambda host, base: host.make_folder(f"{base}/folder"))
    await bench.fails(lambda host, base: host.mount(source, f"{base}/{name}", kind, options), why)


@pytest.mark.parametrize("path", ["there", "", "/", "//tmp", "/tmp/", "/tmp/../etc", "/tmp/./x", "/tmp/\0"])
async def test_a_path_that_leads_who_knows_where(bench: Bench, path: str) -> None:
    calls: list[Callable[[Host, str], object]] = [
        lambda host, _: host.remove(path),
        lambda host, _: host.unmount(path),
        lambda host, _: host.make_folder(path),
        lambda host, _: host.write_file(path, b""),
        lambda host, _: host.rewrite_file(path, b""),
        lambda host, _: host.read_file(path),
        lambda host, _: host.list_folder(path),
        lambda host, _: host.mount("tmpfs", path, "tmpfs"),
    ]
    for call in calls:
        await bench.fails(call, "no absolute path|the root, or not in its shortest form")


async def test_a_program_runs_to_its_end(bench: Bench) -> None:
    async def run(script: str, **more: object) -> Ran:
        return await bench.do(lambda host, _: host.run(["/bin/sh", "-c", script], **more))  # type: ignore[arg-type]

    assert await run("exit 3") == Ran(3, b"", b"")
    assert not (await run("exit 3")).success
    assert await run("kill -9 $$") == Ran(137, b"", b"")
    assert await run("cat; echo wrong >&2", stdin=b"given") == Ran(0, b"given", b"wrong\n")
    given = await run("env", env={"PATH": "/usr/bin:/bin", "ONE": "1"})
    assert {line for line in given.output.decode().splitlines() if not line.startswith(("PWD=", "_="))} == {
        "PATH=/usr/bin:/bin",
        "ONE=1",
    }
    await bench.fails(
        lambda host, _: host.run(["/bin/sh", "-c", "sleep 10"], timeout=0.05), "/bin/sh took longer than 0.05 s"
    )
    await bench.fails(lambda host, _: host.run(["/none"]), "cannot run /none: No such file or directory")
    await bench.fails(lambda host, _: host.run(["sh"]), "cannot run sh: it is no absolute path")
    await bench.fails(lambda host, _: host.run([]), "cannot run nothing: it is no absolute path")


async def test_the_environment_is_the_agents(bench: Bench) -> None:
    assert await bench.do(lambda host, _: host.getenv("ORCHESTRATOR_TRIED")) == "yes"
    assert await bench.do(lambda host, _: host.getenv("ORCHESTRATOR_NOT_THERE")) is None


async def test_a_lock_is_held_by_one_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_host, "LOCK_PATIENCE", 0.01)

    def take_twice(host: Host, _: str) -> None:
        with host.lock("a"), host.lock("b"):
            pass
        with host.lock("a"), host.lock("a"):
            raise AssertionError("two have it")

    await bench.fails(take_twice, "somebody else holds the lock a")

    def take_again(host: Host, _: str) -> str:
        with host.lock("a"):
            return "free again"

    assert await bench.do(take_again) == "free again"


@pytest.mark.real
async def test_a_real_host_leaves_nothing_half_done(tmp_path: Path) -> None:
    """What an agent that was killed has left is neither seen nor in the way."""
    host = PluginHost(Children(), {})
    base = f"{tmp_path}"
    (tmp_path / ".data.tmp").mkdir(0o777)
    (tmp_path / ".secret.tmp").write_text("an older, longer secret")
    (tmp_path / ".secret.tmp").chmod(0o666)

    def work() -> tuple[str, ...]:
        assert host.list_folder(base) == ()
        assert host.make_folder(f"{base}/data", mode=0o750, uid=3)
        host.write_file(f"{base}/secret", b"new", mode=0o400, uid=3)
        return host.list_folder(base)

    assert await trio.to_thread.run_sync(work) == ("data", "secret")
    assert (tmp_path / "secret").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750
    assert sorted(os.listdir(tmp_path)) == ["data", "secret"]


@pytest.mark.real
async def test_a_pipe_is_not_waited_for_and_a_link_is_not_followed(tmp_path: Path) -> None:
    host = PluginHost(Children(), {})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(HostFailed, match="it is no file"):
        await trio.to_thread.run_sync(host.read_file, f"{tmp_path}/pipe")
    await trio.to_thread.run_sync(host.remove, f"{tmp_path}/link")
    assert sorted(os.listdir(tmp_path)) == ["pipe", "precious"]
    assert (tmp_path / "precious/file").exists()


@pytest.mark.real
async def test_a_folder_is_made_by_one_of_many(tmp_path: Path) -> None:
    locks: dict[str, threading.Lock] = {}
    made = []

    async def make() -> None:
        host = PluginHost(Children(), locks)
        made.append(await trio.to_thread.run_sync(host.make_folder, f"{tmp_path}/shared"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(make)
    assert sorted(made) == [False] * 7 + [True]


@pytest.mark.real
async def test_nothing_is_done_for_a_call_that_was_given_up(tmp_path: Path) -> None:
    host = PluginHost(Children(), {})
    host.give_up()
    with pytest.raises(HostFailed, match="it took too long"):
        await trio.to_thread.run_sync(host.make_folder, f"{tmp_path}/late")
    assert os.listdir(tmp_path) == []


def test_who_hangs_over_a_folder_keeps_nobody_waiting_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_host, "LOCK_PATIENCE", 0.1)
    locks: dict[str, threading.Lock] = {}
    hanging, go_on = threading.Event(), threading.Event()
    is_dir = os.path.isdir

    def hang(path: str) -> bool:
        if path == f"{tmp_path}/far":
            hanging.set()
            assert go_on.wait(60)
        return is_dir(path)

    monkeypatch.setattr(os.path, "isdir", hang)
    thread = threading.Thread(target=lambda: PluginHost(Children(), locks).make_folder(f"{tmp_path}/far"), daemon=True)
    thread.start()
    assert hanging.wait(60)
    host = PluginHost(Children(), locks)
    assert host.make_folder(f"{tmp_path}/near")
    with next(iter(locks.values())), pytest.raises(HostFailed, match=r"somebody else makes a folder since 0\.1 s"):
        host.make_folder(f"{tmp_path}/another")
    go_on.set()
    thread.join()
