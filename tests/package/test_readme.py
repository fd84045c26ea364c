"""The table of fields in README.md is the one that the model gives."""

from pathlib import Path

from orchestrator.core.reference import make_field_table
from orchestrator.core.schema import make_schema
from orchestrator.model.definition import Definition
from orchestrator.model.option import Change, options_of
from orchestrator.system.entrypoints import load_registry

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- fields -->\n", "<!-- /fields -->\n"


def test_the_table_of_fields_is_the_models() -> None:
    text = README.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    table = make_field_table(make_schema(load_registry()))
    assert text.partition(BEGIN)[2].partition(END)[0] == table, f"put this between the two markers:\n{table}"


def test_the_table_has_every_field() -> None:
    text = README.read_text()
    for field in options_of(Definition):
        row = f"| `{field.name}." if field.metadata["change"] is Change.BY_FIELD else f"| `{field.name}` |"
        assert row in text
