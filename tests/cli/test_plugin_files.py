"""Commands that need no agent know the plugins of the directory, or of the folder of the file, that they look at."""

import json
from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.system.helpers_plugins import mount_kind

TEXT = 'args = ["/bin/true"]\nrootfs = "host"\nmounts."/cache" = { type = "scratch", size = 8192 }\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir(mode=0o755)
    (tmp_path / "plugins" / "scratch.py").write_text(mount_kind())
    (tmp_path / "web.toml").write_text(TEXT)
    return tmp_path


def test_check_of_a_directory_and_of_a_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["check", str(directory)]) == 0
    assert main(["check", str(directory / "web.toml")]) == 0
    monkeypatch.chdir(directory)
    assert main(["check", "web.toml"]) == 0
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(directory))
    assert main(["check"]) == 0


def test_each_directory_has_its_own(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "db.toml").write_text(TEXT)
    assert main(["check", str(directory), str(other)]) == 1
    out = capsys.readouterr().out
    assert out.count("unknown kind") == 1
    assert f'{other}/db.toml:3:28: mounts."/cache".type: unknown kind of mount "scratch"' in out


def test_a_mistake_of_a_file_is_shown_in_it(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "plugins" / "scratch.py").write_text(mount_kind() + "raise RuntimeError('no')\n")
    assert main(["check", str(directory)]) == 1
    out = capsys.readouterr().out
    assert f"{directory}/plugins/scratch.py:20:1: RuntimeError: no\n  20 | raise RuntimeError('no')\n" in out
    assert f'the mount kind "scratch" cannot be used: {directory}/plugins/scratch.py:20: RuntimeError: no' in out
    assert out.endswith("1 definition, 2 problems\n")


def test_a_kind_that_hangs_and_prints_is_told_and_the_output_is_the_commands_own(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = "import time; print('thinking'); time.sleep(1000)"
    (directory / "plugins" / "scratch.py").write_text(mount_kind(ask=ask))
    assert main(["check", "--json", str(directory)]) == 1
    captured = capsys.readouterr()
    [problem] = json.loads(captured.out)
    assert problem["message"].startswith('the mount kind "scratch" took longer than 2 s (scratch.py, line ')
    assert "thinking" in captured.err


def test_show_and_build_and_plan(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, state = f"--run={tmp_path}/run", f"--state={tmp_path}/state"
    config = f"--config={directory}"
    assert main(["show", "web", "--definition", f"--config-dir={directory}", run, state]) == 0
    assert '"scratch"' in capsys.readouterr().out
    assert main(["plan", config, run, state]) == 2
    assert "web" in capsys.readouterr().out
    assert main(["build", str(directory / "web.toml"), "-o", str(tmp_path / "bundle")]) == 0
    mounts = json.loads((tmp_path / "bundle" / "config.json").read_text())["mounts"]
    assert {"destination": "/cache", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=8192"]} in mounts
