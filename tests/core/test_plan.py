"""The plan: one action a name, and the action that the change class of each field promises."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.plan import Observed, plan_actions
from orchestrator.model.action import Action, Broken, Hold, Keep, Replace, Retune, Start, Stop, Target, Update
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
        (make_target(), make_target(), Keep(make_target())),
        (make_target(delay=5), make_target(), Retune(make_target(delay=5))),
        (make_target(memory=2**24), make_target(), Update(make_target(memory=2**24))),
        (make_target(memory=2**24, delay=5), make_target(), Update(make_target(memory=2**24, delay=5))),
        (make_target("b", 2**24), make_target(), Replace(make_target("b", 2**24))),
        (make_target("b", 2**24), make_target(""), Retune(make_target("b", 2**24))),  # of what nothing is known
        (None, make_target(), Stop()),
        (Broken(()), make_target(), Keep()),
        (Broken(()), None, Keep()),
        (Broken((), make_target()), None, Start(make_target())),
        (Broken((), make_target()), make_target(), Keep(make_target())),
        (Broken((), make_target("b")), make_target(), Keep(instead=make_target("b"))),
    ],
)
def test_one_name(want: Target | Broken | None, have: Target | None, action: Action) -> None:
    desired = {} if want is None else {"web": want}
    observed = {} if have is None else {"web": Observed(have)}
    assert plan_actions(desired, observed) == {"web": action}


@pytest.mark.parametrize(
    ("want", "seen", "action"),
    [
        (make_target(), None, Hold(make_target())),
        (make_target(), Observed(make_target()), Hold(make_target())),
        (make_target(), Observed(make_target(), held=True), Keep(make_target())),
        (make_target("b"), Observed(make_target(), held=True), Hold(make_target("b"))),
        (None, Observed(make_target(), held=True), Stop()),
        (Broken(()), Observed(make_target(), held=True), Keep()),
        (Broken(()), Observed(make_target()), Hold(make_target())),
        (Broken(()), None, Keep()),
        (Broken((), make_target("b")), None, Hold(make_target("b"))),
        (Broken((), make_target("b")), Observed(make_target()), Hold(make_target("b"))),
        (Broken((), make_target()), Observed(make_target(), held=True), Keep(make_target())),
    ],
)
def test_one_name_that_an_operator_has_stopped(
    want: Target | Broken | None, seen: Observed | None, action: Action
) -> None:
    desired = {} if want is None else {"web": want}
    observed = {} if seen is None else {"web": seen}
    assert plan_actions(desired, observed, held={"web"}) == {"web": action}


def test_what_is_held_no_more_starts() -> None:
    assert plan_actions({"web": make_target()}, {"web": Observed(make_target(), held=True)}) == {
        "web": Start(make_target())
    }


def test_what_is_held_no_more_starts_by_its_last_good_definition() -> None:
    broken = Broken((), make_target("b"))
    assert plan_actions({"web": broken}, {"web": Observed(make_target(), held=True)}) == {
        "web": Start(make_target("b"))
    }


TARGETS = st.builds(make_target, st.sampled_from("ab"), st.sampled_from([None, 2**24]), st.sampled_from([0.1, 5.0]))
NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(
    desired=st.dictionaries(NAMES, TARGETS | st.builds(Broken, st.just(()), st.none() | TARGETS)),
    observed=st.dictionaries(NAMES, st.builds(Observed, TARGETS, st.booleans())),
    held=st.frozensets(NAMES),
)
def test_a_plan_carried_out_leaves_nothing_to_do(
    desired: dict[str, Target | Broken], observed: dict[str, Observed], held: frozenset[str]
) -> None:
    actions = plan_actions(desired, observed, held)
    assert set(actions) == {*desired, *observed}
    after = dict(observed)
    for name, action in actions.items():
        match action:
            case Start(target) | Replace(target) | Update(target) | Retune(target):
                after[name] = Observed(target)
            case Hold(target):
                assert name in held
                after[name] = Observed(target, held=True)
            case Stop():
                del after[name]
            case Keep():
                assert isinstance(desired[name], Broken) or after[name].target == desired[name]
    assert all(isinstance(action, Keep) for action in plan_actions(desired, after, held).values())


def test_a_target_is_told_apart_by_all_it_has() -> None:
    fields: list[Any] = [field.name for field in attrs.fields(Target) if field.eq]
    assert fields == ["bundle", "resources", "policy", "live"]
