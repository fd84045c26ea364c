"""`orchestrator schema`: what a definition may be, for programs as JSON Schema and for people as a page. Floor: cli."""

import json

import click

from orchestrator.cli.errors import write_output


@click.command("schema")
@click.option("--reference", is_flag=True, help="A page in Markdown instead, for people.")
def command(reference: bool) -> None:
    """Print the JSON Schema of a definition, with the kinds of all plugins that are installed."""
    # Here, since completion in a shell loads this module too.
    from orchestrator.core.reference import make_reference
    from orchestrator.core.schema import make_schema
    from orchestrator.system.entrypoints import load_registry

    schema = make_schema(load_registry())
    write_output(make_reference(schema) if reference else json.dumps(schema, indent=2) + "\n")
