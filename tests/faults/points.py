"""The named failpoints of an agent: before, during and after every effect, by proxies around what the agent builds.

There is nothing of this in the agent. A point is called ``SIDE PORT.METHOD[DETAIL]``, as in ``before
disk.write_instance[running]``. Each one that is reached is noted in a file; the one that is planned kills the agent.
"""

import functools
import inspect
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from orchestrator.model.state import InstanceState, NameState, PublicState, Step


@frozen
class Effect:
    """A method that changes the world."""

    detail: Callable[..., str] = lambda *_: ""
    """What its calls differ by, from their arguments."""
    details: tuple[str, ...] = ("",)
    """All that ``detail`` says."""
    lasts: bool = False
    """It takes a while, so that an agent can be killed while it is under way."""


def _step_of(state: InstanceState) -> str:
    return f"{state.step.value}, ended" if state.exit is not None else state.step.value


def _word_of(state: NameState) -> str:
    return state.state.value


def _signal_of(number: int) -> str:
    return signal.Signals(number).name


NEVER_WRITTEN = (PublicState.BUILDING, PublicState.IDLE)
"""What is over before there is time to write it, and what is not told of a name that has a file."""

EFFECTS: Mapping[str, Mapping[str, Effect]] = {
    "runtime": {
        "create": Effect(lasts=True),
        "start": Effect(lasts=True),
        "update": Effect(lasts=True),
        "remove": Effect(lasts=True),
        "kill_all": Effect(),
    },
    "process": {
        "wait": Effect(),
        "send_signal": Effect(_signal_of, ("SIGTERM", "SIGKILL")),
        "close": Effect(),
    },
    "disk": {
        "store_bundle": Effect(),
        "prepare_instance": Effect(),
        "write_live": Effect(),
        "keep_origin": Effect(),
        "remove_instance": Effect(),
        "write_instance": Effect(_step_of, (*(step.value for step in Step), "running, ended", "stopping, ended")),
        "write_name": Effect(_word_of, tuple(word.value for word in PublicState if word not in NEVER_WRITTEN)),
        "remove_name": Effect(),
        "write_agent": Effect(),
        "keep_store_paths": Effect(),
        "sweep_bundles": Effect(),
        "sweep_store_roots": Effect(),
        "hold": Effect(),
        "release": Effect(),
        "append_record": Effect(),
        "forget_names": Effect(),
        "forget_unfinished": Effect(),
        "set_aside": Effect(),
    },
    "store": {
        "keep": Effect(),
        "give_up": Effect(),
        "give_up_rest": Effect(),
    },
    "sockets": {
        "open": Effect(),
    },
    "attacher": {
        "attach": Effect(lasts=True),
        "detach": Effect(lasts=True),
    },
    "listeners": {
        "open": Effect(),
        "keep_only": Effect(),
    },
    "keeper": {
        "keep": Effect(),
        "give_up": Effect(),
    },
    "prober": {
        "probe": Effect(lasts=True),
    },
    "generations": {
        "write": Effect(lasts=True),
        "clear_out": Effect(),
        "set_aside": Effect(),
        "write_pin": Effect(),
    },
}
"""By port and method."""

MADE_BY: Mapping[tuple[str, str], str] = {("runtime", "create"): "process", ("processes", "find"): "process"}
"""The port of what a method returns."""


def list_points() -> tuple[str, ...]:
    """The names of all points, sorted."""
    return tuple(
        sorted(
            name_point(side, port, method, detail)
            for port, effects in EFFECTS.items()
            for method, effect in effects.items()
            for side in ("before", "during", "after")
            for detail in effect.details
            if effect.lasts or side != "during"
        )
    )


def name_point(side: str, port: str, method: str, detail: str) -> str:
    return f"{side} {port}.{method}[{detail}]" if detail else f"{side} {port}.{method}"


@frozen
class Plan:
    """Where an agent is to be killed."""

    point: str
    count: int
    """At which time that it is reached, from 1 on, counted from when the plan was made known."""
    delay: float = 0.0
    """Seconds after that."""


@frozen
class Reached:
    """How often each point was reached, and how often an agent was killed there."""

    passed: Counter[str]
    killed: Counter[str]


class PointsFolder:
    """What the harness and its agents tell each other: the plan, and what was reached."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "plan.json"
        self._reached = folder / "reached"

    def arm(self, plan: Plan | None) -> None:
        """From now on the agent is to be killed by this plan; by none. A point that it is passing just now may not
        know of it yet."""
        new = self._plan.with_suffix(".new")
        new.write_text(json.dumps(asdict(plan)) if plan is not None else "")
        new.rename(self._plan)

    def read_plan(self) -> str:
        """The plan's text; empty where there is none."""
        return self._plan.read_text()

    def open_reached(self) -> int:
        """A descriptor to write lines to, of points that were reached, and of that where the agent dies."""
        return os.open(self._reached, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def count(self) -> Reached:
        """What was reached so far."""
        lines = Counter(self._reached.read_text().splitlines())
        killed = {line.removeprefix("killed "): count for line, count in lines.items() if line.startswith("killed ")}
        return Reached(
            Counter({line: lines[line] for line in lines if not line.startswith("killed ")}), Counter(killed)
        )


class Points:
    """The points of this process."""

    def __init__(self, folder: PointsFolder) -> None:
        self._folder = folder
        self._reached = folder.open_reached()
        self._text = ""
        self._left = 0

    def reach(self, name: str) -> None:
        """A point is reached: this process ends here if that is the plan."""
        os.write(self._reached, f"{name}\n".encode())
        text = self._folder.read_plan()
        if not text:
            return
        plan = Plan(**json.loads(text))
        if text != self._text:
            self._text, self._left = text, plan.count
        if plan.point == name:
            self._left -= 1
            if self._left == 0:
                threading.Timer(plan.delay, self._die, (name,)).start() if plan.delay else self._die(name)

    def _die(self, name: str) -> None:
        os.write(self._reached, f"killed {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()  # until it is delivered, which may be to another thread

    def watch(self, inner: Any, port: str) -> Any:  # noqa: ANN401 - whatever implements the port
        """A proxy of what implements a port, with a point before, during and after each of its effects."""
        return Watched(inner, port, self)


class Watched:
    """See `Points.watch`. What is no effect goes through as it is."""

    def __init__(self, inner: object, port: str, points: Points) -> None:
        self._inner = inner
        self._port = port
        self._points = points

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        found = getattr(self._inner, name)
        made = MADE_BY.get((self._port, name))
        effect = EFFECTS.get(self._port, {}).get(name)
        if effect is None and made is None:
            return found

        def reach(side: str, arguments: tuple[object, ...]) -> None:
            if effect is not None:
                self._points.reach(name_point(side, self._port, name, effect.detail(*arguments)))

        def begin(arguments: tuple[object, ...]) -> None:
            reach("before", arguments)
            if effect is not None and effect.lasts:
                reach("during", arguments)

        def end(arguments: tuple[object, ...], result: object) -> object:
            reach("after", arguments)
            return result if made is None else self._points.watch(result, made)

        if inspect.iscoroutinefunction(found):

            @functools.wraps(found)
            async def call_and_wait(*arguments: object, **options: object) -> object:
                begin(arguments)
                return end(arguments, await found(*arguments, **options))

            return call_and_wait

        @functools.wraps(found)
        def call(*arguments: object, **options: object) -> object:
            begin(arguments)
            return end(arguments, found(*arguments, **options))

        return call
