"""Plugins of one file beside running containers: edited, broken, hanging, attaching, gone."""

import time
from pathlib import Path

import pytest

from orchestrator.system.states import read_agent
from tests.host.agent_process import AgentProcess, Row, definition, life_of
from tests.system.helpers_plugins import mount_kind

pytestmark = pytest.mark.real

ATTACHING = """
    @staticmethod
    def attach(work, container, host):
        with open(work["file"], "a") as file:
            file.write(f"attach {container.name}\\n")
        return {"by": MARK}

    @staticmethod
    def detach(work, state, container, host):
        with open(work["file"], "a") as file:
            file.write(f"detach {container.name} {(state or {}).get('by')} {MARK}\\n")
"""


def write(agent: AgentProcess, name: str, text: str) -> Path:
    """Put a plugin in place by rename."""
    folder = agent.config / "plugins"
    folder.mkdir(mode=0o755, exist_ok=True)
    new = folder / f".{name}.new"
    new.write_text(text)
    new.chmod(0o644)
    return new.rename(folder / name)


def using(kind: str) -> str:
    """A container that says what is mounted."""
    script = "grep ' /cache ' /proc/self/mounts; trap 'exit 0' TERM INT; sleep 100000 & wait"
    return definition(script, mounts={"/cache": {"type": kind}}, rootfs="host")


def problems(agent: AgentProcess) -> list[str]:
    """Of files that are no container."""
    return [str(problem) for problem in getattr(read_agent(agent.layout), "problems", ())]


def wait_problem(agent: AgentProcess, name: str, text: str) -> Row:
    return agent.wait_row(name, lambda row: any(text in each["message"] for each in row["problems"]), text)


def test_an_edit_moves_what_depends_on_it_and_nothing_else(agent: AgentProcess) -> None:
    write(agent, "one.py", mount_kind("one"))
    write(agent, "two.py", mount_kind("two"))
    one = agent.start_container("one", using("one"))
    two = agent.start_container("two", using("two"))
    plain = agent.start_container("plain")
    assert "nosuid" in agent.wait_log("one", "/cache")
    write(agent, "one.py", mount_kind("one", options="noexec"))
    agent.wait_replaced("one", one)
    agent.wait_log("one", "noexec")
    write(agent, "two.py", mount_kind("two") + "# a comment\n")
    agent.let_it_look()
    assert (agent.row("two"), agent.row("plain")) == (two, plain)
    assert agent.row("one")["restarts"] == 0


def test_a_broken_edit_moves_nothing_and_is_told_with_its_line(agent: AgentProcess) -> None:
    file = write(agent, "broken.py", mount_kind("broken"))
    before = agent.start_container("broken", using("broken"))
    write(agent, "broken.py", mount_kind("broken") + "def (\n")
    row = wait_problem(agent, "broken", f"{file}:20: SyntaxError: invalid syntax")
    assert life_of(row) == {**life_of(before), "problems": row["problems"]}
    assert row["problems"][0]["line"] == 3
    assert problems(agent) == [f"{file}:20:5: SyntaxError: invalid syntax"]
    assert str(file) in agent.call("status").stdout + agent.call("status").stderr
    check = agent.call("check", str(agent.config))
    assert f"{file}:20:5: SyntaxError: invalid syntax" in check.stdout
    assert check.returncode == 1
    write(agent, "broken.py", mount_kind("broken"))
    agent.wait_row("broken", lambda row: not row["problems"], "no problem")
    assert life_of(agent.row("broken")) == life_of(before)
    assert problems(agent) == []


def test_one_that_hangs_is_told_and_the_agent_goes_on(agent: AgentProcess) -> None:
    write(agent, "hangs.py", mount_kind("hangs"))
    before = agent.start_container("hangs", using("hangs"))
    began = time.monotonic()
    file = write(agent, "hangs.py", mount_kind("hangs", ask="while True: pass"))
    row = wait_problem(agent, "hangs", 'the mount kind "hangs" took longer than 2 s (hangs.py, line ')
    assert life_of(row) == {**life_of(before), "problems": row["problems"]}
    agent.let_it_look()
    assert agent.call("plan").returncode in (0, 1)
    assert time.monotonic() - began < 30
    file.unlink()
    wait_problem(agent, "hangs", 'unknown kind of mount "hangs"')
    write(agent, "hangs.py", mount_kind("hangs"))
    agent.wait_row("hangs", lambda row: not row["problems"], "no problem")
    assert life_of(agent.row("hangs")) == life_of(before)


def test_one_that_others_may_write_to_is_not_loaded(agent: AgentProcess) -> None:
    file = write(agent, "open.py", mount_kind("open"))
    before = agent.start_container("open", using("open"))
    file.chmod(0o666)
    wait_problem(agent, "open", "has mode 0666, so that others may write to it")
    assert [each for each in problems(agent) if "has mode 0666" in each]
    file.chmod(0o600)
    agent.wait_row("open", lambda row: not row["problems"], "no problem")
    assert life_of(agent.row("open")) == life_of(before)


def test_what_it_did_on_the_host_is_undone_though_it_is_broken_or_gone_by_then(
    own_agent: AgentProcess, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    plain = mount_kind("attaching", then='MARK = "first"').replace("Contribution, F", "Attachment, Contribution, F")
    contribution = f"entries=(FolderEntry(use.destination),), attach=(Attachment(work={{'file': {str(told)!r}}}),))"
    text = plain.replace("entries=(FolderEntry(use.destination),))", contribution) + ATTACHING
    write(own_agent, "attaching.py", text)
    own_agent.exit_policy = "leave"
    own_agent.start()
    own_agent.start_container("one", using("attaching"))
    own_agent.start_container("two", using("attaching"))
    write(own_agent, "attaching.py", text + "def (\n")
    wait_problem(own_agent, "one", "SyntaxError")
    own_agent.remove("one")
    own_agent.wait_until(lambda: "detach one first first\n" in told.read_text(), "one to be undone")
    # A next agent undoes by what the file says then.
    own_agent.kill()
    write(own_agent, "attaching.py", text.replace('"first"', '"second"'))
    (own_agent.config / "two.toml").unlink()
    own_agent.start(settled=False)
    own_agent.wait_until(lambda: "detach two first second\n" in told.read_text(), "two to be undone")
