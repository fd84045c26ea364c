"""One container explained: every line of it, and which edit is live."""

import hashlib
from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.explain import Explanation, Seen, describe_edit, explain_row, format_bytes, format_local
from orchestrator.core.status import StatusRow, make_rows
from orchestrator.model.bundle import LogTarget
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit, Source
from orchestrator.model.state import NameState, PublicState
from orchestrator.model.usage import Usage

FILE = "/etc/orchestrator/web.toml"
TEXT = 'args = ["web"]\nrootfs = "host"\n'
EDIT = Edit(file=FILE, modified_at=900.0, digest=hashlib.sha256(TEXT.encode()).hexdigest())
AS_LIVE = Source("web", FILE, TEXT, modified_at=950.0)
EDITED = Source("web", FILE, "args = []\n", modified_at=2000.0)
PROBLEM = Problem(FILE, 1, 8, "args", "cannot be empty", "write one")
STATE = NameState(
    name="web",
    state=PublicState.RUNNING,
    since=1000.0,
    ready=True,
    instance="web-1",
    bundle="0123456789abcdef",
    pid=42,
    pid_start_time=7,
    started_at=999.0,
    log="/var/lib/orchestrator/logs/web.log",
    edit=EDIT,
    cgroups_path="/orchestrator/web-1",
)
SEEN = Seen(now=1130.0, offset_of=lambda at: 3600.0, file=AS_LIVE, usage=Usage(memory=1536, pids=3, cpu_seconds=1.25))


def row_of(state: NameState) -> StatusRow:
    (row,) = make_rows([state], (), agent_alive=True)
    return row


def explain(state: NameState, seen: Seen = SEEN, **fields: Any) -> Explanation:  # noqa: ANN401 - JSON data
    return explain_row(row_of(state), {key.replace("__", "."): value for key, value in fields.items()}, seen)


def lines(explanation: Explanation) -> dict[str, str]:
    return dict(explanation.lines)


def test_what_runs() -> None:
    assert explain(STATE) == Explanation(
        name="web",
        state=PublicState.RUNNING,
        rest=", ready since 1970-01-01 01:16:40 (2m10s ago)",
        lines=(
            ("edit", f"{FILE} of 1970-01-01 01:15:00: live"),
            ("instance", "web-1, process 42, started at 1970-01-01 01:16:39"),
            ("bundle", "0123456789ab"),
            ("memory", "1.5K"),
            ("processes", "3"),
            ("processor", "1.2 s"),
            ("log", "/var/lib/orchestrator/logs/web.log"),
        ),
        problems=(),
    )


def test_limits_stand_beside_what_is_used() -> None:
    shown = lines(
        explain(
            STATE,
            resources__memory="256M", resources__memory_swap="512M", resources__pids=64, resources__cpus=1.5,
            resources__cpu_weight=200, resources__io_weight=50,
        )
    )  # fmt: skip
    assert shown["memory"] == "1.5K, at most 256M, with swap at most 512M"
    assert shown["processes"] == "3, at most 64"
    assert shown["processor"] == "1.2 s, at most 1.5 processors, weight 200"
    assert shown["disks"] == "weight 50"


def test_what_cannot_be_counted_is_told() -> None:
    shown = lines(explain(STATE, evolve(SEEN, usage=None, trouble="cannot read it"), resources__memory="256M"))
    assert (shown["resources"], shown["memory"]) == ("cannot read it", "at most 256M")
    assert "processes" not in shown


def test_how_it_is_and_what_it_says_of_itself() -> None:
    assert "health" not in lines(explain(STATE))
    well = lines(explain(evolve(STATE, healthy=True, status_text="serving 3 of 4")))
    assert (well["health"], well["says"]) == ("its last probe succeeded", "serving 3 of 4")
    bad = evolve(STATE, ready=False, healthy=False, message="not ready: connection refused")
    assert lines(explain(bad))["health"] == "its last probe failed"
    assert lines(explain(bad))["why"] == "not ready: connection refused"
    assert explain(bad).rest.startswith(", not ready since ")


def test_what_waits_for_its_next_try() -> None:
    failed = evolve(
        STATE, state=PublicState.BACKOFF, ready=False, pid=None, instance=None, bundle=None, cgroups_path=None,
        restarts=3, next_retry_at=1134.5, last_exit=Exit(signal=9, oom=True, at=1129.0),
    )  # fmt: skip
    explanation = explain(failed)
    assert explanation.rest == " since 1970-01-01 01:16:40 (2m10s ago)"
    assert explanation.lines == (
        ("why", "it was killed by signal 9 (out of memory)"),
        ("next try", "in 5s"),
        ("edit", f"{FILE} of 1970-01-01 01:15:00: live"),
        ("restarts", "3"),
        ("last exit", "killed by signal 9 (out of memory), 1s ago"),
        ("log", "/var/lib/orchestrator/logs/web.log"),
    )


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Exit(code=3, at=1.0), "it exited with code 3"),
        (Exit(signal=15, at=1.0), "it was killed by signal 15"),
        (Exit(at=1.0), "it ended; nobody saw how"),
    ],
)
def test_every_end_is_a_sentence(ended: Exit, words: str) -> None:
    assert lines(explain(evolve(STATE, state=PublicState.FAILED, last_exit=ended)))["why"] == words


