"""Which folders to watch for which entries, and arming an inotify instance with that.

`Wanted` is filled from chains of links; `Watches` makes it so, and tells the events that matter from the others. What
is looked at after an event is for the caller. Floor: system.
"""

import errno
import heapq
import os
from collections.abc import Iterable

from attrs import field, frozen

from orchestrator.system.inotify import Event, Mask, NoWatchesLeft, Watcher
from orchestrator.system.links import Chain, StepKind
from orchestrator.system.sources import is_visible
from orchestrator.system.steps import Steps, finish

SELF = Mask.MOVE_SELF | Mask.DELETE_SELF
"""A real folder on the way: its own fate only, so that what goes on inside it wakes nobody."""
ENTRY = SELF | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
"""An entry appears, vanishes or is replaced: a link on the way, or what is missing yet."""
CONTENT = ENTRY | Mask.MODIFY | Mask.CLOSE_WRITE | Mask.ATTRIB
"""What an entry holds, and who may read it."""
WRITTEN = SELF | Mask.CLOSE_WRITE | Mask.ATTRIB
"""What a single file holds, once it is written: a look in the midst of that would find half of it. A watch of the file
and not of its folder, so that what goes on beside it wakes nobody."""


class Wanted:
    """What is to be watched: a mask for each folder (or file), and the names in it that matter."""

    def __init__(self) -> None:
        self.masks: dict[str, Mask] = {}
        self.names: dict[str, set[str]] = {}
        self.suffixes: dict[str, tuple[str, ...]] = {}
        self.files: set[str] = set()

    def add_file(self, path: str) -> None:
        """What the file at a path (absolute, without links) holds."""
        self.masks[path] = WRITTEN
        self.files.add(path)

    def add_folder(self, folder: str, mask: Mask) -> None:
        """The folder (absolute, without links) itself."""
        self.masks[folder] = self.masks.get(folder, Mask(0)) | mask

    def add_entry(self, folder: str, name: str, mask: Mask = ENTRY) -> None:
        """One entry of a folder."""
        self.add_folder(folder, mask)
        self.names.setdefault(folder, set()).add(name)

    def add_suffixes(self, folder: str, suffixes: tuple[str, ...]) -> None:
        """All entries of a folder that end so and do not begin with a dot, what they hold included."""
        self.add_folder(folder, CONTENT)
        self.suffixes[folder] = suffixes

    def add_chain(self, chain: Chain, last: Mask = ENTRY) -> None:
        """Every step of the way; ``last`` is what matters of the entry at its end."""
        for step in chain.steps:
            if step.kind is StepKind.FOLDER:
                self.add_folder(step.path, SELF)
            elif step.kind is StepKind.LINK:
                self.add_entry(step.folder, step.name)
            elif step.kind is StepKind.BARRED:
                # Who keeps a removed folder open (as a working directory) delays its DELETE_SELF, so the removal of
                # the last folder that exists is asked of its parent too.
                self.add_parent_entry(step.folder, ENTRY if chain.errno == errno.ENOENT else ENTRY | Mask.ATTRIB)
                if chain.errno != errno.ENOTDIR:
                    self.add_entry(step.folder, step.name)
        if chain.end is not None:
            self.add_parent_entry(chain.end, last)

    def add_content(self, chain: Chain) -> None:
        """Every step of the way, and what the file at its end holds; of a folder which entries it has."""
        self.add_chain(chain)
        if chain.end is not None and chain.steps and chain.steps[-1].kind is StepKind.FOLDER:
            self.add_folder(chain.end, ENTRY)
            self.suffixes[chain.end] = ("",)
        if chain.end is not None and chain.steps and chain.steps[-1].kind is StepKind.FILE:
            self.add_file(chain.end)

    def add_parent_entry(self, path: str, mask: Mask) -> None:
        """The entry that ``path`` is of its parent; nothing for the root folder."""
        if path != "/":
            self.add_entry(os.path.dirname(path), os.path.basename(path), mask)


@frozen
class _Armed:
    mask: Mask
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()

    def __or__(self, other: "_Armed") -> "_Armed":
        return _Armed(self.mask | other.mask, self.names | other.names, self.suffixes + other.suffixes)


@frozen
class Armed:
    """The answer of `Watches.arm`. ``steady``: all watches stood before already, so that no event since then can have
    been missed. ``failure``: why something cannot be watched, or empty."""

    steady: bool
    failure: str = field(default="")


class Watches:
    """The watches of an inotify instance that are ours: it removes those that are no longer wanted."""

    def __init__(self, inotify: Watcher) -> None:
        self._inotify = inotify
        self._armed: dict[int, _Armed] = {}

    def arm(self, wanted: Wanted) -> Armed:
        """Make the watches be as wanted. A watch stands on an inode and not on a path, so each is added anew: the same
        folder answers with the same number, one that took its place with another."""
        return finish(self.arm_in_steps(wanted))

    def arm_in_steps(self, wanted: Wanted) -> Steps[Armed]:
        """The steps of `arm`."""
        armed: dict[int, _Armed] = {}
        steady = True
        failure = ""
        # Deepest first: a folder that may not be read is asked of its parent instead, which then comes after it.
        to_come = [(-_measure_depth(path), path) for path in wanted.masks]
        heapq.heapify(to_come)
        while to_come:
            _, folder = heapq.heappop(to_come)
            mask = wanted.masks[folder]
            one = _Armed(mask, frozenset(wanted.names.get(folder, ())), wanted.suffixes.get(folder, ()))
            kind = Mask(0) if folder in wanted.files else Mask.ONLYDIR
            try:
                yield folder
                watch = self._add(folder, mask | kind)
                if watch in armed:  # the same folder by two paths, as bind mounts make them
                    one |= armed[watch]
                    self._add(folder, one.mask | kind)
            except NoWatchesLeft as error:
                failure = failure or str(error)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    steady = False  # it went away between the look and now
                elif error.errno in (errno.EACCES, errno.EPERM) and folder != "/":
                    parent = os.path.dirname(folder)
                    if parent not in wanted.masks:
                        heapq.heappush(to_come, (-_measure_depth(parent), parent))
                    wanted.add_parent_entry(folder, ENTRY | Mask.ATTRIB)
                else:
                    failure = failure or f"cannot watch {folder}: {error.strerror}"
            else:
                before = self._armed.get(watch)
                steady = steady and before is not None and one.mask in before.mask
                armed[watch] = one
        yield ""
        for watch in self._armed.keys() - armed.keys():
            self._inotify.remove(watch)
        self._armed = armed
        return Armed(steady, failure)

    def matter(self, events: Iterable[Event]) -> bool:
        """Whether any of the events is about something wanted."""
        return any(self._matters(event) for event in events)

    def _add(self, folder: str, mask: Mask) -> int:
        return self._inotify.add(folder, mask | Mask.DONT_FOLLOW | Mask.EXCL_UNLINK)

    def _matters(self, event: Event) -> bool:
        if event.overflow:
            return True
        one = self._armed.get(event.watch)
        if one is None:
            return False
        if not event.name or event.name in one.names:
            return True
        return bool(one.suffixes) and is_visible(event.name, one.suffixes)


def _measure_depth(path: str) -> int:
    return path.count("/") if path != "/" else 0
