"""What happened to a container, told from what differs between two of its states, and the words for it."""

from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.encode import decode_record, encode_record
from orchestrator.core.records import describe_record, list_lines, note_action, note_change, record_to_json
from orchestrator.model.action import Action, FieldChange, Hold, Keep, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.bundle import Bundle
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.life import Exit
from orchestrator.model.policy import Restart
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Edit
from orchestrator.model.spec import Policy, SkeletonRoot
from orchestrator.model.state import NameState, PublicState

PROBLEM = Problem("web.toml", 3, 1, "env", "wrong")
WAITING = NameState(name="web", state=PublicState.WAITING, since=0)
STARTING = evolve(WAITING, state=PublicState.STARTING, instance="web-1", pid=7)
RUNNING = evolve(STARTING, state=PublicState.RUNNING, started_at=5.0)
STOPPING = evolve(RUNNING, state=PublicState.STOPPING)
CRASH = Exit(code=3, at=9.0)
ENDED = evolve(STOPPING, pid=None, last_exit=CRASH, message="exited with code 3")
BACKOFF = evolve(WAITING, state=PublicState.BACKOFF, last_exit=CRASH, message="exited with code 3", next_retry_at=10.5)
NO_START = Exit(at=9.0)
BY_PROBE = {"ready": "healthy"}


def lines_of(before: NameState | None, *after: NameState) -> list[str]:
    """What is told of a name as it goes from state to state."""
    lines: list[str] = []
    for state in after:
        for record in note_change(before, state, 10.0):
            assert decode_record(encode_record(record)) == record
            lines.extend(list_lines(record))
        before = state
    return lines


