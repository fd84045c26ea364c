"""Finds the CDI devices that a definition names in the files of the host, and what these add to a container.

What is wrong with a file is a fault of whoever names a device of its kind, and of nobody else: a driver's broken file
must not keep the others from running. What the additions become is `orchestrator.core.cdi_edits`. Floor: core.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from attrs import frozen

from orchestrator.core.cdi_names import FOLDERS, file_questions, is_cdi_name, is_device, is_kind
from orchestrator.core.json_text import read_json
from orchestrator.core.reject import Rejected
from orchestrator.core.silent import no_answer
from orchestrator.core.strict import describe_fault, make_strict_converter
from orchestrator.core.suggest import list_choices, quote
from orchestrator.model.cdi import VERSIONS, CdiDevice, CdiEdits, CdiFile
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, TextsQuestion
from orchestrator.model.problem import Fault, Guess

_REMEMBERED = 64
"""Files whose text is not read again while it is the same: they are large and few, and each definition that names a
device asks for them."""
_HINT_YAML = "write it as a .json file"


@frozen
class FoundEdits:
    """What a file adds to a container, and where it says so."""

    index: int
    """Which entry of ``devices`` it is for."""
    name: str
    """The device's, with its kind."""
    path: str
    """Of the file."""
    edits: CdiEdits


