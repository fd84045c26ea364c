"""The errors of the outside. Every one is an `OutsideError`: one clear line that names what was tried. Floor: ports."""

from collections.abc import Collection, Iterable, Iterator

from orchestrator.model.problem import Problem


class OutsideError(Exception):
    """The world's fault: what was tried and why it failed, in one line (``str(error)``)."""


def single_errors(error: BaseException | None) -> Iterator[BaseException]:
    """An error, or those that a nursery has gathered, one by one; nothing for None."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from single_errors(inner)
    elif error is not None:
        yield error


class RuntimeFailed(OutsideError):
    """A command of the OCI runtime failed or took too long; the message ends with the runtime's own."""


class DiskFailed(OutsideError):
    """A file or folder could not be written, read or removed."""


class LogBusy(OutsideError):
    """A log cannot be looked at now, or its head not be dropped, since somebody else looks at it; another attempt will
    do."""


class UnknownName(OutsideError):
    """There is no container of that name. ``known`` are those that there are."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(f'there is no container "{name}"')
        self.name = name
        self.known = tuple(sorted(known))


class Refused(OutsideError):
    """What an operator asked for cannot be done as things stand: not running, problems in its definition."""

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
