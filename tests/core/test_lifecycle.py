"""The lifecycle: its table is whole, and no sequence of events gives a life two processes or leaves one behind."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.core.exits import describe_exit
from orchestrator.core.lifecycle import TABLE, WISHES, Effect, Event, Happening, ImpossibleEventError, judge, step
from orchestrator.core.naming import is_ready, public_state
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.spec import Policy
from orchestrator.model.state import PublicState
from orchestrator.model.types import Duration

SERVICE = Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART, jitter=0.0), stop=Stop())
ONESHOT = Policy(oneshot=True, restart=Restart(on_success=OnExit.STOP, jitter=0.0), stop=Stop())
FAILURE = Exit(code=3, at=0.0)
SUCCESS = Exit(code=0, at=0.0)
START = (Event.GO, Event.ADMITTED, Event.BUILT, Event.CREATED, Event.STARTED)


def drive(
    *events: Event | Happening, life: Life | None = None, policy: Policy = SERVICE, now: float = 0.0
) -> tuple[Life, list[Effect]]:
    life = life or Life()
    effects: list[Effect] = []
    for event in events:
        happening = event if isinstance(event, Happening) else Happening(event=event)
        life, more = step(life, happening, policy, now=now, chance=0.5)
        effects.extend(more)
    return life, effects


def exited(ended: Exit) -> Happening:
    return Happening(event=Event.EXITED, exit=ended)


def test_every_cell_exists() -> None:
    assert set(TABLE) == {(phase, event) for phase in Phase for event in Event}


def test_a_wish_and_a_deadline_are_heard_in_every_phase() -> None:
    for phase in Phase:
        for event in (*WISHES, Event.DEADLINE):
            assert TABLE[phase, event] is not None


def test_every_phase_is_reached_and_left() -> None:
    reached = {cell[0] for (phase, _), cell in TABLE.items() if cell is not None and cell[0] is not phase}
    left = {phase for (phase, _), cell in TABLE.items() if cell is not None and cell[0] is not phase}
    assert reached == set(Phase)
    assert left == set(Phase)


def test_an_answer_that_nobody_asked_for_is_a_defect() -> None:
    with pytest.raises(ImpossibleEventError, match="'built' in phase 'running'"):
        step(Life(phase=Phase.RUNNING), Happening(event=Event.BUILT), SERVICE, now=0, chance=0)


def test_a_start_takes_every_step_in_order() -> None:
    life, effects = drive(*START)
    assert life.phase is Phase.RUNNING
    assert effects == [Effect.ADMIT, Effect.BUILD, Effect.CREATE, Effect.START, Effect.RELEASE, Effect.WATCH]
    assert is_ready(life, SERVICE)
    assert public_state(life, has_problems=False) is PublicState.RUNNING


def test_a_failing_service_waits_longer_each_time() -> None:
    life = Life()
    waits = []
    for _ in range(4):
        life, _ = drive(*(START if life.phase is Phase.IDLE else (Event.DEADLINE, *START[1:])), life=life)
        life, _ = drive(exited(FAILURE), Event.CLEANED, life=life)
        assert life.phase is Phase.BACKOFF
        assert life.deadline is not None
        waits.append(life.deadline)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert life.restarts == 3
    assert life.message == "exited with code 3"


def test_a_minute_of_running_resets_the_backoff() -> None:
    life, _ = drive(*START, life=Life(failures=9))
    life = evolve(life, failures=9)
    life, _ = drive(exited(FAILURE), Event.CLEANED, life=life, now=61.0)
    assert life.failures == 1
    assert life.deadline == pytest.approx(61.1)


@pytest.mark.parametrize("event", [Event.GO, Event.REPLACE])
def test_an_operators_word_or_an_edit_ends_the_wait_and_forgives(event: Event) -> None:
    life, _ = drive(*START, exited(FAILURE), Event.CLEANED, event)
    assert life.phase is Phase.WAITING
    assert life.failures == 0


@pytest.mark.parametrize(
    ("policy", "ended", "state"),
    [
        (ONESHOT, SUCCESS, PublicState.COMPLETED),
        (ONESHOT, FAILURE, PublicState.BACKOFF),
        (SERVICE, SUCCESS, PublicState.BACKOFF),
        (evolve(SERVICE, restart=Restart(on_failure=OnExit.STOP, on_success=OnExit.STOP)), FAILURE, PublicState.FAILED),
        (
            evolve(SERVICE, restart=Restart(on_failure=OnExit.STOP, on_success=OnExit.STOP)),
            SUCCESS,
            PublicState.COMPLETED,
        ),
    ],
)
def test_what_an_exit_leads_to(policy: Policy, ended: Exit, state: PublicState) -> None:
    life, _ = drive(*START, exited(ended), Event.CLEANED, policy=policy)
    assert public_state(life, has_problems=False) is state


def limited(restarts: int | None, window: float = 60.0, **restart: Any) -> Policy:  # noqa: ANN401 - fields of Restart
    """Restarts at once, but so often only."""
    changes = {"max_restarts": restarts, "window": Duration(window), "delay": Duration(0.0), **restart}
    return evolve(SERVICE, restart=evolve(SERVICE.restart, **changes))


def fail_on(life: Life, policy: Policy, *, at: float, ended: Exit = FAILURE) -> Life:
    """From a start or a wait through a run to what its end leads to, all at one time."""
    begin = Event.GO if life.phase is Phase.IDLE else Event.DEADLINE
    return drive(begin, *START[1:], exited(ended), Event.CLEANED, life=life, policy=policy, now=at)[0]


@pytest.mark.parametrize("ended", [FAILURE, SUCCESS])
def test_it_gives_up_after_so_many_restarts_within_the_window_whatever_they_were_for(ended: Exit) -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 1.0):
        life = fail_on(life, policy, at=at, ended=ended)
        assert life.phase is Phase.BACKOFF
    life = fail_on(life, policy, at=2.0, ended=ended)
    assert (life.phase, life.outcome, life.restarts) == (Phase.IDLE, Outcome.FAILED, 2)
    assert life.message == f"gave up: 2 restarts within 1m; last: exited with code {ended.code}"
    assert public_state(life, has_problems=False) is PublicState.FAILED


def test_a_start_that_fails_counts_as_well() -> None:
    policy = limited(1)
    refused = Happening(event=Event.CREATE_FAILED, exit=Exit(at=0.0), message="no such file")
    life, _ = drive(Event.GO, Event.ADMITTED, Event.BUILT, refused, Event.CLEANED, policy=policy)
    assert life.phase is Phase.BACKOFF
    again = (Event.DEADLINE, Event.ADMITTED, Event.BUILT, refused, Event.CLEANED)
    life, _ = drive(*again, life=life, policy=policy, now=1.0)
    assert (life.phase, life.message) == (Phase.IDLE, "gave up: 1 restart within 1m; last: no such file")


def test_what_has_left_the_window_counts_no_more() -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 30.0, 91.0, 152.0, 213.0):
        life = fail_on(life, policy, at=at)
        assert life.phase is Phase.BACKOFF, at
    life = fail_on(life, policy, at=214.0)
    assert (life.phase, life.restarts) == (Phase.IDLE, 5)


def test_none_at_all() -> None:
    life = fail_on(Life(), limited(0), at=0.0)
    assert (life.phase, life.outcome, life.restarts) == (Phase.IDLE, Outcome.FAILED, 0)
    assert life.message == "gave up: restart.max_restarts is 0; last: exited with code 3"


def test_what_is_not_restarted_anyway_does_not_give_up() -> None:
    life = fail_on(Life(), limited(0, on_failure=OnExit.STOP), at=0.0)
    assert (life.outcome, life.message) == (Outcome.FAILED, "exited with code 3")
    life = fail_on(Life(), limited(0, on_success=OnExit.STOP), at=0.0, ended=SUCCESS)
    assert (life.outcome, life.message) == (Outcome.COMPLETED, "exited with code 0")
    life, _ = drive(*START, Event.HALT, exited(FAILURE), Event.CLEANED, policy=limited(0))
    assert (life.outcome, life.message) == (Outcome.STOPPED, "")


@pytest.mark.parametrize("event", [Event.GO, Event.REPLACE])
def test_an_operators_word_or_an_edit_starts_what_gave_up_and_forgives(event: Event) -> None:
    policy, life = limited(1), Life()
    for at in (0.0, 1.0):
        life = fail_on(life, policy, at=at)
    assert life.outcome is Outcome.FAILED
    life, effects = drive(event, life=life, policy=policy, now=2.0)
    assert (effects, life.message) == ([Effect.ADMIT], "")
    life, _ = drive(*START[1:], exited(FAILURE), Event.CLEANED, life=life, policy=policy, now=3.0)
    assert life.phase is Phase.BACKOFF


def test_more_restarts_or_a_shorter_window_would_start_what_gave_up_and_time_alone_would_not() -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 20.0, 40.0):
        life = fail_on(life, policy, at=at)
    assert life.phase is Phase.IDLE
    assert judge(life, policy) is judge(life, limited(1)) is Event.CLEANED_REST
    assert judge(life, limited(3)) is judge(life, limited(None)) is Event.CLEANED_RETRY
    assert judge(life, limited(2, window=10.0)) is Event.CLEANED_RETRY
    assert judge(life, limited(2, window=7200.0)) is Event.CLEANED_REST


def test_a_oneshot_is_ready_once_completed() -> None:
    life, _ = drive(*START, policy=ONESHOT)
    assert not is_ready(life, ONESHOT)
    life, _ = drive(exited(SUCCESS), Event.CLEANED, life=life, policy=ONESHOT)
    assert is_ready(life, ONESHOT)


def test_stop_asks_then_kills_then_kills_again() -> None:
    life, _ = drive(*START)
    life, effects = drive(Event.HALT, life=life)
    assert (life.phase, effects, life.deadline) == (Phase.STOPPING, [Effect.SIGNAL], 10.0)
    life, effects = drive(Event.DEADLINE, life=life, now=10.0)
    assert (life.phase, effects, life.deadline) == (Phase.KILLING, [Effect.KILL], 12.0)
    life, effects = drive(Event.DEADLINE, life=life, now=12.0)
    assert (life.phase, effects, life.deadline) == (Phase.KILLING, [Effect.KILL], 14.0)
    life, effects = drive(exited(Exit(signal=9, at=0)), Event.CLEANED, life=life)
    assert (life.phase, life.outcome, life.failures) == (Phase.IDLE, Outcome.STOPPED, 0)


def test_a_replacement_starts_at_once_after_the_old_has_gone() -> None:
    life, _ = drive(*START, Event.REPLACE, exited(FAILURE))
    life, effects = drive(Event.CLEANED, life=life)
    assert (life.phase, effects, life.failures) == (Phase.WAITING, [Effect.ADMIT], 0)


def test_a_start_that_is_no_longer_wanted_is_awaited_and_undone() -> None:
    life, effects = drive(Event.GO, Event.ADMITTED, Event.BUILT, Event.HALT)
    assert life.phase is Phase.ABANDONING
    life, effects = drive(Event.CREATED, life=life)
    assert effects == [Effect.RELEASE, Effect.CLEAN]
    life, effects = drive(Event.CLEANED, life=life)
    assert (life.phase, life.outcome) == (Phase.IDLE, Outcome.STOPPED)


def test_wanted_again_while_stopping_starts_anew() -> None:
    life, _ = drive(*START, Event.HALT, Event.GO, exited(FAILURE), Event.CLEANED)
    assert life.phase is Phase.WAITING


def test_what_cannot_be_removed_is_tried_again_and_said() -> None:
    life, _ = drive(*START, exited(FAILURE), Happening(event=Event.CLEAN_FAILED, message="device busy"))
    assert (life.phase, life.deadline, life.trouble) == (Phase.CLEANING, 5.0, "device busy")
    life, effects = drive(Event.DEADLINE, life=life)
    assert (effects, life.deadline) == ([Effect.CLEAN], None)
    life, _ = drive(Event.CLEANED, life=life)
    assert (life.trouble, life.message) == ("", "exited with code 3")


def test_exits_in_words() -> None:
    assert describe_exit(Exit(code=137, oom=True, at=0)) == "exited with code 137 (out of memory)"
    assert describe_exit(Exit(signal=9, at=0)) == "killed by signal 9"
    assert describe_exit(Exit(at=0)) == "ended; nobody saw how"


class World(RuleBasedStateMachine):
    """A model of the outside: it holds what effects made, and answers each effect once, in any order with wishes."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.policy = SERVICE
        self.now = 0.0
        self.pending: list[Effect] = []
        self.places = 0
        self.containers = 0
        self.running = 0
        self.watched = 0
        self.restarted_at: list[float] = []
        self.policy_since_forgiven = True

    def tell(self, event: Event, ended: Exit | None = None) -> None:
        happening = Happening(event=event, exit=ended, message="why")
        self.life, effects = step(self.life, happening, self.policy, now=self.now, chance=0.5)
        for effect in effects:
            match effect:
                case Effect.RELEASE:
                    self.places -= 1
                case Effect.WATCH:
                    self.watched += 1
                    assert self.running, "only what runs can be watched"
                case Effect.SIGNAL | Effect.KILL:
                    assert self.watched == 1, "what is asked to end is watched, or the answer is lost"
                case _:
                    assert not self.pending, "one effect at a time waits for its answer"
                    self.pending.append(effect)

    @rule(event=st.sampled_from(sorted(WISHES, key=str)))
    def wish(self, event: Event) -> None:
        rests = self.life.phase in (Phase.IDLE, Phase.BACKOFF)
        if event is Event.REPLACE or (event is Event.GO and (rests or not self.life.wanted)):
            self.restarted_at, self.policy_since_forgiven = [], True
        self.tell(event)

    @precondition(lambda self: self.life.deadline is not None)
    @rule()
    def time_passes(self) -> None:
        assert self.life.deadline is not None
        self.now = max(self.now, self.life.deadline)
        if self.life.phase is Phase.BACKOFF:
            self.restarted_at.append(self.now)
        self.tell(Event.DEADLINE)

    @precondition(lambda self: self.pending)
    @rule(well=st.booleans())
    def answer(self, well: bool) -> None:
        effect = self.pending.pop()
        match effect:
            case Effect.ADMIT:
                self.places += 1
                self.tell(Event.ADMITTED)
            case Effect.BUILD:
                self.tell(Event.BUILT if well else Event.BUILD_FAILED)
            case Effect.CREATE:
                self.containers += 1  # a create that fails leaves something too
                self.tell(Event.CREATED if well else Event.CREATE_FAILED)
            case Effect.START:
                self.running += 1 if well else 0
                self.tell(Event.STARTED if well else Event.START_FAILED)
            case Effect.CLEAN:
                if well:
                    self.containers = 0
                    assert not self.running, "nothing that runs is taken away"
                self.tell(Event.CLEANED if well else Event.CLEAN_FAILED)
                self.count_restarts()

    def count_restarts(self) -> None:
        """It gives up when there were too many restarts, and then only."""
        if (most := self.policy.restart.max_restarts) is None:
            return
        lately = sum(at > self.now - self.policy.restart.window for at in self.restarted_at)
        if self.life.phase is Phase.IDLE and self.life.message.startswith("gave up"):
            assert lately >= most
        if self.life.phase is Phase.BACKOFF and self.policy_since_forgiven:
            assert lately < most

    @precondition(lambda self: self.watched)
    @rule(code=st.integers(0, 3), after=st.floats(0, 100))
    def application_ends(self, code: int, after: float) -> None:
        self.now += after
        self.running -= 1
        self.watched -= 1
        self.tell(Event.EXITED, Exit(code=code, at=0))

    @rule(
        policy=st.sampled_from(
            [SERVICE, ONESHOT, evolve(SERVICE, restart=Restart(delay=Duration(0))), limited(0), limited(1), limited(3)]
        )
    )
    def retune(self, policy: Policy) -> None:
        self.policy = evolve(
            policy, restart=evolve(policy.restart, on_success=policy.restart.on_success or OnExit.STOP)
        )
        self.policy_since_forgiven = False

    @invariant()
    def at_most_one(self) -> None:
        assert self.containers <= 1
        assert self.running <= 1
        assert 0 <= self.places <= 1

    @invariant()
    def what_is_kept_of_restarts_is_bounded(self) -> None:
        assert len(self.life.restarted_at) <= 3

    @invariant()
    def something_will_happen_or_it_rests(self) -> None:
        waits = bool(self.pending) or bool(self.watched) or self.life.deadline is not None
        assert waits or self.life.phase is Phase.IDLE

    @invariant()
    def at_rest_nothing_is_held(self) -> None:
        if self.life.phase in (Phase.IDLE, Phase.BACKOFF):
            assert (self.containers, self.running, self.places, self.watched) == (0, 0, 0, 0)
        if self.life.phase is Phase.IDLE and self.life.wanted:
            assert self.life.outcome in (Outcome.COMPLETED, Outcome.FAILED)

    def teardown(self) -> None:
        """From anywhere, what is halted comes to rest."""
        self.tell(Event.HALT)
        for _ in range(20):
            if self.life.phase is Phase.IDLE:
                return
            if self.pending:
                self.answer(True)
            elif self.watched:
                self.application_ends(0, 0.0)
            else:
                self.time_passes()
        raise AssertionError(f"did not come to rest: {self.life}")


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
