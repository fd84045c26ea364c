"""What the tests of mounts have in common: a secret, and where it must not be."""

from pathlib import Path

from tests.host.agent_process import AgentProcess
from tests.host.host_view import read_mounts

SECRET = "dwarf-starfish-77"
"""What is looked for where it must not be."""


def mounts_of(agent: AgentProcess) -> list[str]:
    """What the agent's own mounts are, below its directories."""
    return [mount for mount in read_mounts(agent.pid) if str(agent.base) in mount]


def write(path: Path, text: str) -> Path:
    """Put a file in place by rename."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)
    return path


def find_in_files(agent: AgentProcess, text: str) -> list[str]:
    """The files of the agent's directories that have a text in them, without the file systems in memory that are
    mounted there."""
    found = []
    for folder in (agent.state, agent.run):
        for path in folder.rglob("*"):
            own = "/own/" in str(path)
            if path.is_file() and not path.is_symlink() and not own and text.encode() in path.read_bytes():
                found.append(str(path))
    return found
