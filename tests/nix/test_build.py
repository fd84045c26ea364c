"""orchestrator/nix/build.nix: a NAME.nix is built into the file that says the same as JSON."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import orchestrator
from tests.nix.private_store import NixFailed, PrivateStore

NIX = Path(orchestrator.__file__).parent / "nix"


def build(store: PrivateStore, file: Path, *options: str) -> Path:
    """Build it as the agent does; the JSON file."""
    command = ["nix-build", "--no-out-link", str(NIX / "build.nix")]
    built = store.run(*command, "--argstr", "name", file.stem, "--argstr", "file", str(file), *options)
    return Path(built.stdout.strip())


def read(path: Path) -> object:
    text = path.read_text()
    assert text.count("\n") == 1, "it is one line"
    return json.loads(text)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_set_is_built(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(tmp_path / "web.nix", '{ args = [ "true" ]; hostname = null; readonly = true; }')
    built = build(private_store, file)
    assert built.name.endswith("-web.json")
    assert read(built) == {"args": ["true"], "readonly": True}


def test_what_the_definition_names_is_built_and_needed(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(
        tmp_path / "web.nix",
        """let
          make = script: derivation {
            name = "made"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ];
          };
          data = make "echo data > $out";
          program = make "echo ${data} > $out";
        in { args = [ program ]; }""",
    )
    built = build(private_store, file)
    table = read(built)
    assert isinstance(table, dict)
    (program,) = table["args"]
    data = Path(program).read_text().strip()
    assert Path(data).read_text() == "data\n"
    assert sorted(private_store.requisites(str(built))) == sorted([str(built), program, data])


@pytest.mark.parametrize("arguments", ["args", "{ }", "{ ... }", "{ other ? 1 }", "{ name ? null }@args"])
def test_a_function_is_called(private_store: PrivateStore, tmp_path: Path, arguments: str) -> None:
    file = write(tmp_path / "web.nix", f'{arguments}: {{ args = [ "true" ]; }}')
    assert read(build(private_store, file)) == {"args": ["true"]}


def test_a_function_gets_what_it_asks_for(private_store: PrivateStore, tmp_path: Path) -> None:
    nixpkgs = '{ system }: { lib.upper = x: "<${x}>"; hello = derivation { name = "hello"; inherit system;'
    nixpkgs += ' builder = "/bin/sh"; args = [ "-c" "echo hello > $out" ]; }; }'
    write(tmp_path / "nixpkgs/default.nix", nixpkgs)
    file = write(
        tmp_path / "web.nix",
        '{ pkgs, lib, name, system, more ? "more" }: { args = [ pkgs.hello (lib.upper name) system more ]; }',
    )
    table = read(build(private_store, file, "-I", f"nixpkgs={tmp_path / 'nixpkgs'}"))
    assert isinstance(table, dict)
    hello, *rest = table["args"]
    assert Path(hello).read_text() == "hello\n"
    assert rest == ["<web>", private_store.evaluate("builtins.currentSystem"), "more"]


def test_nixpkgs_is_looked_for_only_when_it_is_asked_for(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(tmp_path / "web.nix", "{ pkgs, name }: { args = [ name ]; }")
    assert read(build(private_store, file)) == {"args": ["web"]}
    write(file, "{ pkgs }: { args = [ pkgs.hello ]; }")
    with pytest.raises(NixFailed, match="argument pkgs: there is no nixpkgs in NIX_PATH"):
        build(private_store, file)


def test_an_unknown_argument_is_named_with_its_place(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(tmp_path / "web.nix", "{ pkgs, name\n, pkg }: { }")
    with pytest.raises(NixFailed) as failure:
        build(private_store, file)
    assert "error: unknown argument pkg: the file may ask for pkgs, lib, name and system" in failure.value.stderr
    assert f"at {file}:2:3:" in failure.value.stderr


def test_a_mistake_has_its_place(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(tmp_path / "web.nix", '{\n  args = [ "true" ];\n  env.A = "1";\n  env.B = x: x;\n}\n')
    with pytest.raises(NixFailed) as failure:
        build(private_store, file)
    assert failure.value.stderr.startswith("error: env.B: it is a function")
    assert f"at {file}:4:3:" in failure.value.stderr


HARD = [
    "two\nlines\r\n",
    "\\n \\\\ \\0 \\c %s %d $HOME $(id) `id` 'one' \"two\"",
    "  spaces\tand\ttabs  ",
    # Bytes that dash and busybox' ash use among themselves to mark quotes: 0x81 to 0x88.
    "ЁЂЃЄЅІЇЈ \u0081\u0088 日本語 🚢",
    "".join(map(chr, range(1, 0x180))),
    "\u2028\ufeff\U0010ffff",
]


def test_any_text_arrives_as_it_is(private_store: PrivateStore, tmp_path: Path) -> None:
    write(tmp_path / "texts.json", json.dumps(HARD))
    file = write(tmp_path / "web.nix", "{ args = builtins.fromJSON (builtins.readFile ./texts.json); }")
    assert read(build(private_store, file)) == {"args": HARD}


@pytest.mark.parametrize("shell", [["busybox", "ash"], ["dash"], ["bash"]], ids=" ".join)
def test_any_shell_writes_the_file(private_store: PrivateStore, tmp_path: Path, shell: list[str]) -> None:
    """The shell of a sandbox is busybox', that of a host without one dash or bash: none changes a byte."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is missing")
    recipe = private_store.run(
        "nix-instantiate", "--eval", "--strict", "--json", str(NIX / "build.nix"), "--attr", "drvAttrs.args",
        "--argstr", "name", "web", "--argstr", "file", str(write(tmp_path / "web.nix", "{ }")),
    )  # fmt: skip
    source = write(tmp_path / "json", json.dumps({"args": HARD}, ensure_ascii=False))
    out = tmp_path / "out"
    environment = {"jsonPath": str(source), "out": str(out), "PATH": "/nowhere", "LC_ALL": "C.UTF-8"}
    program = [str(shutil.which(shell[0])), *shell[1:]]
    subprocess.run([*program, *json.loads(recipe.stdout)], env=environment, check=True)
    assert out.read_bytes() == source.read_bytes() + b"\n"


