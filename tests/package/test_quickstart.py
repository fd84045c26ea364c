"""contrib/quickstart, as a newcomer uses it: once, and with an edit and Ctrl-C. Uses .venv and port 28080."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = sorted(file.stem for file in (CHECKOUT / "examples" / "quickstart").glob("*.toml"))


def start_quickstart(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCHESTRATOR_")}
    return subprocess.Popen(
        [CHECKOUT / "contrib" / "quickstart", *arguments],
        cwd=tmp_path,
        env=environment | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As a terminal does it, Ctrl-C reaches the whole process group, and no process that is not of it.
        start_new_session=True,
    )


@pytest.mark.real
def test_once_shows_all_containers_and_leaves_nothing(tmp_path: Path) -> None:
    with start_quickstart(tmp_path, "--once") as quickstart:
        output, _ = quickstart.communicate()
    assert quickstart.returncode == 0, output
    states = {line.split()[0]: line.split()[1] for line in output.splitlines() if len(line.split()) > 1}
    assert {name: states.get(name) for name in EXAMPLES} == {
        "hello": "running",
        "limited": "running",
        "migrate": "completed",
        "web": "running",
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_it_follows_an_edit_until_interrupted(tmp_path: Path) -> None:
    seen = []
    with start_quickstart(tmp_path) as quickstart:
        assert quickstart.stdout is not None
        for line in quickstart.stdout:
            seen.append(line)
            if line.startswith("Hello, "):
                (definition,) = tmp_path.glob("orchestrator-quickstart.*/definitions/hello.toml")
                definition.write_text(definition.read_text().replace('"Hello"', '"Good evening"'))
            if line.startswith("Good evening, ") or len(seen) > 50:
                os.killpg(quickstart.pid, signal.SIGINT)
    output = "".join(seen)
    assert quickstart.returncode == 130, output
    assert "Good evening, " in output
    assert "killing what has not ended" not in output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with start_quickstart(tmp_path, "--twice") as quickstart:
        output, _ = quickstart.communicate()
    assert quickstart.returncode == 1
    assert "--twice" in output
