"""Folders of an instance in sources and options of mounts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.folders import escape_option, fill_in_folders, names_folder

FOLDERS = {"@own": "/run/a:b,c", "@kept": "/var/kept"}


def test_a_source_is_filled_in_as_it_is() -> None:
    (mount,) = fill_in_folders([{"source": "@own/x/secret", "options": ["ro"]}], FOLDERS)
    assert mount == {"source": "/run/a:b,c/x/secret", "options": ["ro"]}


def test_a_path_in_an_option_is_escaped_as_overlayfs_wants() -> None:
    (mount,) = fill_in_folders([{"options": ["upperdir=@own/x", "lowerdir=/srv:@kept/y", "@own", "mode=@x"]}], FOLDERS)
    own = r"/run/a\:b\,c"
    assert mount["options"] == [f"upperdir={own}/x", "lowerdir=/srv:/var/kept/y", "@own", "mode=@x"]


def test_what_follows_an_escaped_colon_begins_no_path() -> None:
    option = r"lowerdir=/srv/a\:@own/b:/c\\:@kept/d"
    (mount,) = fill_in_folders([{"options": [option]}], FOLDERS)
    assert mount["options"] == [r"lowerdir=/srv/a\:@own/b:/c\\:/var/kept/d"]


def test_only_what_is_filled_in_needs_an_instance() -> None:
    assert names_folder({"source": "@kept/volumes/a"}, FOLDERS)
    assert names_folder({"source": "overlay", "options": ["workdir=@own/w"]}, FOLDERS)
    assert not names_folder({"source": "/srv/@own", "options": ["mode=755"]}, FOLDERS)


@given(st.lists(st.text(":,\\a/@", min_size=1).map("/{}".format), min_size=1))
def test_paths_that_are_escaped_can_be_told_apart_again(paths: list[str]) -> None:
    """By the rules of the kernel's ovl_split_lowerdirs: a backslash takes the meaning of what is after it."""
    joined = ":".join(map(escape_option, paths))
    parts = re.findall(r"(?:\\.|[^\\:])+", joined, re.DOTALL)
    assert [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in parts] == paths
    assert re.search(r"(?<!\\)(?:\\\\)*,", joined) is None
