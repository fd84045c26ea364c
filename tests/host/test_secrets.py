"""Secrets on real runtimes: that one is where it is to be and nowhere else, and followed where it comes from."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent_process import STAYS, AgentProcess, definition
from tests.host.helpers_mounts import SECRET, find_in_files, mounts_of, write

pytestmark = pytest.mark.real


def secret(**source: object) -> dict[str, Any]:
    return {"/run/secret": {"type": "secret", **source}}


def test_a_secret_is_where_it_is_to_be_and_nowhere_else(own_agent: AgentProcess, tmp_path: Path) -> None:
    file = write(tmp_path / "web.key", SECRET)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "web").write_text(SECRET)
    own_agent.environ |= {"WEB_KEY": SECRET, "CREDENTIALS_DIRECTORY": str(credentials)}
    own_agent.start()
    command = (
        "stat -c '%a %u:%g' /run/secret; wc -c </run/secret; sha256sum /run/secret | cut -c1-8; "
        f"echo x >/run/secret || echo read-only; echo done; {STAYS}"
    )
    sources = {"file": str(file), "env": "WEB_KEY", "credential": "web"}
    for name, value in sources.items():
        fields = {"user": "1000:1001", "mounts": secret(**{name: value})}
        own_agent.start_container(f"by-{name}", definition(command, **fields))
    said = {own_agent.wait_log(f"by-{name}", "done\n") for name in sources}
    assert len(said) == 1
    assert said.pop().startswith(f"400 1000:1001\n{len(SECRET)}\n")
    assert len([mount for mount in mounts_of(own_agent) if " tmpfs " in mount]) == len(sources)
    told = [
        own_agent.call("status", "--json").stdout,
        own_agent.call("events").stdout,
        *(own_agent.call("show", f"by-{name}", part).stdout for name in sources for part in ("--config", "--spec")),
        own_agent.output(),
    ]
    assert all(told[:-1])
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    assert [text for text in told if SECRET in text or digest in text] == []
    assert find_in_files(own_agent, SECRET) == []
    assert find_in_files(own_agent, digest) == []
    own_agent.remove(*(f"by-{name}" for name in sources))
    assert mounts_of(own_agent) == []
    assert list((own_agent.run / "instances").iterdir()) == []


def test_another_secret_is_another_container(agent: AgentProcess, tmp_path: Path) -> None:
    file = write(tmp_path / "web.key", "one")
    command = f"cat /run/secret; echo; {STAYS}"
    row = agent.start_container("turning", definition(command, mounts=secret(file=str(file))))
    agent.wait_log("turning", "one\n")
    write(file, "two")
    agent.wait_replaced("turning", row)
    agent.wait_log("turning", "two\n")
    # The same once more, in another file: no cause.
    row = agent.row("turning")
    write(file, "two")
    agent.let_it_look()
    assert agent.row("turning")["instance"] == row["instance"]
    agent.remove("turning")


def test_a_secret_that_is_not_there(agent: AgentProcess, tmp_path: Path) -> None:
    agent.define("lacking", definition(mounts=secret(env="ORCHESTRATOR_NO_SUCH")))
    row = agent.wait_state("lacking", "backoff")
    assert row["message"].endswith(
        "cannot prepare the mount /run/secret (secret): the agent has no variable ORCHESTRATOR_NO_SUCH"
    )
    agent.define("absent", definition(mounts=secret(file=f"{tmp_path}/none")))
    row = agent.wait_state("absent", "invalid")
    assert f'cannot use "{tmp_path}/none": no such file or directory' in str(row)
    # It is followed: once it is there, it runs.
    write(tmp_path / "none", "x")
    agent.wait_state("absent", "running")
    agent.remove("lacking", "absent")
