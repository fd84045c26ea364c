"""Commands beside a server of the test's own: in a thread, where only their output counts, or as a process."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import frozen

from orchestrator.cli import main
from tests.api.helpers_api import Served

PROGRAM = "import sys; from orchestrator.cli import main; sys.exit(main())"


async def call(served: Served, *arguments: str) -> int:
    """The exit code of a command about this agent; its output is this process's."""
    return await trio.to_thread.run_sync(main, [*arguments, "--run", served.layout.run])


@frozen
class Calling:
    """A command that runs."""

    process: trio.Process

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def read(self) -> str:
        """What it writes next to its output."""
        assert self.process.stdout is not None
        return bytes(await self.process.stdout.receive_some()).decode()

    async def finish(self) -> tuple[int, str, str]:
        """Its exit code, and what is left of its output and errors."""
        texts = [b"", b""]

        async def take(index: int, stream: trio.abc.ReceiveStream) -> None:
            async for data in stream:
                texts[index] += data

        async with trio.open_nursery() as nursery:
            for index, stream in enumerate((self.process.stdout, self.process.stderr)):
                if stream is not None:
                    nursery.start_soon(take, index, stream)
            code = await self.process.wait()
        return code, texts[0].decode(), texts[1].decode()


@asynccontextmanager
async def calling(
    served: Served, *arguments: str, program: str = PROGRAM, stderr: int = subprocess.PIPE
) -> AsyncIterator[Calling]:
    """A command about this agent as a process of its own. program: what Python runs of it."""
    words = [sys.executable, "-c", program, *arguments, "--run", served.layout.run]
    process = await trio.lowlevel.open_process(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
    try:
        yield Calling(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
