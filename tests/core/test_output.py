"""Where the output goes: what must be there for the journal, and what is kept of a file."""

import attrs
import pytest

from orchestrator.core.output import JOURNAL, find_log_faults, identify_stream, log_bound, log_questions
from orchestrator.core.questions import ask_questions
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.facts import Facts, PathAnswer, PathKind
from orchestrator.model.log import FileLog, JournalLog, NoLog
from orchestrator.model.types import Size
from tests.core.helpers_world import HOST, answer, host_definition


def test_a_stream_is_known_by_its_agent_and_its_name() -> None:
    assert identify_stream("/run/orchestrator", "web") == "orchestrator/web"
    assert identify_stream("/run/user/1000/orchestrator", "web") == "user/1000/orchestrator/web"
    assert identify_stream("/srv/run/two", "web") == "/srv/run/two/web"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (PathKind.MISSING, f"there is no {JOURNAL}"),
        (PathKind.FILE, f"{JOURNAL} is no socket"),
        (PathKind.DIRECTORY, f"{JOURNAL} is no socket"),
        (PathKind.DENIED, f"cannot look at {JOURNAL}: permission denied"),
    ],
)
def test_without_its_socket_there_is_no_journal(kind: PathKind, why: str) -> None:
    definition = host_definition(log=JournalLog())
    facts = answer(ask_questions("web", definition))
    facts = attrs.evolve(facts, paths={**facts.paths, JOURNAL: PathAnswer(kind, JOURNAL, "permission denied")})
    faults = resolve_spec("web", definition, facts)
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert (fault.path, fault.message) == (("log",), f"cannot log to the journal: {why}")
    assert 'write log = "file"' in fault.hint


def test_other_logs_need_nothing() -> None:
    for log in (FileLog(), NoLog()):
        assert log_questions(log) == ()
        assert find_log_faults(log, Facts(HOST)) == ()


def test_only_a_file_is_kept_within_a_bound() -> None:
    assert log_bound(FileLog(max_size=Size(1 << 20))) == 1 << 20
    assert log_bound(JournalLog()) is log_bound(NoLog()) is None
