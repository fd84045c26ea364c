"""Arming an inotify instance: what is asked of it, in which order."""

import os
from collections.abc import Iterator

import pytest

from orchestrator.system.inotify import Inotify, Mask
from orchestrator.system.watches import ENTRY, Armed, Wanted, Watches


class ScriptedInotify(Inotify):
    """Takes every watch but those on what may not be read, and notes what it is asked."""

    def __init__(self, denied: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.denied = denied
        self.asked: list[str] = []

    def add(self, path: str, mask: Mask) -> int:
        self.asked.append(path)
        if path in self.denied:
            raise PermissionError(13, "Permission denied")
        return len(self.asked)


class CountedMasks(dict[str, Mask]):
    """Counts how many of its keys are looked at one after the other."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self.looked_at += 1
            yield key


def test_the_deepest_come_first_and_the_parent_of_what_may_not_be_read_once_after_them() -> None:
    wanted = Wanted()
    for folder in ("/", "/srv", "/srv/a/b", "/srv/a/b/c", "/srv/a/x"):
        wanted.add_folder(folder, ENTRY)
    with ScriptedInotify(frozenset({"/srv/a/b/c", "/srv/a/b", "/srv/a/x"})) as inotify:
        assert Watches(inotify).arm(wanted) == Armed(steady=False)
        assert inotify.asked == ["/srv/a/b/c", "/srv/a/b", "/srv/a/x", "/srv/a", "/srv", "/"]
    assert wanted.names["/srv/a"] == {"b", "x"}
    assert Mask.ATTRIB in wanted.masks["/srv/a"]


@pytest.mark.parametrize("count", [10, 1000])
def test_each_folder_is_looked_at_once_however_many_there_are(count: int) -> None:
    wanted = Wanted()
    wanted.masks = masks = CountedMasks()
    for number in range(count):
        wanted.add_folder(f"/srv/{number}", ENTRY)
    with ScriptedInotify() as inotify:
        Watches(inotify).arm(wanted)
        assert sorted(map(os.path.basename, inotify.asked), key=int) == [f"{number}" for number in range(count)]
    assert masks.looked_at == count
