"""The guide's chapter on kinds in any language: all keys of the protocol are there, and its example is a kind."""

import re
from pathlib import Path

import pytest
import trio

from orchestrator.core.parse import parse_definition
from orchestrator.core.plugged import find_uses
from orchestrator.model.contribution import BundleFile
from orchestrator.model.definition import Definition
from orchestrator.model.exec_plugin import PROTOCOL, Command, OptionType
from orchestrator.model.exec_wire import (
    ENTRIES,
    WireAttachment,
    WireClaim,
    WireContribution,
    WireDescription,
    WireDevice,
    WireError,
    WireFault,
    WireFile,
    WireHook,
    WireMount,
    WireNamespace,
    WireOption,
)
from orchestrator.model.option import options_of
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.system.exec_plugins import PATIENCE, load_program
from orchestrator.system.facts import HostWorld
from orchestrator.system.programs import AGAIN_AFTER
from orchestrator.system.programs import PATIENCE as ASKED

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins/README.md").read_text()
CHAPTER = GUIDE.partition("\n## Kinds in any language\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("cls", [WireDescription, WireOption, WireContribution])
def test_each_key_has_a_row(cls: type) -> None:
    rows = "\n".join(line.partition("|")[2].partition("|")[0] for line in CHAPTER.splitlines() if line.startswith("|"))
    assert [each.name for each in options_of(cls) if f"`{each.name}`" not in rows] == []


@pytest.mark.parametrize(
    "cls",
    [
        WireMount,
        WireNamespace,
        WireDevice,
        WireHook,
        WireFile,
        WireAttachment,
        WireClaim,
        WireFault,
        WireError,
        *ENTRIES.values(),
    ],
)
def test_each_key_of_an_object_is_written(cls: type) -> None:
    assert [each.name for each in options_of(cls) if each.name != "version" and f'"{each.name}"' not in CHAPTER] == []


def test_words_and_times_are_written() -> None:
    for word in (*Command, *OptionType):
        assert f"`{word.value}`" in CHAPTER
    assert f"`{PROTOCOL}`" in CHAPTER
    rows = dict(re.findall(r"^\| `([A-Z]+)` \|.*\| (\d+) \|$", CHAPTER, re.MULTILINE))
    assert rows == {"VERSION": f"{PATIENCE:g}", "CONTRIBUTE": f"{ASKED:g}", "ATTACH": "50", "DETACH": "50"}
    assert f"tried again after {AGAIN_AFTER:g} s" in CHAPTER


def test_the_example_is_a_kind(tmp_path: Path) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL)
    (line,) = re.findall(r"```toml\n(.*?)```", CHAPTER, re.DOTALL)
    program = tmp_path / "note.mount"
    program.write_text(script)
    program.chmod(0o755)
    kind = load_program(str(program), Group.MOUNTS, "note")
    registry = Registry().with_kind(Group.MOUNTS, "note", kind)
    definition = parse_definition(Source("web", "web.toml", f'args = ["web"]\n{line}'), registry)
    assert isinstance(definition, Definition), definition
    (used,) = find_uses("web", definition)
    made = used.contribute(trio.run(HostWorld.probe().gather, used.ask()))
    assert made.faults == ()
    assert made.files == (BundleFile("/etc/note", "hello\n"),)
