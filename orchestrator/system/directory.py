"""The watched directory: `orchestrator.ports.Directory` on a real file system.

Events are hints that something may differ; `WatchedDirectory.read` tells what is there now. What the texts mean is for
the parser, what follows from a change for the planner. Floor: system.
"""

import math
import os
import threading
from collections.abc import Collection

import trio
from attrs import frozen

from orchestrator.model.source import Form, Listing
from orchestrator.system.closing import Closing
from orchestrator.system.inotify import Inotify, NoWatchesLeft
from orchestrator.system.links import walk_links
from orchestrator.system.sources import list_links, read_sources
from orchestrator.system.statfs import name_silent_filesystem
from orchestrator.system.watches import CONTENT, Wanted, Watches

SUFFIXES = tuple(form.value for form in Form)
"""What the name of a definition's file ends with."""

LOOK_INTERVAL = 5.0
"""Seconds between two looks where events cannot be relied on."""

_ARM_ATTEMPTS = 4
_READ_ATTEMPTS = 3


@frozen
class _Look:
    listing: Listing
    message: str
    reliable: bool


class WatchedDirectory(Closing):
    """The directory at ``path`` (absolute), which may be missing, be a link, or become another at any time.

    One task at a time may use it. Close it when done; it is a context manager too. Mounting something over the
    directory sends no event, and is seen at the next look only.
    """

    def __init__(self, path: str, suffixes: tuple[str, ...] = SUFFIXES) -> None:
        self._path = path
        self._suffixes = suffixes
        self._also: tuple[str, ...] = ()
        self._contents: tuple[str, ...] = ()
        self._inotify: Inotify | None = None
        self._watches: Watches | None = None
        self._hint = True  # before the first read anything may have changed
        self._look_at = math.inf  # trio's clock
        self._message = ""
        # A look that was cancelled goes on in its thread until the file system answers; the next one waits for it.
        self._looking = threading.Lock()

    @property
    def message(self) -> str:
        """Why changes may be seen late (up to `LOOK_INTERVAL`), or empty. As of the last `read`."""
        return self._message

    def watch_also(self, paths: Collection[str], contents: Collection[str] = ()) -> None:
        """Other absolute paths whose appearing, vanishing or leading elsewhere is a change too, and with ``contents``
        files of which it is one as well that they were written; from the next `read` on (which is asked for by
        `wait_changed` if the paths are new). Replaces those of the call before."""
        also, contents = tuple(sorted(set(paths))), tuple(sorted(set(contents)))
        if (also, contents) != (self._also, self._contents):
            self._also, self._contents = also, contents
            self._hint = True

    async def read(self) -> Listing:
        """Read all definitions, sorted by name. Never raises for what a user can do to the directory. What has hung (a
        file system whose server is away) is left to its thread when the read is cancelled."""
        for _ in range(_READ_ATTEMPTS):
            if self._inotify is not None:
                self._inotify.drain()  # those are older than the look that follows
            self._hint = True  # until the look is done: a cancelled read leaves something to be looked at
            look = await trio.to_thread.run_sync(self._look, abandon_on_cancel=True)
            self._message = look.message
            self._look_at = math.inf if look.reliable else trio.current_time() + LOOK_INTERVAL
            self._hint = self._take_hints()
            if not self._hint:
                break  # nothing was written meanwhile, so no text is half of one
        return look.listing

    async def wait_changed(self) -> None:
        """Return when something may have changed since the last `read` began, at once if it has already."""
        await trio.lowlevel.checkpoint()
        while not self._hint:
            with trio.move_on_at(self._look_at) as scope:
                if self._inotify is None or self._watches is None:
                    await trio.sleep_forever()
                else:
                    self._hint = self._watches.matter(await self._inotify.wait())
            if scope.cancelled_caught:
                self._hint = True

    def close(self) -> None:
        """Give up all watches. May be called twice."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = self._watches = None

    def _take_hints(self) -> bool:
        if self._inotify is None or self._watches is None:
            return False
        return self._watches.matter(self._inotify.drain())

    def _look(self) -> _Look:
        """Arm, then read: what changes after the reading began has a watch. Runs in a thread."""
        with self._looking:
            try:
                message, reliable = self._arm()
            except NoWatchesLeft as error:
                message, reliable = f"{error}; looking every {LOOK_INTERVAL:g} s instead", False
            return _Look(read_sources(self._path, self._suffixes), message, reliable)

    def _arm(self) -> tuple[str, bool]:
        """Watch everything that decides what a read finds. Returns the message and whether events can be relied on."""
        if self._inotify is None or self._watches is None:
            self._inotify = Inotify()
            self._watches = Watches(self._inotify)
        silent = ""
        for _ in range(_ARM_ATTEMPTS):
            wanted = self._survey()
            silent = self._find_silent(wanted)
            armed = self._watches.arm(wanted)
            if armed.failure:
                return f"{armed.failure}; looking every {LOOK_INTERVAL:g} s instead", False
            if armed.steady:
                break
        else:
            return "", False  # it changes faster than it can be followed: look again later
        if silent:
            return f"{silent}, which sends no events: looking every {LOOK_INTERVAL:g} s instead", False
        return "", True

    def _survey(self) -> Wanted:
        wanted = Wanted()
        chain = walk_links(self._path)
        wanted.add_chain(chain)
        if chain.end is not None:
            wanted.add_suffixes(chain.end, self._suffixes)
            for name in list_links(chain.end, self._suffixes):
                wanted.add_chain(walk_links(os.path.join(chain.end, name)), last=CONTENT)
        for path in self._also:
            wanted.add_chain(walk_links(path))
        for path in self._contents:
            wanted.add_content(walk_links(path))
        return wanted

    def _find_silent(self, wanted: Wanted) -> str:
        for folder in sorted(wanted.names.keys() | wanted.suffixes.keys()):
            if kind := name_silent_filesystem(folder):
                return f"{folder} is on {kind}"
        return ""
