"""The database of a Nix store: which of its paths are valid, and which others each needs. Read only, with one short
query and nothing held, so that it costs a tenth of what the `nix` command does and is in no one's way.

What cannot be read so (another schema, no rights) is asked of the command. The library is loaded with the first closure
that is asked for. Floor: system.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote

from orchestrator.model.store import Requisites, Store

SCHEMA = "10"
"""The version, in ``db/schema``, that this module knows: that of Nix 2.0 and later."""

BUSY = 1.0
"""Seconds that a locked database is waited for; one in WAL mode, as Nix has it, locks out no reader."""

_REQUISITES = """
WITH RECURSIVE closure(id) AS (SELECT id FROM ValidPaths WHERE id IN ({})
    UNION SELECT reference FROM Refs JOIN closure ON referrer = closure.id)
SELECT path FROM ValidPaths JOIN closure USING (id)
"""


class DatabaseUnreadable(Exception):
    """The database cannot be read, or not by us; ``str()`` says why."""


def query_requisites(store: Store, paths: Sequence[str]) -> Requisites:
    """The closure of store paths. Raises DatabaseUnreadable."""
    with closing(_open(store)) as database:
        try:
            rows = [database.execute("SELECT id FROM ValidPaths WHERE path = ?", (path,)).fetchone() for path in paths]
            invalid = tuple(path for path, row in zip(paths, rows, strict=True) if row is None)
            if invalid or not rows:
                return Requisites(invalid=invalid)
            # Written out, since variables and the terms of a compound are limited to fewer than may be asked for.
            query = _REQUISITES.format(", ".join(str(int(row[0])) for row in rows))
            return Requisites(tuple(str(row[0]) for row in database.execute(query)))
        except sqlite3.Error as error:
            raise DatabaseUnreadable(f"cannot read {_path(store)}: {error}") from error


def find_invalid(store: Store, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of these store paths that are not valid. Raises DatabaseUnreadable."""
    with closing(_open(store)) as database:
        try:
            known = (database.execute("SELECT 1 FROM ValidPaths WHERE path = ?", (path,)).fetchone() for path in paths)
            return tuple(path for path, row in zip(paths, known, strict=True) if row is None)
        except sqlite3.Error as error:
            raise DatabaseUnreadable(f"cannot read {_path(store)}: {error}") from error


def _open(store: Store) -> sqlite3.Connection:
    try:
        with open(f"{store.state}/db/schema", encoding="ascii", errors="replace") as file:
            schema = file.read(64).strip()
    except OSError as error:
        raise DatabaseUnreadable(f"cannot read {store.state}/db/schema: {(error.strerror or '').lower()}") from error
    if schema != SCHEMA:
        raise DatabaseUnreadable(f"its schema is {schema}, known is {SCHEMA}")
    try:
        # In autocommit mode, so that no transaction is left open; never `immutable`, since others write to it.
        return sqlite3.connect(f"file:{quote(_path(store))}?mode=ro", uri=True, timeout=BUSY, isolation_level=None)
    except sqlite3.Error as error:
        raise DatabaseUnreadable(f"cannot open {_path(store)}: {error}") from error


def _path(store: Store) -> str:
    return f"{store.state}/db/db.sqlite"
