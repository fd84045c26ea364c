"""What the agent tells of its containers, in lines and in the event log."""

from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.action import FieldChange, Keep, Replace, Start, Stop, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.life import Exit
from orchestrator.model.policy import Restart
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy, SkeletonRoot
from orchestrator.model.state import NameState, PublicState
from orchestrator.tasks.report import Reporter
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.notifier import FakeNotifier
from orchestrator.testing.operator import AGENT

RUNNING = NameState(name="web", state=PublicState.RUNNING, since=1.0, pid=7, instance="web-1", started_at=1.0)
ENDED = evolve(
    RUNNING, state=PublicState.STOPPING, pid=None, last_exit=Exit(code=3, at=2.0), message="exited with code 3"
)
PROBLEM = Problem("/c/web.toml", 1, 1, "", "wrong")
OTHER = Problem("/c/B.toml", 1, 1, "", "no name")


class Stage:
    """A reporter whose clock says 10, its disk and its lines."""

    def __init__(self) -> None:
        self.disk = FakeDisk()
        self.notifier = FakeNotifier()
        self.lines: list[str] = []
        self.reporter = Reporter(AGENT, self.disk, self.notifier, self.lines.append, wall_clock=lambda: 10.0)

    def kinds(self) -> list[RecordKind]:
        return [record.kind for record in self.disk.records]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def make_target(digest: str, **fields: Any) -> Target:  # noqa: ANN401 - fields of a definition
    policy = Policy(oneshot=False, restart=Restart(), stop=StopPolicy())
    bundle = Bundle(digest * 64, {}, SkeletonRoot(entries=()), readonly=True)
    return Target(bundle, Resources(), policy, fields=fields)


def test_a_life_is_told_once_in_both(stage: Stage) -> None:
    for state in (RUNNING, RUNNING, ENDED):
        stage.reporter.changed(state, settled=True)
    assert stage.lines == ["web: started (pid 7, web-1)", "web: exited with code 3"]
    assert stage.disk.records == [
        Record(at=10.0, kind=RecordKind.STARTED, name="web", instance="web-1", message="pid 7"),
        Record(at=10.0, kind=RecordKind.EXITED, name="web", instance="web-1", exit=Exit(code=3, at=2.0)),
    ]


def test_a_replacement_is_told_with_the_fields_that_are_its_reason(stage: Stage) -> None:
    before, after = make_target("a", cwd="/old"), make_target("b", cwd="/new")
    stage.reporter.told("web", Replace(after), before)
    for action in (Start(after), Keep(after), Stop()):
        stage.reporter.told("web", action, before)
    assert stage.lines == ['web: replaced: cwd: "/old" → "/new"']
    (record,) = stage.disk.records
    assert (record.kind, record.fields) == (RecordKind.REPLACED, (FieldChange("cwd", "/old", "/new"),))


def test_every_problem_has_a_line_and_all_have_one_record(stage: Stage) -> None:
    stage.reporter.changed(evolve(RUNNING, problems=(PROBLEM, OTHER)), settled=True)
    assert stage.lines[1:] == [str(PROBLEM), str(OTHER)]
    assert stage.kinds() == [RecordKind.STARTED, RecordKind.PROBLEM]
    stage.reporter.changed(RUNNING, settled=True)
    assert stage.lines[3:] == ["web: mended"]


def test_a_name_that_is_gone(stage: Stage) -> None:
    stage.reporter.changed(RUNNING, settled=True)
    stage.reporter.forget("web")
    stage.reporter.forget("web")
    assert stage.lines[1:] == ["web: removed"]
    assert stage.kinds()[1:] == [RecordKind.REMOVED]


def test_at_the_agents_end_a_name_has_stopped_and_is_not_removed(stage: Stage) -> None:
    for name, state in (
        ("web", PublicState.STOPPING),
        ("job", PublicState.COMPLETED),
        ("bad", PublicState.INVALID),
        ("late", PublicState.BACKOFF),
    ):
        stage.reporter.changed(evolve(ENDED, name=name, state=state), settled=True)
    told = len(stage.lines)
    stage.reporter.stopping()
    for name in ("web", "job", "bad", "late"):
        stage.reporter.forget(name)
    assert stage.lines[told:] == ["web: stopped", "late: stopped"]
    assert stage.reporter.states == ()


def test_the_agents_own_beginning_is_recorded_and_has_its_line_already(stage: Stage) -> None:
    stage.reporter.note(RecordKind.AGENT_STARTED, message="0.1.0 with runc")
    stage.reporter.note(RecordKind.OPERATOR, "web", "restart")
    assert stage.lines == ["web: operator: restart"]
    assert stage.disk.records == [
        Record(at=10.0, kind=RecordKind.AGENT_STARTED, message="0.1.0 with runc"),
        Record(at=10.0, kind=RecordKind.OPERATOR, name="web", message="restart"),
    ]


def test_what_is_wrong_with_the_directory_is_told_once(stage: Stage) -> None:
    stage.reporter.directory("cannot read it", (OTHER,))
    stage.reporter.directory("cannot read it", (OTHER,))
    stage.reporter.directory("cannot read it", (OTHER, PROBLEM))
    stage.reporter.directory("", (PROBLEM,))
    assert stage.lines == [
        "cannot read it",
        str(OTHER),
        str(PROBLEM),
        "the directory is read and watched again",
    ]
    assert stage.kinds() == [RecordKind.TROUBLE, RecordKind.PROBLEM, RecordKind.PROBLEM, RecordKind.MENDED]
    assert {record.name for record in stage.disk.records} == {""}
    assert stage.reporter.agent.problems == (PROBLEM,)


def test_a_full_disk_is_told_once_and_what_happens_goes_on(stage: Stage) -> None:
    stage.disk.fail("append_record", "no space left on device", times=3)
    for number in range(4):
        stage.reporter.note(RecordKind.OPERATOR, "web", f"{number}")
    assert stage.lines == [
        "web: operator: 0",
        "no space left on device; what happens is not in the event log",
        "web: operator: 1",
        "web: operator: 2",
        "web: operator: 3",
        "the event log is written again",
    ]
    assert [record.message for record in stage.disk.records] == ["3"]
    assert not stage.reporter.agent.troubles
    stage.disk.fail("append_record", "no space left on device")
    stage.reporter.note(RecordKind.OPERATOR, "web", "4")
    assert stage.lines[-1].endswith("not in the event log"), "it is full once more"
    assert stage.reporter.agent.troubles == (stage.lines[-1],)


async def test_the_event_log_is_tried_again_without_an_event(stage: Stage, autojump_clock: MockClock) -> None:
    stage.disk.fail("append_record", "no space left on device", times=3)
    stage.reporter.note(RecordKind.OPERATOR, "web", "lost")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.reporter.run)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert [record.message for record in stage.disk.records] == ["the event log is written again"]
    assert any("no space left on device" in word for word in stage.notifier.told), "systemd is told meanwhile"


def test_a_trouble_is_told_once_and_when_it_is_over(stage: Stage) -> None:
    for message in ("no watches", "no watches", "", ""):
        stage.reporter.trouble("logs are watched", message)
        assert stage.reporter.agent.troubles == tuple(filter(None, (message,)))
    assert stage.lines == ["no watches", "logs are watched again"]
    assert stage.kinds() == [RecordKind.TROUBLE, RecordKind.MENDED]
