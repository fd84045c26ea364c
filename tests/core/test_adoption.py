"""How a next agent goes on: every place in which an earlier one may have left a name, and what becomes of it."""

from itertools import product

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.adoption import Found, Resumption, choose_instances, describe_standing, resume, shift_life
from orchestrator.core.lifecycle import Effect, Event, Happening
from orchestrator.model.action import Target
from orchestrator.model.bundle import Bundle, LogTarget
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import Ready
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot, Policy
from orchestrator.model.state import InstanceState, NameState, PublicState, Refusal, Standing, Step
from orchestrator.model.types import Size
from tests.core.helpers_lifecycle import FAILURE, NOTIFIES, SERVICE, drive

NOW = 1000.0
AHEAD = 64.0
"""What this clock of lives is ahead of the one that the files were written by."""
INSTANCE = InstanceState(
    name="web",
    instance="web-1",
    bundle="a",
    runtime="/r",
    root="/run/runtime",
    folder="/run/instances/web-1",
    rootfs="/x",
    cgroups_path="/agent/web-1",
    log="/l",
    step=Step.RUNNING,
    created_at=1.0,
    restarts=7,
    pid=12,
    pid_start_time=34,
    resources=Resources(memory=Size(64)),
    policy=SERVICE,
)
ENDING = (Phase.ABANDONING, Phase.STOPPING, Phase.KILLING)
STOP = (Effect.WATCH, Effect.SIGNAL)


def life_in(phase: Phase) -> Life:
    """A life that is wanted, in a phase, three restarts and two failures old."""
    return Life(
        phase=phase,
        wanted=True,
        halted=phase in ENDING,
        ready_since=500.0 if phase is Phase.RUNNING else None,
        was_ready=phase is Phase.RUNNING,
        deadline=990.0 if phase in (Phase.STOPPING, Phase.KILLING, Phase.CLEANING, Phase.BACKOFF) else None,
        restarts=3,
        failures=2,
        restarted_at=(480.0, 490.0),
        cleaned_at=495.0,
        last_exit=FAILURE,
    )


def name_with(life: Life, *, points_at: str | None = "web-1", policy: Policy = SERVICE, bundle: str = "b") -> NameState:
    """The name's file as it was written by a clock that this one is `AHEAD` of."""
    standing = Standing(life=shift_life(life, -AHEAD), policy=policy, bundle=bundle, resources=Resources())
    return NameState(
        name="web",
        state=PublicState.RUNNING,
        since=1.0,
        instance=points_at,
        fields={"args": ["web"]},
        standing=standing,
        log_target=LogTarget.JOURNAL,
    )


def go_on(name: NameState | None, instance: InstanceState | None, found: Found) -> Resumption:
    resumption = resume(name, instance, found, now=NOW, shift=AHEAD)
    assert resumption is not None
    return resumption


TIMES = st.integers(min_value=-(2**40), max_value=2**40).map(lambda number: number / 1024)
LIVES = st.builds(
    Life,
    phase=st.sampled_from(Phase),
    wanted=st.booleans(),
    halted=st.booleans(),
    ready_since=st.none() | TIMES,
    deadline=st.none() | TIMES,
    failures=st.integers(0, 9),
    restarted_at=st.lists(TIMES, max_size=3).map(tuple),
    cleaned_at=TIMES,
    unwell=st.sampled_from(["", "it failed its health"]),
)


@given(LIVES, TIMES)
def test_there_and_back_is_the_same_life(life: Life, by: float) -> None:
    there = shift_life(life, by)
    assert shift_life(there, -by) == life
    times = [there.ready_since, there.deadline, there.cleaned_at, *there.restarted_at]
    before = [life.ready_since, life.deadline, life.cleaned_at, *life.restarted_at]
    assert times == [None if time is None else time + by for time in before]


@given(LIVES, TIMES)
def test_what_an_agent_writes_is_what_the_next_reads(life: Life, shift: float) -> None:
    told = Target(Bundle("b", {}, FolderRoot(path="/"), readonly=True), Resources(), NOTIFIES)
    refusal = Refusal(bundle="c", resources=Resources(), policy=SERVICE, reason="it was not ready")
    standing = describe_standing(life, SERVICE, told, refusal, shift=shift, boot="this")
    assert (standing.bundle, standing.resources, standing.policy, standing.boot) == ("b", Resources(), SERVICE, "this")
    # Of what rests nothing changes: an agent that begins at once goes on from where the one before it stood.
    rests = evolve(life, phase=Phase.BACKOFF)
    name = evolve(name_with(rests), standing=evolve(standing, life=shift_life(rests, shift)))
    resumption = resume(name, None, Found.NOTHING, now=NOW, shift=-shift)
    assert resumption is not None
    assert (resumption.life, resumption.effects, resumption.refusal) == (rests, (), refusal)


