"""What plugins add to `orchestrator check`: to list what is installed, and to load what comes with the agent.

Each round is a process of its own, as a command is. What `check` needs without any plugin is loaded before the clock
starts; within its time are the modules that list and load plugins, the listing, and every built-in kind, although a
definition loads only those that it names. The clock is the processor's: nothing of it waits for anything, and on a
machine that is busy with other things the wall's says how busy.
"""

import json
import subprocess
import sys
import tempfile

from tests.bench.measure import Figure, Result

BOUND = 30.0

_SCRIPT = """
import json, sys, time
import orchestrator.cli.errors, orchestrator.cli.nixbuilds, orchestrator.core.excerpt, orchestrator.system.directory
import orchestrator.system.facts, orchestrator.tasks.compile, orchestrator.tasks.linking, orchestrator.plugin
began = time.process_time()
from orchestrator.system.plugins import load_plugins
registry = load_plugins(sys.argv[1]).parser.registry
listed = time.process_time()
kinds = [kind for _, _, kind in registry if kind.__module__.startswith("orchestrator_")]
loaded = time.process_time()
assert len(kinds) >= 3, kinds
print(json.dumps([(listed - began) * 1000, (loaded - listed) * 1000]))
"""


def measure(runtime: str, rounds: int) -> list[Result]:
    """Listing alone, and with the loading of all kinds."""
    with tempfile.TemporaryDirectory() as directory:
        took = [_time(directory) for _ in range(rounds + 1)][1:]
    return [
        Figure("listing of the plugins that are installed", [listed for listed, _ in took], "ms", BOUND),
        Figure("listing, and loading of all built-in kinds", [listed + loaded for listed, loaded in took], "ms", BOUND),
    ]


def _time(directory: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, directory], capture_output=True, text=True, check=True)
    listed, loaded = json.loads(done.stdout)
    return listed, loaded
