"""The gate of tests/conftest.py: a session that leaves out a test on a real runtime fails where it must not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

REAL = "import pytest\n\n@pytest.mark.real\ndef test_real():\n    {body}\n"
PLAIN = "def test_plain():\n    assert True\n"
SKIPPED_MODULE = "import pytest\n\npytest.skip('no such machine', allow_module_level=True)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    shutil.copy(CONFTEST, tmp_path / "tests" / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\nmarkers =\n real: real\n alone: alone\n")
    return tmp_path


def run_pytest(project: Path, *arguments: str, real: bool) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCHESTRATOR_")}
    if real:
        environment["ORCHESTRATOR_TEST_REAL"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.real
def test_a_real_test_that_ran_is_enough(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(REAL.format(body="assert True"))
    result = run_pytest(project, real=True)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


@pytest.mark.real
def test_a_real_test_that_skips_itself_fails_the_session(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(REAL.format(body="pytest.skip('no runtime')") + PLAIN)
    result = run_pytest(project, real=True)
    assert result.returncode == 1, result.stdout
    assert "these were left out: tests/test_x.py::test_real" in result.stdout


def test_a_module_that_skips_itself_fails_the_session(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(SKIPPED_MODULE)
    (project / "tests" / "test_y.py").write_text(PLAIN)
    result = run_pytest(project, real=True)
    assert result.returncode == 1, result.stdout
    assert "these were left out: tests/test_x.py" in result.stdout


def test_a_whole_run_without_a_real_test_fails(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(PLAIN)
    result = run_pytest(project, real=True)
    assert result.returncode == 1, result.stdout
    assert "no test marked `real` ran" in result.stdout


@pytest.mark.parametrize("how", [("-m", "not alone"), ("-n", "1")])
def test_a_whole_run_in_two_parts_or_side_by_side_needs_one_too(project: Path, how: tuple[str, ...]) -> None:
    (project / "tests" / "test_x.py").write_text(PLAIN)
    result = run_pytest(project, *how, real=True)
    assert result.returncode == 1, result.stdout
    assert "no test marked `real` ran" in result.stdout


@pytest.mark.real
def test_side_by_side_nothing_is_left_out_either(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(REAL.format(body="assert True"))
    assert run_pytest(project, "-n", "1", real=True).returncode == 0
    (project / "tests" / "test_y.py").write_text(REAL.format(body="pytest.skip('no runtime')"))
    result = run_pytest(project, "-n", "1", real=True)
    assert result.returncode == 1, result.stdout
    assert "these were left out: tests/test_y.py::test_real" in result.stdout
    (project / "tests" / "test_y.py").write_text(SKIPPED_MODULE)
    result = run_pytest(project, "-n", "1", real=True)
    assert result.returncode == 1, result.stdout
    assert "these were left out: tests/test_y.py" in result.stdout


@pytest.mark.parametrize("narrowed", [("-k", "plain"), ("tests/test_x.py",), ("-m", "not real"), ("--collect-only",)])
def test_a_part_of_the_suite_needs_no_real_test(project: Path, narrowed: tuple[str, ...]) -> None:
    (project / "tests" / "test_x.py").write_text(PLAIN)
    result = run_pytest(project, *narrowed, real=True)
    assert result.returncode == 0, result.stdout


def test_without_the_variable_nothing_is_demanded(project: Path) -> None:
    (project / "tests" / "test_x.py").write_text(PLAIN)
    result = run_pytest(project, real=False)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout
