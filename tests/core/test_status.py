"""Status rows: what the files claim, what is seen alive, and the documented JSON."""

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.status import (
    ENDED_UNSEEN,
    NOT_GOING_ON,
    UNSUPERVISED,
    describe_row,
    format_age,
    format_time,
    make_rows,
    row_to_json,
)
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit
from orchestrator.model.state import NameState, PublicState
from orchestrator.model.store import StoreLink

RUNNING = NameState(
    name="web",
    state=PublicState.RUNNING,
    since=1000.5,
    ready=True,
    instance="web-1",
    bundle="abc",
    pid=42,
    pid_start_time=7,
    started_at=1000.25,
    restarts=3,
    last_exit=Exit(signal=9, oom=True, at=999.0),
    problems=(Problem("/etc/orchestrator/web.toml", 2, 5, "args", "cannot be empty", "write one"),),
    log="/var/lib/orchestrator/logs/web.log",
    held=True,
    edit=Edit(file="/etc/orchestrator/web.toml", modified_at=998.0, digest="def"),
    fields={"args": ["web"]},
    cgroups_path="/orchestrator/web-1",
    healthy=True,
    status_text="serving",
    store_links=(StoreLink("/opt/web", "/nix/store/x-web"),),
)
SETTLED = ("stopped", "failed", "completed", "invalid", "idle")


def test_the_json_is_as_documented() -> None:
    (row,) = make_rows([RUNNING], {"web"}, agent_alive=True)
    data = row_to_json(row)
    assert data == {
        "name": "web",
        "state": "running",
        "ready": True,
        "pid": 42,
        "instance": "web-1",
        "bundle": "abc",
        "started_at": "1970-01-01T00:16:40.250Z",
        "restarts": 3,
        "next_retry_at": None,
        "last_exit": {"code": None, "signal": 9, "oom": True, "at": "1970-01-01T00:16:39.000Z"},
        "problems": [
            {
                "file": "/etc/orchestrator/web.toml",
                "line": 2,
                "column": 5,
                "path": "args",
                "message": "cannot be empty",
                "hint": "write one",
            }
        ],
        "log": "/var/lib/orchestrator/logs/web.log",
        "message": "",
        "since": "1970-01-01T00:16:40.500Z",
        "held": True,
        "log_target": "file",
        "edit": {
            "file": "/etc/orchestrator/web.toml",
            "modified_at": "1970-01-01T00:16:38.000Z",
            "digest": "def",
            "generation": None,
        },
        "cgroups_path": "/orchestrator/web-1",
        "healthy": True,
        "status_text": "serving",
        "waits_for": [],
        "store_links": [{"path": "/opt/web", "target": "/nix/store/x-web"}],
    }
    assert list(data)[:5] == ["name", "state", "ready", "pid", "instance"]
    json.dumps(data, allow_nan=False)


def test_what_is_unknown_is_null() -> None:
    (row,) = make_rows([NameState(name="a", state=PublicState.WAITING, since=0.0)], (), agent_alive=True)
    data = row_to_json(row)
    assert {key for key, value in data.items() if value is None} == {
        "pid", "instance", "bundle", "started_at", "next_retry_at", "last_exit", "log", "edit", "cgroups_path",
        "healthy",
    }  # fmt: skip
    assert data["problems"] == []


def test_what_an_operator_has_stopped_says_so_unless_there_is_more_to_say() -> None:
    held = NameState(name="a", state=PublicState.STOPPED, since=0.0, held=True)
    (row,) = make_rows([held], (), agent_alive=True)
    assert describe_row(row, 0.0) == "by an operator"
    (row,) = make_rows([evolve(held, message="cannot be removed")], (), agent_alive=True)
    assert describe_row(row, 0.0) == "cannot be removed"
    (row,) = make_rows([evolve(held, state=PublicState.STOPPING)], (), agent_alive=True)
    assert describe_row(row, 0.0) == ""


