"""The command that becomes the agent."""

import json
import subprocess
import sys
from pathlib import Path


def test_it_loads_nothing_of_the_agent_before_it_becomes_one(tmp_path: Path) -> None:
    """All of that is loaded once more by then, so it would be twice the wait for those whom the agent goes on with."""
    program = (
        "import json, os, sys\n"
        "from orchestrator.cli import main\n"
        "slow = {'trio', 'cattrs', 'rich', 'orchestrator.agent'}\n"
        "def become(path, words):\n"
        "    print(json.dumps([words[1:4], json.loads(words[4]), sorted(slow & sys.modules.keys())]))\n"
        "    raise SystemExit\n"
        "os.execv = become\n"
        "main(sys.argv[1:])\n"
    )
    config, state, run = (str(tmp_path / name) for name in ("config", "state", "run"))
    words = ("run", "--config", config, "--state", state, "--run", run, "--exit-policy", "stop")
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    become, settings, loaded = json.loads(done.stdout)
    assert become == ["-P", "-m", "orchestrator.agent"]
    assert settings == {
        "config": config, "state": state, "run": run, "runtime": "auto", "once": False, "leave": False,
    }  # fmt: skip
    assert loaded == []
