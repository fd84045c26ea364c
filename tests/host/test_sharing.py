"""A network that two containers share, on real runtimes: they reach each other, and end and begin together."""

import os
import signal
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, Row, definition

pytestmark = pytest.mark.real

SERVES = [
    "/usr/bin/python3",
    "-m",
    "http.server",
    "--bind",
    "127.0.0.1",
    "--directory",
    "/usr/share/base-files",
    "8080",
]
ASKS = (
    "trap 'exit 0' TERM; while :; do "
    "python3 -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:8080/\", timeout=5)' "
    '2>/dev/null && echo "$(readlink /proc/self/ns/net) reached"; sleep 0.1; done'
)


def serving(**fields: object) -> str:
    """A server that ends by SIGINT: process 1 of a pid namespace is left alone by a SIGTERM that it does not handle."""
    return definition(SERVES, stop={"signal": "SIGINT"}, **fields)


def sharing(name: str, command: str = ASKS, **fields: object) -> str:
    return definition(command, network={"type": "container", "name": name}, **fields)


def network_of(row: Row) -> str:
    return os.readlink(f"/proc/{row['pid']}/ns/net")


def wait_together(agent: AgentProcess, *before: Row) -> tuple[Row, Row]:
    """Wait until both are other instances than before, run in one network, and the one has reached the other."""
    known = {row["name"]: row["instance"] for row in before}

    def look() -> tuple[Row, Row] | None:
        rows = agent.rows()
        db, app = rows.get("db"), rows.get("app")
        if db is None or app is None or any(row["state"] != "running" for row in (db, app)):
            return None
        if any(known.get(row["name"]) == row["instance"] for row in (db, app)):
            return None
        return db, app

    db, app = agent.wait_until(look, "both to run anew") or (before[0], before[1])
    assert network_of(db) == network_of(app)
    assert network_of(db) != os.readlink("/proc/self/ns/net")
    agent.wait_log("app", f"{network_of(db)} reached")
    return db, app


def start_both(agent: AgentProcess) -> tuple[Row, Row]:
    agent.define("app", sharing("db"))
    agent.define("db", serving())
    return wait_together(agent)


def test_they_reach_each_other_and_go_together(own_agent: AgentProcess) -> None:
    agent = own_agent.start()
    db, app = start_both(agent)
    os.kill(db["pid"], signal.SIGKILL)
    after = wait_together(agent, db, app)
    assert after[1]["restarts"] == 0
    assert "app: stopping: stopped since the network of db has ended" in agent.output()
    agent.define("db", serving(env={"A": "1"}))
    edited = wait_together(agent, *after)
    assert agent.call("restart", "db").returncode == 0
    wait_together(agent, *edited)
    assert agent.call("stop", "db").returncode == 0
    row = agent.wait_row("app", lambda row: row["state"] == "waiting", "it waits")
    assert row["message"] == "waits for db (stopped) to be ready"
    assert "waits for db (stopped) to be ready" in agent.call("status", "app").stdout
    assert agent.call("start", "app").returncode == 0
    wait_together(agent)


def test_a_next_agent_goes_on_with_both(leaving: AgentProcess) -> None:
    agent = leaving.start()
    db, app = start_both(agent)
    agent.kill()
    agent.start()
    agent.let_it_look()
    rows = agent.rows()
    assert (rows["db"]["pid"], rows["app"]["pid"]) == (db["pid"], app["pid"])
    os.kill(db["pid"], signal.SIGKILL)
    after = wait_together(agent, db, app)
    # What ends while there is none takes the other along too.
    agent.kill()
    os.kill(after[0]["pid"], signal.SIGKILL)
    agent.start()
    wait_together(agent, *after)
    agent.exit_policy = "stop"
    agent.call("shutdown")
    assert agent.wait_end() == 0


def test_the_network_of_the_host_can_be_shared_and_nothing_is_left(own_agent: AgentProcess) -> None:
    agent = own_agent.start()
    agent.define("db", definition(network="host"))
    agent.define("app", sharing("db", "readlink /proc/self/ns/net; cat /etc/resolv.conf; sleep 100000"))
    agent.wait_log("app", os.readlink("/proc/self/ns/net"))
    instance = agent.row("app")["instance"]
    assert not os.path.lexists(agent.layout.joined(instance)), "it leads nowhere any more"
    agent.remove("app", "db")
    assert list(Path(agent.layout.instances).iterdir()) == []


def test_what_shares_can_be_run_into_and_probed(agent: AgentProcess) -> None:
    health = {"type": "tcp", "port": 8080, "period": "100ms", "start_period": "100ms"}
    agent.define("db", serving())
    agent.define("app", sharing("db", health=health, ready="healthy"))
    agent.wait_row("app", lambda row: row["ready"], "it is ready by what the other serves")
    ran = agent.call("exec", "app", "--", "readlink", "/proc/self/ns/net")
    assert ran.stdout.strip() == network_of(agent.row("db"))
    agent.remove("app", "db")
