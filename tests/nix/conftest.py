"""The store that these tests share."""

from tests.nix.private_store import private_store

__all__ = ["private_store"]
