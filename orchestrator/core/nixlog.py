"""What `nix-build -vv` says while it builds a definition: which files it reads, how far it is, and what is wrong.

The words are those of nix 2.3 to 2.x, whose messages of these kinds have not changed; what is not understood is passed
over. Running it is `orchestrator.system.nixbuild`'s work. Floor: core.
"""

import itertools
import re
from collections.abc import Sequence

from orchestrator.model.problem import Problem

LONGEST_MESSAGE = 300
"""Characters of an error that are told in one line; the log has the rest."""

_EVALUATED = re.compile(r"evaluating file '(/[^']*)'")
_COPIED = re.compile(r"copied source '(/[^']*)' -> '[^']*'")
_MISSING = re.compile(r"(?:getting status of|opening file|path) '(/[^']*)'")
_ERROR = re.compile(r"error: ?(.*)")
_PLACE = re.compile(r"\s*at (/.*?):([0-9]+):([0-9]+)(?::.*|\s*)")
"""What was probably meant may stand behind it."""
_OLD_PLACE = re.compile(r"(.*?),? at (/.*?):([0-9]+):([0-9]+)$")
"""As nix 2.3 has it: in the line of the error itself."""
_WILL_BUILD = re.compile(r"(?:this derivation|these (?:[0-9]+ )?derivations) will be built:")
_BUILDING = re.compile(r"building '[^']*/[0-9a-z]{32}-([^']*?)(?:\.drv)?'")
_FAILED_BUILDER = re.compile(
    r"^ *(?:error: )?(?:"
    r"builder for '[^'\n]*/[0-9a-z]{32}-(?P<name>[^'\n]*?)(?:\.drv)?' failed(?: with (?P<why>[^;\n]*))?.*"
    r"|Cannot build '[^'\n]*/[0-9a-z]{32}-(?P<new_name>[^'\n]*?)(?:\.drv)?'\.\n"
    r" *Reason: builder failed(?: with (?P<new_why>.*))?"
    r")$",
    re.MULTILINE,
)
"""Without ``error:`` in nix 2.3; below other lines where it is evaluation that needs it; in two lines from 2.30 on."""
_FAILED_BUILD = re.compile(r"error: build of '[^']*/[0-9a-z]{32}-(?P<name>[^']*?)(?:\.drv)?'.* failed")
_FOLLOWS = re.compile(r"error: (?:[0-9]+ dependenc|build of )")
"""An error that only says that one before it stands in the way."""
_REASON_FOLLOWS = re.compile(r" *Reason: [0-9]+ dependenc")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def find_files(log: str) -> tuple[str, ...]:
    """The files that the definition is made from, as the log names them: those that were evaluated, those that were
    copied to the store, and one that is not there."""
    clean = _ANSI.sub("", log)
    found = [*_EVALUATED.findall(clean), *_COPIED.findall(clean)]
    found += [path for line in clean.splitlines() if line.startswith("error:") for path in _MISSING.findall(line)]
    return tuple(dict.fromkeys(found))


def find_problem(log: str, file: str, log_file: str) -> Problem:
    """Why the definition in ``file`` was not built: at the place that Nix names, else at the top of the file.

    log: of a long one its beginning and its end. log_file: where the whole log is, for the hint."""
    clean = _ANSI.sub("", log)
    hint = f"the log is {log_file}"
    failed = None
    for failed in _FAILED_BUILDER.finditer(clean):  # noqa: B007 - the last: a builder may itself have run nix
        pass
    if failed is not None:
        name, why = failed["name"] or failed["new_name"], failed["why"] or failed["new_why"] or ""
        said = _find_last_words(clean[: failed.start()].splitlines(), clean[failed.end() :].splitlines()[1:])
        return Problem(file, 1, 1, "", _describe_failed(name, why.strip().rstrip("."), said), hint)
    lines = clean.splitlines()
    block = _find_error(lines)
    if not block:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return Problem(file, 1, 1, "", f"cannot be built{': ' if last else ''}{_cut(last)}", hint)
    build = _FAILED_BUILD.match(block[0])
    if build is not None:
        said = _find_last_words(lines[: lines.index(block[0])], ())
        return Problem(file, 1, 1, "", _describe_failed(build["name"], "", said), hint)
    why_lines = _find_last(block)
    message = _read_message(why_lines)
    place = next((match for line in why_lines if (match := _PLACE.fullmatch(line))), None)
    old = _OLD_PLACE.fullmatch(message)
    if place is None and old is not None:
        return Problem(old[2], int(old[3]), int(old[4]), "", _cut(old[1]), hint)
    if place is None:
        return Problem(file, 1, 1, "", _cut(message), hint)
    return Problem(place[1], int(place[2]), int(place[3]), "", _cut(message), hint)


