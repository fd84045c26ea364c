"""Where something stands in a file. Floor: model."""

from attrs import frozen

KeyPath = tuple[str | int, ...]
"""The keys from the top of a file to a value: ``("mounts", "/data", "source")``, an index for an item of a list."""


@frozen
class Place:
    """A position in a text file, as editors count: both from 1, ``column`` in characters and not in bytes."""

    line: int
    column: int
