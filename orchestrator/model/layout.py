"""Where everything lies in the two directories. Floor: model.

The state directory lasts (/var/lib/orchestrator): bundles, logs, writable roots. The run directory does not outlive a
boot (/run/orchestrator): states, what the runtimes keep, the bundle folders of instances.
"""

import hashlib
from urllib.parse import quote

from attrs import frozen

from orchestrator.model.attached import KEPT, OWN, SCRATCH, SHARED

NOTIFY_SOCKET_NAME = "socket"
"""The name of a notify socket in its folder, also inside the container."""


@frozen
class Layout:
    """Paths below an absolute state directory and an absolute run directory."""

    state: str
    run: str

    @property
    def bundles(self) -> str:
        """Folder of the stored bundles, each named by its digest."""
        return f"{self.state}/bundles"

    def bundle(self, digest: str) -> str:
        """One stored bundle: config.json (the digest's part of it), and rootfs, a link to its skeleton."""
        return f"{self.bundles}/{digest}"

    @property
    def skeletons(self) -> str:
        """Folder of the stored skeletons, each named by its own digest and shared by the bundles that have it."""
        return f"{self.state}/skeletons"

    def skeleton(self, digest: str) -> str:
        """One stored skeleton: the read-only root file system of all instances that have it."""
        return f"{self.skeletons}/{digest}"

    @property
    def logs(self) -> str:
        """Folder of the applications' output."""
        return f"{self.state}/logs"

    def log(self, name: str) -> str:
        """The application's output; beside it ``.dropped`` counts the bytes cut off its head, and ``.marks`` tells when
        how much had been written."""
        return f"{self.logs}/{name}.log"

    @property
    def roots(self) -> str:
        """Folder of the writable root file systems, one for each instance that has one."""
        return f"{self.state}/roots"

    def root(self, instance: str) -> str:
        """The writable root file system of an instance."""
        return f"{self.roots}/{instance}"

    @property
    def instances(self) -> str:
        """Folder of the instances: ``ID.json`` (its state) and ``ID/`` (the bundle folder given to the runtime)."""
        return f"{self.run}/instances"

    def instance(self, instance: str) -> str:
        """The bundle folder of an instance."""
        return f"{self.instances}/{instance}"

    def own(self, instance: str) -> str:
        """Folder of the folders that the kinds of an instance have to themselves, in memory."""
        return f"{self.instances}/{instance}/own"

    @property
    def scratches(self) -> str:
        """Folder of the folders that instances have to themselves on disk."""
        return f"{self.state}/scratch"

    def scratch(self, instance: str) -> str:
        """Folder of the folders that the kinds of an instance have to themselves, on disk."""
        return f"{self.scratches}/{instance}"

    @property
    def kept(self) -> str:
        """Folder of what kinds keep for good: volumes."""
        return f"{self.state}/kept"

    @property
    def volumes(self) -> str:
        """Folder of the volumes, each named by its name (`orchestrator.model.kinds.Keeping`)."""
        return f"{self.kept}/volumes"

    def named_lock(self, name: str) -> str:
        """Locked by whoever holds the lock of that name; there only while somebody does."""
        return f"{self.run}/{quote(name, safe='')}.lock"

    @property
    def shared(self) -> str:
        """Folder of what kinds keep for all containers, until the host is booted."""
        return f"{self.run}/shared"

    def find_folders(self, instance: str) -> dict[str, str]:
        """Where the folders of an instance are that kinds name before there is one."""
        return {OWN: self.own(instance), SCRATCH: self.scratch(instance), SHARED: self.shared, KEPT: self.kept}

    def live(self, instance: str) -> str:
        """Folder of the files of an instance that follow the host, each with its number as its name."""
        return f"{self.instances}/{instance}/live"

    def joined(self, instance: str) -> str:
        """Leads to the network namespace that an instance joins, while it does."""
        return f"{self.instances}/{instance}/netns"

    def instance_state(self, instance: str) -> str:
        """The state file of an instance."""
        return f"{self.instances}/{instance}.json"

    def origin(self, instance: str) -> str:
        """The copy of the state that an instance began with; for a time when its state file is damaged."""
        return f"{self.instances}/{instance}/state.json"

    def made_from(self, instance: str) -> str:
        """A link to the stored bundle that an instance is made from; for a time when nothing else tells."""
        return f"{self.instances}/{instance}/bundle"

    @property
    def damaged(self) -> str:
        """Folder of state files that could not be read, for whoever wants to know why."""
        return f"{self.run}/damaged"

    @property
    def notify_folders(self) -> str:
        """Folder of the folders of notify sockets. Nobody but root may look in, so that what stands in one of them can
        be reached by root and in the container that it is mounted into, and by nobody else."""
        return f"{self.run}/notify"

    def notify(self, instance: str) -> str:
        """The folder of an instance's notify socket, which is mounted into it."""
        return f"{self.notify_folders}/{instance}"

    def notify_socket(self, instance: str) -> str:
        """The socket that an instance's application sends to (sd_notify(3)), where it is offered one."""
        return f"{self.notify(instance)}/{NOTIFY_SOCKET_NAME}"

    @property
    def names(self) -> str:
        """Folder of the names' state files."""
        return f"{self.run}/names"

    def name_state(self, name: str) -> str:
        """The state file of a name."""
        return f"{self.names}/{name}.json"

    @property
    def held(self) -> str:
        """Folder of the operator's stops: a file for each name that is not to run until it is started, or the host is
        booted; it holds the boot id."""
        return f"{self.run}/held"

    @property
    def control(self) -> str:
        """The socket of the HTTP interface; only its owner and root may connect to it."""
        return f"{self.run}/control.sock"

    @property
    def events(self) -> str:
        """The event log: one JSON object a line, its head cut off as a log's is."""
        return f"{self.state}/events.log"

    @property
    def builds(self) -> str:
        """Folder of the builds of definitions that are Nix expressions: for each name its log and a root."""
        return f"{self.state}/builds"

    @property
    def store_roots(self) -> str:
        """Folder of links to the folders of roots that bundles have in Nix stores, by digest."""
        return f"{self.state}/gcroots"

    @property
    def generations(self) -> str:
        """Folder of the generations: ``NUMBER.jsonl`` for each, and the pin."""
        return f"{self.state}/generations"

    def generation(self, number: int) -> str:
        """The file of one generation."""
        return f"{self.generations}/{number}.jsonl"

    @property
    def texts(self) -> str:
        """Folder of the texts of the generations' definitions, each named by its digest and kept once."""
        return f"{self.generations}/texts"

    @property
    def pin(self) -> str:
        """Which generation is followed instead of the directory; there only while one is."""
        return f"{self.generations}/pinned.json"

    @property
    def agent(self) -> str:
        """The state file of the agent."""
        return f"{self.run}/agent.json"

    @property
    def holder(self) -> str:
        """The socket of the process that holds listening sockets where systemd does not; there only while there are
        some."""
        return f"{self.run}/holder.sock"

    @property
    def lock(self) -> str:
        """Locked (flock(2)) by the agent that owns the run directory."""
        return f"{self.run}/lock"

    @property
    def state_lock(self) -> str:
        """Locked by the agent that owns the state directory: another would sweep its bundles away."""
        return f"{self.state}/lock"

    @property
    def runtime_root(self) -> str:
        """The ``--root`` that runtimes are given: never shared with others on the host."""
        return f"{self.run}/runtime"

    @property
    def cgroup_root(self) -> str:
        """The agent's own cgroup, as ``linux.cgroupsPath`` has it: /orchestrator, and for another run directory one
        with its digest, so that two agents on a host never take each other's for theirs."""
        if self.run == "/run/orchestrator":
            return "/orchestrator"
        return f"/orchestrator-{hashlib.sha256(self.run.encode()).hexdigest()[:10]}"

    @property
    def probe(self) -> str:
        """Folder of the container that a runtime is tried with; there only while it is tried."""
        return f"{self.run}/probe"
