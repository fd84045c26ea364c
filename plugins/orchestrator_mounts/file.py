"""The `file` mount: a small file whose text stands in the definition. Floor: plugin."""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import (
    BundleFile,
    Change,
    Contribution,
    Facts,
    FileEntry,
    FileMode,
    Question,
    Use,
    option,
)


@frozen(kw_only=True)
class InlineFile:
    """A file with this text, read-only. No place for a secret: a definition is kept, and shown."""

    type: ClassVar[str] = "file"

    text: str = option(
        doc="What it says, to the byte.",
        change=Change.REPLACE,
        example='"listen 8080\\n"',
    )
    mode: FileMode = option(
        default=FileMode(0o444),
        doc="Its mode; it is uid 0's.",
        change=Change.REPLACE,
        example='"0555"',
    )

    def questions(self) -> Iterable[Question]:
        """Nothing of the world."""
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The file, as a part of the bundle, and something to mount it on."""
        return Contribution(
            files=(BundleFile(use.destination, self.text, self.mode),),
            entries=(FileEntry(use.destination),),
        )
