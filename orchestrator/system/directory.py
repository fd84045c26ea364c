"""The watched directory: `orchestrator.ports.Directory` on a real file system.

Events are hints that something may differ; `WatchedDirectory.read` tells what is there now. What the texts mean is for
the parser, what follows from a change for the planner. Floor: system.
"""

import errno
import math
import os
from collections.abc import Collection

import trio
from attrs import evolve, frozen

from orchestrator.model.pluginfile import FOLDER as PLUGINS
from orchestrator.model.pluginfile import SUFFIXES as PLUGIN_SUFFIXES
from orchestrator.model.source import Form, Listing
from orchestrator.system.closing import Closing
from orchestrator.system.inotify import Inotify, Mask, NoWatchesLeft
from orchestrator.system.links import Chain, follow_links
from orchestrator.system.looks import PATIENCE, Looks
from orchestrator.system.pluginfolder import read_plugins_in_steps
from orchestrator.system.sources import Way, list_links, read_in_steps
from orchestrator.system.statfs import name_silent_filesystem
from orchestrator.system.steps import NoAnswer, Steps
from orchestrator.system.watches import CONTENT, ENTRY, Wanted, Watches

SUFFIXES = tuple(form.value for form in Form)
"""What the name of a definition's file ends with."""

LOOK_INTERVAL = 5.0
"""Seconds between two looks where events cannot be relied on."""

LASTING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EINVAL, errno.EFBIG})
"""What stays as it is until somebody changes a file or its mode, which is an event. Of the end of anything else (a disk
that fails, a want of descriptors) nothing tells."""

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

    def __init__(self, path: str, suffixes: tuple[str, ...] = SUFFIXES, *, patience: float = PATIENCE) -> None:
        """patience: seconds that a single step of a look may take, before what it is about is said not to answer."""
        self._path = path
        self._suffixes = suffixes
        self._also: tuple[str, ...] = ()
        self._contents: tuple[str, ...] = ()
        self._inotify: Inotify | None = None
        self._watches: Watches | None = None
        self._hint = True  # before the first read anything may have changed
        self._look_at = math.inf  # trio's clock
        self._message = ""
        self._looks = Looks[_Look](self._note_answer, patience)
        self._answered = False
        self._waiting = trio.CancelScope()

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
        """Read all definitions, sorted by name. Never raises for what a user can do to the directory. What hangs (a
        file system whose server is away) is told after seconds as what does not answer, be it the directory or a file
        that is a link."""
        for _ in range(_READ_ATTEMPTS):
            if self._inotify is not None:
                self._inotify.drain()  # those are older than the look that follows
            self._hint = True  # until the look is done: a cancelled read leaves something to be looked at
            self._answered = False
            look = await self._looks.take(self._look)
            self._message = look.message
            self._look_at = math.inf if look.reliable else trio.current_time() + LOOK_INTERVAL
            self._hint = self._take_hints() or self._answered
            if not self._hint:
                break  # nothing was written meanwhile, so no text is half of one
        return look.listing

    async def wait_changed(self) -> None:
        """Return when something may have changed since the last `read` began, at once if it has already."""
        await trio.lowlevel.checkpoint()
        while not self._hint:
            with trio.CancelScope(deadline=self._look_at) as self._waiting:
                if self._inotify is None or self._watches is None:
                    await trio.sleep_forever()
                else:
                    self._hint = self._watches.matter(await self._inotify.wait())
            if self._waiting.cancelled_caught:
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

    def _note_answer(self) -> None:
        self._hint = self._answered = True
        self._waiting.cancel()

    def _look(self) -> Steps[_Look]:
        """Arm, then read: what changes after the reading began has a watch. Runs in a thread."""
        way = Way(self._path)
        try:
            message, reliable = yield from self._arm(way)
        except NoWatchesLeft as error:
            message, reliable = f"{error}; looking every {LOOK_INTERVAL:g} s instead", False
        listing = yield from read_in_steps(self._path, self._suffixes, way)
        if listing.error is None:
            listing = evolve(listing, plugins=(yield from read_plugins_in_steps(self._path)))
        return _Look(listing, message, reliable and way.failures <= LASTING)

    def _arm(self, way: Way) -> Steps[tuple[str, bool]]:
        """Watch everything that decides what a read finds. Returns the message and whether events can be relied on."""
        if self._inotify is None or self._watches is None:
            self._inotify = Inotify()
            self._watches = Watches(self._inotify)
        silent = ""
        for _ in range(_ARM_ATTEMPTS):
            wanted = yield from self._survey(way)
            silent = yield from _find_silent(wanted)
            armed = yield from self._watches.arm_in_steps(wanted)
            if armed.failure:
                return f"{armed.failure}; looking every {LOOK_INTERVAL:g} s instead", False
            if armed.steady:
                break
        else:
            return "", False  # it changes faster than it can be followed: look again later
        if silent:
            return f"{silent}, which sends no events: looking every {LOOK_INTERVAL:g} s instead", False
        return "", True

    def _survey(self, way: Way) -> Steps[Wanted]:
        wanted = Wanted()
        chain = yield from self._follow(self._path, way)
        wanted.add_chain(chain)
        way.end = chain.place
        if chain.end is not None:
            wanted.add_suffixes(chain.end, self._suffixes)
            for name in (yield from list_links(chain.end, self._suffixes, way)):
                link = yield from self._follow(os.path.join(chain.end, name), way)
                wanted.add_chain(link, last=CONTENT)
                way.targets[name] = link.place
        yield from self._survey_plugins(wanted, way)
        for path in self._also:
            wanted.add_chain((yield from self._follow(path, way)))
        for path in self._contents:
            wanted.add_content((yield from self._follow(path, way)))
        return wanted

    def _survey_plugins(self, wanted: Wanted, way: Way) -> Steps[None]:
        folder = os.path.join(self._path, PLUGINS)
        chain = yield from self._follow(folder, way)
        wanted.add_chain(chain, last=ENTRY | Mask.ATTRIB)
        if chain.end is not None:
            wanted.add_suffixes(chain.end, PLUGIN_SUFFIXES)
            for name in (yield from list_links(chain.end, PLUGIN_SUFFIXES, way)):
                wanted.add_chain((yield from self._follow(os.path.join(chain.end, name), way)), last=CONTENT)

    def _follow(self, path: str, way: Way) -> Steps[Chain]:
        chain = yield from follow_links(path)
        if chain.errno:
            way.failures.add(chain.errno)
        return chain


def _find_silent(wanted: Wanted) -> Steps[str]:
    for folder in sorted(wanted.names.keys() | wanted.suffixes.keys()):
        try:
            yield folder
            kind = name_silent_filesystem(folder)
        except NoAnswer:
            continue  # what lies there says so itself
        if kind:
            return f"{folder} is on {kind}"
    return ""
