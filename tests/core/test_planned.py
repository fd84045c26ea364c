"""A plan told name by name: by what an agent was told last, and by the state files where there is none."""

from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.plan import Observed
from orchestrator.core.planned import (
    Recorded,
    compare_recorded,
    count_planned,
    describe_plan,
    describe_planned,
    planned_to_json,
    select_recorded,
    verb_of,
)
from orchestrator.model.action import (
    Broken,
    FieldChange,
    Hold,
    Keep,
    Planned,
    Renew,
    Replace,
    Retune,
    Start,
    Stop,
    Target,
    Update,
    Verb,
)
from orchestrator.model.bundle import Bundle
from orchestrator.model.life import Life
from orchestrator.model.policy import Restart
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Edit
from orchestrator.model.spec import Policy, SkeletonRoot
from orchestrator.model.state import NameState, PublicState, Standing
from orchestrator.model.types import Duration, Size

PROBLEM = Problem("web.toml", 3, 1, "env", "wrong", "write another")
BROKEN = Broken((PROBLEM,))


def make_target(
    digest: str = "a",
    memory: int | None = None,
    delay: float = 0.1,
    **fields: Any,  # noqa: ANN401 - of a definition
) -> Target:
    return Target(
        Bundle(digest * 64, {"hostname": digest}, SkeletonRoot(entries=()), readonly=True),
        Resources(memory=None if memory is None else Size(memory)),
        Policy(oneshot=False, restart=Restart(delay=Duration(delay)), stop=StopPolicy()),
        fields={path.replace("_", "."): value for path, value in fields.items()},
    )


HAVE = make_target(cwd="/old")
REPLACE = (make_target("b", cwd="/new"), Verb.REPLACE, (FieldChange("cwd", "/old", "/new"),))
UPDATE = (
    make_target(memory=2**26, cwd="/old", resources_memory="64M"),
    Verb.UPDATE,
    (FieldChange("resources.memory", None, "64M"),),
)
RETUNE = (
    make_target(delay=5, cwd="/old", restart_delay="5s"),
    Verb.RETUNE,
    (FieldChange("restart.delay", None, "5s"),),
)
OF_HOST = (make_target("b", cwd="/old"), Verb.REPLACE, (FieldChange("host:hostname", "a", "b"),))
SAME = (make_target(cwd="/old"), Verb.NOTHING, ())


@pytest.mark.parametrize(("want", "verb", "fields"), [REPLACE, UPDATE, RETUNE, OF_HOST, SAME])
def test_what_runs(want: Target, verb: Verb, fields: tuple[FieldChange, ...]) -> None:
    planned = Planned(name="web", verb=verb, fields=fields)
    assert describe_plan({"web": want}, {"web": Observed(HAVE)}) == (planned,)
    # The agent's own settings are not recorded but as fields; all else says the same.
    recorded = Recorded(
        fields=HAVE.fields, bundle=HAVE.bundle.digest, config=HAVE.bundle.config, resources=HAVE.resources
    )
    assert compare_recorded({"web": want}, {"web": recorded}) == (planned,)


def test_what_begins_and_what_ends() -> None:
    expected = (Planned(name="new", verb=Verb.START), Planned(name="old", verb=Verb.STOP))
    assert describe_plan({"new": HAVE}, {"old": Observed(HAVE)}) == expected
    assert compare_recorded({"new": HAVE}, {"old": Recorded(fields={})}) == expected


def test_with_problems_nothing_is_done() -> None:
    broken = Planned(name="web", verb=Verb.NOTHING, problems=(PROBLEM,))
    assert describe_plan({"web": BROKEN}, {}) == (broken,)
    assert describe_plan({"web": BROKEN}, {"web": Observed(HAVE)}) == (broken,)
    assert describe_plan({"web": BROKEN}, {"web": Observed(HAVE, held=True)}, ["web"]) == (evolve(broken, held=True),)
    recorded = {"web": Recorded(fields={}, bundle="a" * 64)}
    assert compare_recorded({"web": BROKEN}, recorded) == (broken,)
    assert compare_recorded({"web": BROKEN}, recorded, ["web"]) == (evolve(broken, held=True),)


