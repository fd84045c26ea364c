"""Stores for tests: folders that look like one, and what a private one of nix is to the agent."""

import os
from pathlib import Path

from orchestrator.model.store import Store
from tests.nix.private_store import PrivateStore


def store_of(nix: PrivateStore) -> Store:
    """A private store as NIX_STORE_DIR and NIX_STATE_DIR name it."""
    return Store(str(nix.folder), os.path.realpath(nix.folder), f"{nix.root}/state")


def name_path(store: Store, letter: str, name: str) -> str:
    """A store path, made up: its hash is one letter."""
    return f"{store.folder}/{letter * 32}-{name}"


def fill_in(store: Store, path: str, *files: str) -> Path:
    """Make a store path with these files, where the store has it on the host."""
    place = Path(store.find_real(path))
    place.mkdir(parents=True)
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).touch(0o755)
    return place
