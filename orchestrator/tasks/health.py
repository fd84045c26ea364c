"""Looks after one instance from its start to its end: probes it, listens to it, and waits for its watchdog.

What follows from what is learnt is decided by `orchestrator.core.health`; here it is asked, heard and timed, and its
life is told. Where there is nothing to look after there is no task and no timer. Floor: tasks.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

import trio

from orchestrator.core.health import (
    Care,
    begin_care,
    next_probe,
    next_time,
    note_edit,
    note_end,
    note_listening,
    note_not_asked,
    note_probe,
    note_time,
    note_word,
    show_health,
)
from orchestrator.core.lifecycle import Happening
from orchestrator.model.health import HealthReport
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState
from orchestrator.ports import DiskFailed, NotAsked, NotifySocket
from orchestrator.tasks.messages import HealthChanged, Message
from orchestrator.tasks.outside import Outside

LISTEN_AGAIN_AFTER = 5.0
"""Seconds until a socket that could not be opened is tried again."""


class Patient(Protocol):
    """The instance, as far as it matters here."""

    @property
    def state(self) -> InstanceState:
        """What is written down of it."""
        ...

    def note(self, **changes: Any) -> None:  # noqa: ANN401 - as attrs.evolve
        """Write down more."""
        ...


class Caretaker:
    """The one who looks after an instance. `listen` before it starts, `begin` once it runs, `close` at its end."""

    def __init__(self, patient: Patient, outside: Outside) -> None:
        self._patient = patient
        self._outside = outside
        self.status_text = ""
        """What it has said of itself to an earlier agent."""
        self._opened = ExitStack()
        self._socket: NotifySocket | None = None
        self._care: Care | None = None
        self._asked_to_end = False
        self._nursery: trio.Nursery | None = None
        self._tell: Callable[[Message], None] = lambda message: None
        self._probing: trio.CancelScope | None = None
        """The probe that is waited for or under way, as long as there are any."""
        self._alarm: trio.CancelScope | None = None
        """When its watchdog bites, or what was held back is told, as long as a task waits for that."""

    @property
    def report(self) -> HealthReport:
        """What people are told."""
        return HealthReport() if self._care is None else self._care.shown

    @property
    def _policy(self) -> Policy:
        return self._patient.state.policy

    def listen(self) -> None:
        """Open its socket, if it is offered one: nothing that it says from its first moment on is lost. Raises
        DiskFailed."""
        if self._policy.notifies and self._socket is None:
            self._socket = self._opened.enter_context(self._outside.notify_sockets.open(self._patient.state))

    def begin(self, nursery: trio.Nursery, tell: Callable[[Message], None]) -> None:
        """It runs: look after it in tasks of ``nursery``. tell: who hears what its life is to know."""
        self._nursery, self._tell = nursery, tell
        began = begin_care(self._policy, trio.current_time(), self._patient.state.proven, self.status_text)
        # It may have been asked to end while it began, or by an earlier agent.
        self._care = note_end(began) if self._asked_to_end else began
        if self._policy.notifies:
            nursery.start_soon(self._listen_for_ever)
        self._take(self._care)

    def edit(self, before: Policy) -> None:
        """Hear that its policy is another than it was."""
        if self._care is None or before == self._policy:
            return
        if self._probing is not None and before.health != self._policy.health:
            self._probing.cancel()  # what is asked, or when, may be another
        self._take(*note_edit(self._care, before, self._policy, now=trio.current_time()))

    def end(self) -> None:
        """It is asked to end: it is not probed any more. What it says is still heard. May be called before `begin`."""
        self._asked_to_end = True
        if self._care is None:
            return
        self._care = note_end(self._care)
        if self._probing is not None:
            self._probing.cancel()
        self._see_to_tasks(self._care)

    def close(self) -> None:
        """Give up its socket. May be called twice."""
        self._opened.close()
        self._socket = None

    def _take(self, care: Care, happened: tuple[Happening, ...] = ()) -> None:
        """More is known of it."""
        shown = self.report
        self._care = care = show_health(care, self._policy, now=trio.current_time())
        cared_for = self._policy.health is not None or self._policy.notifies
        if cared_for and care.proven != self._patient.state.proven:
            self._patient.note(proven=care.proven)
        for happening in happened:
            self._tell(happening)
        if care.shown != shown:
            self._tell(HealthChanged())
        self._see_to_tasks(care)

    def _see_to_tasks(self, care: Care) -> None:
        """Have the tasks that are needed now, and none that is not."""
        assert self._nursery is not None, "begin comes first"
        if self._probing is None and next_probe(care, self._policy) < math.inf:
            self._probing = trio.CancelScope()
            self._nursery.start_soon(self._probe_for_ever)
        rings_at = next_time(care, self._policy, heard=self._socket is not None)
        if self._alarm is not None:
            self._alarm.deadline = rings_at
        elif rings_at < math.inf:
            self._alarm = trio.CancelScope(deadline=rings_at)
            self._nursery.start_soon(self._wait_for_alarm, self._alarm)

    async def _probe_for_ever(self) -> None:
        lives = True
        while lives and (due := next_probe(self._known, self._policy)) < math.inf:
            with trio.CancelScope() as self._probing:
                await trio.sleep_until(due)
                lives = await self._probe()
        self._probing = None

    async def _probe(self) -> bool:
        """Ask once; whether it is there still."""
        health, began = self._policy.health, trio.current_time()
        assert health is not None, "a probe is due"
        why, trouble = None, ""
        try:
            why = await self._outside.prober.probe(health, self._patient.state)
        except NotAsked as error:
            trouble = str(error)
        # What is never broken off may answer after all: of a health that is edited by now that says nothing.
        await trio.lowlevel.checkpoint_if_cancelled()
        if trouble:
            self._take(note_not_asked(self._known, trouble, began=began))
        elif why is not None:
            self._take(*note_probe(self._known, self._policy, why, began=began, now=trio.current_time()))
        return bool(trouble) or why is not None

    async def _listen_for_ever(self) -> None:
        socket = self._socket or await self._listen_at_last()
        while True:
            said = await socket.receive()
            self._take(*note_word(self._known, self._policy, said, now=trio.current_time()))

    async def _listen_at_last(self) -> NotifySocket:
        """Open what an earlier agent has listened at."""
        told = ""
        while True:
            try:
                self.listen()
            except DiskFailed as error:
                if str(error) != told:
                    told = str(error)
                    self._outside.report.say(f"{self._patient.state.name}: {error}")
                await trio.sleep(LISTEN_AGAIN_AFTER)
            else:
                assert self._socket is not None, "it is offered one"
                self._take(note_listening(self._known, now=trio.current_time()))
                return self._socket

    async def _wait_for_alarm(self, alarm: trio.CancelScope) -> None:
        with alarm:
            await trio.sleep_forever()
        self._alarm = None
        heard = self._socket is not None
        self._take(*note_time(self._known, self._policy, now=trio.current_time(), heard=heard))

    @property
    def _known(self) -> Care:
        assert self._care is not None, "begin comes first"
        return self._care
