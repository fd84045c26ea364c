"""orchestrator/nix/definition.nix: what a NAME.nix says becomes what a NAME.json says."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

import orchestrator
from tests.nix.helpers_nix import shorten, tables_of_nix
from tests.nix.private_store import NixFailed, PrivateStore, quote

DEFINITION = Path(orchestrator.__file__).parent / "nix/definition.nix"
REPOSITORY = Path(__file__).parents[2]
TABLES = [tomllib.loads(path.read_text()) for path in sorted(REPOSITORY.glob("examples/**/*.toml"))]


def define(store: PrivateStore, container: str) -> object:
    return store.evaluate(f"import {DEFINITION} ({container})")


def test_what_a_json_file_can_say_stays_as_it_is(private_store: PrivateStore) -> None:
    assert len(TABLES) > 3
    text = quote(json.dumps(TABLES))
    assert private_store.evaluate(f"map (import {DEFINITION}) (builtins.fromJSON {text})") == TABLES


# Not made smaller when it fails: Nix is started for each try, and each is of many definitions.
@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(tables_of_nix())
def test_so_does_any_definition(private_store: PrivateStore, tables: list[object]) -> None:
    text = quote(json.dumps(tables))
    assert private_store.evaluate(f"map (import {DEFINITION}) (builtins.fromJSON {text})") == shorten(tables)


def test_the_arguments_of_build_container(private_store: PrivateStore) -> None:
    written = """{
      args = [ "${busybox}/bin/httpd" "-f" ];
      mounts = { "/data" = { type = "none"; source = "/var/lib/mydata"; options = [ "bind" ]; }; };
      os = "linux";
      arch = "x86_64";
      readonly = false;
    }"""
    assert define(private_store, written) == {
        "args": [f"{private_store.busybox}/bin/httpd", "-f"],
        "mounts": {"/data": {"type": "bind", "source": "/var/lib/mydata", "options": ["bind"]}},
        "os": "linux",
        "arch": "x86_64",
        "readonly": False,
    }


def test_the_options_of_railcar(private_store: PrivateStore) -> None:
    written = """{
      cmd = "cd /\\necho hello";
      mounts = { "/x" = { type = "none"; source = "/x"; options = null; }; };
      runType = "oneshot";
      os = "linux";
      arch = null;
    }"""
    assert define(private_store, written) == {
        "cmd": "cd /\necho hello",
        "mounts": {"/x": {"type": "bind", "source": "/x"}},
        "type": "oneshot",
        "os": "linux",
    }


def test_kinds_of_mounts_beside_none_are_left_alone(private_store: PrivateStore) -> None:
    mounts = '{ "/a" = { source = "/a"; }; "/b" = { type = "other"; x = 1; }; "/c" = null; }'
    assert define(private_store, f"{{ mounts = {mounts}; }}") == {
        "mounts": {"/a": {"source": "/a"}, "/b": {"type": "other", "x": 1}}
    }


def test_derivations_and_paths_are_their_store_paths(private_store: PrivateStore, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("a page\n")
    made = 'derivation { name = "made"; system = builtins.currentSystem; builder = "/bin/sh"; }'
    defined = define(
        private_store,
        f"""let made = {made}; in {{
          args = [ made ];
          env = {{ PAGE = {tmp_path}/page.html; TEXT = {{ __toString = self: "text"; }}; }};
          mounts."/page".source = {tmp_path}/page.html;
          mounts."/made".source = made;
        }}""",
    )
    assert isinstance(defined, dict)
    page = defined["env"]["PAGE"]
    made_path = defined["args"][0]
    assert re.fullmatch(f"{private_store.folder}/[a-z0-9]{{32}}-page.html", page)
    assert re.fullmatch(f"{private_store.folder}/[a-z0-9]{{32}}-made", made_path)
    assert defined["env"]["TEXT"] == "text"
    assert defined["mounts"] == {"/page": {"source": page}, "/made": {"source": made_path}}


def test_the_definition_depends_on_what_it_names(private_store: PrivateStore) -> None:
    context = private_store.evaluate(
        f"""let
          made = name: derivation {{ inherit name; system = builtins.currentSystem; builder = "/bin/sh"; }};
          definition = import {DEFINITION} {{
            args = [ (made "first") ]; env.X = "${{made "second"}}/x"; mounts."/x".source = made "third";
          }};
        in builtins.attrNames (builtins.getContext (builtins.toJSON definition))"""
    )
    assert isinstance(context, list)
    assert sorted(path.split("-")[-1] for path in context) == ["first.drv", "second.drv", "third.drv"]


MISTAKES = {
    '{ mounts."/data" = [ ]; }': 'mounts."/data": it is a list: write { source = "/srv/data"; }',
    "{ mounts = [ ]; }": 'mounts: it is a list: write { "/data" = { source = "/srv/data"; }; }',
    "{ mounts = busybox; }": 'mounts: it is a string: write { "/data" = { source = "/srv/data"; }; }',
    '{ mounts."/data" = /nowhere; }': "getting status of '/nowhere': No such file or directory",
    '{ args = [ "a" null ]; }': "args[1]: it is null, which a list cannot hold",
    "{ env.X = x: x; }": "env.X: it is a function: call it, or put it in parentheses with its argument",
    '{ devices = [ "/dev/fuse" { path = { }: { }; } ]; }': (
        "devices[1].path: it is a function: call it, or put it in parentheses with its argument"
    ),
    '{ runType = "oneshoot"; }': 'runType: write "service" or "oneshot", not "oneshoot"',
    "{ runType = 3; }": 'runType: write "service" or "oneshot"',
    '{ runType = "oneshot"; type = "oneshot"; }': (
        "runType: it is another name of type, which is there too: write one of them"
    ),
    "[ ]": "it is a list, not a set of fields: write { args = [ … ]; }",
    '"text"': "it is a string, not a set of fields: write { args = [ … ]; }",
    "x: x": "it is a function, not a set of fields: write { args = [ … ]; }",
    'derivation { name = "x"; system = "x"; builder = "x"; }': (
        "it is a derivation, not a set of fields: write { args = [ … ]; }, or { bundle = …; } for that of a bundle"
    ),
}


@pytest.mark.parametrize("written", MISTAKES)
def test_a_mistake_is_named(private_store: PrivateStore, written: str) -> None:
    with pytest.raises(NixFailed) as failure:
        define(private_store, written)
    first, *_ = failure.value.stderr.splitlines()
    assert first == f"error: {MISTAKES[written]}"
