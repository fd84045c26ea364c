"""The Nix files of this repository, and how tests call them in a store that has nothing but busybox."""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import strategies as st

from orchestrator.testing.strategies import Table, definition_tables, mount_tables
from tests.nix.private_store import PrivateStore

CONTRIB = Path(__file__).parents[2] / "contrib/nix"

TOOLS = '{ system = builtins.currentSystem; shell = "${busybox}/bin/sh"; tools = "${busybox}/bin"; }'
"""What nixpkgs gives elsewhere, as an expression with ``busybox``."""

LIB = f"(import {CONTRIB}/lib {TOOLS})"


def build_container(store: PrivateStore, container: str) -> str:
    """The bundle that buildContainer makes of an expression with ``busybox``."""
    return store.build(f"{LIB}.buildContainer ({container})")


def run_orchestrator(store: PrivateStore, *arguments: str, code: int = 0) -> str:
    """What the command says, on a host whose store is this one; it must end with this exit code."""
    command = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())", *arguments]
    ran = subprocess.run(command, env=store.environment, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


def tables_of_nix() -> st.SearchStrategy[list[Table]]:
    """A few good definitions with no integer that Nix has not. (It is started for each draw, so each is of several.)"""
    return st.lists(definition_tables(mount_tables()).filter(_fits), min_size=5, max_size=10)


def _fits(table: Table) -> bool:
    numbers: list[int] = []
    json.loads(json.dumps(table), parse_int=lambda digits: numbers.append(int(digits)))
    return all(abs(number) < 2**63 for number in numbers)


def shorten(value: object) -> object:
    """As Nix writes it: of a number with a point it tells six digits."""
    match value:
        case float():
            return float(f"{value:g}")
        case dict():
            return {key: shorten(item) for key, item in value.items()}
        case list():
            return [shorten(item) for item in value]
    return value
