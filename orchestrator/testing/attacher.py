"""Plugin kinds that do their part on no host, for the tests of tasks: what was asked is recorded, and any call can be
made to fail. Floor: testing.
"""

from typing import Any

import trio

from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.ports import AttachFailed


class FakeAttacher:
    """`orchestrator.ports.Attacher` in memory. ``calls`` has each call: ``attach`` or ``detach``, the kind's type, the
    instance. ``attached`` are those that were attached, or half, and not detached, as (instance, type, key)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.attached: set[tuple[str, str, str]] = set()
        self.states: dict[str, dict[str, Any]] = {}
        """What a kind returns, by its type."""
        self.failing: dict[tuple[str, str], int] = {}
        """How often a call is still to fail, by ``attach`` or ``detach`` and the kind's type."""

    async def attach(self, plan: PlannedAttachment, name: str, instance: str, pid: int | None) -> dict[str, Any] | None:
        """See `orchestrator.ports.Attacher`. What fails is half done."""
        await trio.lowlevel.checkpoint()
        self.calls.append(("attach", plan.type, instance))
        self.attached.add((instance, plan.type, plan.key))
        self._fail("attach", plan.type)
        return self.states.get(plan.type)

    async def detach(self, attached: Attached, name: str, instance: str) -> None:
        """See `orchestrator.ports.Attacher`."""
        await trio.lowlevel.checkpoint()
        self.calls.append(("detach", attached.plan.type, instance))
        self._fail("detach", attached.plan.type)
        self.attached.discard((instance, attached.plan.type, attached.plan.key))

    def _fail(self, method: str, kind: str) -> None:
        left = self.failing.get((method, kind), 0)
        if left:
            self.failing[method, kind] = left - 1
            raise AttachFailed(f"cannot {method} {kind}: it was told to fail")
