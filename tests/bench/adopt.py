"""What a next agent takes over after one that was killed: 200 running containers, from its exec until it has them all.

Two moments are measured: READY=1, when the agent has adopted them, read the directory and found nothing to do, as
``settled`` in its file says; and the answer to the first question over HTTP, which waits in the socket from the exec
on, and which loads the server. After each round all of them are the same processes as before.
"""

import http.client
import json
import signal
import socket
import time
from contextlib import suppress
from functools import partial

from tests.bench.agent import (
    PATIENCE,
    Home,
    begin_agent,
    is_settled,
    make_home,
    read_name,
    wait_until,
    write_definition,
)
from tests.bench.measure import Figure, Result

BOUND = 1.0
ANSWER_BOUND = 1.25
"""With the server's libraries, which an agent loads for its first client."""
CONTAINERS = 200


def measure(runtime: str, rounds: int) -> list[Result]:
    """One agent a round, each killed for the next; what runs goes on from the first to the last."""
    ready: list[float] = []
    answered: list[float] = []
    with make_home() as home:
        names = [f"bench{number}" for number in range(CONTAINERS)]
        for name in names:
            write_definition(home, name, ["sleep", "100000"])
        agent = begin_agent(home, runtime)
        try:
            wait_until(lambda: is_settled(home, agent.pid), agent)
            pids = {name: int((read_name(home, name) or {})["pid"]) for name in names}
            for number in range(2 * rounds):
                agent.kill()
                agent.wait(PATIENCE)
                began = time.perf_counter()
                agent = begin_agent(home, runtime)
                if number % 2:
                    shown = _ask(home)
                    answered.append(time.perf_counter() - began)
                else:
                    wait_until(partial(is_settled, home, agent.pid), agent)
                    ready.append(time.perf_counter() - began)
                    shown = _ask(home)
                assert shown == pids, "they are the same processes"
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(PATIENCE)
    return [
        Figure("adoption of 200 containers, to READY", ready, "s", BOUND),
        Figure("adoption of 200 containers, to the answer over HTTP", answered, "s", ANSWER_BOUND),
    ]


def _ask(home: Home) -> "dict[str, int]":
    """The pids of what runs, as the agent answers when it can."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = _connect(home)
    try:
        connection.request("GET", "/v1/containers")
        rows = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return {row["name"]: row["pid"] for row in rows if row["state"] == "running"}


def _connect(home: Home) -> socket.socket:
    """A connection to the socket, as soon as this agent has bound it: that of a dead one refuses."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        client = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError, ConnectionRefusedError):
            client.connect(str(home.run / "control.sock"))
            return client
        client.close()
        time.sleep(0.002)
    raise TimeoutError("the agent does not listen")
