"""One instance from its folder to its removal: the effects of a life, in the write order of the state file.

Each method does one effect and writes the state file before it where a half-done result would otherwise be unknown, and
after it. What to do when is decided elsewhere. Floor: tasks.
"""

import contextlib
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from attrs import evolve

from orchestrator.core.render import digest_skeleton
from orchestrator.core.trim import DEFAULT_BOUND
from orchestrator.core.values import signal_number
from orchestrator.model.action import Target
from orchestrator.model.attached import Attached
from orchestrator.model.bundle import Instance, LogTarget
from orchestrator.model.contribution import Stage
from orchestrator.model.health import HealthReport
from orchestrator.model.life import Exit
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import DiskFailed, OutsideError, Process
from orchestrator.tasks.detaching import undo_attached
from orchestrator.tasks.health import Caretaker
from orchestrator.tasks.joining import hold_shared_network
from orchestrator.tasks.lending import lend_place
from orchestrator.tasks.messages import Message
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.takeover import Adopted


class LiveInstance:
    """An instance with its state file and its first process."""

    def __init__(
        self, instance: Instance | None, state: InstanceState, outside: Outside, process: Process | None = None
    ) -> None:
        """Use `from_target` or `from_adopted`."""
        self._instance = instance
        self._outside = outside
        self._process = process
        self._removed = False
        self._trimming: trio.CancelScope | None = None
        self._caretaker = Caretaker(self, outside)
        self.state = state
        self.target: Target | None = None
        """What it was made from, as it was last told; None for what an earlier agent has left."""
        self.applied: Target | None = None
        """The same, as far as it holds: with limits that were refused it is not what it was told."""
        self.stale = ""
        """Why its files that follow the host do not say what they are to, or empty."""
        self._live = state.live

    @classmethod
    def from_target(cls, name: str, target: Target, restarts: int, outside: Outside) -> "LiveInstance":
        """A new one, of which nothing is there yet."""
        instance = _make_instance(name, target, outside)
        state = InstanceState(
            name=name,
            instance=instance.id,
            bundle=instance.bundle.digest,
            runtime=outside.runtime.command,
            root=outside.runtime.root,
            folder=instance.folder,
            rootfs=instance.rootfs,
            cgroups_path=instance.cgroups_path,
            log=instance.log,
            log_target=instance.bundle.log,
            step=Step.CREATING,
            created_at=outside.wall_clock(),
            restarts=restarts,
            resources=instance.resources,
            policy=target.policy,
            overlaps=bool(instance.bundle.sockets) and not target.policy.exclusive,
            live=target.live or (),
            boot=outside.boot,
            attached=tuple(Attached(plan=plan) for plan in instance.bundle.attachments),
        )
        live = cls(instance, state, outside)
        live.target = live.applied = target
        return live

    @classmethod
    def from_adopted(cls, adopted: Adopted, outside: Outside) -> "LiveInstance":
        """One that an earlier agent has left. What never got to run can only be removed."""
        assert adopted.instance is not None, "there is one"
        live = cls(None, adopted.instance, outside, adopted.process)
        live.target = live.applied = adopted.resumption.target
        if adopted.before is not None:
            live._caretaker.status_text = adopted.before.status_text
        if adopted.instance.step is Step.STOPPING:
            live._caretaker.end()
        return live

    @property
    def instance(self) -> Instance | None:
        """What the runtime was given; None for what an earlier agent has made, until it was told what that is."""
        if self._instance is None and self.target is not None and self.target.source is not None:
            self._instance = self._recall(self.target)
        return self._instance

    def _recall(self, target: Target) -> Instance | None:
        """What an earlier agent gave the runtime: its state says what the target does not."""
        state = self.state
        if target.bundle.digest != state.bundle:
            return None
        return Instance(
            id=state.instance,
            name=state.name,
            bundle=target.bundle,
            resources=state.resources,
            folder=state.folder,
            rootfs=state.rootfs,
            cgroups_path=state.cgroups_path,
            log=state.log,
            notify=self._outside.layout.notify(state.instance) if target.bundle.notify else "",
            folders=self._outside.layout.find_folders(state.instance) if target.bundle.attachments else {},
            live=self._outside.layout.live(state.instance),
            joins=self._outside.layout.joined(state.instance) if target.bundle.shares_network_of else "",
            host_limits=self._outside.host_limits,
        )

    @property
    def is_undone(self) -> bool:
        """Whether an earlier agent has made it and it never got to run."""
        return self._instance is None and self._process is None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more, as far as is known: all processes of a pid namespace end with its first
        (pid_namespaces(7))."""
        if self.state.exit is None or self._instance is None:
            return False
        namespaces = self._instance.bundle.config.get("linux", {}).get("namespaces") or ()
        return any(each.get("type") == "pid" and not each.get("path") for each in namespaces)

    def build(self) -> None:
        """Have its sockets, store the bundle and make the instance's folder. Raises ListenFailed, DiskFailed.

        The state file stands before anything that it tells of, so that nothing on disk is without an owner.
        """
        assert self._instance is not None, "what was left is not built"
        disk = self._outside.disk
        self._outside.listeners.open(self.state.name, self._instance.bundle.sockets)
        disk.write_instance(self.state)
        disk.store_bundle(self._instance.bundle)
        disk.keep_store_paths(self._instance.bundle)
        disk.prepare_instance(self._instance)
        if self.state.live:
            disk.write_live(self.state.instance, self.state.live)
        disk.keep_origin(self.state)

    async def create(self) -> None:
        """The runtime's create. Raises OutsideError; what is half done then is for `remove`."""
        assert self._instance is not None, "what was left is not created"
        await self._attach(Stage.PREPARE)
        sockets = self._outside.listeners.open(self.state.name, self._instance.bundle.sockets)
        with hold_shared_network(self._instance, self._outside, lambda joined: self._write(joined=joined)):
            self._process = await self._outside.runtime.create(self._instance, sockets)
        self._outside.descriptors.keep(self.state.instance, self._process.descriptor)
        self._write(step=Step.CREATED, pid=self._process.pid, pid_start_time=self._process.start_time)

    async def start(self) -> None:
        """What is to be done before it runs, and the runtime's start. Raises OutsideError."""
        await self._attach(Stage.CONNECT)
        self._write(step=Step.STARTING)
        self._caretaker.listen()
        await self._outside.runtime.start(self.state.instance, self.state.folder)
        # It runs, whatever becomes of the file: a next agent asks the runtime about one that says "starting".
        self.note(step=Step.RUNNING, started_at=self._outside.wall_clock())

    async def _attach(self, stage: Stage) -> None:
        """Have the kinds do their part, each written down as begun before it is. Raises OutsideError."""
        for index, each in enumerate(self.state.attached):
            if each.plan.stage is stage:
                self._note_attached(index, begun=True)
                await lend_place(self._outside.starts, partial(self._attach_one, index, each))

    async def _attach_one(self, index: int, each: Attached) -> None:
        name, identity = self.state.name, self.state.instance
        state = await self._outside.attacher.attach(each.plan, name, identity, self.state.pid)
        self._note_attached(index, begun=True, state=state)

    def _note_attached(self, index: int, **changes: Any) -> None:  # noqa: ANN401 - as attrs.evolve
        attached = self.state.attached
        self._write(attached=(*attached[:index], evolve(attached[index], **changes), *attached[index + 1 :]))

    @property
    def health(self) -> HealthReport:
        """What people are told of its health."""
        return self._caretaker.report

    async def wait_exit(self, tell: Callable[[Message], None]) -> Exit:
        """Wait for the application's end; keep its log bounded and look after its health until then.

        tell: who hears what its life is to know of its health.
        """
        assert self._process is not None, "create comes first"
        with contextlib.closing(self._caretaker):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_log_bounded)
                self._caretaker.begin(nursery, tell)
                ended = await self._process.wait()
                if not ended.success and self._outside.runtime.count_oom_kills(self.state.cgroups_path) > 0:
                    ended = evolve(ended, oom=True)
                # Without an await in between: who has reaped it is the only one who knows, also if the agent ends now.
                self.note(exit=ended)
                nursery.cancel_scope.cancel()
        return ended

    async def _keep_log_bounded(self) -> None:
        """Trim its log, if that is a file, by the bound that holds now: each other bound begins anew, so that it also
        holds for what has been written."""
        if self.state.log_target is not LogTarget.FILE:
            return
        while self._trimming is None or self._trimming.cancelled_caught:
            with trio.CancelScope() as self._trimming:
                await self._outside.trim_log(self.state.log, self._log_bound)

    @property
    def _log_bound(self) -> int:
        bound = self.target.policy.log_bound if self.target is not None else None
        return DEFAULT_BOUND if bound is None else bound

    def retune(self, target: Target) -> None:
        """Hear that what it is to be has changed, though not its bundle."""
        before, policy, self.target = self._log_bound, self.state.policy, target
        if self._trimming is not None and self._log_bound != before:
            self._trimming.cancel()
        self.note(policy=target.policy)
        self._caretaker.edit(policy)
        self.retell(target)

    def follow_host(self, target: Target | None = None) -> None:
        """Have the files that follow the host say what they are to, where they do not: ``stale`` says why they cannot.
        target: with the same bundle; None tries once more."""
        if target is not None and target.live is not None:
            self._live = target.live
        self.stale = ""
        if self._live == self.state.live:
            return
        try:
            self._outside.disk.write_live(self.state.instance, self._live)
        except DiskFailed as error:
            self.stale = str(error)
        else:
            self.note(live=self._live)

    def retell(self, target: Target) -> None:
        """Hear what it is to be once more: the text may be another. Limits that do not hold yet make it no other."""
        self.target = target
        self.follow_host(target)
        if self.holds(target.resources):
            self.applied = target

    def holds(self, resources: Resources) -> bool:
        """Whether its limits are these, as far as is known."""
        return self.state.limits_known and self.state.resources == resources

    def send_signal(self, number: int) -> None:
        """Send a signal to the first process."""
        assert self._process is not None, "only what was started is sent a signal"
        self._process.send_signal(number)

    def ask_to_end(self) -> None:
        """Send the stop signal to the first process."""
        assert self._process is not None, "only what was started is asked to end"
        self._caretaker.end()
        self.note(step=Step.STOPPING)
        self._process.send_signal(signal_number(self.state.policy.stop.signal))

    def kill(self) -> None:
        """Kill everything in the container."""
        assert self._process is not None, "only what was started is killed"
        self._process.send_signal(signal.SIGKILL)
        try:
            self._outside.runtime.kill_all(self.state.cgroups_path)
        except OutsideError as error:
            # With the first process its pid namespace ends, so this was the second line; remove() looks again.
            self._outside.report.say(f"{self.state.name}: {error}")

    async def remove(self) -> None:
        """Remove all that there is of it, the state file last. Idempotent. Raises OutsideError.

        Of what was left half made there may be hundreds at once, so these take a place as starts do.
        """
        async with self._outside.starts if self.is_undone else contextlib.nullcontext():
            await self._remove()

    async def _remove(self) -> None:
        await self._outside.runtime.remove(self.state.instance, self.state.folder, self.state.cgroups_path)
        self._removed = True  # from here on nothing writes its file again: not the late answer of an update either
        self._outside.descriptors.give_up(self.state.instance)
        undo = partial(undo_attached, self.state, self._outside.attacher)
        await (lend_place(self._outside.starts, undo) if self.is_undone else undo())
        self._outside.disk.remove_instance(self.state.instance)
        self._caretaker.close()
        if self._process is not None:
            self._process.close()

    async def update(self, target: Target) -> None:
        """Change the limits live. Raises RuntimeFailed; the old ones hold then, or it says that they do not."""
        state, resources = self.state, target.resources
        # Until it is done, and after a failure or the agent's end too: who wants the old ones sees to them.
        self.note(limits_known=False)
        await self._outside.runtime.update(state.instance, state.folder, state.cgroups_path, resources)
        self.note(resources=resources, limits_known=True)
        self.applied = target

    def note(self, **changes: Any) -> None:  # noqa: ANN401 - as attrs.evolve
        """Write to the state file what has happened or has to happen whether it can be written or not."""
        try:
            self._write(**changes)
        except DiskFailed as error:
            self._outside.report.say(f"{self.state.name}: {error}")

    def _write(self, **changes: Any) -> None:  # noqa: ANN401 - as attrs.evolve
        self.state = evolve(self.state, **changes)
        if not self._removed:
            self._outside.disk.write_instance(self.state)


def _make_instance(name: str, target: Target, outside: Outside) -> Instance:
    identity = f"{name}-{outside.token()}"
    root = target.bundle.root
    if isinstance(root, FolderRoot):
        rootfs = root.path
    elif target.bundle.readonly:
        rootfs = outside.layout.skeleton(digest_skeleton(root))
    else:
        rootfs = outside.layout.root(identity)
    return Instance(
        id=identity,
        name=name,
        bundle=target.bundle,
        resources=target.resources,
        folder=outside.layout.instance(identity),
        rootfs=rootfs,
        cgroups_path=outside.groups.path(identity),
        scope=outside.groups.scope(identity),
        log=outside.layout.log(name),
        notify=outside.layout.notify(identity) if target.bundle.notify else "",
        folders=outside.layout.find_folders(identity) if target.bundle.attachments else {},
        live=outside.layout.live(identity),
        joins=outside.layout.joined(identity) if target.bundle.shares_network_of else "",
        host_limits=outside.host_limits,
    )
