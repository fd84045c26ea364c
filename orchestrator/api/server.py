"""Serving HTTP on the control socket for as long as the agent lives, by hypercorn and starlette.

Both are loaded when the first client connects: until then an agent holds some 6 MB less, and nobody may ever come. The
listening socket is bound by `orchestrator.system.control`; who may connect is decided by its mode alone. Floor: api.
"""

import importlib
from collections.abc import Callable

import trio

from orchestrator.api.needs import Listener, Streams
from orchestrator.ports import Operator, single_errors

PAUSE = 1.0
"""Seconds after which to serve again when it has failed, for want of a descriptor or by a defect."""


async def serve(
    operator: Operator,
    streams: Streams,
    listener: Listener,
    say: Callable[[str], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then every connection is cut, in the midst of what it is, and nothing is waited for.

    say: called with one line when something fails that no client is told. No error of a client, of a handler or of the
    server itself ends it.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_hang_up_at_end, listener)
        task_status.started()
        while True:
            descriptor = listener.fileno()
            nursery.start_soon(_serve_descriptor, operator, streams, listener, descriptor, say)
            # Who has connected to the old socket is served to his end, by the task of the old one.
            await listener.wait_replaced(descriptor)


async def _hang_up_at_end(listener: Listener) -> None:
    """hypercorn shields what it writes from cancellation, so a client that does not read would hold up the end."""
    try:
        await trio.sleep_forever()
    finally:
        listener.hang_up()


async def _serve_descriptor(
    operator: Operator, streams: Streams, listener: Listener, descriptor: int, say: Callable[[str], None]
) -> None:
    said = ""
    while listener.fileno() == descriptor:
        try:
            await trio.lowlevel.wait_readable(descriptor)
            worker = importlib.import_module("orchestrator.api.worker")
            await worker.run_worker(operator, streams, listener, say)
        except trio.ClosedResourceError:
            return
        except Exception as error:
            # Whatever it is, containers run: it is told, and served again.
            text = "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in single_errors(error))
            if text != said:
                say(f"the control socket is not served for a moment: {text}")
                said = text
            await trio.sleep(PAUSE)
