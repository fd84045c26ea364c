"""A file of the plugins folder: code that an administrator put beside the definitions. Floor: model."""

from attrs import field, frozen

FOLDER = "plugins"
"""The folder's name, in the directory of definitions."""

PYTHON = ".py"
"""What the name of a file ends with that has kinds in Python."""

PROGRAMS = (".mount", ".network")
"""What the names of programs end with that are kinds."""

SUFFIXES = (PYTHON, *PROGRAMS)
"""What is a plugin; everything else in the folder is nobody's business."""


@frozen
class PluginFile:
    """One plugin as it is now, or why it may not be run: exactly one of ``fault`` and ``digest`` says something."""

    path: str
    """As people are told it; of the folder itself where that is what is wrong."""
    digest: str = ""
    """Which state of it, a SHA-256 in hexadecimal: of what a Python file says, of a program's stamp."""
    code: bytes = field(default=b"", repr=False)
    """What a Python file says; of a program nothing."""
    fault: str = ""
    """Why it is not to be run: who else could have written it, or that it cannot be read."""

    @property
    def name(self) -> str:
        """Without folder and suffix."""
        return self.path.rpartition("/")[2].removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """One of `SUFFIXES`; empty for the folder."""
        return next((each for each in SUFFIXES if self.path.endswith(each)), "")
