"""Foreign code that fails is told in one line; what it returns is looked at part by part."""

from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.conform import find_misfit
from orchestrator.core.foreign import ForeignFailed, call_foreign, describe_error, wait_for_ever
from orchestrator.model.facts import PathQuestion, Question
from orchestrator.plugin import Contribution, FolderEntry, Mount, Namespace, PortClaim


def fail(error: BaseException) -> str:
    raise error


class Odd(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such\n  thing"), "failed: ValueError: no such thing (test_foreign.py, line 15)"),
        (SystemExit(3), "failed: SystemExit: 3 (test_foreign.py, line 15)"),
        (KeyError(), "failed: KeyError (test_foreign.py, line 15)"),
        (Odd(), "failed: Odd (test_foreign.py, line 15)"),
        (GeneratorExit(), "failed: GeneratorExit (test_foreign.py, line 15)"),
    ],
)
def test_whatever_it_raises_is_one_line_with_its_place(error: BaseException, text: str) -> None:
    with pytest.raises(ForeignFailed) as caught:
        call_foreign(None, wait_for_ever, lambda: fail(error))
    assert str(caught.value) == text
    assert not caught.value.lasting


def test_an_interrupt_is_no_failure_and_what_is_passed_is_not_either() -> None:
    with pytest.raises(KeyboardInterrupt):
        call_foreign(None, wait_for_ever, lambda: fail(KeyboardInterrupt()))
    with pytest.raises(KeyError):
        call_foreign(None, wait_for_ever, lambda: fail(KeyError("x")), KeyError)


class Deep:
    def begin(self) -> object:
        import json

        return json.loads("{")


def test_the_place_is_in_the_code_of_the_kind_however_deep_it_went_from_there() -> None:
    deep = Deep()
    with pytest.raises(ValueError, match="Expecting") as caught:
        deep.begin()
    assert describe_error(caught.value, deep).endswith("(test_foreign.py, line 51)")
    assert "(decoder.py, line " in describe_error(caught.value)


ODD: Any = 1.5
GOOD = Contribution(
    mounts=(Mount("/a", "bind", "/b", ("ro",)),),
    env={"A": "b"},
    namespaces=(Namespace("network"),),
    entries=(FolderEntry("/a"),),
    claims=(PortClaim(protocol="tcp", port=80, path=("ports", 0)),),
)


@pytest.mark.parametrize(
    ("change", "misfit"),
    [
        ({"mounts": [Mount("/a", "bind", "/b")]}, "Contribution.mounts: expected a tuple, found list"),
        ({"mounts": (Mount(ODD, "bind", "/b"),)}, "Contribution.mounts[0].destination: expected str, found float"),
        ({"env": {"A": 1}}, "Contribution.env['A']: expected str, found int"),
        ({"env": ()}, "Contribution.env: expected a mapping, found tuple"),
        (
            {"namespaces": (Namespace("network", ODD),)},
            "namespaces[0].path: expected str or None, found float",
        ),
        ({"entries": ("/a",)}, "Contribution.entries[0]: expected FolderEntry or FileEntry or LinkEntry, found str"),
        ({"entries": (FolderEntry("/a", True),)}, "Contribution.entries[0].mode: expected int, found bool"),
        (
            {"claims": (PortClaim(protocol="tcp", port=80, path=(ODD,)),)},
            "path[0]: expected str or int, found float",
        ),
        ({"shares_network_of": None}, "Contribution.shares_network_of: expected str, found NoneType"),
    ],
)
def test_what_is_returned_is_looked_at_part_by_part(change: dict[str, Any], misfit: str) -> None:
    assert find_misfit(GOOD, Contribution) == ""
    assert find_misfit(evolve(GOOD, **change), Contribution).endswith(misfit)


def test_what_is_something_else_altogether_says_what_it_is() -> None:
    assert find_misfit(None, Contribution) == "expected Contribution, found NoneType"
    assert find_misfit(PathQuestion("/a"), Question) == ""
    assert "found str" in find_misfit("/a", Question)
