"""Carries out the effects of one life, and holds the instance that they are about. Floor: tasks.

Each effect answers with one event, its failure too. Which effect is due is decided by `orchestrator.core.lifecycle`,
what an instance is by `orchestrator.tasks.instance`.
"""

import trio

from orchestrator.core.lifecycle import CLEAN_AGAIN_AFTER, Effect, Event, Happening
from orchestrator.model.action import Target
from orchestrator.model.life import Exit
from orchestrator.ports import OutsideError
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.messages import Message, Noted
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.successor import Successor
from orchestrator.tasks.takeover import Adopted
from orchestrator.tasks.watched import Watched


class Effects:
    """The effects of one name's life. ``live`` is the instance that there is now: BUILD makes it, CLEAN takes it."""

    def __init__(
        self, name: str, outside: Outside, mailbox: trio.MemorySendChannel[Message], adopted: Adopted | None
    ) -> None:
        """mailbox: where the answers go. adopted: what an earlier agent has left."""
        self._name = name
        self._outside = outside
        self._mailbox = mailbox
        left = adopted is not None and adopted.instance is not None
        self.live = LiveInstance.from_adopted(adopted, outside) if adopted is not None and left else None
        self.successor = Successor(name, outside)
        self._watched: Watched | None = None
        self._removed: str | None = None
        self._remains: LiveInstance | None = None
        """What has ended and is followed, and is not removed yet."""
        self._clearing = trio.Lock()
        self.trouble = ""
        """Why what is left of one that is followed cannot be removed."""
        self.is_wanted = True
        """Whether what is being started is still to start."""

    @property
    def current(self) -> LiveInstance:
        """The instance, where the life says that there is one."""
        assert self.live is not None, "BUILD makes the instance, and only CLEAN takes it away"
        return self.live

    @property
    def bundles(self) -> frozenset[str]:
        """The digests of the bundles that its instances need on disk."""
        instances = (each for each in (self.live, self._remains) if each is not None)
        digests = (*(each.state.bundle for each in instances), self.successor.bundle)
        return frozenset(digest for digest in digests if digest is not None)

    @property
    def leaves(self) -> bool:
        """Whether there is something of an instance that was followed."""
        return self._remains is not None

    def is_made_from(self, target: Target) -> bool:
        """Whether the instance that there is was made from the bundle of ``target``."""
        return self.live is not None and self.live.state.bundle == target.bundle.digest

    def take_removed(self) -> str | None:
        """The bundle of the instance that was cleaned away since this was asked last, if any."""
        removed, self._removed = self._removed, None
        return removed

    def perform(self, effect: Effect, nursery: trio.Nursery, target: Target | None, restarts: int) -> None:
        """Begin an effect. target, restarts: what the life is to be now, and its count, for BUILD."""
        match effect:
            case Effect.AWAIT if target is None:
                # Of what was left, and the directory did not say yet what it is to be: AWAIT comes again when it does.
                self._outside.order.give_up(self._name)
            case Effect.AWAIT:
                self._outside.order.wait(self._name)
            case Effect.UNAWAIT:
                self._outside.order.give_up(self._name)
            case Effect.ADMIT:
                self._admit_at_once_or_later(nursery)
            case Effect.RELEASE:
                self._outside.starts.release_on_behalf_of(self)
            case Effect.BUILD:
                self._build(target, restarts)
            case Effect.CREATE:
                nursery.start_soon(self._create, self.current)
            case Effect.START:
                nursery.start_soon(self._start, self.current)
            case Effect.WATCH:
                self._watched = Watched(self.current, self._mailbox.send_nowait, owned=True)
                nursery.start_soon(self._watched.run)
            case Effect.SIGNAL:
                self.current.ask_to_end()
            case Effect.KILL:
                self.current.kill()
            case Effect.CLEAN:
                nursery.start_soon(self._clean)

    def _answer(self, event: Event, *, ended: Exit | None = None, message: str = "") -> None:
        self._mailbox.send_nowait(Happening(event=event, exit=ended, message=message))

    def _fail(self, event: Event, error: OutsideError) -> None:
        self._answer(event, ended=Exit(at=self._outside.wall_clock()), message=str(error))

    def _admit_at_once_or_later(self, nursery: trio.Nursery) -> None:
        try:
            self._outside.starts.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            nursery.start_soon(self._admit)
        else:
            self._answer(Event.ADMITTED)

    async def _admit(self) -> None:
        await self._outside.starts.acquire_on_behalf_of(self)
        self._answer(Event.ADMITTED)

    def _build(self, target: Target | None, restarts: int) -> None:
        if target is None:
            # It has lost its definition while it waited.
            self._fail(Event.BUILD_FAILED, OutsideError("there is no definition of it any more"))
            return
        try:
            self.live = self.successor.take(target, restarts)
        except OutsideError as error:
            self._fail(Event.BUILD_FAILED, error)
        else:
            self._answer(Event.BUILT)

    async def _create(self, live: LiveInstance) -> None:
        try:
            await live.create()
        except OutsideError as error:
            self._fail(Event.CREATE_FAILED, error)
        else:
            self._answer(Event.CREATED)

    async def _start(self, live: LiveInstance) -> None:
        try:
            await self._clear_remains()
            if not self.is_wanted:
                raise OutsideError("it is to stop")
            await live.start()
        except OutsideError as error:
            self._fail(Event.START_FAILED, error)
        else:
            self._answer(Event.STARTED)

    def swap(self, successor: Watched) -> Watched:
        """Another instance takes the place of the one that there is, which runs; that one."""
        old = self._watched
        assert old is not None, "it runs, so it is watched"
        self.live, self._watched = successor.live, successor
        return old

    async def _clean(self) -> None:
        live = self.live
        if live is not None and live.is_over and self.successor.bundle is not None:
            # What follows is created meanwhile; it is not started before this is gone.
            self.live, self._removed, self._remains = None, live.state.bundle, live
            self._answer(Event.CLEANED)
            await self._clear_remains_at_last()
            return
        try:
            self.successor.clear()
            await self._clear_remains()
            if live is not None:
                await live.remove()
        except OutsideError as error:
            self._answer(Event.CLEAN_FAILED, message=str(error))
            return
        if live is not None:
            if live.is_undone:
                self._outside.report.say(f"ended {live.state.instance}, left by an earlier agent")
            self.live, self._removed = None, live.state.bundle
        self._answer(Event.CLEANED)

    async def _clear_remains_at_last(self) -> None:
        """The same, again and again until it is done, whatever becomes of what follows."""
        while self._remains is not None:
            try:
                await self._clear_remains()
                self.trouble = ""
            except OutsideError as error:
                self.trouble = str(error)
                self._mailbox.send_nowait(Noted())
                await trio.sleep(CLEAN_AGAIN_AFTER)
        self._mailbox.send_nowait(Noted())  # who waits for it may go now

    async def _clear_remains(self) -> None:
        """Remove what is left of an instance that has ended and is followed. Raises OutsideError."""
        if self._remains is None:
            return
        async with self._clearing:
            if self._remains is not None:
                await self._remains.remove()
                self._remains = None
                self._outside.sweep()  # it may have been the last with its bundle