def test_what_it_says_of_itself_is_told_where_there_is_nothing_else_to_say() -> None:
    (row,) = make_rows([evolve(RUNNING, problems=())], (), agent_alive=True)
    assert describe_row(row, 0.0) == "serving"
    assert describe_row(evolve(row, message="unhealthy: HTTP 503"), 0.0) == "unhealthy: HTTP 503"


def test_without_an_agent_nobody_knows_how_it_is() -> None:
    (alive,) = make_rows([RUNNING], {"web"}, agent_alive=False)
    assert (alive.healthy, alive.status_text) == (None, "serving")
    (gone,) = make_rows([RUNNING], (), agent_alive=False)
    assert (gone.healthy, gone.status_text) == (None, "")


def test_whom_a_start_waits_for() -> None:
    waiting = NameState(
        name="web", state=PublicState.WAITING, since=0.0, waits_for=("db",), message="waits for db to be ready"
    )
    (row,) = make_rows([waiting], (), agent_alive=True)
    assert row_to_json(row)["waits_for"] == ["db"]
    assert describe_row(row, 0.0) == "waits for db to be ready"
    (gone,) = make_rows([waiting], (), agent_alive=False)
    assert (gone.waits_for, gone.message) == ((), "the agent is gone")


def test_rows_are_sorted_by_name() -> None:
    names = [NameState(name=name, state=PublicState.IDLE, since=0.0) for name in ("b", "c", "a")]
    assert [row.name for row in make_rows(names, (), agent_alive=True)] == ["a", "b", "c"]


def test_while_an_agent_is_there_its_files_are_believed() -> None:
    (row,) = make_rows([RUNNING], (), agent_alive=True)
    assert (row.state, row.pid, row.ready) == (PublicState.RUNNING, 42, True)


def test_without_an_agent_a_dead_process_is_shown_as_stopped() -> None:
    (row,) = make_rows([RUNNING], (), agent_alive=False)
    assert (row.state, row.ready, row.pid, row.since) == (PublicState.STOPPED, False, None, None)
    assert row.message == f"{NOT_GOING_ON}: {ENDED_UNSEEN}"


def test_without_an_agent_a_living_process_is_shown_as_it_was() -> None:
    (row,) = make_rows([RUNNING], {"web"}, agent_alive=False)
    assert (row.state, row.pid, row.message) == (PublicState.RUNNING, 42, UNSUPERVISED)


@pytest.mark.parametrize("state", PublicState)
def test_without_an_agent_nothing_is_said_to_go_on(state: PublicState) -> None:
    claim = NameState(name="a", state=state, since=1.0, next_retry_at=2.0 if state is PublicState.BACKOFF else None)
    (row,) = make_rows([claim], (), agent_alive=False)
    if state.value in SETTLED:
        assert (row.state, row.since, row.message) == (state, 1.0, "")
    else:
        assert (row.state, row.since, row.message) == (PublicState.STOPPED, None, NOT_GOING_ON)
        assert row.next_retry_at is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1769860800.2506, "2026-01-31T12:00:00.251Z"),
        (-5, "1970-01-01T00:00:00.000Z"),
        (1e300, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_rfc_3339(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (5, "5s"),
        (60, "1m"),
        (130, "2m10s"),
        (3600, "1h"),
        (3605, "1h"),
        (3 * 86400 + 4 * 3600 + 59, "3d4h"),
    ],
)
def test_ages_have_two_units(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_an_age_is_never_empty(seconds: float) -> None:
    assert format_age(seconds)


def test_a_row_in_words() -> None:
    backoff = NameState(
        name="a", state=PublicState.BACKOFF, since=0.0, next_retry_at=15.0, last_exit=Exit(code=1, at=0.0)
    )
    broken = NameState(name="b", state=PublicState.RUNNING, since=0.0, message="slow", problems=RUNNING.problems * 2)
    rows = make_rows([backoff, broken], (), agent_alive=True)
    assert [describe_row(row, 10.0) for row in rows] == [
        "exited with code 1; next try in 5s",
        "slow; 2 problems, see below",
    ]
