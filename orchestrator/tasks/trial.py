"""Whether an edit's new instance becomes ready, and what runs instead when it does not. Floor: tasks.

`on_failed_update = "rollback"`: an instance made from an edit that ends, cannot be started, or is not ready within its
`start_timeout`, before it was ready once, is not tried again; what was ready before it comes back. A further edit,
or an operator's word, is another trial.
"""

from orchestrator.core.lifecycle import Event
from orchestrator.core.naming import BESIDE, CANNOT_ROLL_BACK, ROLLED_BACK
from orchestrator.model.action import Target
from orchestrator.model.life import Life, Phase
from orchestrator.model.policy import OnFailedUpdate
from orchestrator.model.state import Refusal, Standing

_ENDED = frozenset({Phase.CLEANING, Phase.BACKOFF, Phase.IDLE, Phase.BLOCKED})
_FAILURES = frozenset({Event.EXITED, Event.BUILD_FAILED, Event.CREATE_FAILED, Event.START_FAILED})


class Trial:
    """The edits of one name: the last that was ready, and one that is tried or was refused."""

    def __init__(self, standing: Standing | None = None) -> None:
        """standing: where it stood with an earlier agent."""
        self._good: Target | None = None
        self._tried: Target | None = None
        self._again: Target | None = None
        self.refusal = standing.refusal if standing is not None else None
        self._recalled = standing.good if standing is not None else None
        self._goes_on = self._recalled is not None and self.refusal is None
        """An earlier agent was about to see what an edit comes to."""
        self._lost = False
        """It would have taken that back, and how to make what would come back is not known any more."""

    @property
    def comes_back(self) -> str | None:
        """The bundle that came back in the place of what was refused, or would in that of what is tried."""
        if self.refusal is None and self._tried is None and not self._goes_on:
            return None
        return self._good.bundle.digest if self._good is not None else self._recalled

    @property
    def good(self) -> Target | None:
        """What was ready last, if this agent knows how to make it."""
        return self._good

    def explain(self, life: Life) -> str:
        """Why what runs is not what the directory says, or stays so though it is not ready, or an empty text."""
        if self.refusal is not None:
            return f"{ROLLED_BACK}{self.refusal.reason}"
        return BESIDE.join(filter(None, (CANNOT_ROLL_BACK, life.message))) if self._lost else ""

    def is_refused(self, target: Target) -> bool:
        """Whether this is, to the last word, what was refused."""
        refusal = self.refusal
        return refusal is not None and (refusal.bundle, refusal.resources, refusal.policy) == (
            target.bundle.digest,
            target.resources,
            target.policy,
        )

    def begin(self, target: Target) -> None:
        """An instance of ``target`` is wanted in the place of what there is."""
        self.refusal = self._again = None
        self._try(target)

    def go_on(self, target: Target, *, is_ready: bool) -> None:
        """It is to be what an earlier agent was told: if that was being tried, it is tried on.

        is_ready: whether the instance that there is was made from it, and has been ready."""
        if self._goes_on:
            self._try(target)
        if is_ready:
            self.note_ready(target)

    def _try(self, target: Target) -> None:
        rolls_back = target.policy.on_failed_update is OnFailedUpdate.ROLLBACK
        self._lost = (self._goes_on or self._lost) and rolls_back and self._good is None
        self._goes_on = False
        other = self._good is not None and self._good.bundle != target.bundle
        self._tried = target if rolls_back and other else None

    def recall(self, good: Target) -> None:
        """What an earlier agent knew to be good."""
        self._good = good

    def keep(self, instead: Target) -> None:
        """What an earlier agent has made runs on: if it ends, this is all that can be made, be it what was refused."""
        self._again = instead

    def take_again(self) -> Target | None:
        """Begin that, if there is nothing else."""
        again = self._again
        if again is not None:
            self.begin(again)
        return again

    def note_ready(self, target: Target) -> None:
        """The instance made from ``target`` is ready."""
        self._good, self._lost = target, False
        if self._tried is not None and self._tried.bundle == target.bundle:
            self._tried = None

    def has_failed(self, event: Event, life: Life) -> bool:
        """Whether what is tried has failed by this event, which led to ``life``."""
        return self._tried is not None and event in _FAILURES and not life.was_ready and not life.halted

    def has_ended(self, life: Life) -> bool:
        """Whether what is tried has failed already, while nobody knew yet that it was being tried."""
        return self._tried is not None and life.failures > 0 and life.phase in _ENDED

    def refuse_successor(self, tried: Target, good: Target | None, reason: str) -> None:
        """What was to take the place of ``good``, which runs on, did not become ready. good: None if this agent does
        not know how to make it."""
        self.refusal = Refusal(
            bundle=tried.bundle.digest, resources=tried.resources, policy=tried.policy, reason=reason
        )
        self._tried, self._good = None, good or self._good

    def refuse(self, reason: str) -> Target:
        """Give it up. What comes back in its place."""
        tried, good = self._tried, self._good
        assert tried is not None, "it has failed"
        assert good is not None, "a trial is one of something that was good"
        self.refusal = Refusal(
            bundle=tried.bundle.digest, resources=tried.resources, policy=tried.policy, reason=reason
        )
        self._tried = None
        return good
