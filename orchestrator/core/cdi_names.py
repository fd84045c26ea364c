"""The names of CDI devices, and what has to be asked to know what they stand for: `vendor.com/class=device`.

What the files say is read by `orchestrator.core.cdi`. Floor: core.
"""

import re

from orchestrator.core.suggest import quote
from orchestrator.core.values import parse_absolute_path
from orchestrator.model.definition import Definition
from orchestrator.model.facts import TextsQuestion
from orchestrator.model.problem import Fault
from orchestrator.model.types import DeviceName

FOLDERS = ("/etc/cdi", "/var/run/cdi")
"""Where files are; those of a later one are preferred."""

SUFFIXES = (".json", ".yaml", ".yml")
"""What the names of files end with. What is YAML is not read, and told of where it may matter."""

_PART = r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_KIND = re.compile(rf"{_PART}/{_PART}")
_DEVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?")


def is_cdi_name(name: str) -> bool:
    """Whether an entry of ``devices`` is the name of a CDI device; else it is a path."""
    return not name.startswith("/")


def has_cdi_names(definition: Definition) -> bool:
    """Whether a definition names a CDI device."""
    return any(is_cdi_name(device.path) for device in definition.devices)


def is_kind(text: str) -> bool:
    """Whether a text is a vendor and a class, as ``vendor.com/class``."""
    return _KIND.fullmatch(text) is not None


def is_device(text: str) -> bool:
    """Whether a text can be the name of a device in its kind."""
    return _DEVICE.fullmatch(text) is not None


def parse_device_name(text: str) -> DeviceName | Fault:
    """An absolute path, or ``vendor.com/class=device``."""
    kind, equals, device = text.partition("=")
    if equals and not text.startswith("/"):
        if is_kind(kind) and is_device(device):
            return DeviceName(text)
        hint = 'write "vendor.com/class=device", of letters, digits and . - _'
        return Fault((), f"{quote(text)} is not the name of a CDI device", hint)
    path = parse_absolute_path(text)
    if isinstance(path, Fault):
        if is_kind(text) and "." in text.partition("/")[0]:
            return Fault((), f"{quote(text)} names no device", f"write {quote(f'{text}=NAME')} for one of that kind")
        return path
    return DeviceName(path)


def file_questions(definition: Definition) -> tuple[TextsQuestion, ...]:
    """What the files say, where a definition names a CDI device: without one nobody looks at them."""
    if not has_cdi_names(definition):
        return ()
    return tuple(TextsQuestion(folder, SUFFIXES) for folder in FOLDERS)
