"""Takes stock of what an earlier agent has left, before anything is started: what goes on, and what is to be undone.

The state files say what there was, the processes and the runtime what there is; how to go on is decided in
`orchestrator.core.adoption`. Nothing is touched here. Floor: tasks.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import trio
from attrs import evolve, field, frozen

from orchestrator.core.adoption import Found, Resumption, choose_instances, resume
from orchestrator.core.naming import describe_name
from orchestrator.model.health import HealthReport
from orchestrator.model.state import InstanceState, NameState, Standing, Step
from orchestrator.ports import Process, Processes, Runtime


@frozen(kw_only=True)
class Adopted:
    """A name that a supervision goes on with."""

    name: str
    resumption: Resumption
    instance: InstanceState | None = None
    process: Process | None = None
    """Its first process, where it was started."""
    before: NameState | None = None
    """What people were told of it last."""
    beside: tuple[tuple[InstanceState, Process], ...] = ()
    """Its instances that run beside that one, with their first processes: one was to take over, or they finish what
    they have begun."""

    @property
    def undone(self) -> bool:
        """Whether its instance never got to run, so that all that is done about it is its removal."""
        return self.instance is not None and self.process is None

    @property
    def instances(self) -> tuple[InstanceState, ...]:
        """All of it."""
        own = () if self.instance is None else (self.instance,)
        return (*own, *(state for state, _ in self.beside))

    @property
    def standing(self) -> Standing | None:
        """Where an earlier agent's supervision of it stood."""
        return self.before.standing if self.before is not None else None


@frozen(kw_only=True)
class Left:
    """What an earlier agent has left. ``adopted`` has one for each name; ``strays`` are ids of instances that are no
    name's and are to be ended; ``groups`` are the control groups of those that have a state file."""

    adopted: tuple[Adopted, ...]
    strays: tuple[str, ...]
    unknown: tuple[str, ...]
    """Ids of instances that run and are no name's, and of which nothing that was written down can be read: who knows
    whether they are to be ended, so they are let be."""
    groups: Mapping[str, str]
    states: Mapping[str, InstanceState] = field(factory=dict)
    """What was written down of the strays, by id, as far as something was."""


def describe_unknown(left: Left, runtime: Runtime) -> str:
    """What people are told of what is let be; an empty text where there is nothing."""
    if not left.unknown:
        return ""
    command = f"{runtime.command} --root {runtime.root} kill ID KILL"
    return f"left running, since nothing is known of what it is: {', '.join(left.unknown)} (to end it: {command})"


