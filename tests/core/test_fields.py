"""What a definition asks for as data, and what the differences of two mean."""

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.core.fields import (
    describe_fields,
)
from orchestrator.core.parse import parse_definition
from orchestrator.model.definition import Definition
from orchestrator.model.source import Source
from tests.core.helpers_kinds import REGISTRY


def read(text: str) -> Definition:
    """A definition of this text, with a command unless it has one."""
    if "args" not in text and "cmd" not in text:
        text = f'args = ["/bin/true"]\n{text}'
    result = parse_definition(Source("web", "web.toml", text), REGISTRY)
    assert isinstance(result, Definition), result
    return result


def fields_of(text: str, digests: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    fields = describe_fields(read(text), REGISTRY, digests)
    if "args" not in text:
        del fields["args"]
    return fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('args = ["sh", "-c", "true"]', {"args": ["sh", "-c", "true"]}),
        ("", {}),
        ('cwd = "/"\nreadonly = false', {"readonly": False}),
        ('env = { LANG = "C", "a.b" = "x" }', {"env.LANG": "C", 'env."a.b"': "x"}),
        ("resources.memory = 268435456", {"resources.memory": "256M"}),
        ("resources.memory = 300000001", {"resources.memory": 300000001}),
        ('restart = { delay = "90s", on_failure = "stop" }', {"restart.delay": "1m30s", "restart.on_failure": "stop"}),
        ('restart.delay = "100ms"', {}),
        ('rootfs = "host"', {"rootfs.type": "host"}),
        ('rootfs = { type = "directory", path = "/srv" }', {"rootfs.type": "directory", "rootfs.path": "/srv"}),
        (
            'mounts."/data" = { source = "/srv", options = ["ro"] }',
            {
                'mounts."/data".type': "bind",
                'mounts."/data".source': "/srv",
                'mounts."/data".options': ["ro"],
            },
        ),
        (
            'mounts."/t" = { type = "tmpfs", size = "1M" }',
            {'mounts."/t".type': "tmpfs", 'mounts."/t".size': "1M"},
        ),
        (
            'network = { type = "bridge", name = "lan", ports = [{ host = 80, container = 8080 }], wait = "1s" }',
            {
                "network.type": "bridge",
                "network.name": "lan",
                "network.ports": [{"host": 80, "container": 8080}],
                "network.wait": "1s",
            },
        ),
    ],
)
def test_what_is_not_the_default(text: str, fields: dict[str, Any]) -> None:
    assert fields_of(text) == fields