def test_a_long_definition_is_built(private_store: PrivateStore, tmp_path: Path) -> None:
    """Longer than the 128 KiB that one variable of a process may have."""
    texts = [f"{index} " + "x" * 1000 for index in range(300)]
    write(tmp_path / "texts.json", json.dumps(texts))
    file = write(tmp_path / "web.nix", "{ args = builtins.fromJSON (builtins.readFile ./texts.json); }")
    assert read(build(private_store, file)) == {"args": texts}


@pytest.mark.parametrize("argument", ["--argstr", "--arg"])
def test_the_file_is_not_copied_and_what_it_imports_is_told(
    private_store: PrivateStore, tmp_path: Path, argument: str
) -> None:
    """By the lines that -v writes the agent knows what to watch."""
    name = f"not-copied-{argument.strip('-')}"
    file = write(tmp_path / f"{name}.nix", "{ args = [ (import ./below/common.nix).word ]; }")
    common = write(tmp_path / "below/common.nix", '{ word = "true"; }')
    shown = private_store.run(
        "nix-build", "--no-out-link", "-v", str(NIX / "build.nix"), "--argstr", "name", "web", argument, "file",
        str(file),
    )  # fmt: skip
    evaluated = re.findall(r"^evaluating file '(.*)'$", shown.stderr, flags=re.MULTILINE)
    assert [path for path in evaluated if not path.startswith(str(NIX))] == [str(file), str(common)]
    assert not [path for path in private_store.folder.iterdir() if name in path.name or "common" in path.name]


def test_a_folder_with_a_space_will_do(private_store: PrivateStore, tmp_path: Path) -> None:
    file = write(tmp_path / "a folder (1)" / "web.nix", '{ args = [ "true" ]; }')
    assert read(build(private_store, file)) == {"args": ["true"]}


def find_place(store: PrivateStore, file: Path, *keys: str | int) -> object:
    shown = store.run(
        "nix-instantiate", "--eval", "--strict", "--json", str(NIX / "place.nix"), "--argstr", "name", file.stem,
        "--argstr", "file", str(file), "--argstr", "keys", json.dumps(keys),
    )  # fmt: skip
    return json.loads(shown.stdout)


def test_the_place_of_a_key_is_found(private_store: PrivateStore, tmp_path: Path) -> None:
    text = """{ name }:
let common = import ./common.nix; in
common // {
  args = [ name { path = "x"; } ];
  restart = { delay = "1s"; };
  mounts."/data".source = "/srv";
  runType = "oneshot";
}
"""
    file = write(tmp_path / "web.nix", text)
    common = write(tmp_path / "common.nix", '{\n  env = {\n    LANG = "C"; }; }\n')

    def place(path: Path, line: int, column: int) -> dict[str, object]:
        return {"file": str(path), "line": line, "column": column}

    assert find_place(private_store, file, "restart", "delay") == place(file, 5, 15)
    assert find_place(private_store, file, "mounts", "/data", "source") == place(file, 6, 3)
    assert find_place(private_store, file, "env", "LANG") == place(common, 3, 5)
    assert find_place(private_store, file, "type") == place(file, 7, 3)
    assert find_place(private_store, file, "args", 1, "path") == place(file, 4, 19)
    # The innermost that there is.
    assert find_place(private_store, file, "args", 7) == place(file, 4, 3)
    assert find_place(private_store, file, "restart", "missing") == place(file, 5, 3)
    assert find_place(private_store, file, "missing") is None
