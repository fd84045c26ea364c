"""The wheel, as a user gets it: built, installed into a venv of its own, and run from outside of the checkout."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.package.fresh_venv import build_wheel, make_venv, run

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(CHECKOUT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the wheel alone in it."""
    return make_venv(tmp_path_factory.mktemp("installed") / "venv", wheel)


def test_it_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {"orchestrator", "orchestrator_mounts", "orchestrator_networks", "orchestrator_presets"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    assert {"orchestrator/py.typed", "orchestrator/nix/build.nix", "orchestrator/nix/places.nix"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_holds_what_a_new_project_is_made_of(installed: Path, tmp_path: Path) -> None:
    run(installed / "bin" / "orchestrator", "plugins", "new", "mount", "mine", tmp_path / "mine", cwd=tmp_path)
    assert (tmp_path / "mine/src/orchestrator_mount_mine/py.typed").is_file()


def test_its_entry_points_load(installed: Path, tmp_path: Path) -> None:
    program = (
        "from importlib.metadata import entry_points\n"
        "for group in ('orchestrator.mounts', 'orchestrator.networks', 'console_scripts'):\n"
        "    for point in sorted(entry_points(group=group)):\n"
        "        if group != 'console_scripts' or point.name == 'orchestrator':\n"
        "            print(group, point.name, point.load().__module__)\n"
    )
    lines = run(installed / "bin" / "python", "-c", program, cwd=tmp_path).stdout.splitlines()
    groups = ("orchestrator.mounts", "orchestrator.networks")
    kinds = [f"{group} {name}" for group in groups for name in sorted(PROJECT["entry-points"][group])]
    assert [line.rsplit(" ", 1)[0] for line in lines] == [*kinds, "console_scripts orchestrator"]


def test_its_code_is_not_that_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    for package in ("orchestrator", "orchestrator_mounts", "orchestrator_networks", "orchestrator_presets"):
        program = f"import {package}; print({package}.__file__)"
        file = Path(run(installed / "bin" / "python", "-c", program, cwd=tmp_path).stdout.strip())
        assert file.is_relative_to(installed)


def test_the_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    version = run(
        installed / "bin" / "python", "-c", "import orchestrator; print(orchestrator.__version__)", cwd=tmp_path
    )
    told = run(installed / "bin" / "orchestrator", "--version", cwd=tmp_path)
    assert version.stdout.strip() in told.stdout


def test_the_command_checks_the_examples(installed: Path, tmp_path: Path) -> None:
    run(installed / "bin" / "orchestrator", "check", CHECKOUT / "examples" / "quickstart", cwd=tmp_path)
