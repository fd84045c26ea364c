"""The table of fields in README.md says what the model says."""

import re
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest

from orchestrator.model.definition import Definition
from orchestrator.model.option import Change, options_of
from orchestrator.model.policy import Restart, Stop
from orchestrator.model.resources import Resources

README = (Path(__file__).parents[2] / "README.md").read_text()
TABLES = {"resources": Resources, "restart": Restart, "stop": Stop}
ROW = re.compile(r"^\| `([a-z_.]+)` \| (.*?) \| (retune|update|replace) \|", re.MULTILINE)


def list_fields() -> list[tuple[str, "attrs.Attribute[Any]"]]:
    fields: list[tuple[str, attrs.Attribute[Any]]] = []
    for field in options_of(Definition):
        if field.metadata["change"] is Change.BY_FIELD:
            fields += [(f"{field.name}.{inner.name}", inner) for inner in options_of(TABLES[field.name])]
        else:
            fields.append((field.name, field))
    return fields


def parse_seconds(text: str) -> float:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


def test_the_table_has_every_field_and_no_other() -> None:
    assert [row[0] for row in ROW.findall(README)] == [name for name, _ in list_fields()]


@pytest.mark.parametrize(("name", "field"), list_fields(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_row_says_what_the_model_says(name: str, field: "attrs.Attribute[Any]") -> None:
    shown, change = {row[0]: row[1:] for row in ROW.findall(README)}[name]
    assert change == field.metadata["change"].value
    # A default of None or an empty table is decided later and told in words.
    if field.default is attrs.NOTHING:
        assert shown == "required"
    elif isinstance(field.default, Enum):
        assert shown == f'`"{field.default.value}"`'
    elif isinstance(field.default, float) and shown.startswith('`"'):
        assert parse_seconds(shown) == pytest.approx(field.default)
    elif isinstance(field.default, float):
        assert shown == f"`{field.default}`"
    elif isinstance(field.default, str):
        assert shown == f'`"{field.default}"`'