# Which instance is the name's


def test_of_two_instances_the_newest_is_the_names() -> None:
    older, newer = INSTANCE, evolve(INSTANCE, instance="web-2", created_at=5.0)
    assert choose_instances([newer, older], []) == choose_instances([older, newer], []) == {"web": newer}


def test_what_runs_comes_before_what_was_made_ready_to_follow_it() -> None:
    successor = evolve(INSTANCE, instance="web-2", created_at=5.0, step=Step.CREATING)
    for states in ([INSTANCE, successor], [successor, INSTANCE]):
        assert choose_instances(states, []) == {"web": INSTANCE}


def test_what_the_names_file_points_at_comes_before_all() -> None:
    states = [evolve(INSTANCE, instance=f"web-{number}", created_at=float(number)) for number in (1, 2, 3)]
    pointer = name_with(life_in(Phase.RUNNING), points_at="web-2")
    assert choose_instances(states, [pointer])["web"].instance == "web-2"
    assert choose_instances(states, [evolve(pointer, instance="web-gone")])["web"].instance == "web-3"
    assert choose_instances(states, [evolve(pointer, name="other")])["web"].instance == "web-3"


def test_each_name_has_its_own() -> None:
    other = evolve(INSTANCE, name="db", instance="db-1")
    assert choose_instances([INSTANCE, other], []) == {"web": INSTANCE, "db": other}


# How to go on, cell by cell

FOUND = (
    (Step.CREATING, Found.HALF),
    (Step.CREATED, Found.HALF),
    (Step.STARTING, Found.HALF),
    (Step.STARTING, Found.STARTED),
    (Step.RUNNING, Found.STARTED),
    (Step.STOPPING, Found.STARTED),
)
"""What there can be of an instance that has a state file."""


def expect_phase(phase: Phase, step: Step, found: Found, *, points_here: bool) -> tuple[Phase, tuple[Effect, ...]]:
    """What the write order leaves as the one answer."""
    if found is Found.HALF:
        return Phase.CLEANING, ()
    if step is Step.STOPPING or (points_here and phase in ENDING):
        was_asked = step is Step.STOPPING and points_here and phase in (Phase.STOPPING, Phase.KILLING)
        return Phase.STOPPING, (Effect.WATCH,) if was_asked else STOP
    return Phase.RUNNING, (Effect.WATCH,)


@pytest.mark.parametrize("points_here", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("phase", "there"), list(product(Phase, FOUND)))
def test_an_instance_in_every_step_and_phase(phase: Phase, there: tuple[Step, Found], points_here: bool) -> None:
    step, found = there
    before = life_in(phase)
    instance = evolve(INSTANCE, step=step)
    resumption = go_on(name_with(before, points_at="web-1" if points_here else "web-0"), instance, found)
    life = resumption.life
    assert (life.phase, resumption.effects) == expect_phase(phase, step, found, points_here=points_here)
    assert life.wanted
    assert (life.failures, life.restarted_at, life.last_exit) == (2, (480.0, 490.0), FAILURE)
    assert life.restarts == (3 if points_here else 7), "the file of the instance is the newer one"
    match life.phase:
        case Phase.CLEANING:
            assert life.deadline == NOW
            # Only a start that had failed already is judged as one.
            assert life.halted is not (points_here and phase is Phase.CLEANING)
        case Phase.STOPPING:
            assert life.halted
            known_deadline = {Phase.STOPPING: 990.0, Phase.KILLING: NOW}.get(phase) if points_here else None
            assert life.deadline == (known_deadline or NOW + SERVICE.stop.timeout)
        case _:
            assert (life.halted, life.deadline) == (False, None)
            was_told = points_here and phase is Phase.RUNNING
            assert life.ready_since == (500.0 if was_told else NOW)


