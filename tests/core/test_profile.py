"""Which seccomp profile is chosen, and what it says."""

import attrs
import pytest

from orchestrator.core.profile import choose_seccomp, parse_choice
from orchestrator.core.questions import profile_questions
from orchestrator.core.seccomp import BUILT_IN, compile_profile
from orchestrator.core.suggest import complete_hint
from orchestrator.model.facts import Facts
from orchestrator.model.problem import Fault
from orchestrator.model.types import SeccompChoice
from tests.core.helpers_world import HOST, answer


@pytest.mark.parametrize(
    ("text", "choice"),
    [("default", "default"), ("unconfined", "unconfined"), ("/etc//web.json", "/etc/web.json")],
)
def test_choices(text: str, choice: str) -> None:
    assert parse_choice(text) == choice


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("unconfind", 'did you mean "unconfined"?'),
        ("Default", 'did you mean "default"?'),
        ("web.json", ""),
        ("./web.json", 'write "/web.json"'),
        ("", ""),
    ],
)
def test_another_choice_is_a_fault(text: str, hint: str) -> None:
    fault = parse_choice(text)
    assert isinstance(fault, Fault)
    assert complete_hint(fault) == hint


def choose(choice: str, *capabilities: str, facts: Facts | None = None) -> object:
    facts = facts or answer(profile_questions(choice))
    return choose_seccomp(SeccompChoice(choice), facts, capabilities)


def test_what_is_chosen() -> None:
    assert choose("unconfined") is None
    assert choose("default") == compile_profile(BUILT_IN, HOST.machine, HOST.kernel, ())
    allow = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]}
    assert choose("/etc/allow.json") == allow


def test_the_rules_of_a_capability_count_for_those_who_hold_it() -> None:
    with_it, without = choose("/etc/admin.json", "CAP_SYS_ADMIN"), choose("/etc/admin.json")
    assert isinstance(with_it, dict)
    assert isinstance(without, dict)
    assert with_it["syscalls"] == [{"names": ["mount"], "action": "SCMP_ACT_ALLOW"}]
    assert "syscalls" not in without


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("/etc/gone.json", 'cannot read "/etc/gone.json": no such file'),
        ("/srv/data", 'cannot read "/srv/data": it is not a file'),
        ("/root/p.json", 'cannot read "/root/p.json": permission denied'),
        ("/srv/large.json", 'cannot read "/srv/large.json": it cannot be opened, or has more than 1 MiB'),
        (
            "/etc/open.json",
            'cannot use the profile "/etc/open.json": it is not JSON: expecting value at line 1, column 18',
        ),
        ("/etc/list.json", 'cannot use the profile "/etc/list.json": it is not a JSON object'),
        ("/etc/action.json", 'cannot use the profile "/etc/action.json": unknown action "SCMP_ACT_NOTIFY"'),
    ],
)
def test_a_profile_that_cannot_be_used(choice: str, message: str) -> None:
    fault = choose(choice)
    assert isinstance(fault, Fault)
    assert (fault.path, fault.message) == (("seccomp",), message)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"defaultAction": ' + "9" * 5000 + "}"])
def test_a_profile_that_is_too_much_is_a_fault(text: str) -> None:
    path, said = profile_questions("/etc/allow.json")
    facts = attrs.evolve(answer((path, said)), texts={said: text})
    assert isinstance(choose("/etc/allow.json", facts=facts), Fault)


def test_a_profile_that_does_not_answer_is_not_taken_for_a_missing_one() -> None:
    path, said = profile_questions("/etc/allow.json")
    facts = attrs.evolve(answer((path, said)), texts={said: None}, unanswered=frozenset((said,)))
    fault = Fault(("seccomp",), 'cannot read "/etc/allow.json": it does not answer')
    assert choose("/etc/allow.json", facts=facts) == fault