@pytest.mark.parametrize(
    ("states", "lines"),
    [
        ([WAITING, STARTING, RUNNING], ["web: started (pid 7, web-1)"]),
        ([RUNNING], ["web: started (pid 7, web-1)"]),
        ([RUNNING, RUNNING], ["web: started (pid 7, web-1)"]),
        ([STOPPING], ["web: stopping"]),
        (
            [STARTING, RUNNING, ENDED, BACKOFF],
            ["web: started (pid 7, web-1)", "web: exited with code 3", "web: tries again in 500ms"],
        ),
        (
            [BACKOFF, STARTING, RUNNING, ENDED, evolve(WAITING, state=PublicState.FAILED, last_exit=CRASH)],
            [
                "web: exited with code 3",
                "web: tries again in 500ms",
                "web: started (pid 7, web-1)",
                "web: exited with code 3",
                "web: gave up",
            ],
        ),
        (
            [STARTING, ENDED, evolve(WAITING, state=PublicState.FAILED, last_exit=CRASH, message="5 restarts in 10m")],
            ["web: started (web-1)", "web: exited with code 3", "web: gave up: 5 restarts in 10m"],
        ),
        (
            [RUNNING, STOPPING, evolve(ENDED, last_exit=Exit(signal=15, at=9), message="")],
            ["web: started (pid 7, web-1)", "web: stopping", "web: killed by signal 15"],
        ),
        (
            [ENDED, evolve(WAITING, state=PublicState.STOPPED, last_exit=CRASH)],
            ["web: exited with code 3", "web: stopped"],
        ),
        (
            [
                STARTING,
                evolve(STOPPING, pid=None, started_at=None, last_exit=NO_START, message="no such file"),
                evolve(BACKOFF, last_exit=NO_START, message="no such file"),
            ],
            ["web: start failed: no such file", "web: tries again in 500ms"],
        ),
        (
            [RUNNING, evolve(ENDED, last_exit=NO_START, message="ended; nobody saw how")],
            ["web: started (pid 7, web-1)", "web: ended; nobody saw how"],
        ),
        (
            [
                RUNNING,
                evolve(ENDED, last_exit=Exit(code=0, at=9), message=""),
                evolve(WAITING, state=PublicState.COMPLETED, last_exit=Exit(code=0, at=9)),
            ],
            ["web: started (pid 7, web-1)", "web: exited with code 0", "web: completed"],
        ),
        (
            [RUNNING, evolve(RUNNING, message="cannot update"), evolve(RUNNING, message="cannot update"), RUNNING],
            ["web: started (pid 7, web-1)", "web: cannot update"],
        ),
        (
            [RUNNING, evolve(RUNNING, instance="web-2", pid=8, started_at=6.0)],
            ["web: started (pid 7, web-1)", "web: started (pid 8, web-2)"],
        ),
        (
            [
                WAITING,
                evolve(WAITING, problems=(PROBLEM, PROBLEM)),
                evolve(WAITING, problems=(PROBLEM, PROBLEM)),
                WAITING,
            ],
            [str(PROBLEM), str(PROBLEM), "web: mended"],
        ),
        (
            [evolve(WAITING, problems=(PROBLEM,), edit=Edit(file="/c", modified_at=1.0, digest="0", generation=7))],
            [str(PROBLEM), "web: goes by its last good definition, of generation 7"],
        ),
        (
            [evolve(BACKOFF, message="no such file", last_exit=CRASH)],
            ["web: exited with code 3", "web: tries again in 500ms", "web: no such file"],
        ),
        # Ready once it was started: nothing more is to be told.
        ([evolve(RUNNING, ready=True)], ["web: started (pid 7, web-1)"]),
        (
            [
                evolve(RUNNING, fields=BY_PROBE, message="not ready: connection refused"),
                evolve(RUNNING, fields=BY_PROBE, message="not ready: HTTP 500"),
                evolve(RUNNING, fields=BY_PROBE, ready=True, healthy=True),
                evolve(RUNNING, fields=BY_PROBE, ready=True, healthy=True, status_text="serving"),
                evolve(RUNNING, fields=BY_PROBE, message="not ready: HTTP 503", healthy=False),
                evolve(RUNNING, fields=BY_PROBE, message="not ready: HTTP 500", healthy=False),
                evolve(STOPPING, fields=BY_PROBE, message="its health failed 3 times in a row: HTTP 500"),
                evolve(ENDED, fields=BY_PROBE, message="its health failed 3 times in a row: HTTP 500"),
            ],
            [
                "web: started (pid 7, web-1)",
                "web: ready",
                "web: not ready: HTTP 503",
                "web: stopping: its health failed 3 times in a row: HTTP 500",
                "web: exited with code 3",
            ],
        ),
        # Both between two looks.
        ([STARTING, evolve(RUNNING, fields=BY_PROBE, ready=True)], ["web: started (pid 7, web-1)", "web: ready"]),
        (
            [
                evolve(RUNNING, ready=True),
                evolve(RUNNING, ready=True, healthy=False, message="unhealthy: HTTP 503"),
                evolve(STOPPING, healthy=False),
            ],
            ["web: started (pid 7, web-1)", "web: stopping"],
        ),
        (
            [
                evolve(RUNNING, ready=True, instance="web-2", pid=8, fields=BY_PROBE),
                evolve(RUNNING, ready=False, fields=BY_PROBE),
            ],
            ["web: started (pid 8, web-2)", "web: ready", "web: started (pid 7, web-1)"],
        ),
    ],
)
def test_what_is_told(states: list[NameState], lines: list[str]) -> None:
    assert lines_of(None, *states) == lines


def test_every_resting_state_is_told_once() -> None:
    for state in (PublicState.COMPLETED, PublicState.FAILED, PublicState.STOPPED):
        after = evolve(WAITING, state=state)
        assert len(note_change(WAITING, after, 1.0)) == 1
        assert note_change(after, after, 2.0) == ()


def make_target(digest: str = "a" * 64, **fields: Any) -> Target:  # noqa: ANN401 - fields of a definition
    return Target(
        Bundle(digest, {}, SkeletonRoot(entries=()), readonly=True),
        Resources(),
        Policy(oneshot=False, restart=Restart(), stop=StopPolicy()),
        fields=fields,
    )


