"""The names in a project for a new plugin."""

import pytest

from orchestrator.core.project import LONGEST, ProjectNames, fill_in, name_project


def test_all_names_are_made_of_one() -> None:
    names = name_project("mount", "cache-dir")
    assert names == ProjectNames(
        noun="mount",
        group="orchestrator.mounts",
        name="cache-dir",
        distribution="orchestrator-mount-cache-dir",
        module="orchestrator_mount_cache_dir",
        kind="CacheDirMount",
    )
    assert fill_in("@name@ = @module@:@kind@ # a@b.example", names) == (
        "cache-dir = orchestrator_mount_cache_dir:CacheDirMount # a@b.example"
    )


@pytest.mark.parametrize("name", ["none", "class", "mounts", "a", "a1-2b", "x" * LONGEST])
def test_a_name_makes_a_class_and_a_package(name: str) -> None:
    names = name_project("network", name)
    assert isinstance(names, ProjectNames)
    assert names.kind.isidentifier()
    assert names.kind.endswith("Network")
    assert names.module not in ("orchestrator_mounts", "orchestrator_networks")


@pytest.mark.parametrize("name", ["", "Cache", "1st", "a_b", "a--b", "-a", "a b", "a/b", "é", "x" * (LONGEST + 1)])
def test_what_cannot_be_a_name(name: str) -> None:
    why = name_project("mount", name)
    assert isinstance(why, str)
    assert why.startswith(f'a kind cannot be called "{name}": write at most 40 lower-case letters')


def test_a_placeholder_that_means_nothing() -> None:
    names = name_project("mount", "a")
    assert isinstance(names, ProjectNames)
    with pytest.raises(KeyError, match="nmae"):
        fill_in("@nmae@", names)
