"""The listening sockets of containers over their lives: opened before the first instance, the same for all that follow,
closed when nobody is to wait at them."""

import signal

import pytest
import trio
from trio.testing import MockClock

from orchestrator.core.naming import ROLLED_BACK
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage
from tests.tasks.helpers_takeover import leave, open_next, operator_of, unreadable

HTTP = WEB + 'sockets.http = "80"\n'
SLOW = 'restart = { delay = "40s", max_delay = "40s", jitter = 0.0 }\n'
NOTIFIES = 'ready = "notify"\nstart_timeout = "30s"\n'


def held(stage: Stage | Wreck) -> dict[str, list[str]]:
    """The addresses that are held, by container."""
    addresses: dict[str, list[str]] = {}
    for name, spec in stage.listeners.held:
        addresses.setdefault(name, []).append(spec.address)
    return {name: sorted(found) for name, found in addresses.items()}


def handed(stage: Stage, name: str = "web") -> tuple[int, ...]:
    """What its newest instance was given."""
    return stage.runtime.containers[stage.state(name).instance or ""].descriptors


async def test_an_instance_has_them_in_the_order_of_their_names(autojump_clock: MockClock) -> None:
    text = WEB + 'sockets = { b = "81", a = { datagram = "82" }, c = "/run/c" }\n'
    async with open_stage({"web": text, "other": WEB}) as stage:
        numbers = {spec.name: number for (_, spec), number in stage.listeners.held.items()}
        assert handed(stage) == tuple(numbers[name] for name in "abc")
        assert handed(stage, "other") == ()
        env = stage.runtime.containers[stage.state("web").instance or ""].instance.bundle.config["process"]["env"]
        assert "LISTEN_FDNAMES=a:b:c" in env


async def test_they_are_the_same_from_instance_to_instance(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as stage:
        first, seen = handed(stage), {stage.state("web").instance}
        stage.runtime.process_of("web").finish(code=3)
        await stage.settle()
        assert handed(stage) == first
        seen.add(stage.state("web").instance)
        operator_of(stage).operate(Operation.RESTART, ["web"])
        await stage.settle()
        assert handed(stage) == first
        seen.add(stage.state("web").instance)
        stage.directory.write("web", HTTP + 'cwd = "/srv"\n')
        await stage.settle()
        assert handed(stage) == first
        seen.add(stage.state("web").instance)
        assert len(seen) == 4
        assert stage.listeners.calls == [("open", "web", "*:80")]


@pytest.mark.parametrize("exclusive", [False, True])
async def test_another_name_or_queue_is_the_same_socket(autojump_clock: MockClock, exclusive: bool) -> None:
    more = "exclusive = true\n" if exclusive else ""
    async with open_stage({"web": HTTP + more}) as stage:
        first = handed(stage)
        stage.directory.write("web", WEB + 'sockets.web = { stream = "80", backlog = 5 }\n' + more)
        await stage.settle()
        assert handed(stage) == first
        assert stage.listeners.calls == [("open", "web", "*:80")]


async def test_while_it_waits_for_its_next_try_they_are_held(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP + SLOW}) as stage:
        stage.runtime.process_of("web").finish(code=3)
        await trio.sleep(5)
        assert stage.state("web").state is PublicState.BACKOFF
        assert held(stage) == {"web": ["*:80"]}
        await trio.sleep(60)
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.listeners.calls == [("open", "web", "*:80")]


async def test_what_an_operator_stops_is_not_waited_at(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP, "other": WEB + 'sockets.http = "81"\n'}) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await stage.settle()
        assert held(stage) == {"other": ["*:81"]}
        operator_of(stage).operate(Operation.START, ["web"])
        await stage.settle()
        assert held(stage) == {"web": ["*:80"], "other": ["*:81"]}
        assert stage.state("web").state is PublicState.RUNNING


async def test_what_is_stopped_is_not_waited_at_though_it_takes_long_to_end(autojump_clock: MockClock) -> None:
    """Whoever connects is refused at once, and goes elsewhere; the application finishes what it has accepted."""

    def prepare(stage: Stage) -> None:
        stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))

    async with open_stage({"web": HTTP}, prepare) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await trio.sleep(1)
        assert stage.state("web").state is PublicState.STOPPING
        assert held(stage) == {}
        await stage.settle()


