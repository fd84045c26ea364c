"""The plan: one action a name, and the action that the change class of each field promises."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.plan import plan_actions
from orchestrator.model.action import Action, Broken, Keep, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.bundle import Bundle
from orchestrator.model.policy import Restart
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy, SkeletonRoot
from orchestrator.model.types import Duration, Size

ROOT = SkeletonRoot(entries=())


def make_target(digest: str = "a", memory: int | None = None, delay: float = 0.1) -> Target:
    return Target(
        Bundle(digest, {}, ROOT, readonly=True),
        Resources(memory=None if memory is None else Size(memory)),
        Policy(oneshot=False, restart=Restart(delay=Duration(delay)), stop=StopPolicy()),
    )


@pytest.mark.parametrize(
    ("want", "have", "action"),
    [
        (make_target(), None, Start(make_target())),
        (make_target(), make_target(), Keep()),
        (make_target(delay=5), make_target(), Retune(make_target(delay=5))),
        (make_target(memory=2**24), make_target(), Update(make_target(memory=2**24))),
        (make_target(memory=2**24, delay=5), make_target(), Update(make_target(memory=2**24, delay=5))),
        (make_target("b", 2**24), make_target(), Replace(make_target("b", 2**24))),
        (None, make_target(), Stop()),
        (Broken(()), make_target(), Keep()),
        (Broken(()), None, Keep()),
    ],
)
def test_one_name(want: Target | Broken | None, have: Target | None, action: Action) -> None:
    desired = {} if want is None else {"web": want}
    observed = {} if have is None else {"web": have}
    assert plan_actions(desired, observed) == {"web": action}


TARGETS = st.builds(make_target, st.sampled_from("ab"), st.sampled_from([None, 2**24]), st.sampled_from([0.1, 5.0]))
NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(
    desired=st.dictionaries(NAMES, TARGETS | st.just(Broken(()))),
    observed=st.dictionaries(NAMES, TARGETS),
)
def test_a_plan_carried_out_leaves_nothing_to_do(
    desired: dict[str, Target | Broken], observed: dict[str, Target]
) -> None:
    actions = plan_actions(desired, observed)
    assert set(actions) == {*desired, *observed}
    after = dict(observed)
    for name, action in actions.items():
        match action:
            case Start(target) | Replace(target) | Update(target) | Retune(target):
                after[name] = target
            case Stop():
                del after[name]
            case Keep():
                assert after.get(name) == desired[name] or isinstance(desired[name], Broken)
    assert all(isinstance(action, Keep) for action in plan_actions(desired, after).values())


def test_a_target_is_told_apart_by_all_it_has() -> None:
    fields: list[Any] = [field.name for field in attrs.fields(Target)]
    assert fields == ["bundle", "resources", "policy"]