def test_a_message_says_why_before_anything_else() -> None:
    failed = evolve(STATE, state=PublicState.FAILED, message="runc: no such file", last_exit=Exit(at=1100.0))
    assert lines(explain(failed))["why"] == "runc: no such file"


def test_what_an_operator_holds() -> None:
    held = evolve(STATE, state=PublicState.STOPPED, held=True, pid=None, instance=None, ready=False)
    explanation = explain(held)
    assert explanation.rest.startswith(" by an operator since ")
    assert lines(explanation)["why"] == 'an operator has stopped it: "orchestrator start web" lets it run again'


def test_what_goes_by_its_last_good_definition() -> None:
    explanation = explain(evolve(STATE, problems=(PROBLEM,), edit=evolve(EDIT, generation=7)))
    assert lines(explanation)["why"] == "its file has problems, so it goes by its last good definition, of generation 7"


def test_problems_come_with_the_place_in_their_file() -> None:
    broken = evolve(STATE, state=PublicState.INVALID, problems=(PROBLEM,), pid=None, edit=None)
    explanation = explain(broken, evolve(SEEN, texts={FILE: EDITED.text}))
    assert lines(explanation)["why"] == "its definition has problems, and nothing of it runs"
    assert lines(explanation)["edit"] == "none is live: 1 problem"
    assert explanation.problems == (f"{FILE}:1:8: args: cannot be empty\n  1 | args = []\n    |        ^\n  write one",)


@pytest.mark.parametrize(
    ("target", "shown"),
    [(LogTarget.JOURNAL, "the journal (journalctl -t orchestrator/web)"), (LogTarget.NONE, "none is kept")],
)
def test_where_the_output_goes(target: LogTarget, shown: str) -> None:
    seen = evolve(SEEN, identifier="orchestrator/web")
    assert lines(explain(evolve(STATE, log=None, log_target=target), seen))["log"] == shown


LIVE = f"{FILE} of 1970-01-01 00:15:00"


@pytest.mark.parametrize(
    ("live", "file", "problems", "shown"),
    [
        (EDIT, AS_LIVE, (), f"{LIVE}: live"),
        (EDIT, AS_LIVE, (PROBLEM,), f"{LIVE}: live, now with 1 problem"),
        (EDIT, EDITED, (), f"{LIVE} is live; the file was edited at 1970-01-01 00:33:20: not live, not acted on yet"),
        (
            EDIT,
            EDITED,
            (PROBLEM, PROBLEM),
            f"{LIVE} is live; the file was edited at 1970-01-01 00:33:20: not live, 2 problems",
        ),
        (
            EDIT,
            Source("web", FILE, None, "cannot read the file: no such file"),
            (),
            f"{LIVE}: live; now cannot read it",
        ),
        (EDIT, None, (), LIVE),
        (
            evolve(EDIT, generation=7),
            EDITED,
            (PROBLEM,),
            f"{LIVE} (generation 7) is live; the file was edited at 1970-01-01 00:33:20: not live, 1 problem",
        ),
        (
            evolve(EDIT, generation=7),
            EDITED,
            (),
            f"{LIVE} (generation 7) is live; the file was edited at 1970-01-01 00:33:20: not live, not followed",
        ),
        (evolve(EDIT, generation=7), AS_LIVE, (), f"{LIVE} (generation 7): live"),
        (None, None, (), ""),
        (None, EDITED, (PROBLEM,), "none is live: 1 problem"),
    ],
)
def test_which_edit_is_live(live: Edit | None, file: Source | None, problems: tuple[Problem, ...], shown: str) -> None:
    told = describe_edit(live, file, problems, lambda at: 0.0)
    assert told.replace("cannot read the file: no such file", "cannot read it") == shown


@pytest.mark.parametrize("message", ["rolled back: it ended", "cannot update: it uses more", "cannot replace: x"])
def test_an_edit_that_was_refused_was_acted_on(message: str) -> None:
    told = describe_edit(EDIT, EDITED, (), lambda at: 0.0, message=message)
    assert told.endswith(": not live, see why")
    assert describe_edit(EDIT, EDITED, (), lambda at: 0.0, message="else").endswith(": not live, not acted on yet")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1536, "1.5K"), (256 * 2**20, "256.0M"), (3 * 2**40, "3.0T")],
)
def test_sizes(count: int, shown: str) -> None:
    assert format_bytes(count) == shown


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e300])
def test_times_beyond_the_calendar_are_shown_all_the_same(seconds: float) -> None:
    for west_or_east in (lambda at: -86399.0, lambda at: 86399.0):
        assert len(format_local(seconds, west_or_east)) == len("1970-01-01 00:00:00")


def test_where_the_agent_listens_for_it() -> None:
    fields = {
        'sockets."web.http".stream': "*:80",
        "sockets.log.datagram": "/run/log.sock",
        "sockets.log.mode": "0600",
        "env.stream": "no socket",
    }
    told = explain_row(row_of(STATE), fields, SEEN)
    assert lines(told)["sockets"] == "web.http *:80, log /run/log.sock (datagrams)"
    for state in (evolve(STATE, held=True), evolve(STATE, state=PublicState.STOPPED), STATE):
        asked = {} if state is STATE else fields
        assert "sockets" not in lines(explain_row(row_of(state), asked, SEEN))
