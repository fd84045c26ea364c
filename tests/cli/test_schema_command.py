"""`orchestrator schema`: for programs and for people."""

import json

import jsonschema
import pytest

from orchestrator.cli import main


def test_it_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"args": ["/bin/true"], "mounts": {"/data": {"source": "/srv"}}}, schema)


def test_it_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--reference"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("# Definitions\n")
    assert "\n## `restart`\n" in out
