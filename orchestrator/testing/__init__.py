"""What an author of a plugin tests with, and fakes and strategies for the project's own tests.

All that authors need is here: `FakeHost`, a host in memory. The modules beside are the project's own; those with
strategies need hypothesis. Floor: above ports and plugin.
"""

from orchestrator.testing.host_files import FakeFile, FakeFolder, FakeMount
from orchestrator.testing.plugin_host import Command, FakeHost, Killed

__all__ = [
    "Command",
    "FakeFile",
    "FakeFolder",
    "FakeHost",
    "FakeMount",
    "Killed",
]
