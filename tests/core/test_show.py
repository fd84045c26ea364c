"""The parts of a container as data: complete, plain JSON, and without what files of variables say."""

import json
from typing import Any

import pytest
from hypothesis import given

from orchestrator.core.render import render_bundle
from orchestrator.core.show import HIDDEN, hide_variables, show_config, show_definition, show_spec
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.types import AbsolutePath, EnvName
from tests.core.helpers_world import definitions, host_definition, instance_of, resolve
from tests.golden.test_bundles import REGISTRY as BUILT_IN


@given(definitions())
def test_every_part_is_plain_json(definition: Definition) -> None:
    spec = resolve(definition)
    for part in (
        show_definition(definition, BUILT_IN),
        show_spec(spec),
        show_config(instance_of(render_bundle(spec), spec.resources)),
    ):
        assert json.loads(json.dumps(part, allow_nan=False)) == part


def test_a_spec_names_the_kinds_in_it() -> None:
    data = show_spec(resolve(host_definition(env={EnvName("A"): "b"})))
    assert data["log"] == {"type": "file", "max_size": 16 * 2**20}
    assert data["own_env"] == ["A"]
    assert data["policy"]["restart"]["on_success"] == "restart"


def test_a_config_is_that_of_the_instance_without_its_files_of_variables() -> None:
    definition = host_definition(env_files=(EnvFile(path=AbsolutePath("/etc/web.env")),))
    instance = instance_of(render_bundle(resolve(definition)))
    config = show_config(instance)
    assert config["process"]["env"] == instance.bundle.config["process"]["env"]
    assert config["linux"]["cgroupsPath"] == "/orchestrator/web-1"


@pytest.mark.parametrize(
    ("config", "stored", "shown"),
    [
        (["A=1", "B=2"], ["A=1", "B=2"], ["A=1", "B=2"]),
        (["A=1", "B=x=y"], ["A=1"], ["A=1", f"B={HIDDEN}"]),
        (["A=other"], ["A=1"], [f"A={HIDDEN}"]),
        (["A=1"], [], [f"A={HIDDEN}"]),
    ],
)
def test_what_is_not_in_the_bundle_is_there_by_name_only(
    config: list[str], stored: list[str], shown: list[str]
) -> None:
    data: dict[str, Any] = {"process": {"env": config, "cwd": "/"}, "root": {"path": "/r"}}
    assert hide_variables(data, {"process": {"env": stored}}) == {
        "process": {"env": shown, "cwd": "/"},
        "root": {"path": "/r"},
    }
    assert data["process"]["env"] is config, "what was given is as it was"


def test_a_config_without_variables_is_left_as_it_is() -> None:
    configs: tuple[dict[str, Any], ...] = ({}, {"process": {}}, {"process": {"env": []}})
    for config in configs:
        assert hide_variables(config, {}) == config
