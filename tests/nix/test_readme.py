"""Every example of contrib/nix/README.md does what the page says."""

import json
import re
from pathlib import Path

import pytest

from tests.nix.helpers_nix import CONTRIB, run_orchestrator
from tests.nix.private_store import PrivateStore
from tests.nix.test_build import NIX
from tests.nix.test_module import LIB

README = (CONTRIB / "README.md").read_text()
DEFINITION, BUNDLE, BESIDE, MODULE = re.findall(r"```nix\n(.*?)```", README, flags=re.DOTALL)

NIXPKGS = """{ ... }:
let busybox = builtins.storePath "BUSYBOX"; in
{
  stdenv.hostPlatform.system = builtins.currentSystem;
  runtimeShell = "${busybox}/bin/sh";
  coreutils = busybox;
  darkhttpd = busybox;
  hello = busybox;
}
"""


@pytest.fixture
def nixpkgs(private_store: PrivateStore, tmp_path: Path) -> Path:
    """A file that stands for nixpkgs."""
    file = tmp_path / "nixpkgs.nix"
    file.write_text(NIXPKGS.replace("BUSYBOX", private_store.busybox))
    return file


def define(store: PrivateStore, nixpkgs: Path, text: str) -> dict[str, object]:
    """What the agent makes of a NAME.nix that stands in a clone of this repository."""
    file = nixpkgs.parent / "web.nix"
    file.write_text(text.replace("./contrib", str(CONTRIB.parent)))
    arguments = ["--argstr", "name", "web", "--argstr", "file", str(file), "-I", f"nixpkgs={nixpkgs}"]
    built = store.run("nix-build", "--no-out-link", str(NIX / "build.nix"), *arguments).stdout.strip()
    table: dict[str, object] = json.loads(Path(built).read_text())
    return table


def test_a_definition(private_store: PrivateStore, nixpkgs: Path) -> None:
    assert define(private_store, nixpkgs, DEFINITION) == {
        "args": [f"{private_store.busybox}/bin/darkhttpd", "/srv", "--port", "8080"],
        "mounts": {"/srv": {"source": "/var/www", "options": ["ro"]}},
        "network": "host",
        "hostname": "web",
    }


def test_a_bundle(private_store: PrivateStore, nixpkgs: Path) -> None:
    expression = BUNDLE.replace("./contrib", str(CONTRIB.parent))
    built = private_store.run("nix-build", "--no-out-link", "-I", f"nixpkgs={nixpkgs}", "--expr", expression)
    config = json.loads((Path(built.stdout.strip()) / "config.json").read_text())
    (data,) = (mount for mount in config["mounts"] if mount["destination"] == "/data")
    assert (data["type"], data["source"]) == ("bind", "/var/lib/mydata")


def test_a_bundle_with_what_the_agent_does(private_store: PrivateStore, nixpkgs: Path, tmp_path: Path) -> None:
    table = define(private_store, nixpkgs, BESIDE)
    assert table.keys() == {"bundle", "type", "resources"}
    (tmp_path / "web.json").write_text(json.dumps(table))
    assert "1 definition, 0 problems" in run_orchestrator(private_store, "check", str(tmp_path / "web.json"))


def test_a_host(private_store: PrivateStore, nixpkgs: Path, tmp_path: Path) -> None:
    settings = f"(({MODULE}) {{ pkgs = import {nixpkgs} {{ }}; }}).services.orchestrator"
    text = f"import {Path(__file__).parent}/nixos.nix {{ inherit busybox; lib = import {LIB}; settings = {settings}; }}"
    evaluated = private_store.evaluate(text)
    assert evaluated["failed"] == []
    folder = tmp_path / "definitions"
    folder.mkdir()
    for name, file in evaluated["files"].items():
        # Where there is no such folder the program says so, and nothing else.
        (folder / Path(name).name).write_text(re.sub(r"/var/(www|lib/migrate)\"", f'{tmp_path}"', file))
    shown = run_orchestrator(private_store, "check", str(folder))
    assert "2 definitions, 0 problems" in shown


def test_what_the_page_names_is_there() -> None:
    for name in re.findall(r"^\| `([\w./]+)`", README, flags=re.MULTILINE):
        assert (CONTRIB / name).exists(), name
