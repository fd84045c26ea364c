"""What an author of a plugin tests with, and fakes and strategies for the project's own tests.

All that authors need is here: `FakeHost`, a host in memory; `check_kind`, which runs a kind through what the agent
relies on; and what makes the values that the methods of a kind are given. The modules beside are the project's own;
those with strategies need hypothesis. Floor: above ports and plugin.
"""

from orchestrator.testing.check_kind import check_kind
from orchestrator.testing.facts import HOST, make_facts
from orchestrator.testing.host_files import FakeFile, FakeFolder, FakeMount
from orchestrator.testing.kinds import contribute, find_problems, make_container, make_use, read_kind
from orchestrator.testing.plugin_host import Command, FakeHost, Killed

__all__ = [
    "HOST",
    "Command",
    "FakeFile",
    "FakeFolder",
    "FakeHost",
    "FakeMount",
    "Killed",
    "check_kind",
    "contribute",
    "find_problems",
    "make_container",
    "make_facts",
    "make_use",
    "read_kind",
]
