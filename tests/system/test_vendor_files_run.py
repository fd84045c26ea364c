"""What files of the host say of a container, under the real runtimes: CDI devices, and hooks of directories."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from orchestrator.model.confinement import Device
from orchestrator.model.types import AbsolutePath, AnnotationName, DeviceName, UserName
from tests.system.helpers_bundles import RUNTIMES, run_definition, shell

pytestmark = [pytest.mark.real, pytest.mark.parametrize("runtime", sorted(RUNTIMES))]


def write_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def write_hook(folder: Path, name: str, program: str, when: dict[str, Any], *stages: str) -> None:
    folder.mkdir(exist_ok=True)
    hook = {"path": program, "args": ["hook", name], "env": ["FROM=file"]}
    (folder / f"{name}.json").write_text(
        json.dumps({"version": "1.0.0", "hook": hook, "when": when, "stages": [*stages]})
    )


def test_hooks_are_run_at_their_stages_with_the_state_on_stdin(runtime: str, folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = write_program(
        tmp_path / "hook.sh", f"""grep -o '"status": *"[a-z]*"' | tr -d ' ' | sed "s/^/$1 $FROM /" >> {told}"""
    )
    hooks = tmp_path / "hooks.d"
    write_hook(hooks, "02-both", program, {"always": True}, "createRuntime", "poststop")
    write_hook(hooks, "01-first", program, {"commands": ["(^|/)sh$"]}, "createRuntime")
    write_hook(hooks, "03-no", program, {"annotations": {"gpu": "yes"}}, "createRuntime")
    definition = evolve(
        shell("echo runs"), hooks_dirs=(AbsolutePath(str(hooks)),), annotations={AnnotationName("gpu"): "no"}
    )
    ran = run_definition(definition, runtime, folder)
    assert (ran.code, ran.out) == (0, "runs\n")
    lines = [line.split()[:2] for line in told.read_text().splitlines()]
    assert lines == [["01-first", "file"], ["02-both", "file"], ["02-both", "file"]]
    assert told.read_text().splitlines()[-1].endswith('"stopped"')


def test_a_hook_that_fails_keeps_the_container_from_running(runtime: str, folder: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks.d"
    write_hook(hooks, "bad", write_program(tmp_path / "hook.sh", "exit 3"), {"always": True}, "createRuntime")
    ran = run_definition(evolve(shell("echo runs"), hooks_dirs=(AbsolutePath(str(hooks)),)), runtime, folder)
    assert ran.code != 0
    assert "runs" not in ran.out


def test_a_cdi_device_is_there_with_all_that_it_brings(
    runtime: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc, told, library = tmp_path / "cdi", tmp_path / "told", tmp_path / "library"
    etc.mkdir()
    library.write_text("lib\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/firmware").write_text("ware\n")
    program = write_program(tmp_path / "hook.sh", f"cat > /dev/null; echo $1 > {told}")
    edits = {
        "deviceNodes": [
            {"path": "/dev/vendor/fuse", "hostPath": "/dev/fuse", "permissions": "r"},
            {"path": "/dev/vendor/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640},
        ],
        "env": ["VENDOR=yes"],
        "mounts": [
            {"hostPath": str(library), "containerPath": "/opt/lib.so", "options": ["ro", "nosuid", "nodev", "bind"]},
            {"hostPath": str(tmp_path / "folder"), "containerPath": "/opt/vendor", "options": ["ro", "rbind"]},
        ],
        "hooks": [{"hookName": "createRuntime", "path": program, "args": ["hook", "made"]}],
        "additionalGids": [4242],
    }
    file = {"cdiVersion": "0.7.0", "kind": "vendor.com/gpu", "devices": [{"name": "0", "containerEdits": edits}]}
    (etc / "vendor.json").write_text(json.dumps(file))
    monkeypatch.setattr("orchestrator.core.cdi_names.FOLDERS", (str(etc), str(tmp_path / "run")))
    script = """stat -c '%n %t %T %a %u:%g' /dev/vendor/fuse /dev/vendor/zero
        head -c 2 /dev/vendor/zero | wc -c; : < /dev/vendor/fuse && echo can
        (: > /dev/vendor/fuse) 2>/dev/null || echo cannot
        cat /opt/lib.so /opt/vendor/firmware; echo $VENDOR; id -G
        (echo x > /opt/vendor/x) 2>/dev/null || echo read-only"""
    definition = evolve(
        shell(script), devices=(Device(path=DeviceName("vendor.com/gpu=0")),), user=UserName("1234:1235")
    )
    ran = run_definition(definition, runtime, folder)
    assert (ran.code, ran.err) == (0, "")
    mode = f"{os.stat('/dev/fuse').st_mode & 0o777:o}"
    assert ran.out.splitlines() == [
        f"/dev/vendor/fuse a e5 {mode} 1234:1235",
        "/dev/vendor/zero 1 5 640 1234:1235",
        "2",
        "can",
        "cannot",
        "lib",
        "ware",
        "yes",
        "1235 4242",
        "read-only",
    ]
    assert told.read_text() == "made\n"
