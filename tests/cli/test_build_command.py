"""`orchestrator build`: a bundle that an OCI runtime runs, self-contained with --copy."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.core.helpers_world import assert_valid


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    """A root file system of one static program, with a link that would lead out of it."""
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin" / "busybox")
    (folder / "bin" / "sh").symlink_to("busybox")
    (folder / "etc").mkdir()
    (folder / "etc" / "hostname").symlink_to("/etc/hostname")
    return folder


def run(bundle: Path) -> str:
    name = f"build-{os.getpid()}-{bundle.name}"
    done = subprocess.run(
        ["runc", "--root", str(bundle.parent / "runc"), "run", "-b", str(bundle), name],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.real
def test_a_host_bundle_runs(tmp_path: Path) -> None:
    file = tmp_path / "hello.toml"
    file.write_text('args = ["/bin/sh", "-c", "echo hello $WHO"]\nrootfs = "host"\nenv.WHO = "you"\n')
    bundle = tmp_path / "bundle"
    assert main(["build", str(file), "-o", str(bundle)]) == 0
    config = json.loads((bundle / "config.json").read_text())
    assert_valid(config)
    assert config["root"] == {"path": "rootfs", "readonly": True}
    assert "cgroupsPath" not in config["linux"]
    assert run(bundle) == "hello you\n"


@pytest.mark.real
def test_a_directory_bundle_runs_in_place_and_copied(tmp_path: Path, rootfs: Path) -> None:
    (tmp_path / "note").write_text("from the host\n")
    (tmp_path / "data").mkdir()
    file = tmp_path / "hello.toml"
    file.write_text(
        f'args = ["/bin/busybox", "cat", "/note"]\nrootfs = {{ type = "directory", path = "{rootfs}" }}\n'
        f'mounts."/note" = {{ source = "{tmp_path}/note", options = ["ro"] }}\n'
        f'mounts."/data".source = "{tmp_path}/data"\n'
    )
    assert main(["build", str(file), "-o", str(tmp_path / "there")]) == 0
    assert run(tmp_path / "there") == "from the host\n"
    assert main(["build", "--copy", str(file), "-o", str(tmp_path / "copy")]) == 0
    config = json.loads((tmp_path / "copy" / "config.json").read_text())
    assert config["root"]["path"] == "rootfs"
    assert [mount["destination"] for mount in config["mounts"] if "rbind" in mount["options"]] == ["/data"]
    (tmp_path / "note").unlink()
    shutil.rmtree(rootfs)
    assert run(tmp_path / "copy") == "from the host\n"
    assert (tmp_path / "copy" / "rootfs" / "etc" / "hostname").is_symlink()


def test_problems_are_shown_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "web.toml"
    file.write_text('args = "x"\nrootfs = "host"\n')
    assert main(["build", str(file), "-o", str(tmp_path / "bundle")]) == 1
    assert "web.toml:1:8: args:" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["web.toml"]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", f"{tmp_path}/No Such Name", "-o", f"{tmp_path}/bundle"]) == 1
    assert (
        capsys.readouterr().err == f"{tmp_path}/No Such Name:1:1: cannot read the file: no such file or directory\n\n"
    )


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "web.toml"
    file.write_text('args = ["/bin/true"]\nrootfs = "host"\n')
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    assert main(["build", str(file), "-o", str(tmp_path / "mine")]) == 1
    assert "it exists and is no empty folder" in capsys.readouterr().err
    assert os.listdir(tmp_path / "mine") == ["precious"]
    (tmp_path / "empty").mkdir()
    assert main(["build", str(file), "-o", str(tmp_path / "empty")]) == 0
    assert sorted(os.listdir(tmp_path)) == ["empty", "mine", "web.toml"]


@pytest.mark.real
@pytest.mark.parametrize("copy", [False, True])
def test_a_script_and_variables_of_files_go_along(
    tmp_path: Path, rootfs: Path, capsys: pytest.CaptureFixture[str], copy: bool
) -> None:
    (tmp_path / "web.env").write_text("WHO='of the file'\nOWN=lost\n")
    file = tmp_path / "hello.toml"
    file.write_text(
        f"""cmd = "echo hello $WHO, $OWN\\necho 'again'"
        env_files = ["{tmp_path}/web.env"]
        env.OWN = "kept"
        rootfs = {{ type = "directory", path = "{rootfs}" }}
        """
    )
    bundle = tmp_path / "bundle"
    assert main(["build", str(file), "-o", str(bundle), *(["--copy"] if copy else [])]) == 0
    said = capsys.readouterr().err
    assert f"what {tmp_path}/web.env says now stands in {bundle}/config.json" in said
    assert "of the file" not in said
    assert (bundle / "config.json").stat().st_mode & 0o777 == 0o600
    moved = tmp_path / "moved"
    bundle.rename(moved)
    assert run(moved) == "hello of the file, kept\nagain\n"
    assert not (rootfs / "dev" / "orchestrator").exists()


@pytest.mark.real
def test_what_was_built_is_a_ready_bundle(tmp_path: Path, rootfs: Path) -> None:
    (tmp_path / "first.toml").write_text(f'cmd = "echo ready"\nrootfs = {{ type = "directory", path = "{rootfs}" }}\n')
    (tmp_path / "second.toml").write_text(f'bundle = "{tmp_path}/first"\n')
    for name, options in (("first", ["--copy"]), ("second", []), ("third", ["--copy"])):
        source = tmp_path / f"{'second' if name == 'third' else name}.toml"
        assert main(["build", str(source), "-o", str(tmp_path / name), *options]) == 0
    assert [run(tmp_path / name) for name in ("first", "second", "third")] == ["ready\n"] * 3


def test_a_file_of_variables_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.env").write_text("A=1\nno variable\n")
    file = tmp_path / "hello.toml"
    file.write_text(f'args = ["true"]\nrootfs = "host"\nenv_files = ["{tmp_path}/web.env"]\n')
    assert main(["build", str(file), "-o", str(tmp_path / "bundle")]) == 1
    said = capsys.readouterr().err
    assert f'env_files[0]: cannot use "{tmp_path}/web.env": line 2: there is no "=" in it' in said
    assert "no variable" not in said
    assert not (tmp_path / "bundle").exists()


@pytest.mark.real
def test_what_only_an_agent_can_mount_is_named(
    tmp_path: Path, rootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hello.toml"
    file.write_text(
        f'args = ["/bin/busybox", "cat", "/conf"]\nrootfs = {{ type = "directory", path = "{rootfs}" }}\n'
        f'mounts."/made" = {{ source = "{tmp_path}", create = true }}\n'
        'mounts."/keep" = { type = "volume", options = ["ro"] }\n'
        f'mounts."/over" = {{ type = "overlay", lower = ["{tmp_path}"] }}\n'
        'mounts."/secret" = { type = "secret", env = "NO_SUCH_VARIABLE" }\n'
        'mounts."/conf" = { type = "file", text = "inline\\n" }\n'
        'mounts."/tmp" = { type = "tmpfs" }\n'
    )
    for name, options in (("plain", []), ("copied", ["--copy"])):
        assert main(["build", str(file), "-o", str(tmp_path / name), *options]) == 0
        said = capsys.readouterr().err.splitlines()
        told = [line.removeprefix("orchestrator: ") for line in said if "only an agent" in line]
        assert told == [
            "/keep (volume) is left out: only an agent can mount it",
            "/made (bind) is not prepared on the host: only an agent does that",
            "/over (overlay) is left out: only an agent can mount it",
            "/secret (secret) is left out: only an agent can mount it",
        ]
        mounts = json.loads((tmp_path / name / "config.json").read_text())["mounts"]
        own = [
            mount["destination"] for mount in mounts if mount["destination"] in ("/made", "/keep", "/over", "/secret")
        ]
        assert own == ["/made"]
        assert run(tmp_path / name) == "inline\n"