def describe_progress(log: str) -> str:
    """How far a build is, in a few words: the last thing that it began. ``log`` may be its end only."""
    clean = _ANSI.sub("", log)
    building = _BUILDING.findall(clean)
    if building:
        return f"nix is building {building[-1]}"
    if _WILL_BUILD.search(clean) or "will be fetched" in clean:
        return "nix is fetching what it needs"
    return "nix evaluates it"


def _find_error(lines: Sequence[str]) -> Sequence[str]:
    """The last error at the beginning of a line that does not only follow from one before it, with what belongs to it:
    Nix says its own after all that builders say, who may begin a line so too. If all follow, the last; none if there is
    none."""
    starts = [number for number, line in enumerate(lines) if line.startswith("error:")]
    blocks = [lines[start:end] for start, end in itertools.pairwise([*starts, len(lines)])]
    own = [block for block in blocks if not _FOLLOWS.match(block[0]) and not _REASON_FOLLOWS.match("".join(block[1:2]))]
    return (own or blocks or [()])[-1]


def _find_last_words(before: Sequence[str], after: Sequence[str]) -> str:
    """A builder's own last words: they stand before the error, or from nix 2.4 on below it with ``>``."""
    below = itertools.takewhile(lambda line: line.startswith(" "), after)
    quoted = [line.strip().removeprefix("> ") for line in below if line.strip().startswith("> ")]
    own = (line.strip() for line in reversed(before) if line.strip() and not _is_of_nix(line))
    return quoted[-1] if quoted else next(own, "")


def _describe_failed(name: str, why: str, said: str) -> str:
    return _cut(f"the builder of {name} failed" + (f" ({why})" if why else "") + (f": {said}" if said else ""))


def _is_of_nix(line: str) -> bool:
    """Whether a line is nix's own and not a builder's."""
    words = (_EVALUATED, _COPIED, _WILL_BUILD, _BUILDING)
    own = ("instantiated ", "executing builder", "using builder args", "copying path ", "  /", "querying ")
    return line.startswith(own) or any(pattern.match(line) for pattern in words)


def _find_last(lines: Sequence[str]) -> Sequence[str]:
    """What is said from the last error on that has a text of its own: of a chain of errors (nix 2.20 and later begin
    with "…" lines) that one says why."""
    own = 0
    for number, line in enumerate(lines):
        match = _ERROR.fullmatch(line.strip())
        if match is not None and match[1].strip() and not _FOLLOWS.match(line.strip()):
            own = number
    return lines[own:]


def _read_message(lines: Sequence[str]) -> str:
    """The text of the error that they begin with: up to the empty line, the place or the excerpt that follows."""
    match = _ERROR.fullmatch(lines[0].strip())
    text = match[1].strip() if match is not None else ""
    for more in lines[1:]:
        if not more.strip() or _PLACE.fullmatch(more) or more.startswith("(use ") or more.lstrip().startswith("…"):
            break
        text = f"{text} {more.strip()}".strip()
    return text or "cannot be built"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"