@frozen
class _Text:
    """A file as it was found. ``table`` is None where it is no JSON object; ``why`` says why not."""

    path: str
    text: str
    table: Mapping[str, Any] | None
    why: str = ""

    @property
    def kind(self) -> str:
        """The kind that it says it has; empty where it says none."""
        kind = self.table.get("kind") if self.table is not None else None
        return kind if isinstance(kind, str) else ""

    @property
    def devices(self) -> tuple[str, ...]:
        """The names that it has devices for, as far as they can be told."""
        listed = self.table.get("devices") if self.table is not None else None
        names = (each.get("name") for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()
        return tuple(name for name in names if isinstance(name, str))


class _Unfit(Exception):
    """A device cannot be had."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def find_edits(definition: Definition, facts: Facts) -> tuple[tuple[FoundEdits, ...], tuple[Fault, ...]]:
    """What the CDI devices of a definition add, in its order: of each file first what it adds for any of its devices,
    once. And what is wrong, with paths as in the definition."""
    questions = file_questions(definition)
    if not questions:
        return (), ()
    wanted = [(index, each.path) for index, each in enumerate(definition.devices) if is_cdi_name(each.path)]
    for question in questions:
        if question in facts.unanswered:
            return (), tuple(no_answer(("devices", index), question) for index, _ in wanted)
    folders = [tuple(_read_folder(question, facts)) for question in questions]
    found: list[FoundEdits] = []
    faults: list[Fault] = []
    for index, name in wanted:
        try:
            path, file, device = _find_device(name, folders)
        except _Unfit as unfit:
            faults.append(unfit.fault.below("devices", index))
            continue
        if not any(each.path == path for each in found):
            found.append(FoundEdits(index, name, path, file.containerEdits))
        found.append(FoundEdits(index, name, path, device.containerEdits))
    return tuple(found), tuple(faults)


def _read_folder(question: TextsQuestion, facts: Facts) -> Iterator[_Text]:
    for name, text in facts.folder_texts[question] or ():
        path = f"{question.path}/{name}"
        if text is None:
            yield _Text(path, "", None, "it cannot be read")
        elif not name.endswith(".json"):
            yield _Text(path, text, None, "it is YAML, and only JSON is read")
        else:
            yield _read_text(path, text)


@lru_cache(_REMEMBERED)
def _read_text(path: str, text: str) -> _Text:
    table = read_json(text)
    if isinstance(table, dict):
        return _Text(path, text, table)
    return _Text(path, text, None, describe_fault(table[0]))


def _find_device(name: str, folders: list[tuple[_Text, ...]]) -> tuple[str, CdiFile, CdiDevice]:
    """The file that has a device, and the device. Raises _Unfit."""
    kind, _, wanted = name.partition("=")
    for texts in reversed(folders):
        # Whether YAML that is not read has the device cannot be known: to pass it over might be to take another.
        unread = [each for each in texts if each.table is None and _may_have(each, kind)]
        if unread:
            hint = "" if unread[0].path.endswith(".json") else _HINT_YAML
            raise _Unfit(Fault((), f"cannot use {quote(name)}: {unread[0].path}: {unread[0].why}", hint))
        holders = [each for each in texts if each.kind == kind and wanted in each.devices]
        if len(holders) > 1:
            both = list_paths(each.path for each in holders)
            raise _Unfit(Fault((), f"cannot use {quote(name)}: {both} have a device of that name", "take one away"))
        if holders:
            file = _check_file(name, holders[0])
            return holders[0].path, file, next(each for each in file.devices if each.name == wanted)
    raise _Unfit(_explain_missing(name, kind, [each for texts in folders for each in texts]))


def _may_have(text: _Text, kind: str) -> bool:
    return re.search(rf"{re.escape(kind)}(?![A-Za-z0-9_.-])", text.text) is not None


def list_paths(paths: Iterable[str]) -> str:
    """``/a and /b``."""
    return " and ".join(paths)


def _explain_missing(name: str, kind: str, texts: list[_Text]) -> Fault:
    known = tuple(sorted({f"{each.kind}={device}" for each in texts for device in each.devices if each.kind}))
    if any(each.kind == kind for each in texts):
        have = list_choices(each.rpartition("=")[2] for each in known if each.startswith(f"{kind}="))
        return Fault(
            (), f"there is no CDI device {quote(name)}: of {quote(kind)} there is {have}", guess=Guess(name, known)
        )
    unread = [each.path for each in texts if each.table is None]
    also = f", and {list_paths(unread)} cannot be read" if unread else ""
    message = f"there is no CDI device {quote(name)}: no file of {' or '.join(FOLDERS)} is of {quote(kind)}{also}"
    return Fault((), message, guess=Guess(name, known))


def _check_file(name: str, text: _Text) -> CdiFile:
    """The file, if all of it is as the specification has it. Raises _Unfit."""
    file = _structure(text.text)
    why = file if isinstance(file, str) else next(_find_misfits(file), "")
    if why or isinstance(file, str):
        raise _Unfit(Fault((), f"cannot use {quote(name)}: {text.path}: {why}"))
    return file


@lru_cache(_REMEMBERED)
def _structure(text: str) -> CdiFile | str:
    try:
        file: CdiFile = make_strict_converter().structure(json.loads(text), CdiFile)
    except Rejected as rejected:
        return "; ".join(describe_fault(fault) for fault in rejected.faults)
    return file


def _find_misfits(file: CdiFile) -> Iterator[str]:
    """What is wrong beyond the types: names, versions, and what needs a newer version than the file says it has."""
    version = file.cdiVersion.removeprefix("v")
    if version not in VERSIONS:
        yield f"cdiVersion: {quote(file.cdiVersion)} is not known: those are {VERSIONS[0]} to {VERSIONS[-1]}"
        return
    if not is_kind(file.kind):
        yield f"kind: {quote(file.kind)} is not a vendor and a class"
    if not file.devices:
        yield "devices: there is none"
    names = [device.name for device in file.devices]
    for index, name in enumerate(names):
        if not is_device(name):
            yield f"devices[{index}].name: {quote(name)} is no name of a device"
        if name in names[:index]:
            yield f"devices[{index}].name: {quote(name)} is there twice"
    needed, why = _find_needed_version(file)
    if VERSIONS.index(version) < VERSIONS.index(needed):
        yield f"cdiVersion: it is {quote(file.cdiVersion)}, and {why} needs {quote(needed)}"


def _find_needed_version(file: CdiFile) -> tuple[str, str]:
    """The oldest version that has all that a file uses, and what of it (SPEC.md, "Released versions")."""
    edits = (file.containerEdits, *(device.containerEdits for device in file.devices))
    rdt = [each.intelRdt for each in edits if each.intelRdt is not None]
    used = (
        ("1.1.0", "netDevices", any(each.netDevices for each in edits)),
        ("1.1.0", "intelRdt.schemata", any(each.schemata or each.enableMonitoring for each in rdt)),
        ("0.7.0", "intelRdt", bool(rdt)),
        ("0.7.0", "additionalGids", any(each.additionalGids for each in edits)),
        ("0.6.0", "annotations", bool(file.annotations) or any(device.annotations for device in file.devices)),
        ("0.6.0", "a class with a dot", "." in file.kind.partition("/")[2]),
        ("0.5.0", "a name that begins with a digit", any(device.name[:1].isdigit() for device in file.devices)),
        ("0.5.0", "hostPath", any(node.hostPath for each in edits for node in each.deviceNodes)),
        ("0.4.0", "the type of a mount", any(mount.type for each in edits for mount in each.mounts)),
    )
    return next(((version, what) for version, what, is_used in used if is_used), (VERSIONS[0], ""))
