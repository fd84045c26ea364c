"""Source to Definition: reads the text of one file, or says everything that is wrong with it.

Only the file itself is looked at: what it names is for `orchestrator.core.resolve`. Where a fault stands in the text is
`orchestrator.core.locate`'s part, except for a syntax error, whose place only the reader of TOML or of JSON knows
(`orchestrator.core.toml`, `orchestrator.core.json_text`). Floor: core.
"""

from attrs import field, frozen
from cattrs import Converter

from orchestrator.core.converter import make_converter
from orchestrator.core.foreign import Patience, wait_for_ever
from orchestrator.core.json_text import read_json
from orchestrator.core.plugged import find_stuck
from orchestrator.core.reject import Rejected
from orchestrator.core.toml import read_toml
from orchestrator.model.definition import Definition
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Registry
from orchestrator.model.source import Form, Source


@frozen
class Parser:
    """Reads definitions with the kinds of one registry. Making one costs milliseconds, parsing tenths of them."""

    registry: Registry
    patience: Patience = wait_for_ever
    """With the kinds' own code, here and wherever else a definition that was read here is gone on with. One that does
    not come back is a fault."""
    _converter: Converter = field(init=False, repr=False, eq=False)

    @_converter.default
    def _make_converter(self) -> Converter:
        return make_converter(self.registry, self.patience)

    def parse(self, source: Source) -> Definition | tuple[Fault, ...]:
        """The definition that ``source`` holds, or all its faults. Never raises for anything that a file may hold."""
        if source.text is None:
            return (Fault((), source.error or "cannot be read"),)
        if source.form is Form.NIX:
            if source.built is None:
                return (Fault((), "it is not built yet"),)
            table = read_json(source.built.text)
        else:
            table = _read_table(source.text, source.form)
        if isinstance(table, tuple):
            return table
        try:
            definition: Definition = self._converter.structure(table, Definition)
        except Rejected as rejected:
            return rejected.faults
        return find_stuck(source.name, definition, self.patience) or definition


def _read_table(text: str, form: Form) -> dict[str, object] | tuple[Fault, ...]:
    match form:
        case Form.TOML:
            table = read_toml(text)
            return (table,) if isinstance(table, Fault) else table
        case _:
            return read_json(text)


def parse_definition(source: Source, registry: Registry) -> Definition | tuple[Fault, ...]:
    """`Parser.parse` for a single file."""
    return Parser(registry).parse(source)
