"""The reference page says all that the model says, and is Markdown that can be read."""

import re
import tomllib

import pytest

from orchestrator.core.parse import Parser
from orchestrator.core.reference import make_field_table, make_reference, write_toml
from orchestrator.core.schema import make_schema
from orchestrator.model.definition import Definition
from orchestrator.model.option import Change, options_of
from orchestrator.model.policy import Restart
from orchestrator.model.source import Source
from tests.core.helpers_kinds import REGISTRY, BridgeLike

SCHEMA = make_schema(REGISTRY)
PAGE = make_reference(SCHEMA)
SECTIONS = dict(re.findall(r"^## `(\w+)`\n\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))


def test_every_field_has_a_section_in_the_order_of_the_model() -> None:
    assert list(SECTIONS) == [field.name for field in options_of(Definition)]


@pytest.mark.parametrize("field", list(options_of(Definition)), ids=lambda field: field.name)
def test_a_section_says_what_the_model_says(field: "object") -> None:
    name, metadata = field.name, field.metadata  # type: ignore[attr-defined] # an attrs.Attribute
    section = SECTIONS[name]
    assert metadata["doc"].partition(" Default: ")[0].rstrip(".") in section
    assert f"\n- an edit is: {metadata['change'].value}\n" in section
    assert "\n- type: " in section
    assert "\n- default: " in section
    (example,) = re.findall(r"```toml\n(.*?)\n```", section)
    assert tomllib.loads(example) == tomllib.loads(f"{name} = {metadata['example']}")
    if name not in ("args", "cmd", "bundle"):
        example += '\ncmd = "true"' if name == "shell" else '\nargs = ["/bin/true"]'
    assert isinstance(Parser(REGISTRY).parse(Source("web", "web.toml", example)), Definition)


def test_tables_within_are_told_of_with_all_their_fields() -> None:
    for field in options_of(Restart):
        assert re.search(rf"^\| `{field.name}` \|", SECTIONS["restart"], re.MULTILINE)
    assert '`type = "bridge"`: A network with every type of option that a kind may have.' in SECTIONS["network"]
    for field in options_of(BridgeLike):
        assert re.search(rf"^\| `{field.name}` \|", SECTIONS["network"], re.MULTILINE)


def test_rows_have_as_many_cells_as_their_heads() -> None:
    for page in (PAGE, make_field_table(SCHEMA)):
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(counts) == 1, table


def test_the_default_is_of_the_schema_or_of_the_words() -> None:
    table = make_field_table(SCHEMA)
    assert '| `stop.timeout` | `"10s"` | retune |' in table
    assert "| `hostname` | the container's name | replace | The host name inside. |" in table
    assert "| `restart.factor` | `2.0` | retune |" in table
    assert '| `log` | `"file"` | replace |' in table
    assert Change.BY_FIELD.value not in table


@pytest.mark.parametrize(
    "value", [{"a": 1, "b c": [True, 1.5]}, 'text "quoted" \x7f \n', {}, [], {"x" * 200: "y" * 200}], ids=repr
)
def test_values_are_written_as_toml_reads_them(value: object) -> None:
    assert tomllib.loads(f"x = {write_toml(value)}") == {"x": value}