@pytest.mark.parametrize("phase", Phase)
def test_a_name_without_an_instance(phase: Phase) -> None:
    before = life_in(phase)
    resumption = go_on(name_with(before), None, Found.NOTHING)
    assert resumption.effects == ()
    if phase in (Phase.IDLE, Phase.BACKOFF):
        assert resumption.life == before
    else:
        halted = phase is not Phase.CLEANING
        assert resumption.life == evolve(before, phase=Phase.CLEANING, halted=halted, ready_since=None, deadline=NOW), (
            "what follows is judged as if it had been removed just now"
        )


@pytest.mark.parametrize(("step", "found"), FOUND)
def test_an_instance_without_a_names_file(step: Step, found: Found) -> None:
    resumption = go_on(None, evolve(INSTANCE, step=step), found)
    assert (resumption.life.phase, resumption.effects) == expect_phase(Phase.IDLE, step, found, points_here=False)
    assert (resumption.life.wanted, resumption.life.restarts, resumption.policy) == (True, 7, SERVICE)


@pytest.mark.parametrize("name", [None, evolve(name_with(life_in(Phase.RUNNING)), standing=None)], ids=["none", "bare"])
def test_of_what_nothing_is_known_nothing_goes_on(name: NameState | None) -> None:
    assert resume(name, None, Found.NOTHING, now=NOW, shift=AHEAD) is None


@given(LIVES, st.sampled_from([*FOUND, None]), st.booleans(), st.none() | st.just(FAILURE))
def test_whatever_was_left_can_be_gone_on_with(
    life: Life, there: tuple[Step, Found] | None, points_here: bool, ended: Exit | None
) -> None:
    """No life begins where its first answer, the deadline or a wish cannot happen, and none waits for nothing."""
    step, found = there or (Step.RUNNING, Found.NOTHING)
    instance = None if there is None else evolve(INSTANCE, step=step, exit=ended)
    resumption = go_on(name_with(life, points_at="web-1" if points_here else None), instance, found)
    after = resumption.life
    watched = Effect.WATCH in resumption.effects
    assert watched == (after.phase in (Phase.RUNNING, Phase.STOPPING))
    counted = ended is not None and after.phase is Phase.CLEANING
    assert watched == (found is Found.STARTED and not counted)
    was_asked = step is Step.STOPPING and points_here and life.phase in (Phase.STOPPING, Phase.KILLING)
    assert (Effect.SIGNAL in resumption.effects) == (after.phase is Phase.STOPPING and not was_asked)
    assert after.wanted or not life.wanted
    if watched:
        after, effects = drive(Happening(event=Event.EXITED, exit=FAILURE), life=after, now=NOW)
        assert effects == [Effect.CLEAN]
    elif after.phase is Phase.CLEANING:
        assert after.deadline == NOW
        after, effects = drive(Event.DEADLINE, life=after, now=NOW)
        assert effects == [Effect.CLEAN]
    if after.phase is Phase.CLEANING:
        after, _ = drive(Event.CLEANED, life=after, now=NOW)
    assert after.phase in (Phase.IDLE, Phase.BACKOFF, Phase.BLOCKED)
    for wish in (Event.GO, Event.REPLACE):
        assert drive(wish, life=after, now=NOW)[0].phase is Phase.BLOCKED


# What is not in the cells


def test_a_start_that_was_given_up_is_not_taken_for_one_that_runs() -> None:
    """The operator's stop came while it was being started: it is not wanted, so nobody would stop it any more."""
    abandoned = evolve(life_in(Phase.ABANDONING), wanted=False)
    resumption = go_on(name_with(abandoned), evolve(INSTANCE, step=Step.STARTING), Found.STARTED)
    assert (resumption.life.phase, resumption.life.wanted, resumption.effects) == (Phase.STOPPING, False, STOP)
    # Its start was told to have failed, though the application did begin.
    failed = evolve(life_in(Phase.CLEANING), wanted=False, halted=True)
    resumption = go_on(name_with(failed), evolve(INSTANCE, step=Step.STARTING), Found.STARTED)
    assert (resumption.life.phase, resumption.effects) == (Phase.STOPPING, STOP)


def test_an_end_that_was_counted_is_not_counted_again() -> None:
    ended = evolve(INSTANCE, step=Step.RUNNING, exit=FAILURE)
    resumption = go_on(name_with(life_in(Phase.CLEANING)), ended, Found.STARTED)
    assert resumption.life == evolve(life_in(Phase.CLEANING), deadline=NOW)
    assert resumption.effects == ()
    # Where the name's file does not tell of it, its watch does.
    resumption = go_on(name_with(life_in(Phase.RUNNING)), ended, Found.STARTED)
    assert (resumption.life, resumption.effects) == (life_in(Phase.RUNNING), (Effect.WATCH,))


