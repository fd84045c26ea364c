"""Health and readiness on real runtimes: probes from within and from without, what an application says of itself, and
what becomes of both when the agent is killed."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.system.cgroup import Cgroups
from tests.host.agent_process import STAYS, AgentProcess, Row, definition
from tests.host.host_view import list_descriptors

pytestmark = pytest.mark.real

PYTHON = "/usr/bin/python3"
AT_ONCE = {"delay": "10ms", "factor": 1.0}
NEVER_AGAIN = {"on_failure": "stop"}
BY_KILL = {"signal": "SIGKILL"}
"""For what, as process 1, heeds no other signal."""
OFTEN = {"period": "100ms", "start_period": "100ms", "timeout": "10s"}

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.chdir("/gate")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
"""Answers with 200 for what is in the folder, else with 404."""

SPEAKER = """
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
print("watchdog", os.environ.get("WATCHDOG_USEC"), "user", os.getuid(), flush=True)
while True:
    with open("/gate/words") as words:
        for word in words:
            sender.sendto(word.strip().replace("|", "\\n").encode(), os.environ["NOTIFY_SOCKET"])
"""
"""Says of itself what is written into the pipe."""


class Gate:
    """A folder that a container sees as /gate, by which a test tells it what to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)
        os.mkfifo(folder / "words")
        (folder / "words").chmod(0o644)

    @property
    def mounts(self) -> dict[str, object]:
        return {"/gate": {"source": str(self.folder)}}

    def open(self) -> None:
        (self.folder / "ok").write_text("fine\n")

    def shut(self) -> None:
        (self.folder / "ok").unlink()

    def say(self, *words: str) -> None:
        """Let it say something; of several lines ``|`` parts them. Blocks until it listens."""
        (self.folder / "words").write_text("".join(f"{word}\n" for word in words))


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def server(gate: Gate, port: int = 8080, **fields: object) -> str:
    return definition([PYTHON, "-c", SERVER, str(port)], mounts=gate.mounts, **fields)


def speaker(gate: Gate, **fields: object) -> str:
    return definition([PYTHON, "-c", SPEAKER], mounts=gate.mounts, **{"ready": "notify", **fields})


def wait_ready(agent: AgentProcess, name: str) -> Row:
    return agent.wait_row(name, lambda row: row["ready"], "to be ready")


