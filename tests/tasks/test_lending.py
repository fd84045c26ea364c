"""A kind that takes long keeps no container from starting that has nothing to do with it."""

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

import pytest
import trio
from attrs import frozen
from orchestrator_mounts.bind import Bind
from trio.testing import MockClock

from orchestrator.model.state import PublicState
from orchestrator.plugin import Attachment, Contribution, Facts, Group, Question, Registry, Use
from orchestrator.ports import AttachFailed, OutsideError
from orchestrator.tasks.lending import LENT_AFTER, lend_place
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage


@frozen(kw_only=True)
class Far:
    """What it does on the host takes long."""

    type: ClassVar[str] = "far"

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(attach=(Attachment(),))


async def test_a_kind_that_hangs_for_many_keeps_no_other_from_starting(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(stage: Stage) -> None:
        registry = Registry().with_kind(Group.MOUNTS, "bind", Bind)
        stage.plugins.give(registry.with_kind(Group.MOUNTS, "far", Far))

        async def attach(*_: Any) -> dict[str, Any] | None:  # noqa: ANN401 - whatever it is given
            await trio.sleep(60)
            raise AttachFailed("it took longer than 60 s")

        monkeypatch.setattr(stage.attacher, "attach", attach)

    hanging = {f"far{number}": WEB + 'mounts."/far" = { type = "far" }\n' for number in range(9)}
    async with open_stage(hanging, begin) as stage:
        stage.directory.write("web", WEB)
        await trio.sleep(5 * LENT_AFTER + 1)
        assert stage.state("web").state is PublicState.RUNNING


async def test_what_is_lent_is_given_back(autojump_clock: MockClock) -> None:
    places = trio.CapacityLimiter(2)

    async def work(seconds: float, why: str = "") -> str:
        await trio.sleep(seconds)
        if why:
            raise OutsideError(why)
        return "done"

    for seconds in (0, LENT_AFTER * 3):
        assert await lend_place(places, partial(work, seconds)) == "done"
        with pytest.raises(OutsideError, match="no room"):
            await lend_place(places, partial(work, seconds, "no room"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lend_place, places, partial(work, 60))
        await trio.sleep(LENT_AFTER + 1)
        assert places.total_tokens == 3
        nursery.cancel_scope.cancel()
    assert places.total_tokens == 2
