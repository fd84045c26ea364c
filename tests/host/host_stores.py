"""Nix stores of the tests' own, beside that of `tests.nix.private_store`."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.host.agent_process import find_program

APPLETS = ("busybox", "sh", "ls", "sleep")


def make_chroot_store(root: Path, scratch: Path, environment: Mapping[str, str]) -> str:
    """A chroot store (``nix --store``) with busybox in it; the store path, which lies in ``root``/nix/store and not
    where it says. scratch: for what is copied there. environment: of nix."""
    folder = scratch / "busybox"
    (folder / "bin").mkdir(parents=True)
    for name in APPLETS:
        (folder / "bin" / name).write_bytes(Path(find_program("busybox")).read_bytes())
        (folder / "bin" / name).chmod(0o755)
    command = ("nix-store", "--store", str(root), "--add", str(folder))
    added = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return added.stdout.strip()
