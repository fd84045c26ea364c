"""A Nix store of the tests' own: made in a scratch folder by Debian's nix-bin, without /nix, a network or root.

Its paths are not below /nix/store, so what is built in it has nothing from nixpkgs: busybox is all there is to build
with. A program that is to find this store needs `PrivateStore.environment`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

_CONFIGURATION = """\
sandbox = false
substituters =
build-users-group =
experimental-features = nix-command flakes
flake-registry =
"""
"""nix.conf(5): builds are plain child processes of the same user, and nothing is looked for elsewhere. (`flakes` is for
tests of flakes alone.)"""

_SEARCHED = "PATH", "LANG", "LC_ALL", "TMPDIR"
"""What Nix gets of the environment of the tests."""

_APPLETS = (
    "sh",
    "ash",
    "cat",
    "cp",
    "echo",
    "env",
    "grep",
    "httpd",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mount",
    "sleep",
    "touch",
)


class NixFailed(Exception):
    """A command of Nix ended with another exit code than 0; `stderr` is what it wrote."""

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        super().__init__(f"{' '.join(command)}: {stderr}")
        self.stderr = stderr


@frozen
class PrivateStore:
    """A store, and the commands of Nix on it."""

    root: Path
    """The folder with all of it: `root/store` is what /nix/store is elsewhere, `root/state` what /nix/var/nix is."""
    busybox: str
    """The store path of a package with `bin/busybox` and links to it: what derivations are built with and containers
    run. `derive` and expressions (as ``busybox``) use it; it needs no other path."""

    @property
    def folder(self) -> Path:
        """Where the store paths are."""
        return self.root / "store"

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that a program needs to use this store and no other, below a HOME of its own."""
        return _make_environment(self.root)

    def run(
        self, *command: str, cwd: Path | None = None, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Nix to its end; `env` comes on top.

        Raises:
            NixFailed: It failed, and `check` is true.
        """
        environment = self.environment | dict(env or {})
        result = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise NixFailed(command, result.stderr)
        return result

    def add(self, path: Path) -> str:
        """Copy a file or folder into the store; its store path."""
        return self.run("nix-store", "--add", str(path)).stdout.strip()

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401
        """The value of an expression that has ``busybox`` (a string with context, that of a dependency), as of JSON."""
        command = ["nix-instantiate", "--eval", "--read-write-mode", "--strict", "--json"]
        shown = self.run(*command, "--expr", self._bound(expression))
        return json.loads(shown.stdout)

    def build(self, expression: str) -> str:
        """Build the derivation that an expression with ``busybox`` yields; its first output's store path.

        Nothing roots it: a collection of garbage takes it.
        """
        built = self.run("nix-build", "--no-out-link", "--expr", self._bound(expression))
        return built.stdout.split()[0]

    def derive(self, name: str, script: str, *needs: str) -> str:
        """A store path made by lines of busybox' shell that write to ``$out``; it needs those of the paths `needs` that
        the lines write down there."""
        words = " ".join(f"(builtins.storePath {quote(need)})" for need in needs)
        return self.build(
            f"derivation {{ name = {quote(name)}; system = builtins.currentSystem; needs = [ {words} ];"
            f' builder = "${{busybox}}/bin/sh"; PATH = "${{busybox}}/bin"; args = [ "-euc" {quote(script)} ]; }}'
        )

    def requisites(self, path: str) -> list[str]:
        """The closure of a store path, itself included."""
        return self.run("nix-store", "--query", "--requisites", path).stdout.split()

    def root_for(self, path: str, link: Path) -> None:
        """Keep a store path from collections of garbage as long as `link`, a new link to it, is there."""
        self.run("nix-store", "--realise", path, "--add-root", str(link))

    def collect_garbage(self) -> None:
        """Delete what no root holds, busybox excepted."""
        self.run("nix-store", "--gc")

    def _bound(self, expression: str) -> str:
        return f"let busybox = builtins.storePath {quote(self.busybox)}; in {expression}"


def quote(text: str) -> str:
    """A string of the Nix language that says just `text`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'


def make_private_store(root: Path) -> PrivateStore:
    """Make a store in a new folder, with busybox in it and a root for that."""
    for program, package in (("nix-store", "nix-bin"), ("busybox", "busybox-static")):
        assert shutil.which(program), f"{program} is missing: apt-get install {package}"
    (root / "conf").mkdir(parents=True)
    (root / "conf/nix.conf").write_text(_CONFIGURATION)
    (root / "home").mkdir()
    blank = PrivateStore(root, "")
    blank.run("nix-store", "--init")
    store = PrivateStore(root, blank.add(_gather_busybox(root / "busybox")))
    store.root_for(store.busybox, root / "busybox-root")
    return store


@pytest.fixture(scope="session")
def private_store(tmp_path_factory: pytest.TempPathFactory) -> PrivateStore:
    """One store for all tests of a session: names and paths in it are never two tests' own, so a test that collects
    garbage makes a store for itself."""
    return make_private_store(tmp_path_factory.mktemp("nix"))


def _gather_busybox(folder: Path) -> Path:
    """A package as nixpkgs would have it. Not a flat file: busybox goes by the name that it is called by."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", folder / "bin/busybox")
    for name in _APPLETS:
        (folder / "bin" / name).symlink_to("busybox")
    return folder


def _make_environment(root: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _SEARCHED if name in os.environ}
    return kept | {
        "NIX_STORE_DIR": f"{root}/store",
        "NIX_STATE_DIR": f"{root}/state",
        "NIX_LOG_DIR": f"{root}/log",
        "NIX_CONF_DIR": f"{root}/conf",
        # No configuration of the user's, no daemon, no channels.
        "NIX_USER_CONF_FILES": "",
        "NIX_REMOTE": "local",
        "NIX_PATH": "",
        "HOME": f"{root}/home",
    }
