"""A volume: a folder of the state directory that outlives containers, and who uses it. Floor: model."""

from attrs import frozen


@frozen(kw_only=True)
class Volume:
    """One volume. Names and ids are sorted."""

    name: str
    size: int | None = None
    """Bytes on disk; None where nobody has looked."""
    definitions: tuple[str, ...] = ()
    """The names whose definitions use it: those of the directory, and of the generation that is followed."""
    instances: tuple[str, ...] = ()
    """The ids of instances that have it."""
    generations: tuple[int, ...] = ()
    """The earlier generations, kept for roll-back, of which a definition uses it."""

    @property
    def in_use(self) -> bool:
        """Whether somebody has it now, or will have it."""
        return bool(self.definitions or self.instances)

    @property
    def is_unused(self) -> bool:
        """Whether nobody has it, or would have it after a roll-back."""
        return not self.in_use and not self.generations
