"""Commands, orphans and pidfds, with real processes of this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.system.process import ProcessGone, adopt_pidfd, open_process
from orchestrator.system.procstat import read_start_time
from orchestrator.system.reaper import Children, become_subreaper, list_children, reap_orphans
from orchestrator.system.runtime_output import MESSAGE_LIMIT, find_message, open_scratch, read_from
from orchestrator.system.spawn import clean_environment, keep_descriptors_private, run_command

SH = "/bin/sh"
ENV = {"PATH": "/usr/bin:/bin"}
START_ORPHAN = "sleep 1000 >/dev/null 2>&1 & echo $!"


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    """With a reaper at work; all children of the test are gone at its end."""
    become_subreaper()
    children = Children()
    before = set(list_children())
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        yield children
        assert set(list_children()) <= before
        nursery.cancel_scope.cancel()


async def run_shell(script: str, children: Children, deadline: float = 30.0) -> tuple[int | None, str]:
    """A script's exit code and its output."""
    with open_scratch() as output:
        result = await run_command((SH, "-c", script), children=children, env=ENV, deadline=deadline, stdout=output)
        return result.code, read_from(f"/proc/self/fd/{output}", 0)


def begin(argv: list[str], children: Children) -> "subprocess.Popen[str]":
    """A child that the test waits for by other means."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    children.add(child.pid)
    return child


async def wait_until_gone(*pids: int) -> None:
    with trio.fail_after(10):
        while any(Path(f"/proc/{pid}").exists() for pid in pids):  # noqa: ASYNC110, ASYNC240 - others reap them
            await trio.sleep(0.002)


async def test_a_command_ends_with_its_code_or_its_signal(children: Children) -> None:
    assert await run_shell("echo hello; exit 3", children) == (3, "hello\n")
    result = await run_command((SH, "-c", "kill -KILL $$"), children=children, env=ENV, deadline=30)
    assert (result.code, result.signal, result.success) == (None, signal.SIGKILL, False)
    assert result.describe() == "signal 9"


async def test_a_command_gets_clean_signals_streams_and_a_session_of_its_own(children: Children) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    keep_descriptors_private()
    code, output = await run_shell("cat /proc/self/status; ls -l /proc/self/fd; cat /proc/$$/stat; echo $$", children)
    assert code == 0
    fields = dict(line.split(":\t") for line in output.splitlines() if ":\t" in line)
    # glibc's posix_spawn leaves its own two, 32 and 33, ignored; whatever uses them sets them up.
    assert int(fields["SigIgn"], 16) & ~(0b11 << 31) == 0
    assert int(fields["SigBlk"], 16) == 0
    # 3 is the folder that ls reads.
    assert {line.split()[8] for line in output.splitlines() if " -> " in line} <= {"0", "1", "2", "3"}
    os.close(reader)
    os.close(writer)
    *_, stat, pid = output.splitlines()
    _, _, group, session = stat.rpartition(")")[2].split()[:4]
    assert group == session == pid


async def test_a_program_that_is_not_there(children: Children) -> None:
    with pytest.raises(FileNotFoundError):
        await run_command(("/no/such/program",), children=children, env=ENV, deadline=30)


async def test_at_its_deadline_the_whole_group_is_killed_and_reaped(children: Children) -> None:
    with open_scratch() as output:
        script = "sleep 1000 & echo $!; (sleep 1000 & echo $!; wait) & echo $!; wait"
        argv = (SH, "-c", script)
        result = await run_command(argv, children=children, env=ENV, deadline=0.3, stdout=output)
        pids = [int(line) for line in read_from(f"/proc/self/fd/{output}", 0).split()]
    assert result.timed_out
    assert (result.signal, result.describe()) == (signal.SIGKILL, "took too long")
    assert len(pids) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)  # noqa: ASYNC240 - a test may block


async def test_a_cancel_kills_and_reaps_before_it_goes_on(children: Children) -> None:
    before = set(list_children())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_shell, "sleep 1000 & wait", children)
        await trio.testing.wait_all_tasks_blocked()
        assert len(set(list_children()) - before) == 1
        nursery.cancel_scope.cancel()
    assert set(list_children()) == before


async def test_what_a_failed_command_started_is_killed_and_what_a_good_one_started_is_not(children: Children) -> None:
    code, output = await run_shell(f"{START_ORPHAN}; exit 1", children)
    assert code == 1
    assert not Path(f"/proc/{int(output)}").exists()  # noqa: ASYNC240 - a test may block
    code, output = await run_shell(START_ORPHAN, children)
    assert code == 0
    orphan = int(output)
    assert orphan in list_children()
    os.kill(orphan, signal.SIGKILL)
    await wait_until_gone(orphan)


async def test_orphans_are_reaped_and_nobody_elses_children(children: Children) -> None:
    mine = begin([sys.executable, "-c", "raise SystemExit(5)"], children)
    # Signals coalesce: many end as one.
    _, output = await run_shell(f"for i in 1 2 3 4 5 6 7 8; do {START_ORPHAN}; done", children)
    orphans = [int(line) for line in output.split()]
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    await wait_until_gone(*orphans)
    with mine:
        assert mine.wait() == 5
    children.discard(mine.pid)


async def test_a_child_that_is_given_up_after_its_end_is_reaped(children: Children) -> None:
    _, output = await run_shell(START_ORPHAN, children)
    process = open_process(int(output), children)
    process.send_signal(signal.SIGKILL)
    with trio.fail_after(10):
        await trio.lowlevel.wait_readable(process._pidfd)
    assert children.reap(list_children()) == []
    process.close()
    await wait_until_gone(process.pid)
    process.send_signal(signal.SIGTERM)


async def test_while_a_container_is_created_what_may_be_its_init_is_left_alone(children: Children) -> None:
    _, output = await run_shell(START_ORPHAN, children)
    with children.hold():
        os.kill(int(output), signal.SIGKILL)
        while ") Z " not in Path(f"/proc/{int(output)}/stat").read_text():  # noqa: ASYNC110, ASYNC240 - a zombie
            await trio.sleep(0.002)
        assert children.reap(list_children()) == []
        process = open_process(int(output), children)
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()


async def test_a_process_whose_name_looks_like_a_stat_file(children: Children, tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    child = begin([str(program), "1000"], children)
    children.discard(child.pid)
    process = open_process(child.pid, children)
    assert process.start_time == read_start_time(child.pid)
    assert process.start_time > 1
    with pytest.raises(ProcessGone, match="is gone"):
        open_process(child.pid, children, process.start_time + 1)
    process.send_signal(signal.SIGKILL)
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()
    child.returncode = -signal.SIGKILL  # reaped already
    with child:
        pass
    with pytest.raises(ProcessGone):
        open_process(child.pid, children)


@pytest.mark.parametrize(("script", "code", "number"), [("exit 4", 4, None), ("kill -KILL $$", None, 9)])
async def test_the_end_of_anothers_child_is_told_by_the_kernel(
    children: Children, script: str, code: int | None, number: int | None
) -> None:
    # Its parent looks away for a moment after its end, and only then reaps it.
    parent = "import subprocess, sys, time\n"
    parent += "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
    parent += "print(child.pid, flush=True); sys.stdin.readline(); child.stdin.close(); time.sleep(0.1); child.wait()"
    argv = [sys.executable, "-c", parent, SH, "-c", f"read line; {script}"]
    with begin(argv, children) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        process = open_process(int(other.stdout.readline()), children)
        assert process.pid not in children
        other.stdin.close()
        with trio.fail_after(20):
            ended = await process.wait()
        process.close()
        other.wait()
    children.discard(other.pid)
    assert (ended.code, ended.signal) == (code, number)


async def test_a_process_that_ended_while_nobody_looked_is_known_by_the_pidfd_that_was_kept(children: Children) -> None:
    # Its parent, which is another, has reaped it by the time the pidfd is looked at.
    parent = "import subprocess, sys\nchild = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
    parent += "print(child.pid, flush=True); sys.stdin.readline(); child.stdin.close(); child.wait()"
    with begin([sys.executable, "-c", parent, SH, "-c", "read line; exit 5"], children) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        pid = int(other.stdout.readline())
        start_time = read_start_time(pid)
        assert start_time is not None
        kept, second = os.pidfd_open(pid), os.pidfd_open(pid)
        alive = adopt_pidfd(second, pid, start_time, children)
        assert (alive.pid, alive.start_time) == (pid, start_time)
        alive.close()
        other.stdin.close()
        other.wait()
    children.discard(other.pid)
    process = adopt_pidfd(kept, pid, start_time, children)
    assert pid not in children
    with trio.fail_after(20):
        assert (await process.wait()).code == 5
    process.send_signal(signal.SIGKILL)
    process.close()


async def test_a_child_by_a_kept_pidfd_is_waited_for_here(children: Children) -> None:
    child = begin([SH, "-c", "exit 6"], children)
    children.discard(child.pid)
    start_time = read_start_time(child.pid)
    assert start_time is not None
    process = adopt_pidfd(os.pidfd_open(child.pid), child.pid, start_time, children)
    assert child.pid in children
    assert (await process.wait()).code == 6
    assert child.pid not in children
    process.close()
    child.returncode = 6  # reaped already
    with child:
        pass


async def test_a_descriptor_that_is_not_the_processs_is_closed(children: Children, tmp_path: Path) -> None:
    with begin([SH, "-c", "read line"], children) as child:
        start_time = read_start_time(child.pid)
        assert start_time is not None
        before = set(os.listdir("/proc/self/fd"))
        others = [
            (os.pidfd_open(child.pid), os.getpid(), start_time),
            (os.pidfd_open(child.pid), child.pid, start_time + 1),
            (os.open(tmp_path, os.O_RDONLY), child.pid, start_time),
        ]
        for descriptor, pid, began in others:
            with pytest.raises(ProcessGone, match=f"cannot hold process {pid}: .* is not its"):
                adopt_pidfd(descriptor, pid, began, children)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(others[0][0])
        assert set(os.listdir("/proc/self/fd")) == before
        child.communicate()
    children.discard(child.pid)


def test_the_environment_is_cleaned_of_what_is_meant_for_this_process() -> None:
    private = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    assert clean_environment({**dict.fromkeys(private, "x"), "PATH": "/bin"}) == {"PATH": "/bin"}


def test_a_runtimes_message_is_its_last_error_on_one_line() -> None:
    runc = (
        '{"level":"warning","msg":"unsure","time":"T"}\n{"level":"error","msg":"no\\n\\tbinary\\u001b[0m","time":"T"}\n'
    )
    crun = '{"msg":"executable file `/x` not found","level":"error","time":"T"}\n{"msg":"cut sh'
    assert find_message(runc) == "no binary [0m"
    assert find_message(crun) == "executable file `/x` not found"
    assert find_message("") == find_message("[]\n7\n") == ""
    assert len(find_message('{"level": "error", "msg": "%s"}' % ("x" * 10_000))) == MESSAGE_LIMIT
