"""The root file system of the machine that the tests boot: a small Debian, made once and kept between sessions."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.agent_process import find_program

CACHE = Path("/var/cache/orchestrator-tests")
SUITE = os.environ.get("ORCHESTRATOR_TEST_SUITE", "bookworm")
"""The release of Debian. By itself 12, of systemd 252 and Python 3.11: of what is asked for the oldest."""
PACKAGES = ("systemd", "systemd-sysv", "dbus", "procps", "python3", "runc")
STAMP = f"{SUITE} {' '.join(PACKAGES)}\n"
"""What a root was made of: one of anything else is made anew."""
MAKING = 900
"""Seconds that it may take: it is downloaded."""


def find_root() -> Path:
    """The root, made first where there is none. Sessions that run side by side make one. It is never booted as it is:
    what a machine writes is its own."""
    CACHE.mkdir(parents=True, exist_ok=True)
    root, stamp = CACHE / SUITE, CACHE / f"{SUITE}.stamp"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != STAMP:
            _remove(root)
            _make(root)
            stamp.write_text(STAMP)
    return root


@contextmanager
def boot_alone() -> Iterator[None]:
    """Wait until no other machine has the root: systemd-nspawn(1) gives a folder to one at a time."""
    with (CACHE / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(root: Path) -> None:
    """By debootstrap(8), beside its place; nothing is left of one that fails."""
    half = root.with_suffix(".half")
    _remove(half)
    options = ("--variant=minbase", f"--include={','.join(PACKAGES)}")
    environ = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    command = (find_program("debootstrap"), *options, SUITE, str(half))
    made = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=MAKING
    )
    if made.returncode != 0:
        _remove(half)
        raise AssertionError(f"debootstrap failed\n{made.stdout}")
    for package in (half / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    half.rename(root)


def _remove(root: Path) -> None:
    if root.exists():
        shutil.rmtree(root)