def test_what_is_sick_is_ended_as_such() -> None:
    sick = evolve(life_in(Phase.STOPPING), halted=False, unwell="it failed its health")
    life = go_on(name_with(sick), evolve(INSTANCE, step=Step.STOPPING), Found.STARTED).life
    assert (life.unwell, life.halted, life.deadline) == ("it failed its health", False, 990.0)


def test_a_retry_waits_for_the_rest_of_its_time() -> None:
    waiting = evolve(life_in(Phase.BACKOFF), deadline=NOW + 25.0)
    assert go_on(name_with(waiting), None, Found.NOTHING).life == waiting


def test_what_was_to_be_ready_has_all_of_its_time_again() -> None:
    unready = evolve(life_in(Phase.RUNNING), ready_since=None, was_ready=False, deadline=990.0)
    life = go_on(name_with(unready, policy=NOTIFIES), INSTANCE, Found.STARTED).life
    assert (life.deadline, life.ready_since, life.was_ready) == (NOW + NOTIFIES.start_timeout, None, False)
    assert life.unheard, "it may have said so while nobody listened"
    # And so has one that was not ready any more, by its own word.
    reloads = evolve(life_in(Phase.RUNNING), ready_since=None, was_ready=True)
    life = go_on(name_with(reloads, policy=NOTIFIES), INSTANCE, Found.STARTED).life
    assert (life.deadline, life.unheard, life.was_ready) == (NOW + NOTIFIES.start_timeout, True, True)
    # And one whose start nobody saw end.
    assert NOTIFIES.ready is Ready.NOTIFY
    started = go_on(name_with(life_in(Phase.STARTING), policy=NOTIFIES), INSTANCE, Found.STARTED).life
    assert (started.deadline, started.ready_since, started.was_ready) == (NOW + NOTIFIES.start_timeout, None, False)


def test_an_outcome_of_the_instance_before_is_not_this_ones() -> None:
    gave_up = evolve(life_in(Phase.IDLE), outcome=Outcome.FAILED, unwell="it failed its health")
    life = go_on(name_with(gave_up, points_at=None), INSTANCE, Found.STARTED).life
    assert (life.outcome, life.unwell) == (Outcome.NONE, "")


# What it was last told to be


def test_of_what_runs_the_plan_is_told_what_holds() -> None:
    """Bundle and limits of what runs, and the policy that it was told last."""
    target = go_on(name_with(life_in(Phase.RUNNING), policy=NOTIFIES), INSTANCE, Found.STARTED).target
    assert target is not None
    assert (target.bundle.digest, target.resources, target.policy) == ("a", INSTANCE.resources, NOTIFIES)
    assert (target.bundle.log, target.fields, target.source) == (LogTarget.FILE, {"args": ["web"]}, None)


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.BACKOFF, Phase.CLEANING])
def test_of_what_does_not_run_the_plan_is_told_what_is_next(phase: Phase) -> None:
    instance = evolve(INSTANCE, step=Step.STOPPING) if phase is Phase.STOPPING else None
    found = Found.NOTHING if instance is None else Found.STARTED
    target = go_on(name_with(life_in(phase)), instance, found).target
    assert target is not None
    assert (target.bundle.digest, target.resources, target.policy) == ("b", Resources(), SERVICE)
    assert target.bundle.log is (LogTarget.JOURNAL if instance is None else LogTarget.FILE)


def test_without_a_names_file_the_instance_says_what_it_was_told() -> None:
    target = go_on(None, INSTANCE, Found.STARTED).target
    assert target is not None
    assert (target.bundle.digest, target.resources, target.policy) == ("a", INSTANCE.resources, SERVICE)


def test_an_edit_that_was_refused_is_no_news() -> None:
    name = name_with(life_in(Phase.RUNNING), bundle="a")
    refusal = Refusal(bundle="c", resources=Resources(), policy=NOTIFIES, reason="it was not ready")
    assert name.standing is not None
    name = evolve(name, standing=evolve(name.standing, refusal=refusal))
    resumption = go_on(name, INSTANCE, Found.STARTED)
    assert resumption.refusal == refusal
    assert resumption.target is not None
    assert (resumption.target.bundle.digest, resumption.target.policy) == ("c", NOTIFIES)
    assert resumption.target.fields == {"args": ["web"]}, "what people are shown of it is not lost"
