"""The control socket of an agent that has no descriptor left: a client waits, the agent says so once and goes on."""

import socket
import sys
from pathlib import Path

import pytest
import trio

from orchestrator.api import server
from tests.api.helpers_api import ask, serving
from tests.faults.helpers_descriptors import no_descriptors_left

SAID = {
    True: "cannot accept a client at the control socket: [Errno 24] Too many open files",
    False: "the control socket is not served for a moment: OSError: [Errno 24] Too many open files",
}


@pytest.mark.parametrize("loaded", [True, False])
async def test_a_client_waits_for_a_descriptor(tmp_path: Path, loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """loaded: whether a client was there before, for whom the libraries were loaded."""
    monkeypatch.setattr(server, "PAUSE", 0.1)
    async with serving(tmp_path) as served:
        if loaded:
            await ask(served, "GET", "/v1/agent")
        else:
            monkeypatch.delitem(sys.modules, "orchestrator.api.worker", raising=False)
        with socket.socket(socket.AF_UNIX) as client:
            with no_descriptors_left():
                client.connect(served.path)
                client.sendall(b"GET /v1/agent HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while not served.said:  # noqa: ASYNC110 - nothing else happens
                    await trio.sleep(0.01)
            await trio.lowlevel.wait_readable(client)
            assert client.recv(12) == b"HTTP/1.1 200"
        await ask(served, "GET", "/v1/agent")
        assert [said.partition(": '")[0] for said in served.said] == [SAID[loaded]]
