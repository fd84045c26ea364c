"""`orchestrator show`, beside an agent that is scripted, and from the files where there is none."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from orchestrator.cli import main
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.state import NameState, PublicState
from orchestrator.ports import Part, Refused
from orchestrator.system.disk import HostDisk
from orchestrator.testing.operator import AGENT
from tests.cli.helpers_beside import beside_agent

NOBODY = "no agent is running"
WEB = 'args = ["/bin/sh"]\nrootfs = "host"\nrestart.delay = "90s"\nresources.memory = "64M"\n'
PROBLEM = Problem("/c/web.toml", 3, 7, "args", "cannot be empty")


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Directories of their own, with a definition of web in ``config``, which the last agent had watched."""
    monkeypatch.setenv("ORCHESTRATOR_RUN", f"{tmp_path}/run")
    monkeypatch.setenv("ORCHESTRATOR_STATE", f"{tmp_path}/state")
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "web.toml").write_text(WEB)
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    HostDisk(layout).make_folders()
    HostDisk(layout).write_agent(evolve(AGENT, config=f"{tmp_path}/config", pid_start_time=1))
    return layout


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What ``orchestrator show`` prints where no agent runs."""
    assert main(["show", *arguments]) == 0
    out, err = capsys.readouterr()
    assert NOBODY in err
    assert len(err.splitlines()) == 1
    data: dict[str, Any] = json.loads(out)
    return data


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines after the first by which it says that it cannot show anything."""
    assert main(["show", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return [line.removeprefix("orchestrator: ") for line in err.splitlines() if NOBODY not in line]


def flag(part: Part) -> str:
    return "--explain" if part is Part.ORIGINS else f"--{part.value}"


@pytest.mark.parametrize("part", Part)
async def test_the_agent_is_asked(tmp_path: Path, part: Part) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        beside.operator.parts["web", part] = {"größe": part.value}
        shown = (0, f'{{\n  "größe": "{part.value}"\n}}\n', "")
        assert await beside.run("show", "web", flag(part), "--json") == shown
        if part is not Part.ORIGINS:
            assert await beside.run("show", flag(part), "web") == shown


async def test_who_contributed_what_is_a_line_each(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        parts = [
            {"part": "mounts./data", "key": 'mounts."/data"', "by": "bind, oci-orchestrator 0.1.0"},
            {"part": "process.env.LANG", "key": "env.LANG", "by": ""},
            {"part": "hostname", "key": "", "by": "default"},
        ]
        beside.operator.parts["web", Part.ORIGINS] = {"parts": parts}
        assert (await beside.run("show", "web", "--explain"))[:2] == (
            0,
            'mounts./data      ← mounts."/data" (bind, oci-orchestrator 0.1.0)\n'
            "process.env.LANG  ← env.LANG\n"
            "hostname          ← default\n",
        )


def test_who_contributed_what_without_an_agent(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    config = Path(layout.run) / "config"
    config.mkdir()
    (config / "web.toml").write_text('args = ["/bin/true"]\nrootfs = "host"\nenv = { LANG = "C" }\n')
    assert main(["show", "web", "--explain", "--config-dir", str(config)]) == 0
    lines = dict(re.split(" +← ", line) for line in capsys.readouterr().out.splitlines())
    assert lines["process.env.LANG"] == "env.LANG"
    assert lines["mounts./usr"] == "rootfs (host)"
    assert lines["linux.namespaces.network"] == "default"


async def test_the_definition_is_the_default(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        beside.operator.parts["web", Part.DEFINITION] = {"args": []}
        assert (await beside.run("show", "web"))[0] == 0


async def test_what_the_agent_refuses(tmp_path: Path) -> None:
    async with beside_agent(tmp_path, "/c") as beside:
        code, out, err = await beside.run("show", "wed")
        assert (code, out, err) == (1, "", 'orchestrator: there is no container "wed" (did you mean "web"?)\n')
        beside.operator.fail("show", Refused("there is no spec of web: its definition has problems", (PROBLEM,)))
        assert await beside.run("show", "web", "--spec") == (
            1,
            "",
            f"orchestrator: {PROBLEM}\norchestrator: there is no spec of web: its definition has problems\n",
        )


def test_the_definition_has_its_defaults_in(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    data = shown(capsys, "web")
    assert data["args"] == ["/bin/sh"]
    assert data["rootfs"] == {"type": "host"}
    assert (data["restart"]["delay"], data["restart"]["max_delay"]) == ("1m30s", "1m")
    assert (data["resources"]["memory"], data["resources"]["cpus"]) == ("64M", None)
    assert data["log"] == {"type": "file", "max_size": "16M"}


def test_the_spec_is_resolved_on_this_host(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    data = shown(capsys, "web", "--spec")
    assert (data["name"], data["hostname"], data["policy"]["restart"]["on_success"]) == ("web", "web", "restart")
    assert ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] in data["env"]


def test_another_directory(layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "db.json").write_text('{"args": ["/bin/db"], "rootfs": "host"}')
    assert shown(capsys, "db", "--config-dir", f"{tmp_path}/other")["args"] == ["/bin/db"]
    assert refused(capsys, "wed", "--config-dir", f"{tmp_path}/other") == [
        f'there is no container "wed" in {tmp_path}/other'
    ]


def test_a_definition_with_problems(layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config" / "web.toml"
    file.write_text("args = []\n")
    problem, why = refused(capsys, "web")
    assert problem.startswith(f"{file}:1:8: args: ")
    assert why == "the definition of web has problems"
    file.write_text(f'{WEB}mounts."/x".source = "/nowhere"\n')
    assert shown(capsys, "web")["mounts"] == {
        "/x": {"type": "bind", "source": "/nowhere", "create": False, "owner": None, "mode": None, "options": []}
    }
    problem, why = refused(capsys, "web", "--spec")
    assert problem.startswith(f"{file}:5:")
    (tmp_path / "config" / "web.json").write_text("{}")
    assert [line.partition(":")[0] for line in refused(capsys, "web")] == [
        f"{tmp_path}/config/web.json",
        str(file),
        "two files define web",
    ]


@pytest.mark.parametrize("part", Part)
def test_a_name_that_is_not_there(layout: Layout, part: Part, capsys: pytest.CaptureFixture[str]) -> None:
    HostDisk(layout).write_name(NameState(name="web", state=PublicState.IDLE, since=0))
    (line,) = refused(capsys, "wed", flag(part))
    assert line.startswith('there is no container "wed" in ')
    assert line.endswith('(did you mean "web"?)')


@pytest.mark.parametrize("name", ["../web", "..", "", "a/b"])
def test_a_name_leads_nowhere_else(layout: Layout, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, name) == [f'there is no container "{name}": a name has no slash']


def write_config(folder: str, env: list[str]) -> None:
    os.makedirs(folder)
    Path(f"{folder}/config.json").write_text(json.dumps({"ociVersion": "1.0.2", "process": {"env": env}}))


def test_the_config_hides_what_files_of_variables_say(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    state = NameState(name="web", state=PublicState.RUNNING, since=0, instance="web-1", bundle="abc")
    HostDisk(layout).write_name(state)
    write_config(layout.instance("web-1"), ["PATH=/bin", "TOKEN=geheim", "LANG=C"])
    write_config(layout.bundle("abc"), ["PATH=/bin", "LANG=en"])
    data = shown(capsys, "web", "--config")
    assert data == {
        "ociVersion": "1.0.2",
        "process": {"env": ["PATH=/bin", "TOKEN=(from env_files)", "LANG=(from env_files)"]},
    }


def test_without_the_stored_bundle_no_value_is_shown(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    state = NameState(name="web", state=PublicState.RUNNING, since=0, instance="web-1", bundle="abc")
    HostDisk(layout).write_name(state)
    write_config(layout.instance("web-1"), ["TOKEN=geheim"])
    assert "geheim" not in json.dumps(shown(capsys, "web", "--config"))


def test_there_is_no_config_of_what_does_not_run(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    HostDisk(layout).write_name(NameState(name="web", state=PublicState.STOPPED, since=0))
    assert refused(capsys, "web", "--config") == ["there is no config of web: it does not run"]
    Path(layout.name_state("web")).write_text("{}")
    (line,) = refused(capsys, "web", "--config")
    assert "damaged" in line
