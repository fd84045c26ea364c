"""Control groups of a machine's own, so that its /orchestrator is not that of the host."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.system.hierarchies import Hierarchy, read_hierarchies
from tests.host.host_view import clear_cgroup


@contextmanager
def own_groups() -> Iterator[Callable[[], None]]:
    """A new group in every hierarchy, below the one of this process. Yields what a process calls to go there.

    At the end whatever is in them is killed.
    """
    own = _read_own_paths()
    folders = [
        hierarchy.folder(own[_key(hierarchy)]) / f"orchestrator-tests-{os.getpid()}"
        for hierarchy in read_hierarchies()
        if _key(hierarchy) in own
    ]

    def join() -> None:
        for folder in folders:
            (folder / "cgroup.procs").write_text("0")

    try:
        for folder in folders:
            folder.mkdir()
            # cpuset of v1 takes nobody in before it is told of processors and memory.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (folder / name).exists() and not (folder / name).read_text().strip():
                    (folder / name).write_text((folder.parent / name).read_text())
        yield join
    finally:
        for folder in folders:
            if folder.exists():
                clear_cgroup(folder)


def _key(hierarchy: Hierarchy) -> frozenset[str]:
    """A hierarchy's controllers, or its name: mount options, of which some are no controllers, told as in proc(5)."""
    return hierarchy.controllers - {"rw", "xattr", "clone_children", "noprefix"}


def _read_own_paths() -> dict[frozenset[str], str]:
    """The group of this process by the controllers of its hierarchy; none of them is v2. cgroups(7)."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return {
        frozenset(filter(None, controllers.split(","))): path
        for _, controllers, path in (line.split(":", 2) for line in lines)
    }
