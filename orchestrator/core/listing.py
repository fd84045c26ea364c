"""What the directory holds, by name: which files define a container, and which names two files claim. Floor: core."""

from collections.abc import Iterable, Mapping

from attrs import frozen

from orchestrator.core.values import check_name
from orchestrator.model.action import Broken
from orchestrator.model.problem import Problem
from orchestrator.model.source import Source


@frozen
class Sorted:
    """The files of a listing, each in one of these."""

    sources: Mapping[str, Source]
    """The one file of a name, by name."""
    doubled: Mapping[str, tuple[Source, ...]]
    """The files of a name that has several (``web.toml`` and ``web.json``): which of them is meant nobody knows."""
    misnamed: tuple[Problem, ...]
    """Of files whose names cannot be a container's."""


def sort_sources(sources: Iterable[Source]) -> Sorted:
    """Tell the files of a directory apart by their names alone; what they hold is not looked at."""
    by_name: dict[str, tuple[Source, ...]] = {}
    misnamed = []
    for source in sources:
        problem = check_source_name(source)
        if problem is None:
            by_name[source.name] = (*by_name.get(source.name, ()), source)
        else:
            misnamed.append(problem)
    return Sorted(
        sources={name: files[0] for name, files in by_name.items() if len(files) == 1},
        doubled={name: files for name, files in by_name.items() if len(files) > 1},
        misnamed=tuple(misnamed),
    )


def check_source_name(source: Source) -> Problem | None:
    """What is wrong with the name of a file. Of one that cannot be read that is what there is to say."""
    fault = check_name(source.name)
    if fault is None:
        return None
    if source.text is None:
        return Problem(source.file, 1, 1, "", source.error or "cannot be read")
    return Problem(source.file, 1, 1, "", fault.message, fault.hint)


def refuse_doubled(files: tuple[Source, ...]) -> Broken:
    """The problem of each of several files that define one name."""
    problems = []
    for source in files:
        others = " and ".join(_base_name(other) for other in files if other is not source)
        message = f'a second definition of "{source.name}": also in {others}'
        problems.append(Problem(source.file, 1, 1, "", message, "remove or rename all but one"))
    return Broken(tuple(problems))


def _base_name(source: Source) -> str:
    return source.file.rpartition("/")[2]
