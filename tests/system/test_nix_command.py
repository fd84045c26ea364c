"""The command of nix, where the database of a store cannot be read."""

import os
import shutil
import stat
from pathlib import Path

import pytest
import trio

from orchestrator.model.store import Requisites, Store
from orchestrator.system import nix as nix_module
from orchestrator.system.nix import NixFailed, NixStore, find_nix
from orchestrator.system.reaper import Children
from tests.nix.private_store import PrivateStore, make_private_store
from tests.system.helpers_store import name_path, store_of


@pytest.fixture(scope="module")
def nix(tmp_path_factory: pytest.TempPathFactory) -> PrivateStore:
    return make_private_store(tmp_path_factory.mktemp("nix"))


def command_of(nix: PrivateStore, **environ: str) -> NixStore:
    """The command with an environment that says of no store where it is."""
    named = ("NIX_STORE_DIR", "NIX_STATE_DIR")
    return NixStore(Children(), {name: value for name, value in nix.environment.items() if name not in named} | environ)


def write_nix(folder: Path, script: str) -> NixStore:
    """A made-up `nix-store`."""
    program = folder / "nix-store"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return NixStore(Children(), {"PATH": f"{folder}:{os.environ['PATH']}", "NOTIFY_SOCKET": "/private"})


async def test_a_closure(nix: PrivateStore) -> None:
    data = nix.derive("data", "echo data > $out")
    user = nix.derive("user", f"echo {data} > $out", data)
    answer = await command_of(nix).query_requisites(store_of(nix), [user, nix.busybox])
    assert answer.invalid == ()
    assert sorted(answer.paths) == sorted([data, user, nix.busybox])


async def test_what_is_not_valid(nix: PrivateStore) -> None:
    store = store_of(nix)
    gone = (name_path(store, "x", "gone"), name_path(store, "y", "lost"))
    assert await command_of(nix).query_requisites(store, [nix.busybox, *gone]) == Requisites(invalid=gone)


async def test_of_a_chroot_store(nix: PrivateStore, tmp_path: Path) -> None:
    """Its paths are as /nix/store has them, whatever the environment says of the host's store."""
    root = tmp_path / "root"
    file = tmp_path / "app.conf"
    file.write_text("x")
    environ = {name: value for name, value in nix.environment.items() if not name.startswith("NIX_ST")}
    command = ("nix-store", "--store", str(root), "--add", str(file))
    added = await trio.run_process(command, env=environ, capture_stdout=True)
    path = added.stdout.decode().strip()
    store = Store("/nix/store", f"{root}/nix/store", f"{root}/nix/var/nix", str(root))
    assert path.startswith("/nix/store/")
    assert await command_of(nix).query_requisites(store, [path]) == Requisites((path,))
    gone = name_path(store, "x", "gone")
    assert await command_of(nix).query_requisites(store, [gone]) == Requisites(invalid=(gone,))


async def test_where_nix_is_not_installed_it_is_said_where_it_was_looked_for(nix: PrivateStore, tmp_path: Path) -> None:
    message = "there is no nix-store on PATH, nor in /run/current-system/sw/bin or /nix/var/nix/profiles/default/bin"
    with pytest.raises(NixFailed) as caught:
        await command_of(nix, PATH=str(tmp_path)).query_requisites(store_of(nix), [nix.busybox])
    assert str(caught.value) == message


def test_it_is_found_where_nixos_has_it_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nix-store").touch(0o755)
    monkeypatch.setattr(nix_module, "PLACES", (str(tmp_path),))
    assert find_nix("nix-store", {"PATH": "/nowhere"}) == f"{tmp_path}/nix-store"
    other = tmp_path / "other"
    other.mkdir()
    (other / "nix-store").touch(0o755)
    assert find_nix("nix-store", {"PATH": str(other)}) == f"{other}/nix-store"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nix-store").touch(0o755)
    monkeypatch.chdir(tmp_path)
    assert find_nix("nix-store", {"PATH": "."}) == f"{os.path.realpath(tmp_path)}/nix-store"


async def test_what_it_says_is_told(nix: PrivateStore) -> None:
    with pytest.raises(NixFailed, match=r"nix-store --check-validity: exit code 1: error: .*/elsewhere/x"):
        await command_of(nix).query_requisites(store_of(nix), ["/elsewhere/x"])


async def test_of_what_it_says_the_first_line_is_told(tmp_path: Path) -> None:
    command = write_nix(tmp_path, "echo 'error: one' >&2; echo two >&2; exit 3")
    with pytest.raises(NixFailed) as caught:
        await command.query_requisites(Store(real=str(tmp_path)), ["/x"])
    assert str(caught.value) == f"{tmp_path}/nix-store --check-validity: exit code 3: error: one"


async def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nix_module, "PATIENCE", 0.1)
    with pytest.raises(NixFailed, match=r"--check-validity: took too long$"):
        await write_nix(tmp_path, "exec sleep 1000").query_requisites(Store(real=str(tmp_path)), ["/x"])


async def test_one_that_cannot_be_run(tmp_path: Path) -> None:
    command = write_nix(tmp_path, "")
    (tmp_path / "nix-store").write_text("#!/no/such/interpreter\n")
    with pytest.raises(NixFailed, match="nix-store"):
        await command.query_requisites(Store(real=str(tmp_path)), ["/x"])


async def test_it_is_told_which_store_and_nothing_of_the_agent(tmp_path: Path) -> None:
    command = write_nix(tmp_path, f"env > {tmp_path}/env; echo $@ > {tmp_path}/args")
    place, chroot = tmp_path / "x", tmp_path / "chroot"
    for folder in (place / "store", chroot / "nix/store"):
        folder.mkdir(parents=True)
    store = Store(f"{place}/store", f"{place}/store", f"{place}/state")
    await command.query_requisites(store, [f"{place}/store/a"])
    said = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert (said["NIX_STORE_DIR"], said["NIX_STATE_DIR"]) == (f"{place}/store", f"{place}/state")
    assert "NOTIFY_SOCKET" not in said
    assert (tmp_path / "args").read_text() == f"--query --requisites {place}/store/a\n"
    await command.query_requisites(Store(real=f"{chroot}/nix/store", root=str(chroot)), ["/nix/store/a"])
    said = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert "NIX_STORE_DIR" not in said
    assert (tmp_path / "args").read_text() == f"--query --requisites /nix/store/a --store {chroot}\n"


async def test_much_output_is_read_whole(tmp_path: Path) -> None:
    """More than a pipe holds."""
    command = write_nix(tmp_path, 'test $1 = --query && seq -f "/nix/store/%06.0f" 20000; true')
    answer = await command.query_requisites(Store(real=str(tmp_path)), ["/x"])
    assert len(answer.paths) == 20000
    assert answer.paths[-1] == "/nix/store/020000"


def test_the_tests_have_nix() -> None:
    assert shutil.which("nix-store"), "apt-get install nix-bin"
    assert stat.S_ISREG(os.stat(shutil.which("nix-store") or "").st_mode)


async def test_a_store_that_is_not_there_is_said_to_be_missing_and_not_made(nix: PrivateStore, tmp_path: Path) -> None:
    store = Store(f"{tmp_path}/q/store", f"{tmp_path}/q/store", f"{tmp_path}/q/state")
    with pytest.raises(NixFailed) as caught:
        await command_of(nix).query_requisites(store, [name_path(store, "x", "app")])
    assert str(caught.value) == f"there is no store {tmp_path}/q/store"
    assert not (tmp_path / "q").exists()