def wait_message(agent: AgentProcess, name: str, message: str) -> Row:
    return agent.wait_row(name, lambda row: row["message"] == message, f"message {message!r}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# Probes


def test_it_is_ready_as_long_as_it_is_well_in_its_own_network(agent: AgentProcess, gate: Gate) -> None:
    health = {"type": "http", "port": 8080, "path": "/ok", "failures": 1000, **OFTEN}
    agent.define("own-net", server(gate, ready="healthy", health=health))
    row = wait_message(agent, "own-net", "not ready: HTTP 404")
    assert (row["state"], row["ready"], row["healthy"]) == ("running", False, None)
    gate.open()
    row = wait_ready(agent, "own-net")
    assert (row["message"], row["healthy"]) == ("", True)
    gate.shut()
    row = agent.wait_row("own-net", lambda row: not row["ready"], "not to be ready")
    assert (row["message"], row["healthy"], row["restarts"]) == ("not ready: HTTP 404", False, 0)
    # Nobody is there in the host's own network.
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", 8080)):
        raise AssertionError("somebody else listens at port 8080")


def test_a_failing_health_restarts_it(agent: AgentProcess, gate: Gate) -> None:
    gate.open()
    health = {"type": "http", "port": 8080, "path": "/ok", "failures": 2, **OFTEN}
    agent.define("ailing", server(gate, ready="healthy", restart=AT_ONCE, health=health, start_timeout="1h"))
    before = wait_ready(agent, "ailing")
    gate.shut()
    after = agent.wait_replaced("ailing", before)
    assert after["restarts"] == 1
    assert "ailing: stopping: its health failed 2 times in a row: HTTP 404\n" in agent.output()
    gate.open()
    assert wait_ready(agent, "ailing")["instance"] == after["instance"]


def test_a_port_in_the_network_of_the_host(agent: AgentProcess, gate: Gate) -> None:
    port = free_port()
    health = {"type": "tcp", "port": port, **OFTEN}
    agent.define("host-net", server(gate, port, network="host", ready="healthy", health=health))
    assert wait_ready(agent, "host-net")["healthy"] is True


def test_a_command_inside(agent: AgentProcess, gate: Gate) -> None:
    script = "test -e /gate/ok && exit 0; echo not yet; echo really; exit 3"
    health = {"type": "exec", "args": ["sh", "-c", script], **OFTEN}
    agent.define("asked", definition(mounts=gate.mounts, ready="healthy", health=health))
    wait_message(agent, "asked", "not ready: exit code 3: not yet")
    gate.open()
    assert wait_ready(agent, "asked")["healthy"] is True


def test_a_command_is_run_as_the_application_is(agent: AgentProcess) -> None:
    script = 'echo "$(id -u) $PWD $COLOUR"; exit 1'
    health = {"type": "exec", "args": ["sh", "-c", script], **OFTEN}
    fields: dict[str, object] = {"user": "65534:65534", "cwd": "/usr", "env": {"COLOUR": "blue"}}
    agent.define("as-it-is", definition(STAYS, ready="healthy", health=health, **fields))
    wait_message(agent, "as-it-is", "not ready: exit code 1: 65534 /usr blue")


def test_a_command_that_takes_too_long_leaves_no_process(agent: AgentProcess) -> None:
    script = "setsid sleep 100000 & sleep 100000 & wait"
    # Asked once: the first probe comes at once, and the next is not waited for.
    health = {"type": "exec", "args": ["sh", "-c", script], "timeout": "1s", "start_period": "1h"}
    agent.define("slow", definition("exec sleep 100000", stop=BY_KILL, start_timeout="100ms", health=health))
    row = wait_message(agent, "slow", "unhealthy: no answer within 1 s")
    assert (row["ready"], row["healthy"]) == (True, False)
    assert Cgroups().pids(agent.cgroup("slow")) == {row["pid"]}


def test_what_cannot_be_run_is_told(agent: AgentProcess) -> None:
    health = {"type": "exec", "args": ["/no/such/command"], **OFTEN}
    agent.define("missing", definition(ready="healthy", health=health))
    row = agent.wait_row("missing", lambda row: row["message"], "a message")
    assert row["message"].startswith("not ready: cannot run /no/such/command: ")
    assert "no such file or directory" in row["message"].lower()


def test_health_comes_and_goes_by_edits_and_the_process_stays(agent: AgentProcess, gate: Gate) -> None:
    gate.open()
    agent.define("edited", server(gate))
    before = agent.wait_state("edited", "running")
    assert (before["ready"], before["healthy"]) == (True, None)
    health = {"type": "http", "port": 8080, "path": "/ok", "failures": 1000, **OFTEN}
    agent.define("edited", server(gate, ready="healthy", health=health))
    agent.wait_row("edited", lambda row: row["healthy"], "to be well")
    gate.shut()
    wait_message(agent, "edited", "not ready: HTTP 404")
    agent.define("edited", server(gate))
    after = wait_ready(agent, "edited")
    assert (after["pid"], after["healthy"], after["message"]) == (before["pid"], None, "")
    agent.define("edited", server(gate, ready="notify"))
    agent.wait_replaced("edited", before)


def test_the_example_is_well(agent: AgentProcess) -> None:
    agent.define("example", (Path(__file__).parents[2] / "examples" / "health.toml").read_text())
    assert wait_ready(agent, "example")["healthy"] is True


# What it says of itself


@pytest.mark.parametrize("user", ["0:0", "65534:65534"])
def test_it_says_that_it_is_ready(agent: AgentProcess, gate: Gate, user: str) -> None:
    name = f"says-{user.partition(':')[0]}"
    agent.define(name, speaker(gate, user=user))
    row = wait_message(agent, name, "not ready: it has not sent READY=1")
    assert (row["state"], row["ready"]) == ("running", False)
    gate.say("READY=1|STATUS=serving nobody")
    row = wait_ready(agent, name)
    assert (row["message"], row["status_text"], row["healthy"]) == ("", "serving nobody", None)
    gate.say("RELOADING=1")
    wait_message(agent, name, "not ready: it reloads")
    gate.say("READY=1")
    assert wait_ready(agent, name)["instance"] == row["instance"]


def test_a_command_of_a_shell_says_it(agent: AgentProcess) -> None:
    """A process that has ended by the time that it is heard."""
    script = "systemd-notify --ready --status='by a shell'; exec sleep 100000"
    agent.define("shell", definition(script, stop=BY_KILL, ready="notify"))
    assert wait_ready(agent, "shell")["status_text"] == "by a shell"


def test_what_does_not_say_that_it_is_ready_is_ended(agent: AgentProcess, gate: Gate) -> None:
    agent.define("mute", speaker(gate, start_timeout="300ms", restart=NEVER_AGAIN))
    row = agent.wait_state("mute", "failed")
    assert row["message"] == "it was not ready 0.3 s after its start"


def test_a_silent_watchdog_ends_it(agent: AgentProcess, gate: Gate) -> None:
    agent.define("silent", speaker(gate, ready="started", watchdog="500ms", restart=NEVER_AGAIN))
    row = agent.wait_state("silent", "failed")
    assert row["message"] == "its watchdog was silent for 0.5 s"
    assert agent.log("silent") == "watchdog 500000 user 0\n"


def test_a_word_from_without_is_not_its_word(agent: AgentProcess, gate: Gate) -> None:
    agent.define("another-s", speaker(gate))
    row = agent.wait_state("another-s", "running")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(agent.layout.notify_socket(row["instance"]))
        sender.send(b"READY=1\nSTATUS=by another")
    gate.say("STATUS=by itself")
    row = agent.wait_row("another-s", lambda row: row["status_text"], "a word")
    assert (row["status_text"], row["ready"]) == ("by itself", False)


def test_nobody_but_root_reaches_the_sockets(agent: AgentProcess) -> None:
    assert os.stat(agent.layout.notify_folders).st_mode & 0o777 == 0o700


def test_it_cannot_touch_its_socket(agent: AgentProcess) -> None:
    script = "ls -l /dev/orchestrator/notify; rm -f /dev/orchestrator/notify/socket; touch /dev/orchestrator/notify/x"
    agent.define("curious", definition(f"({script}) 2>&1; exec sleep 100000", stop=BY_KILL, watchdog="1h"))
    said = agent.wait_log("curious", "touch: ")
    assert said.count("Read-only file system") == 2
    assert " socket\n" in said


@contextmanager
def same_descriptors(agent: AgentProcess) -> Iterator[None]:
    """The agent has as many open files after as before."""
    trash = f"{agent.state}/trash"
    agent.wait_until(lambda: not os.path.exists(trash), "the trash to be emptied")
    agent.wait_until(lambda: not any(one.startswith(trash) for one in list_descriptors(agent.pid)), "it to be closed")
    before = len(list_descriptors(agent.pid))
    yield
    agent.wait_until(lambda: len(list_descriptors(agent.pid)) == before, "descriptors to be given up")


def test_nothing_of_it_is_left(own_agent: AgentProcess, gate: Gate) -> None:
    agent = own_agent.start()
    agent.let_it_look()
    agent.remove("canary1")
    health = {"type": "exec", "args": ["true"], **OFTEN}
    with same_descriptors(agent):
        agent.define("brief", speaker(gate, health=health))
        agent.wait_row("brief", lambda row: row["healthy"], "to be well")
        gate.say("READY=1")
        row = wait_ready(agent, "brief")
        assert os.listdir(agent.layout.notify_folders) == [row["instance"]]
        agent.remove("brief")
    assert os.listdir(agent.layout.notify_folders) == []


# A next agent


def test_a_next_agent_hears_and_probes_what_an_earlier_one_left(own_agent: AgentProcess, gate: Gate) -> None:
    agent = own_agent.start()
    gate.open()
    health = {"type": "http", "port": 8080, "path": "/ok", "failures": 1000, **OFTEN}
    other = Gate(agent.base / "other")
    agent.define("probed", server(gate, ready="healthy", health=health))
    agent.define("heard", speaker(other, watchdog="1h"))
    agent.define("late", speaker(third := Gate(agent.base / "third")))
    probed = wait_ready(agent, "probed")
    other.say("READY=1|STATUS=before")
    heard, late = wait_ready(agent, "heard"), agent.wait_state("late", "running")
    agent.kill()
    agent.start(settled=False)  # not before `late` is ready
    row = agent.wait_row("probed", lambda row: row["healthy"], "to be probed")
    assert (row["pid"], row["ready"], row["restarts"]) == (probed["pid"], True, 0)
    gate.shut()
    assert wait_message(agent, "probed", "not ready: HTTP 404")["pid"] == probed["pid"]
    row = agent.row("heard")
    assert (row["pid"], row["ready"], row["status_text"], row["message"]) == (heard["pid"], True, "before", "")
    other.say("RELOADING=1|STATUS=after")
    assert wait_message(agent, "heard", "not ready: it reloads")["status_text"] == "after"
    assert agent.row("late")["ready"] is False
    third.say("READY=1")
    assert wait_ready(agent, "late")["pid"] == late["pid"]
