"""What the files of CDI devices add to a container, as contributions: with what the host says of the devices, files and
programs that they name. Where the files say it is `orchestrator.core.cdi`. Floor: core.
"""

from collections.abc import Iterable, Iterator

from orchestrator.core.cdi import FoundEdits, find_edits
from orchestrator.core.parts import Part
from orchestrator.core.rootfs import is_below, is_of_host
from orchestrator.core.suggest import quote
from orchestrator.core.values import SYSTEM_MOUNTS
from orchestrator.model.cdi import CdiHook, CdiMount, CdiNode, NodeType
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.entry import Entry, FileEntry, FolderEntry
from orchestrator.model.facts import DeviceQuestion, Facts, PathKind, PathQuestion, Question
from orchestrator.model.oci import DeviceNode, Hook, HookStage, Mount
from orchestrator.model.problem import Fault
from orchestrator.model.rootfs import HostRootfs

_DEFAULT_MODE = 0o666
_BINDS = frozenset({"bind", "rbind"})
_ALL_BITS = 0o777


def edit_questions(definition: Definition, facts: Facts) -> tuple[Question, ...]:
    """What must be known of the host before `find_edit_parts`, once it is known what the files say."""
    found, _ = find_edits(definition, facts)
    questions: list[Question] = []
    for each in found:
        questions += [DeviceQuestion(_host_path(node)) for node in each.edits.deviceNodes]
        questions += [PathQuestion(mount.hostPath) for mount in each.edits.mounts if _is_bind(mount)]
        questions += [PathQuestion(hook.path) for hook in each.edits.hooks]
        if isinstance(definition.rootfs, HostRootfs):
            inside = (mount.containerPath for mount in each.edits.mounts)
            questions += [PathQuestion(path) for path in inside if is_of_host(path)]
    return tuple(dict.fromkeys(questions))


def find_edit_parts(definition: Definition, facts: Facts) -> tuple[tuple[Part, ...], tuple[Fault, ...]]:
    """What the CDI devices of a definition add, in its order, and what is wrong with the files that say it. What else
    is wrong is in the contributions, with paths that begin at the entry."""
    found, faults = find_edits(definition, facts)
    return tuple(Part(("devices", each.index), _contribute(each, facts), file=each.path) for each in found), faults


def _contribute(found: FoundEdits, facts: Facts) -> Contribution:
    edits = found.edits
    made = _Maker(found, facts)
    return Contribution(
        env=dict(variable.partition("=")[::2] for variable in edits.env),
        devices=tuple(made.make_node(node) for node in edits.deviceNodes),
        mounts=tuple(made.make_mount(mount) for mount in edits.mounts),
        entries=tuple(made.make_entries(edits.mounts)),
        hooks=tuple(made.make_hook(hook) for hook in edits.hooks),
        groups=tuple(group for group in edits.additionalGids if group),
        faults=(*made.faults, *made.find_unsupported()),
    )


class _Maker:
    """Makes the parts of a contribution. ``faults``: what the host does not have."""

    def __init__(self, found: FoundEdits, facts: Facts) -> None:
        self._found = found
        self._facts = facts
        self.faults: list[Fault] = []

    def make_node(self, node: CdiNode) -> DeviceNode:
        """A device, as the host has it where the file says nothing."""
        host = _host_path(node)
        answer = self._facts.devices[host]
        kind = "c" if node.type is NodeType.UNBUFFERED else node.type.value if node.type is not None else ""
        if node.type is NodeType.FIFO:
            self._tell(f"{quote(node.path)} is a named pipe, which is not supported")
        elif not answer.type and not (kind and node.major):
            self._tell(f"cannot use {quote(host)}: {answer.detail}")
        elif kind and not node.major and kind != answer.type:
            self._tell(f"cannot use {quote(host)}: it is of type {quote(answer.type)}, and not {quote(kind)}")
        said = bool(kind and node.major)
        mode = answer.mode if answer.type else _DEFAULT_MODE
        return DeviceNode(
            path=node.path,
            type=kind or answer.type,
            major=node.major if said else node.major or answer.major,
            minor=node.minor if node.major else answer.minor,
            mode=mode if node.fileMode is None else node.fileMode & _ALL_BITS,
            access=node.permissions,
            uid=node.uid,
            gid=node.gid,
        )

    def make_mount(self, mount: CdiMount) -> Mount:
        """A mount; without a type it is of what the host has."""
        if not _is_bind(mount):
            return Mount(mount.containerPath, mount.type, mount.hostPath, mount.options)
        if mount.containerPath == "/":
            self._tell('cannot mount over "/": it is the root file system')
        answer = self._facts.paths.get(mount.hostPath) if mount.hostPath.startswith("/") else None
        if answer is None:
            self._tell(f"cannot mount {quote(mount.hostPath)}: it is no absolute path")
            return Mount(mount.containerPath, "bind", mount.hostPath, mount.options)
        if answer.kind in (PathKind.MISSING, PathKind.DENIED):
            self._tell(f"cannot mount {quote(mount.hostPath)}: {answer.detail or 'no such file or directory'}")
        options = mount.options if _BINDS & {*mount.options} else ("rbind", *mount.options)
        return Mount(mount.containerPath, "bind", answer.resolved, options)

    def make_entries(self, mounts: Iterable[CdiMount]) -> Iterator[Entry]:
        """The mount points, where the root's skeleton has to have them."""
        for mount in mounts:
            if any(is_below(mount.containerPath, system) for system in SYSTEM_MOUNTS):
                continue  # the runtime makes it there
            answer = self._facts.paths.get(mount.hostPath) if _is_bind(mount) else None
            is_file = answer is not None and answer.kind in (PathKind.FILE, PathKind.OTHER)
            yield FileEntry(mount.containerPath) if is_file else FolderEntry(mount.containerPath)

    def make_hook(self, hook: CdiHook) -> Hook:
        """A hook, whose program must be there."""
        answer = self._facts.paths[hook.path]
        if answer.kind is not PathKind.FILE:
            why = answer.detail or ("no such file" if answer.kind is PathKind.MISSING else "it is no file")
            self._tell(f"cannot run its hook {quote(hook.path)}: {why}")
        stage = HookStage(hook.hookName.value)
        return Hook(stage=stage, path=hook.path, args=hook.args, env=tuple(hook.env), timeout=hook.timeout)

    def find_unsupported(self) -> Iterator[Fault]:
        """What no config.json of the version that is written here can say."""
        edits = self._found.edits
        for key, is_there in (("intelRdt", edits.intelRdt is not None), ("netDevices", bool(edits.netDevices))):
            if is_there:
                yield self._fault(f"it has {key}, which is not supported")

    def _tell(self, why: str) -> None:
        self.faults.append(self._fault(why))

    def _fault(self, why: str) -> Fault:
        return Fault((), f"cannot use {quote(self._found.name)}: {self._found.path}: {why}")


def _host_path(node: CdiNode) -> str:
    return node.hostPath or node.path


def _is_bind(mount: CdiMount) -> bool:
    """Whether a mount is of a path of the host: it says so, or says nothing of what else it is of."""
    return mount.type in ("", "none", "bind") or bool(_BINDS & {*mount.options})
