"""The state files read back, by `status` and by a next agent, and the look at whether what they claim is alive.

A damaged file is a value and stops nobody from reading the rest. What is concluded is left to
`orchestrator.core.status` and to the agent. Loads neither trio nor anything that is slow to load. Floor: system.
"""

import os
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from attrs import frozen

from orchestrator.core.encode import DamagedState, decode_state
from orchestrator.model.layout import Layout
from orchestrator.model.state import AgentState, InstanceState, NameState
from orchestrator.ports import DiskFailed
from orchestrator.system.procstat import is_alive, read_start_time

__all__ = [
    "DamagedFile",
    "Reading",
    "find_living",
    "is_alive",
    "read_agent",
    "read_held",
    "read_instances",
    "read_name",
    "read_names",
    "read_origin",
    "read_start_time",
]

StateT = TypeVar("StateT", NameState, InstanceState, AgentState)


@frozen
class DamagedFile:
    """A state file that cannot be gone by. ``name`` is the container's name or the instance's id, as the file's."""

    name: str
    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: the state file is damaged: {self.reason}"


@frozen
class Reading(Generic[StateT]):
    """The states of a folder, sorted by name or id, and the files that are none."""

    states: tuple[StateT, ...]
    damaged: tuple[DamagedFile, ...]


def read_names(layout: Layout) -> Reading[NameState]:
    """All names; none where nothing was ever written. Raises DiskFailed if the folder cannot be read."""
    return _read_folder(NameState, layout.names, lambda state: state.name)


def read_name(layout: Layout, name: str) -> NameState | DamagedFile | None:
    """One name, or None where nothing is told of it. Raises DiskFailed if the file cannot be read."""
    return _read_state(NameState, name, layout.name_state(name))


def read_instances(layout: Layout) -> Reading[InstanceState]:
    """All instances; none where nothing was ever written. Raises DiskFailed if the folder cannot be read."""
    return _read_folder(InstanceState, layout.instances, lambda state: state.instance)


def read_origin(layout: Layout, instance: str) -> InstanceState | None:
    """The copy of its state that an instance began with; None where that cannot be gone by either."""
    try:
        state = _read_state(InstanceState, instance, layout.origin(instance))
    except DiskFailed:
        return None
    return state if isinstance(state, InstanceState) and state.instance == instance else None


def read_agent(layout: Layout) -> AgentState | DamagedFile | None:
    """The agent that wrote last, or None where none has. Raises DiskFailed if the file cannot be read."""
    return _read_state(AgentState, "agent", layout.agent)


def read_held(layout: Layout) -> frozenset[str]:
    """The names that an operator has stopped, which the next agent keeps stopped, too: unlike the names' states they
    outlive an agent that ends in order, but no boot. Raises DiskFailed if the folder cannot be read."""
    try:
        names = [name for name in os.listdir(layout.held) if not name.startswith(".")]
        return frozenset(name for name in names if _is_of_this_boot(f"{layout.held}/{name}"))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise DiskFailed(f"cannot look through {layout.held}: {error.strerror}") from error


def read_boot_id() -> str:
    """What the kernel calls the time since it was booted (proc_sys_kernel(5), random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _is_of_this_boot(path: str) -> bool:
    """A run directory that is on no tmpfs outlives the boot that a stop was for."""
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip() == read_boot_id()


def find_living(names: Iterable[NameState]) -> frozenset[str]:
    """The names whose process is alive."""
    return frozenset(
        state.name
        for state in names
        if state.pid is not None and state.pid_start_time is not None and is_alive(state.pid, state.pid_start_time)
    )


def _read_folder(kind: type[StateT], folder: str, name_of: Callable[[StateT], str]) -> Reading[StateT]:
    try:
        files = sorted(name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
    except FileNotFoundError:
        return Reading((), ())
    except OSError as error:
        raise DiskFailed(f"cannot read the state files in {folder}: {error.strerror}") from error
    states: list[StateT] = []
    damaged: list[DamagedFile] = []
    for file in files:
        name, path = file.removesuffix(".json"), f"{folder}/{file}"
        state = _read_state(kind, name, path)
        if isinstance(state, DamagedFile):
            damaged.append(state)
        elif state is not None:
            if name_of(state) == name:
                states.append(state)
            else:
                damaged.append(DamagedFile(name, path, f'it is that of "{name_of(state)}"'))
    return Reading(tuple(states), tuple(damaged))


def _read_state(kind: type[StateT], name: str, path: str) -> StateT | DamagedFile | None:
    try:
        with open(path, "rb") as file:
            return decode_state(kind, file.read().decode())
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        return DamagedFile(name, path, "it is a folder")
    except OSError as error:
        raise DiskFailed(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        return DamagedFile(name, path, "it is not UTF-8")
    except DamagedState as error:
        return DamagedFile(name, path, str(error))
