"""Plugins of one file, as an administrator writes them."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from orchestrator.model.registry import Group, Unusable
from orchestrator.ports.plugins import Plugged
from orchestrator.system.entrypoints import Listed
from orchestrator.system.pluginfolder import read_plugins
from orchestrator.system.plugins import HostPlugins

HEAD = """
from typing import ClassVar
from attrs import frozen
from orchestrator.plugin import Change, Contribution, FolderEntry, Mount, MountKind, NetworkKind, option
"""


def mount_kind(name: str = "scratch", *, options: str = "nosuid", ask: str = "return ()", then: str = "") -> str:
    """The text of a file with one kind of mount."""
    return HEAD + dedent(f"""
        {then}
        @frozen(kw_only=True)
        class Kind(MountKind):
            \"\"\"An empty folder in memory.\"\"\"

            type: ClassVar[str] = "{name}"
            size: int = option(default=4096, doc="The most.", change=Change.REPLACE, example="8192")

            def questions(self):
                {ask}

            def contribute(self, use, facts):
                mount = Mount(use.destination, "tmpfs", "tmpfs", ("{options}", f"size={{self.size}}"))
                return Contribution(mounts=(mount,), entries=(FolderEntry(use.destination),))
        """)


class Folder:
    """A directory of definitions with its plugins, and the kinds of one agent that looks at it."""

    def __init__(self, path: Path, listed: Listed | None = None) -> None:
        self.path = path
        self.plugins = path / "plugins"
        self.plugins.mkdir(mode=0o755)
        self.host = HostPlugins(listed)

    def write(self, files: Mapping[str, str]) -> Plugged:
        """These files are there now, beside those that were."""
        for name, text in files.items():
            (self.plugins / name).write_text(text)
            (self.plugins / name).chmod(0o644)
        return self.look()

    def look(self) -> Plugged:
        return self.host.load(read_plugins(str(self.path)))

    def find(self, name: str = "scratch", group: Group = Group.MOUNTS) -> type | Unusable | None:
        return self.host.plugged.parser.registry.find(group, name)

    def reason(self, name: str = "scratch") -> str:
        found = self.find(name)
        assert isinstance(found, Unusable), found
        return found.reason

    def problems(self) -> list[str]:
        """Without the folder's path."""
        return [str(problem).replace(f"{self.plugins}/", "") for problem in self.host.plugged.problems]
