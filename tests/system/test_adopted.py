"""The first processes of containers that an earlier agent has made, with real processes of this machine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from orchestrator.model.layout import Layout
from orchestrator.model.life import Exit
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import OutsideError, Process, Processes
from orchestrator.system.adopted import EndedProcess, HostProcesses
from orchestrator.system.process import PidfdProcess
from orchestrator.system.procstat import read_start_time
from orchestrator.system.reaper import Children
from orchestrator.testing.runtime import FakeRuntime
from orchestrator.testing.store import FakeStore
from tests.system.helpers_disk import make_instance_state

ENDED = Exit(code=3, at=12.0)


@contextmanager
def sleeping() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A process that stays, and when it began."""
    with subprocess.Popen(["sleep", "1000"]) as child:
        began = read_start_time(child.pid)
        assert began is not None
        try:
            yield child, began
        finally:
            child.kill()


class OneKept(FakeStore):
    """A store that has kept one descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.taken: list[str] = []
        self.calls: list[tuple[str, str]] = []

    def keep(self, name: str, descriptor: int) -> None:
        self.calls.append(("keep", name))

    def give_up(self, name: str) -> None:
        self.calls.append(("give_up", name))

    def take(self, name: str) -> int | None:
        self.taken.append(name)
        return self.descriptor


def state_of(pid: int | None, began: int | None, ended: Exit | None = None) -> InstanceState:
    state = make_instance_state(Layout("/state", "/run"))
    return evolve(state, step=Step.RUNNING, pid=pid, pid_start_time=began, exit=ended)


def find(state: InstanceState, store: FakeStore | None = None) -> Process:
    return HostProcesses(Children(), store or FakeStore()).find(state)


async def exit_of(process: Process) -> Exit:
    with trio.fail_after(20):
        return await process.wait()


def test_both_are_the_port() -> None:
    ports: list[Processes] = [HostProcesses(Children(), FakeStore()), FakeRuntime()]
    assert ports


async def test_one_that_runs_is_held() -> None:
    with sleeping() as (child, began):
        state, store = state_of(child.pid, began), FakeStore()
        process = find(state, store)
        assert isinstance(process, PidfdProcess)
        assert (process.pid, process.start_time) == (child.pid, began)
        assert store.kept == {state.instance}, "the next agent is to know how it ends"
        process.send_signal(signal.SIGKILL)
        assert (await exit_of(process)).signal == signal.SIGKILL
        process.close()
        child.returncode = -signal.SIGKILL  # reaped already


@pytest.mark.parametrize("ended", [None, ENDED])
async def test_one_whose_number_is_anothers_has_ended_as_was_written_down(ended: Exit | None) -> None:
    with sleeping() as (child, began):
        process = find(state_of(child.pid, began - 1, ended))
        assert isinstance(process, EndedProcess)
        found = await exit_of(process)
        assert (found.code, found.signal) == ((3, None) if ended else (None, None))
        process.send_signal(signal.SIGKILL)
        process.close()
        assert child.poll() is None, "a process that is not meant is not touched"


@pytest.mark.parametrize("pid", [2**22, 2**31, 10**30, 0, -1])
async def test_a_number_that_no_process_has(pid: int) -> None:
    assert isinstance(find(state_of(pid, 1)), EndedProcess)


async def test_one_that_never_had_a_number() -> None:
    process = find(state_of(None, None))
    assert await exit_of(process) == await exit_of(process)


async def test_a_descriptor_that_was_kept_is_taken() -> None:
    with sleeping() as (child, began):
        state, store = state_of(child.pid, began), OneKept(os.pidfd_open(child.pid))
        process = find(state, store)
        assert process.descriptor == store.descriptor
        assert store.taken == [state.instance]
        process.send_signal(signal.SIGKILL)
        assert (await exit_of(process)).signal == signal.SIGKILL
        process.close()
        child.returncode = -signal.SIGKILL  # reaped already


async def test_a_descriptor_of_another_that_was_kept_is_not_gone_by() -> None:
    with sleeping() as (child, began), sleeping() as (other, _):
        state, store = state_of(child.pid, began), OneKept(os.pidfd_open(other.pid))
        process = find(state, store)
        assert process.pid == child.pid
        assert store.calls == [("give_up", state.instance), ("keep", state.instance)]
        process.close()
        assert other.poll() is None


def test_one_that_runs_and_cannot_be_held_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It must not be taken for one that has ended: a second one would be started."""

    def refuse(pid: int) -> int:
        raise OSError(24, "Too many open files")

    with sleeping() as (child, began):
        monkeypatch.setattr(os, "pidfd_open", refuse)
        with pytest.raises(OutsideError, match=f"cannot open process {child.pid}: Too many open files"):
            find(state_of(child.pid, began))
