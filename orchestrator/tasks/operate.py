"""What an operator asks of the running agent: `orchestrator.ports.Operator`, over the reconciler and the report.

A wish is written down before anything follows from it; what follows is the reconciler's and the supervisions' work.
Floor: tasks.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from orchestrator.core.locate import locate_in_source
from orchestrator.core.origins import find_origins, show_origins
from orchestrator.core.resolve import resolve_spec
from orchestrator.core.show import show_config, show_definition, show_spec
from orchestrator.model.action import Planned, Renew, Start, Target
from orchestrator.model.definition import Definition
from orchestrator.model.eventlog import RecordKind
from orchestrator.model.generation import Listed, RolledBack
from orchestrator.model.state import AgentState, NameState
from orchestrator.ports import DiskFailed, Operation, Part, Refused, UnknownName
from orchestrator.tasks.gather import Asked, gather_facts
from orchestrator.tasks.history import History
from orchestrator.tasks.holds import Holds
from orchestrator.tasks.reconcile import Reconciler
from orchestrator.tasks.report import Reporter
from orchestrator.tasks.supervise import Supervision


class AgentOperator:
    """Implements `orchestrator.ports.Operator`."""

    def __init__(
        self,
        reconciler: Reconciler,
        holds: Holds,
        history: History,
        reporter: Reporter,
        shut_down: Callable[[], None],
    ) -> None:
        """shut_down: begins the end of the agent."""
        self._reconciler = reconciler
        self._holds = holds
        self._history = history
        self._reporter = reporter
        self._shut_down = shut_down
        self._ending = False

    @property
    def agent(self) -> AgentState:
        """The agent itself."""
        return self._reporter.agent

    def list_states(self) -> tuple[NameState, ...]:
        """Every name's state, by name."""
        return self._reporter.states

    async def plan(self) -> tuple[Planned, ...]:
        """What reading the directory now leads to. It is also done, as at any look at the directory."""
        self._refuse_at_end()
        return await self._reconciler.plan()

    def operate(self, operation: Operation, names: Collection[str] | None) -> tuple[str, ...]:
        """See `orchestrator.ports.Operator.operate`. Of all names, those are left out that have problems and do not
        run; a single one of them is refused. What is started brings with it what it requires."""
        self._refuse_at_end()
        supervisions = {name: self._find(name) for name in (names if names is not None else self._reconciler.names)}
        if operation is Operation.STOP:
            self._holds.hold(supervisions)
            self._note(operation, supervisions)
            self._reconciler.tell_again()
            return tuple(sorted(supervisions))
        targets = {name: self._choose_target(name, each) for name, each in supervisions.items()}
        if names is not None:
            for name, target in targets.items():
                if target is None:
                    problems = supervisions[name].problems
                    why = "has problems" if problems else "cannot be read"
                    raise Refused(f"cannot {operation.value} {name}: its definition {why}", problems)
        possible = {name: target for name, target in targets.items() if target is not None}
        required = self._find_required(possible)
        try:
            self._holds.release({**possible, **required})
        except DiskFailed:
            self._reconciler.tell_again()  # those that were released before
            raise
        self._note(operation, possible)
        self._note(Operation.START, required)
        for name, target in sorted(possible.items()):
            action = Start(target) if operation is Operation.START else Renew(target)
            supervisions[name].tell(action, supervisions[name].problems)
        for name, target in sorted(required.items()):
            self._find(name).tell(Start(target), self._find(name).problems)
        return tuple(sorted({*supervisions, *required}))

    def _find_required(self, targets: Mapping[str, Target]) -> dict[str, Target]:
        """What those are to be that these require, directly or over others, and that are not to run: as with Requires=
        of systemd.unit(5), they are started too. One that has problems is left as it is."""
        found: dict[str, Target] = {}
        left = [name for target in targets.values() for name in target.policy.requires]
        while left:
            name = left.pop()
            if name in targets or name in found or not self._reconciler.is_down(name):
                continue
            target = self._choose_target(name, self._find(name))
            if target is not None:
                found[name] = target
                left.extend(target.policy.requires)
        return found

    def list_generations(self) -> tuple[Listed, ...]:
        """The generations that are kept, the oldest first."""
        return self._history.list_generations()

    async def roll_back(self, number: int | None) -> RolledBack:
        """See `orchestrator.ports.Operator.roll_back`."""
        self._refuse_at_end()
        done = await self._history.roll_back(number, self._reconciler.parser, self._reconciler.world)
        self._reporter.note(RecordKind.OPERATOR, message=f"roll back to generation {done.generation}, which is pinned")
        self._reconciler.follow_again()
        return done

    async def resume(self) -> None:
        """See `orchestrator.ports.Operator.resume`."""
        self._refuse_at_end()
        await self._history.resume()
        self._reporter.note(RecordKind.OPERATOR, message="resume: the directory is followed again")
        self._reconciler.follow_again()

    async def wait_done(self, name: str) -> NameState | None:
        """Wait until nothing is under way for a name."""
        return await self._reporter.wait_done(name)

    def send_signal(self, name: str, number: int) -> None:
        """Send a signal to the first process. Raises UnknownName, Refused."""
        self._find(name).send_signal(number)

    def shut_down(self) -> None:
        """Begin the end of the agent."""
        self._shut_down()

    def end(self) -> None:
        """From now on nothing can be asked for that would start something: the agent ends."""
        self._ending = True

    async def show(self, name: str, part: Part) -> dict[str, Any]:
        """A part of what a container is. Raises UnknownName, Refused."""
        supervision = self._find(name)
        target = supervision.shown_target
        if target is None or target.source is None:
            raise Refused(f"there is no {part.value} of {name}: its definition has problems", supervision.problems)
        if part is Part.CONFIG:
            instance = supervision.instance
            if instance is None:
                raise Refused(f"there is no config of {name}: it does not run")
            return show_config(instance)
        parser = self._reconciler.parser
        definition = parser.parse(target.source)
        if not isinstance(definition, Definition):
            # It was read before: a plugin that it uses is another by now.
            problems = locate_in_source(target.source, definition)
            raise Refused(f"there is no {part.value} of {name}: it cannot be read any more", problems)
        if part is Part.DEFINITION:
            return show_definition(definition, parser.registry)
        asked = {name: Asked(definition, target.source.links)}
        facts = (await gather_facts(asked, self._reconciler.world)).facts_of(name)
        spec = resolve_spec(name, definition, facts, parser.patience)
        if isinstance(spec, tuple):
            raise Refused(f"cannot resolve {name} as the host is now: {spec[0].message}")
        if part is Part.ORIGINS:
            return show_origins(find_origins(name, definition, spec, facts, parser.registry, parser.patience))
        return show_spec(spec)

    def _find(self, name: str) -> Supervision:
        supervision = self._reconciler.find(name)
        if supervision is None:
            raise UnknownName(name, self._reconciler.names)
        return supervision

    def _choose_target(self, name: str, supervision: Supervision) -> Target | None:
        """What it is to be: as its definition says, or the last good one, or as it runs now."""
        wanted, runs = self._reconciler.wanted(name), supervision.target if supervision.runs else None
        if wanted is not None or runs is None:
            return wanted
        # Of what an earlier agent has left it may not be known what it was made from.
        return runs if runs.source is not None else None

    def _refuse_at_end(self) -> None:
        if self._ending:
            raise Refused("the agent is ending")

    def _note(self, operation: Operation, names: Iterable[str]) -> None:
        for name in sorted(names):
            self._reporter.note(RecordKind.OPERATOR, name, operation.value)
