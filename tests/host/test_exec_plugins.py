"""A kind that is a program, in shell: used by an agent, its mistakes shown, edited while it is in use, undone by a next
agent."""

import json
import shutil
from pathlib import Path

import pytest

from tests.host.agent_process import STAYS, AgentProcess, definition
from tests.system.helpers_programs import write_program

pytestmark = pytest.mark.real

SNAPSHOT = Path(__file__).parents[2] / "examples/plugins/snapshot.mount"
OPEN = "trap 'exit 0' TERM INT; cat /snapshot/*; echo done; sleep 100000 & wait"


def install(agent: AgentProcess) -> Path:
    """The example, in the agent's plugins folder."""
    folder = agent.config / "plugins"
    folder.mkdir(mode=0o755)
    return Path(shutil.copy(SNAPSHOT, folder))


def own_folders(agent: AgentProcess) -> list[Path]:
    """The folders of copies that the program has made."""
    return [path.parent for path in agent.run.rglob("two") if path.is_file()]


def use(*files: Path, **more: str) -> str:
    snapshot = {"type": "snapshot", "files": [str(file) for file in files], **more}
    return definition(OPEN, mounts={"/snapshot": snapshot})


def test_a_program_in_shell_is_a_kind(own_agent: AgentProcess, tmp_path: Path) -> None:
    agent = own_agent
    install(agent)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("first\n")
    two.write_text("second\n")
    agent.start()
    agent.start_container("web", use(one, two))
    assert agent.wait_log("web", "done") == "first\nsecond\ndone\n"
    told = agent.call("show", "web", "--explain").stdout
    assert f'← mounts."/snapshot" (snapshot, {agent.config}/plugins/snapshot.mount)' in told
    one.write_text("other\n")
    agent.let_it_look()
    before = agent.row("web")
    agent.define("web", use(one, two, readers="root"))
    agent.wait_replaced("web", before)
    agent.wait_log("web", "other\nsecond\ndone\n")
    assert len(own_folders(agent)) == 1, "that of the first instance is gone"
    agent.remove("web")
    agent.wait_until(lambda: not own_folders(agent), "its folder to be removed")


def test_its_mistakes_are_shown_with_file_and_line(own_agent: AgentProcess, tmp_path: Path) -> None:
    agent = own_agent
    install(agent)
    agent.define("web", definition(OPEN, mounts={"/snapshot": {"type": "snapshot", "file": ["/gone"]}}))
    agent.define("away", use(tmp_path / "gone"))
    done = agent.call("check", str(agent.config))
    assert done.returncode == 1
    assert 'web.toml:3:49: mounts."/snapshot".file: unknown key "file"\n' in done.stdout
    assert 'did you mean "files"?' in done.stdout
    assert 'web.toml:3:26: mounts."/snapshot": missing key "files"\n' in done.stdout
    gone = f'away.toml:3:60: mounts."/snapshot".files[0]: cannot copy "{tmp_path}/gone": no such file\n'
    assert gone in done.stdout


def test_a_program_that_is_edited_is_asked_anew_and_nobody_else_is_disturbed(own_agent: AgentProcess) -> None:
    agent = own_agent
    folder = agent.config / "plugins"
    folder.mkdir(mode=0o755)

    def write(value: str) -> None:
        new = write_program(folder / ".new", f"cat > /dev/null; printf '%s' '{json.dumps({'env': {'VALUE': value}})}'")
        new.rename(folder / "value.network")

    write("one")
    agent.start()
    other = agent.start_container("other")
    agent.start_container("web", definition(f"echo $VALUE; {STAYS}", network="value"))
    agent.wait_log("web", "one\n")
    before = agent.row("web")
    write("two")
    agent.wait_replaced("web", before)
    agent.wait_log("web", "two\n")
    write_program(folder / "value.network", "exit 3")
    row = agent.wait_row("web", lambda row: row["problems"], "its problem")
    assert row["state"] == "running", "a plugin that fails stops nothing"
    assert 'the network kind "value" failed: exit code 3' in json.dumps(row["problems"]).replace('\\"', '"')
    assert agent.row("other")["instance"] == other["instance"]


def test_a_program_that_cannot_be_loaded_is_a_problem_of_who_uses_it(own_agent: AgentProcess) -> None:
    agent = own_agent
    folder = agent.config / "plugins"
    folder.mkdir(mode=0o755)
    program = folder / "broken.mount"
    program.write_text("#!/bin/sh\necho nonsense\n")
    program.chmod(0o755)
    agent.define("web", definition(mounts={"/x": {"type": "broken"}}))
    agent.define("fine", definition(["/bin/true"], type="oneshot"))
    done = agent.call("check", str(agent.config))
    assert "2 definitions" in done.stdout
    assert "web.toml:3:" in done.stdout
    assert f"{program}:1:1: what it printed is no JSON object" in done.stdout
    assert "fine.toml" not in done.stdout
    assert 'unknown kind of mount "broken"' not in done.stdout


def test_what_it_has_attached_is_undone_by_a_next_agent(own_agent: AgentProcess, tmp_path: Path) -> None:
    agent = own_agent
    folder = agent.config / "plugins"
    folder.mkdir(mode=0o755)
    made = tmp_path / "made"
    made.mkdir()
    description = {"supported": ["1.0"], "doc": "A mark.", "attaches": ["connect"], "options": {}}
    script = f"""request=$(cat)
        instance=$(printf '%s' "$request" | sed 's/.*"instance":"\\([^"]*\\)".*/\\1/')
        case $ORCHESTRATOR_COMMAND in
        CONTRIBUTE) echo '{{"attach": [{{"work": {{}}}}], "namespaces": [{{"type": "network"}}]}}' ;;
        ATTACH) : > {made}/$instance; echo '{{"made": "yes"}}' ;;
        DETACH) printf '%s' "$request" | grep -q '"state":{{"made":"yes"}}' && rm -f {made}/$instance ;;
        esac"""
    write_program(folder / "mark.network", script, description)
    agent.start()
    agent.start_container("web", definition(network="mark"))
    assert [path.name for path in made.iterdir()] == [agent.row("web")["instance"]]
    agent.kill()
    agent.start()
    assert agent.row("web")["state"] == "running"
    agent.remove("web")
    agent.wait_until(lambda: not list(made.iterdir()), "the mark to be gone")
