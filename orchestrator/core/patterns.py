"""Extended regular expressions of POSIX, as the files of others have them, by Python's. Floor: core.

They differ in bracket expressions only, as far as files in the wild go: ``[[:alpha:]]`` is a class there, and ``[`` in
a bracket is itself (POSIX.1, XBD 9.3.5). What goes beyond (collating elements, back references in Python's form) is
refused. https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap09.html
"""

import re
from functools import lru_cache

from orchestrator.core.suggest import quote

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_BRACKET = re.compile(r"\[(?P<not>\^?)(?P<items>\]?(?:\[:[a-z]*:\]|\\.|[^\]\\])*)\]|\\.|\[|\(\?", re.DOTALL)
_ITEM = re.compile(r"\[:(?P<name>[a-z]*):\]|(?P<odd>\[[.=])|(?P<special>[\[\]&~|])|\\.|[^\[]", re.DOTALL)


class BadPattern(ValueError):
    """A text is no such expression: ``str()`` says why."""


@lru_cache(256)
def compile_pattern(text: str) -> "re.Pattern[str]":
    """The expression. Raises BadPattern."""
    try:
        return re.compile(_BRACKET.sub(_translate, text))
    except re.error as error:
        raise BadPattern(f"{quote(text)} is no regular expression: {error.msg}") from None


def _translate(match: "re.Match[str]") -> str:
    if match["items"] is None:
        if match[0] in ("[", "(?"):
            what = "a bracket is not closed" if match[0] == "[" else 'nothing is repeated by "?"'
            raise BadPattern(f"{quote(match.string)} is no regular expression: {what}")
        return match[0]
    return f"[{match['not']}{_ITEM.sub(lambda item: _translate_item(item, match.string), match['items'])}]"


def _translate_item(item: "re.Match[str]", whole: str) -> str:
    if item["odd"]:
        raise BadPattern(f"{quote(whole)} has a collating element, which is not supported")
    if item["name"] is not None:
        if item["name"] not in _CLASSES:
            raise BadPattern(f"{quote(whole)} has the class {quote(item['name'])}, which there is not")
        return _CLASSES[item["name"]]
    return f"\\{item[0]}" if item["special"] else item[0]
