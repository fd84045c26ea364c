"""No sequence of events gives a life two processes or leaves one behind: the table, driven against a model of the world
whose answers come late, whose clock leaps and whose applications talk after their end."""

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.core.lifecycle import WISHES, WORDS, Effect, Event, Happening, step
from orchestrator.core.naming import is_ready
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import OnExit, Ready, Restart
from orchestrator.model.spec import Policy
from orchestrator.model.types import Duration
from tests.core.helpers_lifecycle import NOTIFIES, ONESHOT, SERVICE, limited

DAY = 86400.0
AT_REST = (Phase.IDLE, Phase.BLOCKED, Phase.BACKOFF)
POLICIES = (
    SERVICE,
    ONESHOT,
    NOTIFIES,
    evolve(SERVICE, restart=Restart(delay=Duration(0), on_success=OnExit.STOP)),
    evolve(NOTIFIES, restart=Restart(on_failure=OnExit.STOP, on_success=OnExit.STOP)),
    limited(0),
    limited(1),
    limited(3),
)


class World(RuleBasedStateMachine):
    """A model of the outside: it holds what effects made, and answers each effect once, in any order with wishes and
    words."""

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
        # Of the instance that there is, or that was there last.
        self.said_ready = False
        self.asked_to_end = False
        self.counted = 0

    def tell(self, event: Event, ended: Exit | None = None, seconds: float = 0.0) -> None:
        before = self.life
        happening = Happening(event=event, exit=ended, message=event.value, seconds=seconds)
        self.life, effects = step(self.life, happening, self.policy, now=self.now, chance=0.5)
        # Of what runs every end is counted, though after a minute of being ready it is the first again.
        ends = before.phase is Phase.RUNNING and (event is Event.EXITED or bool(self.life.unwell))
        self.counted += ends or self.life.failures > before.failures
        for effect in effects:
            self.begin(effect)

    def begin(self, effect: Effect) -> None:
        match effect:
            case Effect.UNAWAIT:
                self.pending.remove(Effect.AWAIT)
            case Effect.RELEASE:
                self.places -= 1
            case Effect.WATCH:
                self.watched += 1
                assert self.running, "only what runs can be watched"
            case Effect.SIGNAL | Effect.KILL:
                assert self.watched == 1, "what is asked to end is watched, or the answer is lost"
                self.asked_to_end = True
            case _:
                assert not self.pending, "one effect at a time waits for its answer"
                self.pending.append(effect)
        if effect is Effect.AWAIT:
            self.said_ready, self.asked_to_end, self.counted = False, False, 0

    @rule(event=st.sampled_from(sorted(WISHES, key=str)))
    def wish(self, event: Event) -> None:
        ends = self.life.phase in (Phase.STOPPING, Phase.KILLING, Phase.CLEANING)
        anew = not self.life.wanted or self.life.phase in AT_REST or ends
        if event is Event.REPLACE or (event is Event.GO and anew):
            self.restarted_at, self.policy_since_forgiven = [], True
        before = self.life.phase
        self.tell(event)
        if event is Event.GO and ends:
            assert self.life.halted, "what is wanted again while it ends is started again, however it ends"
        if event is Event.STAND_DOWN and before in (*AT_REST, Phase.STOPPING, Phase.KILLING, Phase.CLEANING):
            assert self.life.phase is before, "what does not run, or ends, need not stand down"

    @rule(
        event=st.sampled_from(sorted(WORDS, key=str)),
        seconds=st.floats(0, 2 * DAY, allow_nan=False),
        leap=st.sampled_from([0.0, 0.5, 61.0, 3 * DAY]),
    )
    def application_says(self, event: Event, seconds: float, leap: float) -> None:
        """At any time, since what was said may be read late."""
        self.now += leap
        before = self.life
        self.tell(event, seconds=seconds)
        extends = event is Event.EXTEND and before.phase is Phase.STOPPING
        if before.phase is not Phase.RUNNING and not extends:
            assert self.life == before, "a word means something of what runs, and more time for its end"
        if before.phase is Phase.RUNNING and event is Event.READY:
            self.said_ready = True
        if event is Event.EXTEND and before.deadline is not None:
            assert self.life.deadline is not None
            assert self.life.deadline >= before.deadline, "more time is never less"

    @rule(leap=st.sampled_from([0.01, 30.0, DAY, 400 * DAY]))
    def clock_jumps(self, leap: float) -> None:
        """Without an event: the deadline, if there is one, is heard later, or after whatever comes first."""
        self.now += leap

    @rule()
    def time_passes(self) -> None:
        """The deadline, or one that was meant for what is no more."""
        if self.life.deadline is None:
            before = self.life
            self.tell(Event.DEADLINE)
            assert self.life == before
            return
        self.now = max(self.now, self.life.deadline)
        if self.life.phase is Phase.BACKOFF:
            self.restarted_at.append(self.now)
        late = self.life.phase is Phase.RUNNING
        self.tell(Event.DEADLINE)
        if late:
            assert not self.said_ready, "what was ready in time is not ended for being late"

    @precondition(lambda self: self.pending)
    @rule(well=st.booleans())
    def answer(self, well: bool) -> None:
        effect = self.pending.pop()
        match effect:
            case Effect.AWAIT:
                self.tell(Event.UNBLOCKED)
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
                self.said_ready = well and self.policy.ready is Ready.STARTED
                self.tell(Event.STARTED if well else Event.START_FAILED)
            case Effect.CLEAN:
                if well:
                    self.containers = 0
                    assert not self.running, "nothing that runs is taken away"
                self.tell(Event.CLEANED if well else Event.CLEAN_FAILED)
                self.count_restarts()

    @rule()
    def start_goes_well(self) -> None:
        """All the way, so that what can happen to what runs is tried as often as what can happen to a start."""
        if self.life.phase in (Phase.IDLE, Phase.BACKOFF):
            self.wish(Event.GO)
        while self.pending:
            self.answer(True)

    def count_restarts(self) -> None:
        """It gives up when there were too many restarts, and then only."""
        if (most := self.policy.restart.max_restarts) is None:
            return
        lately = sum(at > self.now - self.policy.restart.window for at in self.restarted_at)
        if self.life.phase is Phase.IDLE and self.life.message.startswith("gave up"):
            assert lately >= most
        # What could not be built is tried again, whatever the policy is.
        if self.life.phase is Phase.BACKOFF and self.policy_since_forgiven and not self.life.unbuilt:
            assert lately < most

    @precondition(lambda self: self.watched)
    @rule(code=st.integers(0, 3), after=st.floats(0, 100))
    def application_ends(self, code: int, after: float) -> None:
        self.now += after
        self.running -= 1
        self.watched -= 1
        unwell, halted = self.life.unwell, self.life.halted
        self.tell(Event.EXITED, Exit(code=code, at=0))
        if unwell and not halted:
            assert self.life.message == unwell, "why it was ended tells more than what it exited with then"

    @rule(policy=st.sampled_from(POLICIES))
    def retune(self, policy: Policy) -> None:
        on_success = policy.restart.on_success or OnExit.STOP
        # How it becomes ready is no setting that changes while it runs.
        ready = policy.ready if self.life.phase in AT_REST else self.policy.ready
        self.policy = evolve(policy, ready=ready, restart=evolve(policy.restart, on_success=on_success))
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
        if self.life.phase in AT_REST:
            assert (self.containers, self.running, self.places, self.watched) == (0, 0, 0, 0)
        if self.life.phase is Phase.IDLE and self.life.wanted:
            assert self.life.outcome in (Outcome.COMPLETED, Outcome.FAILED)

    @invariant()
    def it_waits_for_others_where_the_world_was_asked_to(self) -> None:
        assert (self.life.phase is Phase.BLOCKED) == (self.pending == [Effect.AWAIT])

    @invariant()
    def ready_is_what_runs_and_was_found_to_be(self) -> None:
        if self.life.ready_since is not None:
            assert self.life.phase is Phase.RUNNING
            assert self.said_ready
            assert self.life.was_ready
        if self.life.was_ready:
            assert self.said_ready, "of this instance, not of the one before"
        if is_ready(self.life, self.policy) and not self.policy.oneshot:
            assert self.running == 1

    @invariant()
    def what_is_not_ready_yet_has_until_its_deadline(self) -> None:
        if self.life.phase is Phase.RUNNING:
            assert (self.life.deadline is None) == self.life.was_ready

    @invariant()
    def what_is_being_ended_was_asked_to_or_is_unwell(self) -> None:
        if self.life.phase in (Phase.STOPPING, Phase.KILLING):
            assert self.asked_to_end
            assert self.life.halted or self.life.unwell
        if self.life.phase in (*AT_REST[1:], Phase.RUNNING):
            assert not self.life.halted
        if self.life.phase in (Phase.WAITING, Phase.BUILDING, Phase.CREATING, Phase.STARTING, Phase.RUNNING):
            assert self.life.wanted
            assert not self.life.halted
            assert not self.life.unwell

    @invariant()
    def an_instance_fails_once_at_most(self) -> None:
        assert self.counted <= 1

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
TestWorld.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
