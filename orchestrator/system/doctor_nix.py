"""What `orchestrator doctor` sees of the host's Nix store, without changing it. Floor: system."""

import os
from collections.abc import Mapping

from orchestrator.model.checkup import NixFound
from orchestrator.system.nix import NixFailed, find_nix
from orchestrator.system.store import find_host_store


def look_at_nix(environ: Mapping[str, str]) -> NixFound:
    """The host's store and the commands for it. Raises nothing that a host can cause."""
    from orchestrator.system.storedb import DatabaseUnreadable, find_invalid

    store = find_host_store(environ)
    database = ""
    try:
        find_invalid(store, ())
    except DatabaseUnreadable as error:
        database = str(error)
    return NixFound(
        store=store.real,
        is_there=os.path.isdir(store.real),
        database=database,
        asks=_find(("nix-store",), environ),
        builds=_find(("nix-build", "nix-instantiate"), environ),
        roots=f"{store.state}/gcroots",
        keeps=os.access(f"{store.state}/gcroots", os.W_OK),
    )


def _find(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """The first of commands that are all there."""
    try:
        found = [find_nix(name, environ) for name in names]
    except NixFailed:
        return None
    return found[0]