def test_what_is_held_is_left_and_its_edits_are_told() -> None:
    held = Planned(name="web", verb=Verb.NOTHING, held=True)
    edited = evolve(held, fields=REPLACE[2])
    observed = {"web": Observed(HAVE, held=True)}
    assert describe_plan({"web": HAVE}, observed, ["web"]) == (held,)
    assert describe_plan({"web": REPLACE[0]}, observed, ["web"]) == (edited,)
    recorded = {"web": Recorded(fields=HAVE.fields)}
    assert compare_recorded({"web": HAVE}, {}, ["web"]) == (held,)
    assert compare_recorded({"web": HAVE}, recorded, ["web"]) == (held,)
    assert compare_recorded({"web": REPLACE[0]}, recorded, ["web"]) == (edited,)


def test_what_is_about_to_be_held_stops() -> None:
    (planned,) = describe_plan({"web": HAVE}, {"web": Observed(HAVE)}, ["web"])
    assert (planned.verb, planned.held) == (Verb.STOP, True)


def test_a_hold_ends_with_the_file() -> None:
    (planned,) = describe_plan({}, {"web": Observed(HAVE, held=True)}, ["web"])
    assert planned == Planned(name="web", verb=Verb.STOP)


def test_what_has_no_bundle_now_is_judged_by_its_fields() -> None:
    """A oneshot that has completed, under an agent that lives."""
    recorded = {"web": Recorded(fields=HAVE.fields)}
    for want, verb, fields in (REPLACE, UPDATE, RETUNE, SAME):
        assert compare_recorded({"web": want}, recorded) == (Planned(name="web", verb=verb, fields=fields),)


def test_every_action_is_a_verb() -> None:
    actions = (Start(HAVE), Keep(), Retune(HAVE), Update(HAVE), Replace(HAVE), Renew(HAVE), Hold(HAVE), Stop())
    assert {verb_of(action) for action in actions} == set(Verb)


def test_without_an_agent_only_what_lives_is_there() -> None:
    edit = Edit(file="web.toml", modified_at=0.0, digest="")
    standing = Standing(life=Life(), policy=HAVE.policy, bundle="a", resources=Resources(), boot="this")
    states = [
        NameState(name="rests", state=PublicState.COMPLETED, since=0, edit=edit, standing=standing),
        NameState(
            name="rested", state=PublicState.FAILED, since=0, edit=edit, standing=evolve(standing, boot="another")
        ),
        NameState(name="done", state=PublicState.COMPLETED, since=0, edit=edit),
        NameState(name="runs", state=PublicState.RUNNING, since=0, edit=edit, bundle="a"),
        NameState(name="wrong", state=PublicState.INVALID, since=0, problems=(PROBLEM,)),
    ]
    assert list(select_recorded(states, {"runs"}, agent_alive=False, boot="this")) == ["rests", "runs"]
    found = select_recorded(states, {"runs"}, agent_alive=True, boot="this")
    assert list(found) == ["rests", "rested", "done", "runs"]


def test_the_shape_for_programs() -> None:
    planned = Planned(name="web", verb=Verb.UPDATE, fields=UPDATE[2], problems=(PROBLEM,), held=True)
    assert planned_to_json(planned) == {
        "name": "web",
        "verb": "update",
        "held": True,
        "fields": [{"path": "resources.memory", "old": None, "new": "64M"}],
        "problems": [
            {"file": "web.toml", "line": 3, "column": 1, "path": "env", "message": "wrong", "hint": "write another"}
        ],
    }


def test_the_lines_for_people() -> None:
    assert describe_planned(Planned(name="web", verb=Verb.NOTHING)) == ()
    assert describe_planned(Planned(name="web", verb=Verb.REPLACE, fields=REPLACE[2])) == (
        "web: replace",
        'cwd: "/old" → "/new"',
    )
    held = Planned(name="web", verb=Verb.NOTHING, held=True)
    assert describe_planned(held) == ("web: nothing: an operator has stopped it",)
    (head, field) = describe_planned(evolve(held, fields=RETUNE[2]))
    assert head == "web: nothing: an operator has stopped it, and its definition has changed"
    assert field == 'restart.delay: default → "5s"'


def test_the_last_line_counts() -> None:
    assert count_planned([]) == "no definitions"
    assert count_planned([Planned(name=name, verb=Verb.NOTHING) for name in "ab"]) == "2 unchanged"
    each_verb = [Planned(name=verb.value, verb=verb) for verb in Verb]
    others = [
        Planned(name="x", verb=Verb.NOTHING, problems=(PROBLEM,), held=True),
        Planned(name="y", verb=Verb.NOTHING, held=True),
        Planned(name="z", verb=Verb.STOP, held=True),
    ]
    assert count_planned([*each_verb, *others]) == (
        "1 to retune, 1 to update, 1 to replace, 1 to start, 2 to stop, 1 unchanged, 1 held, 1 with problems"
    )