@pytest.mark.parametrize(
    ("action", "kind", "line"),
    [
        (Replace(make_target("b" * 64, cwd="/srv")), RecordKind.REPLACED, 'web: replaced: cwd: default → "/srv"'),
        (Update(make_target()), RecordKind.UPDATED, "web: updated"),
        (Retune(make_target(type="oneshot")), RecordKind.RETUNED, 'web: retuned: type: default → "oneshot"'),
    ],
)
def test_an_action_is_told_with_its_fields(action: Action, kind: RecordKind, line: str) -> None:
    record = note_action("web", action, make_target(), 1.0)
    assert record is not None
    assert (record.kind, record.at, record.name) == (kind, 1.0, "web")
    assert describe_record(record) == line
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("action", [Start(make_target()), Keep(), Stop(), Hold(make_target())])
def test_what_the_life_itself_tells_is_no_record(action: Action) -> None:
    assert note_action("web", action, make_target(), 1.0) is None


@pytest.mark.parametrize(("wait", "text"), [(0.0914, "91ms"), (2.048, "2s"), (119.7, "2m"), (-5.0, "0s")])
def test_a_wait_is_told_no_finer_than_is_of_use(wait: float, text: str) -> None:
    record = Record(at=10.0, kind=RecordKind.RETRY, name="web", retry_at=10.0 + wait)
    assert describe_record(record) == f"web: tries again in {text}"


def test_many_fields_are_counted() -> None:
    changes = tuple(FieldChange(f"env.{name}", None, "x") for name in "ABCDE")
    line = describe_record(Record(at=0, kind=RecordKind.REPLACED, name="web", fields=changes))
    assert line == 'web: replaced: env.A: default → "x"; env.B: default → "x"; env.C: default → "x" (and 2 more)'


@pytest.mark.parametrize("kind", RecordKind)
def test_every_kind_has_a_line(kind: RecordKind) -> None:
    """The shortest record of a kind, as an older or a later agent may have written it."""
    line = describe_record(Record(at=0, kind=kind, name="web"))
    assert line
    assert "\n" not in line


def test_what_concerns_the_agent_names_no_container() -> None:
    started = Record(at=0, kind=RecordKind.AGENT_STARTED, message="0.1.0 with runc")
    assert describe_record(started) == "agent started: 0.1.0 with runc"
    mended = Record(at=0, kind=RecordKind.MENDED, message="the directory is read again")
    assert describe_record(mended) == "the directory is read again"
    assert describe_record(Record(at=0, kind=RecordKind.PROBLEM, problems=(PROBLEM,) * 3)) == f"{PROBLEM} (and 2 more)"


def test_every_kind_is_shown_to_programs_with_all_keys() -> None:
    record = Record(
        at=1.5,
        kind=RecordKind.EXITED,
        name="web",
        instance="web-1",
        exit=Exit(code=3, at=1.25),
        retry_at=2.0,
        fields=(FieldChange("cwd", None, "/srv"),),
        problems=(PROBLEM,),
    )
    assert record_to_json(record) == {
        "at": "1970-01-01T00:00:01.500Z",
        "kind": "exited",
        "name": "web",
        "instance": "web-1",
        "message": "",
        "exit": {"code": 3, "signal": None, "oom": False, "at": "1970-01-01T00:00:01.250Z"},
        "retry_at": "1970-01-01T00:00:02.000Z",
        "fields": [{"path": "cwd", "old": None, "new": "/srv"}],
        "problems": [
            {"file": "web.toml", "line": 3, "column": 1, "path": "env", "message": "wrong", "hint": ""},
        ],
    }


def test_of_a_variable_only_the_name_is_told() -> None:
    def target(digest: str, **fields: str) -> Target:
        policy = Policy(oneshot=False, restart=Restart(), stop=StopPolicy())
        config = {"process": {"env": [f"TOKEN={digest}"]}}
        bundle = Bundle(digest, config, SkeletonRoot(entries=()), readonly=True)
        return Target(bundle, Resources(), policy, fields=fields)

    for fields in ({"env.TOKEN": "s3cret"}, {}):
        record = note_action("web", Replace(target("n3wer", **fields)), target("0lder"), 1.0)
        assert record is not None
        told = f"{describe_record(record)}{record_to_json(record)}"
        assert "TOKEN" in told
        assert not any(secret in told for secret in ("s3cret", "n3wer", "0lder"))
