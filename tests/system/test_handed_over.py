"""Descriptors that a command, and an application in a container, has from 3 on: those, in order, and no others."""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from orchestrator.system.reaper import Children, become_subreaper, reap_orphans
from orchestrator.system.runtime_output import open_scratch, read_from
from orchestrator.system.spawn import FIRST, keep_descriptors_private, run_command
from tests.system.helpers_runtime import Program, open_bench

LINK = re.compile(r" ([0-9]+) -> (\S+)$", re.MULTILINE)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    """Descriptors of files that can be told apart, with the numbers that a command is to have them by, and higher."""
    keep_descriptors_private()
    with ExitStack() as stack:
        opened = []
        for number in range(12):
            low = os.open(tmp_path / f"file-{number}", os.O_CREAT | os.O_RDWR)
            opened.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 100))
            os.close(low)
            stack.callback(os.close, opened[-1])
        yield opened


def read_list(text: str) -> dict[int, str]:
    """The names of the files by number, above the streams."""
    return {int(number): Path(link).name for number, link in LINK.findall(text) if int(number) >= FIRST}


async def list_in_command(descriptors: tuple[int, ...]) -> dict[int, str]:
    become_subreaper()
    children = Children()
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        with open_scratch() as output:
            argv = ("/bin/sh", "-c", "ls -l /proc/$$/fd; true")
            env = {"PATH": "/usr/bin:/bin"}
            done = await run_command(
                argv, children=children, env=env, deadline=30, stdout=output, descriptors=descriptors
            )
            assert done.success
            text = read_from(f"/proc/self/fd/{output}", 0)
        nursery.cancel_scope.cancel()
    return read_list(text)


async def test_a_command_has_what_it_is_given_and_no_more(files: list[int]) -> None:
    assert await list_in_command(()) == {}
    assert await list_in_command((files[2], files[0])) == {3: "file-2", 4: "file-0"}
    assert await list_in_command((files[1], files[1])) == {3: "file-1", 4: "file-1"}


@pytest.mark.parametrize("shift", [0, 1, 2, -1, -2])
async def test_numbers_that_collide_are_no_matter(files: list[int], shift: int) -> None:
    """Those of the agent may be the very ones that the command is to have, in any other order."""
    before = {number: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 200) for number in range(FIRST, 10) if is_open(number)}
    try:
        for number in range(FIRST, 10):
            os.dup2(files[number], number, inheritable=False)
        count = 7
        given = tuple(FIRST + (index + shift) % count for index in range(count))
        expected = {FIRST + index: f"file-{number}" for index, number in enumerate(given)}
        # All are in use from here on: whatever opens a file gets another number.
        assert await list_in_command(given) == expected
    finally:
        for number in range(FIRST, 10):
            if number in before:
                os.dup2(before[number], number, inheritable=False)
                os.close(before[number])
            else:
                os.close(number)


def is_open(number: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{number}")


async def test_with_no_descriptor_left_nothing_is_begun_and_nothing_lost(
    files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    copies = iter(files[3:5])

    def refuse(descriptor: int, *_: int) -> int:
        copy = next(copies, None)
        if copy is None:
            raise OSError(24, "Too many open files")
        return os.dup(copy)

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        await run_command(("/bin/true",), children=Children(), env={}, deadline=30, descriptors=tuple(files[:4]))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.real
@pytest.mark.parametrize("runtime", ["runc", "crun"])
async def test_an_application_has_what_its_container_was_given(files: list[int], tmp_path: Path, runtime: str) -> None:
    folder = tmp_path / "bench"
    folder.mkdir()
    async with open_bench(runtime, folder) as bench:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            inode = os.fstat(listener.fileno()).st_ino
            instance = bench.make_instance(Program.LISTS_DESCRIPTORS)
            process = await bench.run(instance, (files[1], listener.fileno(), files[0]))
            with trio.fail_after(30):
                while "file-0" not in Path(instance.log).read_text():  # noqa: ASYNC110, ASYNC240 - a file has no event
                    await trio.sleep(0.01)
            found = read_list(Path(instance.log).read_text())  # noqa: ASYNC240
            assert found == {3: "file-1", 4: f"socket:[{inode}]", 5: "file-0"}
            process.send_signal(9)
            await process.wait()
            process.close()
            await bench.remove(instance)
