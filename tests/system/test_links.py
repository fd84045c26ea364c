"""The way to a path, held to what the kernel makes of it."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.system.links import Step, StepKind, walk_links
from orchestrator.system.statfs import name_silent_filesystem

NAMES = ("a", "b", "c")
TARGETS = st.lists(st.sampled_from((*NAMES, "..", ".", "missing")), min_size=1, max_size=4).map("/".join)
THINGS = st.one_of(st.just("folder"), st.just("file"), st.tuples(st.just("link"), TARGETS, st.booleans()))


def build(root: Path, tree: dict[str, object]) -> None:
    """Make the entries of a tree, those that can be made, shortest path first."""
    for path, thing in sorted(tree.items()):
        where = root / path
        if os.path.realpath(where.parent) != str(where.parent) or not where.parent.is_dir():
            continue
        if thing == "folder":
            where.mkdir()
        elif thing == "file":
            where.touch()
        else:
            assert isinstance(thing, tuple)
            where.symlink_to(f"{root}/{thing[1]}" if thing[2] else thing[1])


def ask_kernel(path: str) -> tuple[str | None, int]:
    """Where it ends, or the errno(3) that it fails with."""
    try:
        file = os.open(path, os.O_PATH)
    except OSError as error:
        return None, error.errno or 0
    try:
        return os.readlink(f"/proc/self/fd/{file}"), 0
    finally:
        os.close(file)


@given(
    tree=st.dictionaries(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), THINGS, max_size=12),
    path=TARGETS,
)
def test_the_end_is_where_the_kernel_ends(tree: dict[str, object], path: str) -> None:
    with tempfile.TemporaryDirectory(prefix="watching-") as folder:
        root = Path(os.path.realpath(folder))
        build(root, tree)
        chain = walk_links(f"{root}/{path}")
        assert (chain.end, chain.errno) == ask_kernel(f"{root}/{path}")
        for step in chain.steps:
            assert step.folder == os.path.realpath(step.folder)


def test_each_step_is_noted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "real")
    here = str(tmp_path)
    steps = [step for step in walk_links(f"{here}/one/x").steps if step.folder.startswith(here)]
    above = [Step(str(folder.parent), folder.name, StepKind.FOLDER) for folder in (tmp_path, *tmp_path.parents)]
    assert [step for step in steps if step not in above] == [
        Step(here, "one", StepKind.LINK),
        Step(here, "two", StepKind.LINK),
        Step(here, "real", StepKind.FOLDER),
        Step(f"{here}/real", "x", StepKind.BARRED),
    ]


def test_a_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    chain = walk_links(str(tmp_path / "loop"))
    assert (chain.end, chain.errno) == (None, errno.ELOOP)


@pytest.mark.parametrize(("path", "name"), [("/proc", "proc"), ("/dev/shm", ""), ("/missing", "")])
def test_file_systems_without_events(path: str, name: str) -> None:
    assert name_silent_filesystem(path) == name
