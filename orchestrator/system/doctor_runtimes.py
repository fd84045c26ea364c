"""Trying every OCI runtime without an agent, and beside one: as the agent would, and nothing is left of it.

A folder, a ``--root`` and a control group of their own, so that no agent takes what is in them for its own.
Floor: system.
"""

import os
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import trio

from orchestrator.core.lacking import RAILCAR
from orchestrator.model.checkup import RuntimeTrial
from orchestrator.ports import DiskFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.manager import list_drivers
from orchestrator.system.probe_runtime import find_command, try_runtime
from orchestrator.system.reaper import Children, become_subreaper, reap_orphans
from orchestrator.system.spawn import keep_descriptors_private

PREFIX = "orchestrator-doctor-"
"""How the folder of the trials, and their control group, begin."""


def find_runtimes(names: Iterable[str]) -> tuple[RuntimeTrial, ...]:
    """Which are installed, none tried; railcar too where it is. names: programs, or absolute paths."""
    return tuple(RuntimeTrial(name, find_command(name, os.environ), tried=False) for name in _add_railcar(names))


def _add_railcar(names: Iterable[str]) -> tuple[str, ...]:
    """That it is not there is worth no word, since ``auto`` does not take it."""
    found = find_command(RAILCAR, os.environ)
    every = tuple(names)
    return every if found is None or {RAILCAR, found} & set(every) else (*every, RAILCAR)


def _list_enders() -> list[signal.Signals]:
    """The signals that end a trial: not what this process was started to ignore, as under nohup(1)."""
    enders = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return [number for number in enders if signal.getsignal(number) is not signal.SIG_IGN]


async def try_runtimes(names: Iterable[str]) -> tuple[RuntimeTrial, ...]:
    """Let each run a container, and railcar where it is installed; as root. names: programs, or absolute paths.

    Makes this process a subreaper. SIGTERM, SIGINT and SIGHUP end it once all is removed: a KeyboardInterrupt would not
    be kept out of what is shielded. Raises OutsideError where none can be tried: no folder can be made, control groups
    cannot be read.
    """
    keep_descriptors_private()
    become_subreaper()
    with _make_folder() as folder, trio.open_signal_receiver(*_list_enders()) as signals:
        ended_by: list[int] = []
        trials: list[RuntimeTrial] = []
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for number in signals:
                    ended_by.append(number)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            trials += await _try_all(_add_railcar(names), folder)
            nursery.cancel_scope.cancel()
    if ended_by:
        signal.raise_signal(ended_by[0])
    return tuple(trials)


async def _try_all(names: Iterable[str], folder: str) -> list[RuntimeTrial]:
    children, cgroups = Children(), Cgroups()
    group = f"/{os.path.basename(folder)}"
    trials = []
    async with trio.open_nursery() as background:
        await background.start(reap_orphans, children)
        try:
            for name in names:
                trial = await try_runtime(
                    name,
                    root=f"{folder}/runtime",
                    scratch=f"{folder}/probe",
                    parent_group=group,
                    children=children,
                    cgroups=cgroups,
                    environ=os.environ,
                    drivers=list_drivers(),
                )
                runtime, refusal = trial.runtime, trial.refusal or None
                if runtime is None:
                    trials.append(RuntimeTrial(name, None, refusal=refusal))
                else:
                    driver, passed_over = runtime.driver, trial.passed_over
                    found = RuntimeTrial(name, runtime.command, runtime.version, refusal, driver, passed_over)
                    trials.append(found)
        finally:
            with trio.CancelScope(shield=True):
                await cgroups.remove(group)
        background.cancel_scope.cancel()
    return trials


@contextmanager
def _make_folder() -> Iterator[str]:
    """An absolute folder, in memory where there is one. Raises DiskFailed."""
    parent = "/run" if os.access("/run", os.W_OK) else tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as folder:
            yield folder
    except OSError as error:
        raise DiskFailed(f"cannot try runtimes in {parent}: {error.strerror}") from error
