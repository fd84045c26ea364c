"""Plugin kinds that are programs, run for real: for what they are, and for what they contribute."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from orchestrator.core.exec_wire import WrongAnswer
from orchestrator.model.facts import ExecAnswer, ExecQuestion
from orchestrator.model.registry import Group
from orchestrator.system.exec_plugins import load_program
from orchestrator.system.facts import HostWorld
from orchestrator.system.programs import MOST_OUTPUT, Programs, digest_program
from orchestrator.system.reaper import Children
from tests.system.helpers_programs import write_program

ENVIRON = {"PATH": os.environ["PATH"], "SECRET": "hidden", "NOTIFY_SOCKET": "/private"}


def question(path: Path, request: object = None) -> ExecQuestion:
    return ExecQuestion(str(path), digest_program(str(path)), "CONTRIBUTE", json.dumps(request or {}))


def count_runs(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


async def wait_until(look: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not look():  # noqa: ASYNC110 - the kernel has no event for it
            await trio.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; it may be waited for by whoever reaps orphans."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def test_a_program_gets_the_request_and_a_small_environment(tmp_path: Path) -> None:
    script = 'cat > "$0.stdin"; env | sort > "$0.env"; echo "{\\"env\\": {}}"; echo noise >&2'
    program = write_program(tmp_path / "a.mount", script)
    asked = question(program, {"options": {"x": "é\n"}})
    answers = await Programs(Children(), ENVIRON).ask([asked, asked])
    assert answers == {asked: ExecAnswer(0, '{"env": {}}\n', "noise")}
    assert json.loads((tmp_path / "a.mount.stdin").read_text()) == {"options": {"x": "é\n"}}
    given = {
        line for line in (tmp_path / "a.mount.env").read_text().splitlines() if not line.startswith(("PWD=", "_="))
    }
    assert given == {
        "LANG=C.UTF-8",
        "ORCHESTRATOR_COMMAND=CONTRIBUTE",
        "ORCHESTRATOR_VERSION=1.0",
        f"PATH={ENVIRON['PATH']}",
    }


async def test_what_has_succeeded_is_not_run_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = write_program(tmp_path / "a.mount", f"echo x >> {runs}; echo '{{}}'")
    programs = Programs(Children(), ENVIRON)
    first, other = question(program, 1), question(program, 2)
    for _ in range(3):
        assert (await programs.ask([first]))[first].code == 0
    assert count_runs(runs) == 1
    await programs.ask([first, other])
    assert count_runs(runs) == 2
    programs.forget()
    await programs.ask([first])
    assert count_runs(runs) == 3


async def test_another_program_is_another_question_and_the_old_one_has_no_answer(tmp_path: Path) -> None:
    program = write_program(tmp_path / "a.mount")
    old = question(program)
    write_program(program, "echo '{\"env\": {}}'")
    programs = Programs(Children(), ENVIRON)
    assert question(program) != old
    assert (await programs.ask([old]))[old] == ExecAnswer(None, detail=f"{program} is another than it was a moment ago")


async def test_what_fails_is_run_again_at_the_next_look(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = write_program(tmp_path / "a.mount", f"echo x >> {runs}; echo why >&2; exit 3")
    asked, programs = question(program), Programs(Children(), ENVIRON)
    assert await programs.ask([asked]) == {asked: ExecAnswer(3, "", "why")}
    await programs.ask([asked])
    assert count_runs(runs) == 2


async def test_what_hangs_is_killed_with_all_its_processes_and_left_alone_for_a_while(tmp_path: Path) -> None:
    runs, pids = tmp_path / "runs", tmp_path / "pids"
    script = f"echo x >> {runs}; sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; trap '' TERM; wait; sleep 1000"
    program = write_program(tmp_path / "a.mount", script)
    asked, programs = question(program), Programs(Children(), ENVIRON, patience=0.5, again=1.0)
    failure = ExecAnswer(None, detail=f"{program} took longer than 0.5 s")
    assert await programs.ask([asked]) == {asked: failure}
    for pid in pids.read_text().split():
        await wait_until(lambda pid=pid: is_gone(int(pid)))  # type: ignore[misc]
    assert await programs.ask([asked]) == {asked: failure}
    assert count_runs(runs) == 1, "it is held back"
    with trio.fail_after(30):
        await programs.wait_news()
    await programs.ask([asked])
    assert count_runs(runs) == 2


async def test_one_that_hangs_is_not_waited_for_once_for_each_who_uses_it(tmp_path: Path) -> None:
    program = write_program(tmp_path / "a.mount", "exec sleep 1000")
    fine = question(write_program(tmp_path / "b.mount"))
    programs = Programs(Children(), ENVIRON, patience=1.0, again=100.0)
    asked = [question(program, number) for number in range(60)]
    began = time.monotonic()
    answers = await programs.ask([*asked, fine])
    assert time.monotonic() - began < 30, "and not sixty"
    assert {answers[each].detail for each in asked} == {f"{program} took longer than 1 s"}
    assert answers[fine].code == 0
    began = time.monotonic()
    await programs.ask(asked)
    assert time.monotonic() - began < 0.5


async def test_one_that_hangs_again_is_left_alone_for_longer(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = write_program(tmp_path / "a.mount", f"echo x >> {runs}; exec sleep 1000")
    asked, programs = question(program), Programs(Children(), ENVIRON, patience=0.2, again=0.2)
    waits = []
    for _ in range(3):
        await programs.ask([asked])
        began = trio.current_time()
        with trio.fail_after(30):
            await programs.wait_news()
        waits.append(trio.current_time() - began)
    assert count_runs(runs) == 3
    assert waits[1] > 0.39
    assert waits[2] > 0.79


@pytest.mark.parametrize("fail", ["exit 11", """{ echo '{"code": 11, "msg": "not yet"}'; exit 1; }"""])
async def test_one_that_asks_for_it_is_asked_again_later(tmp_path: Path, fail: str) -> None:
    ready = tmp_path / "ready"
    program = write_program(tmp_path / "a.mount", f"[ -e {ready} ] || {fail}; echo '{{}}'")
    asked, programs = question(program), Programs(Children(), ENVIRON, again=0.3)
    assert (await programs.ask([asked]))[asked].code != 0
    ready.touch()
    assert (await programs.ask([asked]))[asked].code != 0, "not so soon"
    with trio.fail_after(30):
        await programs.wait_news()
    assert (await programs.ask([asked]))[asked].code == 0


async def test_who_waits_for_news_hears_of_what_is_held_back_meanwhile(tmp_path: Path) -> None:
    program = write_program(tmp_path / "a.mount", "exit 11")
    programs = Programs(Children(), ENVIRON, again=0.1)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(programs.wait_news)
            await trio.testing.wait_all_tasks_blocked()
            await programs.ask([question(program)])


async def test_a_cancelled_question_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = write_program(tmp_path / "a.mount", f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000")
    programs = Programs(Children(), ENVIRON, patience=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(programs.ask, [question(program)])
        await wait_until(pid.exists)
        nursery.cancel_scope.cancel()
    assert is_gone(int(pid.read_text()))


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [("echo '{}'", 0o755, "exec format error"), ("#!/nowhere/sh\n", 0o755, "no such file or directory"),
     ("#!/bin/sh\n", 0o644, "permission denied")],
)  # fmt: skip
async def test_what_cannot_be_run_says_why(tmp_path: Path, text: str, mode: int, why: str) -> None:
    program = tmp_path / "a.mount"
    program.write_text(text)
    program.chmod(mode)
    asked = question(program)
    assert (await Programs(Children(), ENVIRON).ask([asked]))[asked].detail == f"cannot run {program}: {why}"


async def test_a_program_that_prints_without_end_is_no_answer(tmp_path: Path) -> None:
    program = write_program(tmp_path / "a.mount", f"head -c {MOST_OUTPUT + 1} /dev/zero")
    asked = question(program)
    assert (await Programs(Children(), ENVIRON).ask([asked]))[asked].detail == f"{program} printed more than 1 MiB"


async def test_programs_are_asked_beside_what_is_looked_at(tmp_path: Path) -> None:
    asked = question(write_program(tmp_path / "a.mount"))
    world = HostWorld.probe()
    facts = await world.gather([asked])
    assert facts.programs[asked] == ExecAnswer(0, "{}\n")
    assert facts.unanswered == frozenset()


def test_a_program_says_what_it_is(tmp_path: Path) -> None:
    program = write_program(tmp_path / "disk.mount")
    kind = load_program(str(program), Group.MOUNTS, "disk")
    assert (kind.type, kind.__doc__, kind.program.digest) == ("disk", "A kind.", digest_program(str(program)))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\nexit 3\n", "exit code 3, and nothing that says why"),
        ("#!/bin/sh\nkill -SEGV $$\n", f"signal {signal.SIGSEGV}, and nothing that says why"),
        ('#!/bin/sh\necho \'{"code": 1, "msg": "too old"}\'; exit 1\n', "too old (code 1)"),
        ("#!/bin/sh\necho usage: disk\n", "what it printed is no JSON object: "),
        ("echo\n", 'it cannot be run: exec format error: a script begins with "#!"'),
    ],
)
def test_a_program_that_does_not_say_what_it_is(tmp_path: Path, script: str, why: str) -> None:
    program = tmp_path / "disk.mount"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(WrongAnswer) as caught:
        load_program(str(program), Group.MOUNTS, "disk")
    assert str(caught.value).startswith(why)


def test_a_program_that_hangs_at_the_first_question_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = tmp_path / "disk.mount"
    program.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! $$ > {pids}\nwait\n")
    program.chmod(0o755)
    with pytest.raises(WrongAnswer) as caught:
        load_program(str(program), Group.MOUNTS, "disk", patience=0.5)
    assert str(caught.value) == "it took longer than 0.5 s to say what it is"
    deadline = time.monotonic() + 30
    while not all(is_gone(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
