"""The state directory and the run directory: the port `Disk` on the real file system.

State files are put in place by temporary name and rename, without fsync: the run directory does not outlive a boot,
so there is no power cut that they could outlive, and a reader of the same boot sees every rename. What bundles are is
left to `orchestrator.system.bundles`, reading to `orchestrator.system.states`, the removal of what may be large to
`orchestrator.system.trash`. Floor: system.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import trio

from orchestrator.core.encode import encode_record, encode_state
from orchestrator.core.render import render_instance
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.contribution import LiveFile
from orchestrator.model.eventlog import Record
from orchestrator.model.layout import Layout
from orchestrator.model.spec import SkeletonRoot
from orchestrator.model.state import AgentState, InstanceState, NameState
from orchestrator.ports import DiskFailed
from orchestrator.system.bundles import list_folder, make_skeleton, store_bundle, sweep_bundles, write_files, write_new
from orchestrator.system.envfile import VariableReader, VariablesUnusable
from orchestrator.system.files import (
    append_line,
    is_temporary,
    make_folders,
    need_room,
    remove_file,
    remove_tree,
    rewrite_in_place,
    temporary_name,
    write_atomic,
)
from orchestrator.system.statefiles import StateFiles
from orchestrator.system.states import read_boot_id, read_held
from orchestrator.system.storeroots import StoreRoots
from orchestrator.system.trash import Trash
from orchestrator.system.unmount import unmount_below

ROOM_FOR_RUNTIME = 64 * 1024
"""Bytes that an OCI runtime writes of one container, and some: without them a create would fail, which is too late."""


class HostDisk:
    """`orchestrator.ports.Disk` on the host's file system. Blocking: while a task runs `empty_trash_for_ever` each call
    takes about a millisecond, whatever an application has written; without one, removals take their time. Files of
    variables on a disk that hangs hold up the first start that reads them (`orchestrator.system.envfile.PATIENCE`)."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._trash = Trash(f"{layout.state}/trash")
        self._states = StateFiles(layout.run)
        self._variables = VariableReader()
        self.store_roots = StoreRoots(layout.store_roots)

    def make_folders(self) -> None:
        """Make the folders of both directories as far as they are missing, so that an agent that may not write there
        says so before it does anything. Raises DiskFailed."""
        layout = self.layout
        # Environment and messages may hold what is private. The two directories may be passed through, so that the
        # logs can be read by the group that an administrator gives them to.
        for path, mode in (
            (layout.state, 0o711),
            (layout.bundles, 0o700),
            (layout.roots, 0o700),
            (layout.logs, 0o750),
            (layout.run, 0o711),
            (layout.instances, 0o700),
            (layout.names, 0o700),
            (layout.held, 0o700),
            (layout.notify_folders, 0o700),
        ):
            with _tried(f"cannot make the folder {path}"):
                make_folders(path, mode)

    def store_bundle(self, bundle: Bundle) -> None:
        """See `orchestrator.ports.Disk.store_bundle`."""
        with _tried(f"cannot store the bundle {self.layout.bundle(bundle.digest)}"):
            store_bundle(self.layout, bundle)

    def keep_store_paths(self, bundle: Bundle) -> None:
        """See `orchestrator.ports.Disk.keep_store_paths`."""
        if bundle.store is not None:
            with _tried(f"cannot keep what the bundle {bundle.digest} needs of the store {bundle.store.store.real}"):
                self.store_roots.add(bundle.digest, bundle.store)

    def prepare_instance(self, instance: Instance) -> None:
        """See `orchestrator.ports.Disk.prepare_instance`. What fails leaves nothing."""
        self.make_folders()
        try:
            variables = self._variables.read(instance.bundle.env_files)
        except VariablesUnusable as error:
            raise DiskFailed(str(error)) from error
        # Without the id, so that attempt after attempt says the same.
        with _tried(f"cannot make an instance of {instance.name} in {self.layout.instances}"):
            need_room(self.layout.run, ROOM_FOR_RUNTIME)
        with _tried(f"cannot make the instance {instance.id} in {instance.folder}"):
            # Nobody else may look in: the environment is private, and so are the files until they are mounted.
            os.mkdir(instance.folder, 0o700)
            try:
                write_new(f"{instance.folder}/config.json", render_instance(instance, variables).encode(), 0o600)
                write_files(instance.folder, instance.bundle.files)
                os.symlink(self.layout.bundle(instance.bundle.digest), self.layout.made_from(instance.id))
                if instance.notify:
                    make_folders(instance.notify, 0o755)  # whoever the application runs as is to find the socket
                if isinstance(instance.bundle.root, SkeletonRoot) and not instance.bundle.readonly:
                    make_skeleton(instance.rootfs, instance.bundle.root.entries)
            except (OSError, DiskFailed):
                remove_tree(instance.folder)
                remove_tree(self.layout.root(instance.id))
                remove_tree(self.layout.notify(instance.id))
                raise

    def write_live(self, instance_id: str, files: Sequence[LiveFile]) -> None:
        """See `orchestrator.ports.Disk.write_live`."""
        folder = self.layout.live(instance_id)
        with _tried(f"cannot write the files of {instance_id} in {folder}"):
            make_folders(folder, 0o700)
            for number, file in enumerate(files):
                path = f"{folder}/{number}"
                rewrite_in_place(path, file.text.encode())
                os.chmod(path, file.mode)

    def remove_instance(self, instance_id: str) -> None:
        """See `orchestrator.ports.Disk.remove_instance`. The writable root is gone from its place when this returns;
        its space is free when the trash has been emptied."""
        self._states.forget(self.layout.instance_state(instance_id))
        with _tried(f"cannot remove the instance {instance_id} from {self.layout.instances}"):
            # A kind undoes what it has mounted there, if it is known what that was, and the kind is still there.
            if os.path.isdir(self.layout.own(instance_id)):
                unmount_below(self.layout.own(instance_id))
            remove_tree(self.layout.instance(instance_id))
            remove_tree(self.layout.notify(instance_id))
            self._trash.discard(self.layout.root(instance_id))
            self._trash.discard(self.layout.scratch(instance_id))
            # An id is never used again, so nothing else would clear away a write of it that was cut short.
            remove_file(temporary_name(self.layout.instance_state(instance_id)))
            remove_file(self.layout.instance_state(instance_id))

    def write_instance(self, state: InstanceState) -> None:
        """See `orchestrator.ports.Disk.write_instance`."""
        # Without the id, so that attempt after attempt says the same.
        what = f"cannot write the state of an instance of {state.name} to {self.layout.instances}"
        self._write(self.layout.instance_state(state.instance), state, what)

    def keep_origin(self, state: InstanceState) -> None:
        """See `orchestrator.ports.Disk.keep_origin`."""
        path = self.layout.origin(state.instance)
        with _tried(f"cannot write {path}"):
            write_new(path, encode_state(state).encode(), 0o600)

    def set_aside(self, path: str) -> str:
        """Move a damaged state file to where it does no harm; where that is. Raises DiskFailed."""
        place = f"{self.layout.damaged}/{os.path.basename(path)}"
        with _tried(f"cannot move {path} to {place}"):
            make_folders(self.layout.damaged, 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                remove_tree(place)
            os.replace(path, place)
        return place

    def write_name(self, state: NameState) -> None:
        """See `orchestrator.ports.Disk.write_name`."""
        self._write(self.layout.name_state(state.name), state)

    def remove_name(self, name: str) -> None:
        """See `orchestrator.ports.Disk.remove_name`."""
        path = self.layout.name_state(name)
        self._states.forget(path)
        with _tried(f"cannot remove {path}"):
            remove_file(path)

    def list_strays(self) -> tuple[str, ...]:
        """The ids of instances that have a folder and no state file, sorted: a start that was cut short left them."""
        with _tried(f"cannot look through {self.layout.instances}"):
            names = set(list_folder(self.layout.instances))
        return tuple(
            sorted(
                name
                for name in names
                if not name.startswith(".") and f"{name}.json" not in names and not name.endswith(".json")
            )
        )

    def forget_names(self, keep: Collection[str]) -> None:
        """Remove the names' files but for those of the names ``keep``, and what a write that was cut short left."""
        with _tried(f"cannot clear {self.layout.names}"):
            for file in list_folder(self.layout.names):
                if file.removesuffix(".json") not in keep:
                    remove_file(f"{self.layout.names}/{file}")

    def forget_unfinished(self) -> None:
        """Remove what writes that were cut short have left of instances and of stops: another write clears it away only
        where it has the same name, and an id is never used again."""
        for folder in (self.layout.instances, self.layout.held):
            with _tried(f"cannot clear {folder}"):
                for file in list_folder(folder):
                    if is_temporary(file):
                        remove_file(f"{folder}/{file}")

    def write_agent(self, state: AgentState) -> None:
        """See `orchestrator.ports.Disk.write_agent`."""
        self._write(self.layout.agent, state)

    def hold(self, name: str) -> None:
        """See `orchestrator.ports.Disk.hold`."""
        path = f"{self.layout.held}/{name}"
        with _tried(f"cannot write {path}"):
            make_folders(self.layout.held, 0o700)
            write_atomic(path, read_boot_id().encode())

    def release(self, name: str) -> None:
        """See `orchestrator.ports.Disk.release`."""
        path = f"{self.layout.held}/{name}"
        with _tried(f"cannot remove {path}"):
            remove_file(path)

    def list_held(self) -> frozenset[str]:
        """See `orchestrator.ports.Disk.list_held`."""
        return read_held(self.layout)

    def append_record(self, record: Record) -> None:
        """See `orchestrator.ports.Disk.append_record`."""
        path = self.layout.events
        with _tried(f"cannot write {path}"):
            append_line(path, encode_record(record).encode(), 0o640)

    def sweep_store_roots(self, in_use: Collection[str], find_kept: Callable[[], Collection[str]]) -> None:
        """Give up what keeps the store paths of bundles that are neither in use nor among those that ``find_kept``
        finds, which is asked only if there are others. Raises DiskFailed."""
        with _tried(f"cannot clear out {self.layout.store_roots}"):
            self.store_roots.sweep(find_kept, in_use)

    def sweep_bundles(self, keep: Collection[str]) -> None:
        """See `orchestrator.ports.Disk.sweep_bundles`. Writable roots that no instance has go too: the run directory,
        which knew of theirs, does not outlive a boot."""
        with _tried(f"cannot clear out {self.layout.state}"):
            sweep_bundles(self.layout, keep, self._trash.discard)
            for folder in (self.layout.roots, self.layout.scratches):
                if names := list_folder(folder):
                    known = {name.removesuffix(".json") for name in list_folder(self.layout.instances)}
                    for name in names:
                        if name not in known:
                            self._trash.discard(f"{folder}/{name}")

    async def empty_trash_for_ever(
        self, report: Callable[[str], object], *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Free in a thread what removals only move away; first what an agent that was killed has left. When cancelled,
        it returns once nothing is left. report: told of what cannot be removed. Raises nothing of the disk's."""
        await self._trash.empty_for_ever(report, task_status=task_status)

    async def write_again_for_ever(self, tell: Callable[[str], object]) -> None:
        """Write state files that could not be written as soon as they can be. tell: told why one cannot be, and an
        empty text when all are. Raises nothing of the disk's."""
        await self._states.try_again_for_ever(tell)

    def empty_trash_now(self) -> None:
        """Free what is left there, before this returns. Raises DiskFailed for the first that cannot be removed."""
        with _tried(f"cannot empty {self._trash.folder}"):
            for error in self._trash.empty_now().values():
                raise error

    def _write(self, path: str, state: InstanceState | NameState | AgentState, what: str = "") -> None:
        data = encode_state(state).encode()
        with _tried(what or f"cannot write {path}"):
            try:
                self._states.write(path, data)
                return
            except FileNotFoundError:
                # Looked for only when one is missing, so that it costs nothing while they stand.
                self.make_folders()
            self._states.write(path, data)


@contextmanager
def _tried(what: str) -> Iterator[None]:
    """Say what was tried. Raises DiskFailed for OSError."""
    try:
        yield
    except OSError as error:
        known = not error.filename or os.path.dirname(error.filename) in what
        where = "" if known else f" ({error.filename})"
        raise DiskFailed(f"{what}: {error.strerror or error}{where}") from error
