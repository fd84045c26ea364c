"""State files: what is written is read back as it was, and nothing else is taken for a state."""

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.encode import DamagedState, decode_state, encode_state, to_plain
from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.contribution import Stage
from orchestrator.model.health import ExecHealth, HttpHealth, Proven, TcpHealth
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import Ready, Restart, Stop
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import AgentState, InstanceState, NameState, PublicState, Refusal, Standing, Step
from orchestrator.model.types import Duration, ProbeHost, SignalName, Size, UrlPath

TIMES = st.floats(min_value=0, max_value=1e11)
COUNTS = st.integers(min_value=0, max_value=2**63)
# With lone surrogates: the name of a file may be any bytes.
TEXTS = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | COUNTS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)
EXITS = st.builds(Exit, code=st.none() | COUNTS, signal=st.none() | COUNTS, oom=st.booleans(), at=TIMES)
PROBLEMS = st.lists(st.builds(Problem, TEXTS, COUNTS, COUNTS, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple)
LIVES = st.builds(
    Life,
    phase=st.sampled_from(Phase),
    wanted=st.booleans(),
    ready_since=st.none() | TIMES,
    deadline=st.none() | TIMES,
    restarted_at=st.lists(TIMES, max_size=3).map(tuple),
    cleaned_at=TIMES,
    last_exit=st.none() | EXITS,
    outcome=st.sampled_from(Outcome),
    unwell=TEXTS,
)
SERVICE = Policy(oneshot=False, restart=Restart(), stop=Stop())
REFUSALS = st.builds(Refusal, bundle=TEXTS, resources=st.just(Resources()), policy=st.just(SERVICE), reason=TEXTS)
STANDINGS = st.builds(
    Standing,
    life=LIVES,
    policy=st.just(SERVICE),
    bundle=TEXTS,
    resources=st.just(Resources()),
    refusal=st.none() | REFUSALS,
    boot=TEXTS,
)
NAMES = st.builds(
    NameState,
    name=TEXTS,
    state=st.sampled_from(PublicState),
    since=TIMES,
    ready=st.booleans(),
    instance=st.none() | TEXTS,
    pid=st.none() | COUNTS,
    started_at=st.none() | TIMES,
    restarts=COUNTS,
    next_retry_at=st.none() | TIMES,
    last_exit=st.none() | EXITS,
    message=TEXTS,
    problems=PROBLEMS,
    standing=st.none() | STANDINGS,
)
SECONDS = TIMES.map(Duration)
HEALTHS = (
    st.builds(ExecHealth, period=SECONDS, args=st.lists(TEXTS, max_size=2).map(tuple))
    | st.builds(HttpHealth, port=COUNTS, path=TEXTS.map(UrlPath), tls=st.booleans())
    | st.builds(TcpHealth, port=COUNTS, host=TEXTS.map(ProbeHost), failures=COUNTS)
)
POLICIES = st.builds(
    Policy,
    oneshot=st.booleans(),
    restart=st.builds(Restart, delay=SECONDS),
    stop=st.builds(Stop, signal=TEXTS.map(SignalName), timeout=SECONDS),
    health=st.none() | HEALTHS,
    ready=st.sampled_from(Ready),
    watchdog=st.none() | TIMES,
    after=st.lists(TEXTS, max_size=2).map(tuple),
)
ATTACHED = st.builds(
    Attached,
    plan=st.builds(
        PlannedAttachment,
        group=TEXTS,
        type=TEXTS,
        key=TEXTS,
        stage=st.sampled_from(Stage),
        work=st.dictionaries(TEXTS, JSON),
    ),
    begun=st.booleans(),
    state=st.none() | st.dictionaries(TEXTS, JSON),
)
INSTANCES = st.builds(
    InstanceState,
    name=TEXTS,
    instance=TEXTS,
    bundle=TEXTS,
    runtime=TEXTS,
    root=TEXTS,
    folder=TEXTS,
    rootfs=TEXTS,
    cgroups_path=TEXTS,
    log=TEXTS,
    step=st.sampled_from(Step),
    created_at=TIMES,
    pid_start_time=st.none() | COUNTS,
    attached=st.lists(ATTACHED, max_size=2).map(tuple),
    resources=st.builds(Resources, memory=st.none() | COUNTS.map(Size)),
    policy=POLICIES,
    proven=st.builds(Proven, ready=st.booleans(), watchdog=st.none() | TIMES),
    exit=st.none() | EXITS,
)
AGENTS = st.builds(
    AgentState,
    pid=COUNTS,
    pid_start_time=COUNTS,
    version=TEXTS,
    started_at=TIMES,
    config=TEXTS,
    state=TEXTS,
    runtime=TEXTS,
    runtime_name=TEXTS,
    settled=st.booleans(),
    problems=PROBLEMS,
)
NAME = NameState(name="web", state=PublicState.RUNNING, since=5.0)


@given(NAMES)
def test_a_name_comes_back_as_it_was(state: NameState) -> None:
    assert decode_state(NameState, encode_state(state)) == state


@given(INSTANCES)
def test_an_instance_comes_back_as_it_was(state: InstanceState) -> None:
    assert decode_state(InstanceState, encode_state(state)) == state


@given(AGENTS)
def test_an_agent_comes_back_as_it_was(state: AgentState) -> None:
    assert decode_state(AgentState, encode_state(state)) == state


@given(NAMES)
def test_the_text_is_one_line_of_ascii(state: NameState) -> None:
    text = encode_state(state)
    assert text.isascii()
    assert text.count("\n") == 1
    assert text.endswith("}\n")


@given(st.text() | JSON.map(json.dumps))
def test_any_other_text_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(DamagedState):
        decode_state(NameState, text)


def test_a_field_that_was_added_later_has_its_default() -> None:
    data = json.loads(encode_state(NAME))
    del data["failures"]
    assert decode_state(NameState, json.dumps(data)) == NAME


def test_what_a_newer_version_has_added_is_passed_over() -> None:
    data = json.loads(encode_state(NAME)) | {"colour": 1, "last_exit": {"at": 1, "core": True}}
    assert decode_state(NameState, json.dumps(data)) == evolve(NAME, last_exit=Exit(at=1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "its schema version is 2, known is 1"),
        ({"schema": True}, "its schema version is true, known is 1"),
        ({"schema": None}, "its schema version is null, known is 1"),
        ({"ready": 1}, "ready: expected bool, not 1"),
        ({"restarts": True}, "restarts: expected int, not true"),
        ({"restarts": 1.0}, "restarts: expected int, not 1.0"),
        ({"since": "5"}, 'since: expected number, not "5"'),
        ({"since": 10**400}, "since: the number is too large"),
        ({"name": None}, "name: expected str, not null"),
        ({"pid": "7"}, 'pid: expected int, not "7"'),
        ({"problems": {}}, "problems: expected list, not {}"),
        ({"last_exit": {"at": 1, "code": "0"}}, 'last_exit.code: expected int, not "0"'),
        ({"last_exit": {"code": 0}}, "last_exit.at: the key is missing"),
        ({"problems": [{"file": "a"}]}, "problems[0].line: the key is missing"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    data = json.loads(encode_state(NAME)) | changes
    with pytest.raises(DamagedState) as caught:
        decode_state(NameState, json.dumps(data))
    assert str(caught.value) == message


def test_an_unknown_word_is_told_with_those_that_are_known() -> None:
    text = encode_state(NAME).replace('"running"', '"jumping"')
    with pytest.raises(DamagedState, match=r'^state: expected one of waiting, .*, idle, not "jumping"$'):
        decode_state(NameState, text)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": NaN}', "[" * 100_000])
def test_a_text_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(DamagedState, match=r"^it is not (a )?JSON"):
        decode_state(NameState, text)


def test_a_value_without_a_form_is_our_own_mistake() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_plain(object())