async def test_with_its_file_they_are_gone(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as stage:
        stage.directory.remove("web")
        await trio.sleep(3)
        await stage.settle()
        assert "web" not in stage.disk.names
        assert held(stage) == {}


async def test_a_file_that_becomes_broken_closes_none(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as stage:
        stage.directory.write("web", HTTP + "nonsense = 1\n")
        await stage.settle()
        assert stage.state("web").problems
        assert held(stage) == {"web": ["*:80"]}


@pytest.mark.parametrize("exclusive", [False, True])
async def test_another_address_is_opened_before_the_one_before_is_closed(
    autojump_clock: MockClock, exclusive: bool
) -> None:
    more = "exclusive = true\n" if exclusive else ""
    async with open_stage({"web": HTTP + more}) as stage:
        stage.directory.write("web", WEB + 'sockets.http = "81"\n' + more)
        await stage.settle()
        await trio.sleep(30)
        assert stage.listeners.calls == [("open", "web", "*:80"), ("open", "web", "*:81"), ("close", "web", "*:80")]
        assert held(stage) == {"web": ["*:81"]}


async def test_without_sockets_from_now_on_those_before_are_closed(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as stage:
        stage.directory.write("web", WEB)
        await stage.settle()
        await trio.sleep(30)
        assert handed(stage) == ()
        assert held(stage) == {}


@pytest.mark.parametrize("exclusive", [False, True])
async def test_an_address_that_is_not_ready_in_time_is_closed_again(autojump_clock: MockClock, exclusive: bool) -> None:
    more = "exclusive = true\n" if exclusive else ""
    async with open_stage({"web": HTTP + more}) as stage:
        stage.directory.write("web", WEB + 'sockets.http = "81"\n' + NOTIFIES + more)
        await trio.sleep(10)
        assert held(stage) == {"web": ["*:80", "*:81"]}
        await trio.sleep(60)
        assert stage.state("web").message.startswith(ROLLED_BACK)
        assert held(stage) == {"web": ["*:80"]}


# Addresses that are taken.


@pytest.mark.parametrize("exclusive", [False, True])
async def test_an_address_that_is_taken_costs_nothing_that_runs(autojump_clock: MockClock, exclusive: bool) -> None:
    more = "exclusive = true\n" if exclusive else ""
    async with open_stage({"web": HTTP + more}) as stage:
        before = stage.state("web")
        stage.listeners.taken.add("*:81")
        stage.directory.write("web", WEB + 'sockets = { a = "82", b = "81" }\n' + more)
        await trio.sleep(20)
        now = stage.state("web")
        assert (now.instance, now.pid, now.state) == (before.instance, before.pid, PublicState.RUNNING)
        assert "cannot listen at *:81: Address already in use" in now.message
        assert held(stage) == {"web": ["*:80"]}
        assert not stage.runtime.process_of("web").signals


async def test_an_address_that_is_taken_is_tried_again(autojump_clock: MockClock) -> None:
    def prepare(stage: Stage) -> None:
        stage.listeners.taken.add("*:80")

    async with open_stage({"web": HTTP}, prepare) as stage:
        assert stage.state("web").state is PublicState.BACKOFF
        assert "cannot listen at *:80" in stage.state("web").message
        assert [method for method, _ in stage.runtime.calls if method == "create"] == []
        assert stage.disk.instances == {}
        stage.listeners.taken.clear()
        await trio.sleep(60)
        assert stage.state("web").state is PublicState.RUNNING
        assert held(stage) == {"web": ["*:80"]}


async def test_a_file_by_another_name_has_the_address_once_the_first_is_gone(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as stage:
        stage.directory.remove("web")
        stage.directory.write("site", HTTP)
        await trio.sleep(60)
        await stage.settle()
        assert stage.state("site").state is PublicState.RUNNING
        assert held(stage) == {"site": ["*:80"]}


# A next agent.


async def test_a_next_agent_has_the_same_and_closes_none_before_it_knows(autojump_clock: MockClock) -> None:
    wreck = await leave({"web": HTTP, "gone": WEB + 'sockets.http = "81"\n'})
    calls = list(wreck.listeners.calls)
    async with open_next({"web": HTTP}, wreck, prepare=unreadable, settled=False) as stage:
        await trio.sleep(100)
        assert stage.listeners.calls == calls
        assert held(stage) == {"web": ["*:80"], "gone": ["*:81"]}
        stage.directory.break_down(None)
        await trio.sleep(10)
        await stage.settle()
        assert stage.listeners.calls == [*calls, ("close", "gone", "*:81")]
        stage.runtime.process_of("web").finish(code=3)
        await stage.settle()
        assert handed(stage) == tuple(stage.listeners.held.values())


async def test_what_waits_for_its_next_try_is_waited_at_over_agents(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP + SLOW}) as first:
        first.runtime.process_of("web").finish(code=3)
        await trio.sleep(5)
        wreck = Wreck(first)
    async with open_next({"web": HTTP + SLOW}, wreck) as stage:
        assert stage.state("web").state is PublicState.BACKOFF
        await trio.sleep(60)
        assert stage.state("web").state is PublicState.RUNNING
        assert stage.listeners.calls == [("open", "web", "*:80")]


async def test_what_an_operator_has_stopped_is_not_waited_at_by_a_next_agent(autojump_clock: MockClock) -> None:
    async with open_stage({"web": HTTP}) as first:
        operator_of(first).operate(Operation.STOP, ["web"])
        await first.settle()
        wreck = Wreck(first)
    async with open_next({"web": HTTP}, wreck) as stage:
        assert held(stage) == {}
        assert stage.state("web").state is PublicState.STOPPED
