"""contrib/nix as nixpkgs meets it: the flake, default.nix and the package, with a stand-in for nixpkgs."""

import platform
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.nix.helpers_nix import CONTRIB
from tests.nix.private_store import PrivateStore

REPOSITORY = CONTRIB.parents[1]
SYSTEM = f"{platform.machine()}-linux"

NIXPKGS = """
let
  busybox = ./busybox;
  make = name: derivation {
    inherit name; system = "SYSTEM"; builder = "${busybox}/bin/sh"; args = [ "-c" "${busybox}/bin/mkdir $out" ];
  };
  pkgs = {
    stdenv.hostPlatform.system = "SYSTEM";
    runtimeShell = "${busybox}/bin/sh";
    coreutils = busybox;
    hello = busybox;
    callPackage = path: arguments: make "package";
  };
in
{
  inherit pkgs;
  lib.genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  lib.nixosSystem = { system, modules }: {
    config.environment.etc."orchestrator/hello.json".source = make "module-${toString (builtins.length modules)}";
  };
  legacyPackages = { "x86_64-linux" = pkgs; "aarch64-linux" = pkgs; };
}
"""


@pytest.fixture
def nixpkgs(private_store: PrivateStore, tmp_path: Path) -> Path:
    """A flake that stands for nixpkgs."""
    folder = tmp_path / "nixpkgs"
    shutil.copytree(private_store.busybox, folder / "busybox", symlinks=True)
    (folder / "all.nix").write_text(NIXPKGS.replace("SYSTEM", SYSTEM))
    (folder / "default.nix").write_text("{ ... }: (import ./all.nix).pkgs")
    (folder / "flake.nix").write_text("{ outputs = _: import ./all.nix; }")
    return folder


@pytest.fixture
def flake(private_store: PrivateStore, tmp_path: Path) -> str:
    """This repository as a flake, with what flakes see of it; what is not committed yet too."""
    folder = tmp_path / "repository"
    for name in ("contrib/nix", "orchestrator/nix"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("contrib/orchestrator.service", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder / name)
    for words in (["init", "--quiet"], ["add", "."]):
        private_store.run("git", "-C", str(folder), *words)
    return f"git+file://{folder}?dir=contrib/nix"


def run_nix(store: PrivateStore, nixpkgs: Path, *command: str) -> str:
    options = ["--override-input", "nixpkgs", f"path:{nixpkgs}", "--no-write-lock-file", "--offline"]
    return store.run("nix", *command, *options).stdout.strip()


def test_the_checks_of_the_flake_are_built(private_store: PrivateStore, nixpkgs: Path, flake: str) -> None:
    for name in ("bundle", "package", "module"):
        run_nix(private_store, nixpkgs, "build", "--no-link", f"{flake}#checks.{SYSTEM}.{name}")


def test_the_flake_offers_what_it_says(private_store: PrivateStore, nixpkgs: Path, flake: str) -> None:
    def names(of: str) -> list[str]:
        return sorted(run_nix(private_store, nixpkgs, "eval", "--raw", f"{flake}#{of}", "--apply", JOIN).split())

    assert names("packages") == names("lib") == names("checks") == ["aarch64-linux", "x86_64-linux"]
    assert names(f"lib.{SYSTEM}") == ["buildContainer", "toDefinition"]
    assert names("overlays") == names("nixosModules") == ["default"]
    module = run_nix(private_store, nixpkgs, "eval", "--raw", f"{flake}#nixosModules.default", "--apply", "toString")
    assert module.endswith("/contrib/nix/module.nix")


JOIN = 'set: builtins.concatStringsSep " " (builtins.attrNames set)'


def test_without_flakes(private_store: PrivateStore, nixpkgs: Path) -> None:
    lines = f'let here = import {CONTRIB} {{ }}; in here.lib.buildContainer {{ args = [ "${{here.lib.X}}" ]; }}'
    expression = lines.replace("${here.lib.X}", "${(import <nixpkgs> { }).hello}/bin/sh")
    bundle = private_store.run(
        "nix-build", "--no-out-link", "-I", f"nixpkgs={nixpkgs}", "--expr", expression
    ).stdout.strip()
    assert sorted(path.name for path in Path(bundle).iterdir()) == ["config.json", "rootfs"]


def evaluate_package(store: PrivateStore, names: set[str], version: str) -> dict[str, Any]:
    """What package.nix says, where the packages of Python are their names."""
    known = " ".join(f'{name} = "{name}";' for name in sorted(names) if name != "tree-sitter-toml")
    packages = f"""{{
      buildPythonApplication = attributes: attributes;
      hatchling = "hatchling";
      pythonAtLeast = asked: builtins.compareVersions "{version}" asked >= 0;
      tree-sitter-grammars.tree-sitter-toml = "tree-sitter-toml";
      {known}
    }}"""
    lib = "{ optional = c: v: if c then [ v ] else [ ]; licenses.mit = null; platforms.linux = null; }"
    evaluated: dict[str, Any] = store.evaluate(
        f"import {CONTRIB}/package.nix {{ lib = {lib}; python3Packages = {packages}; }}"
    )
    return evaluated


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_the_package_needs_what_pyproject_says(private_store: PrivateStore, version: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[>=;\s]", line)[0] for line in project["dependencies"]}
    package = evaluate_package(private_store, wanted, version)
    assert set(package["dependencies"]) == wanted - ({"pyasyncore"} if version == "3.11" else set())
    assert (package["pname"], package["version"]) == (project["name"], project["version"])
    files = {str(path.relative_to(package["src"])) for path in Path(package["src"]).rglob("*")}
    assert {"pyproject.toml", "README.md", "LICENSE", "orchestrator/nix/build.nix"} <= files
    assert {path.split("/")[0] for path in files} == {
        "LICENSE",
        "README.md",
        "orchestrator",
        "plugins",
        "pyproject.toml",
    }
    assert not [path for path in files if "__pycache__" in path]
