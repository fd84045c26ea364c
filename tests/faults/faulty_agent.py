"""The agent that is killed, as the harness has it: started, asked, looked at."""

import http.client
import json
import os
import socket
import sys
from pathlib import Path
from typing import Self

from orchestrator.core.settings import encode_settings
from orchestrator.model.settings import Settings
from tests.faults.points import PointsFolder
from tests.faults.wishes import KEY
from tests.host.agent_process import AgentProcess

REPOSITORY = Path(__file__).parents[2]


class FaultyAgent(AgentProcess):
    """An agent that can be killed at named points."""

    def __init__(self, base: Path, runtime: str) -> None:
        super().__init__(base, runtime)
        self.marks, points = base / "marks", base / "points"
        self.marks.mkdir()
        (self.marks / KEY).write_text("secret")
        points.mkdir()
        self.points = PointsFolder(points)
        self.points.arm(None)
        self.was_asked = False
        """Whether this agent has loaded what it answers with."""
        self._where = points
        self.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])

    def command(self, *options: str) -> list[str]:
        settings = Settings(config=str(self.config), state=str(self.state), run=str(self.run), runtime=self.program)
        return [sys.executable, "-m", "tests.faults.agent", encode_settings(settings), str(self._where)]

    def start(self, *, settled: bool = True) -> Self:
        self.was_asked = False
        return super().start(settled=settled)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, verb: str, body: object = None) -> int | None:
        """Ask for something, or with a body for something to be done. The status of the answer; None if there was
        none."""
        self.was_asked = True
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self.layout.control)
            method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(method, f"/v1/{verb}", content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return answer.status