@frozen(kw_only=True)
class Stocktaking:
    """The way to look at what is left, see `take_stock`."""

    runtime: Runtime
    processes: Processes
    read_origin: Callable[[str], InstanceState | None]
    """The copy of its state that an instance began with, by id; None where that cannot be read either."""
    observe: Callable[[str, int], InstanceState]
    """What can be seen of an instance that runs, by id and process id, where nothing that was written down can be read.
    Its name is empty where it has none, and so is its bundle."""
    start_time: Callable[[int], int | None]
    """When a process began, field 22 of /proc/PID/stat; None where there is none."""
    say: Callable[[str], None]
    now: float
    """The clock that lives go by, seconds."""
    shift: float
    """What that clock is ahead of the one that state files are written by."""
    boot: str

    async def take_stock(
        self, instances: Collection[InstanceState], names: Iterable[NameState], folders: Iterable[str]
    ) -> Left:
        """What goes on and what does not.

        instances, names: the state files that are whole. folders: ids that have a folder or a damaged file. Raises
        OutsideError where a process that runs cannot be held, or the runtime not be asked: then nothing was touched.
        """
        states = {state.instance: state for state in instances if state.boot == self.boot}
        known = {state.name: self._distrust_other_boots(state) for state in names}
        ids = {*folders, *(state.instance for state in instances), *await self.runtime.list_instances()}
        unknown = set()
        for identity in sorted(ids - states.keys()):
            found = await self._find_again(identity)
            if found is None:
                continue
            if self.read_origin(identity) is None:
                unknown.add(identity)
            if found.name:
                states[identity] = found
        chosen = choose_instances(states.values(), known.values())
        seen = {}
        for name, instance in chosen.items():
            await trio.lowlevel.checkpoint()  # of hundreds: signals are heard meanwhile
            seen[name] = await self._look_at(instance)
        adopted = []
        # Nothing is tried again from here on, since a process that was kept for this agent is had once only.
        with contextlib.ExitStack() as held:
            for name in sorted({*chosen, *known}):
                one = self._adopt(name, known.get(name), chosen.get(name), seen.get(name, Found.NOTHING))
                if one is not None:
                    adopted.append(one)
                    if one.process is not None:
                        held.callback(one.process.close)
            beside = self._find_beside(states.values(), adopted, held)
            held.pop_all()
        adopted = [evolve(one, beside=beside.get(one.name, ())) for one in adopted]
        ours = {state.instance for one in adopted for state in one.instances}
        groups = {state.instance: state.cgroups_path for state in instances}
        strays = ids - ours - unknown
        written = {state.instance: state for state in instances if state.instance in strays}
        origins = (self.read_origin(identity) for identity in strays - written.keys())
        return Left(
            adopted=tuple(adopted),
            strays=tuple(sorted(strays)),
            unknown=tuple(sorted(unknown - ours)),
            groups=groups,
            states=written | {origin.instance: _distrust(origin) for origin in origins if origin is not None},
        )

    def _find_beside(
        self, states: Iterable[InstanceState], adopted: Sequence[Adopted], held: contextlib.ExitStack
    ) -> dict[str, tuple[tuple[InstanceState, Process], ...]]:
        """What runs of these names beside their own instances, and may."""
        own = {one.name: one.instance.instance for one in adopted if one.instance is not None}
        found: dict[str, tuple[tuple[InstanceState, Process], ...]] = {}
        for state in states:
            begun = state.step in (Step.RUNNING, Step.STOPPING) and state.exit is None
            if begun and state.overlaps and state.name in own and state.instance != own[state.name]:
                process = self.processes.find(state)
                held.callback(process.close)
                found[state.name] = (*found.get(state.name, ()), (state, process))
        return found

    def _distrust_other_boots(self, state: NameState) -> NameState:
        standing = state.standing
        return state if standing is None or standing.boot == self.boot else evolve(state, standing=None)

    async def _find_again(self, identity: str) -> InstanceState | None:
        """The state of an instance whose file is gone or damaged, by the copy that it began with, or else by what can
        be seen of it, and by what the runtime says of it. None where it does not run: then it is a stray."""
        status = await self.runtime.query(identity)
        if status is None or not status.started or not status.pid:
            return None
        began = self.start_time(status.pid)
        if began is None:
            return None
        origin = self.read_origin(identity) or self.observe(identity, status.pid)
        if origin.boot != self.boot:
            return None
        self.say(f"found {identity} again: it runs, though its state file does not say so")
        # Its limits may be others by now, so they are not taken for known.
        return evolve(
            origin,
            step=Step.RUNNING,
            pid=status.pid,
            pid_start_time=began,
            started_at=origin.created_at,
            limits_known=False,
            attached=_distrust(origin).attached,
        )

    def _adopt(
        self, name: str, before: NameState | None, instance: InstanceState | None, found: Found
    ) -> Adopted | None:
        process = None
        if instance is not None and found is Found.STARTED:
            process = self.processes.find(instance)
            if instance.step is Step.STARTING:
                instance = evolve(instance, step=Step.RUNNING, started_at=instance.created_at)
        resumption = resume(before, instance, found, now=self.now, shift=self.shift)
        if resumption is None:
            return None
        if before is None and instance is not None and process is not None:
            before = self._describe(instance, resumption)
        return Adopted(name=name, resumption=resumption, instance=instance, process=process, before=before)

    def _describe(self, instance: InstanceState, resumption: Resumption) -> NameState:
        """What people would have been told of a name whose file is gone: it is no news that it runs."""
        return describe_name(
            instance.name,
            resumption.life,
            resumption.policy,
            instance,
            resumption.target,
            None,
            problems=(),
            refusal="",
            held=False,
            standing=None,
            health=HealthReport(),
            waits_for=(),
            building="",
            order="",
            log=instance.log,
            now=self.now,
            wall_clock=instance.started_at or instance.created_at,
        )

    async def _look_at(self, instance: InstanceState) -> Found:
        match instance.step:
            case Step.CREATING | Step.CREATED:
                return Found.HALF
            case Step.STARTING:
                # Whether it was started only the runtime knows.
                status = await self.runtime.query(instance.instance)
                return Found.STARTED if status is not None and status.started else Found.HALF
            case Step.RUNNING | Step.STOPPING:
                return Found.STARTED


def _distrust(origin: InstanceState) -> InstanceState:
    """Of what an instance began with nobody knows how far kinds have come since: so all may have been begun."""
    return evolve(origin, attached=tuple(evolve(each, begun=True) for each in origin.attached))
