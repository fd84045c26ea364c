"""The `nix-store` command: asked where a store's database cannot be read, since it is what knows every store.

The agent loads and starts nothing of it otherwise. Floor: system.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from attrs import frozen

from orchestrator.model.store import Requisites, Store
from orchestrator.ports import OutsideError
from orchestrator.system.reaper import Children
from orchestrator.system.spawn import clean_environment, run_command

PLACES = ("/run/current-system/sw/bin", "/nix/var/nix/profiles/default/bin")
"""Where nix is on a host whose PATH does not say so: on NixOS, and elsewhere for all users."""

PATIENCE = 20.0
"""Seconds that a question to a store may take."""

_LARGEST_OUTPUT = 16 * 1024 * 1024


class NixFailed(OutsideError):
    """The command is not there, or did not do as it was told."""


def find_nix(name: str, environ: Mapping[str, str]) -> str:
    """The absolute path of one of nix's commands. Raises NixFailed."""
    path = os.pathsep.join((environ.get("PATH", os.defpath), *PLACES))
    found = shutil.which(name, path=path)
    if found is None:
        raise NixFailed(f"there is no {name} on PATH, nor in {' or '.join(PLACES)}")
    return os.path.abspath(found)


@frozen
class NixStore:
    """Asks one store after another by the command line. ``children`` and ``environ`` are as of
    `orchestrator.system.spawn.run_command`."""

    children: Children
    environ: Mapping[str, str]

    async def query_requisites(self, store: Store, paths: Sequence[str]) -> Requisites:
        """The closure of store paths, which must not be none. Raises NixFailed, also where there is no such store: nix
        would make one."""
        if not _is_there(store):
            raise NixFailed(f"there is no store {store.real}")
        invalid = tuple(await self._run(store, ["--check-validity", "--print-invalid", *paths]))
        if invalid:
            return Requisites(invalid=invalid)
        return Requisites(tuple(await self._run(store, ["--query", "--requisites", *paths])))

    async def _run(self, store: Store, arguments: Sequence[str]) -> Sequence[str]:
        """Run it; the lines that it prints. Raises NixFailed."""
        command = [find_nix("nix-store", self.environ), *arguments]
        environ = clean_environment(self.environ)
        if store.root:
            command += ["--store", store.root]
        else:
            environ |= {"NIX_STORE_DIR": store.folder, "NIX_STATE_DIR": store.state}
        try:
            with open_memory("nix-output") as output, open_memory("nix-errors") as errors:
                result = await run_command(
                    command,
                    children=self.children,
                    env=environ,
                    deadline=PATIENCE,
                    stdout=output.fileno(),
                    stderr=errors.fileno(),
                )
                lines, said = read_back(output).splitlines(), read_back(errors).strip()
        except OSError as error:
            raise NixFailed(f"cannot run {command[0]}: {error.strerror or error}") from error
        if not result.success:
            first = said.splitlines()[0] if said else ""
            raise NixFailed(f"{command[0]} {arguments[0]}: {result.describe()}{': ' if first else ''}{first}")
        return lines


def _is_there(store: Store) -> bool:
    return os.path.isdir(store.real)


def open_memory(name: str) -> BinaryIO:
    """A file in memory (memfd_create(2)): a full disk must not keep a closure from being known. Raises OSError."""
    return open(os.memfd_create(name, os.MFD_CLOEXEC), "w+b")


def read_back(file: BinaryIO) -> str:
    """What was written to a file. Raises OSError."""
    file.seek(0)
    return file.read(_LARGEST_OUTPUT).decode(errors="replace")
