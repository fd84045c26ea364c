"""`exec`: a command in a container that runs is as if it were run here, and nothing of it is left."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.host.agent_process import PATIENCE, STAYS, AgentProcess, definition, orchestrator, wrapper_for
from tests.host.host_view import find_cgroups, read_process_state

pytestmark = pytest.mark.real

Exec = Callable[..., subprocess.CompletedProcess[bytes]]


def words(agent: AgentProcess, *arguments: str) -> list[str]:
    return [*wrapper_for(agent.runtime), orchestrator(), "exec", "--run", str(agent.run), *arguments]


def call(agent: AgentProcess, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words(agent, *arguments), env=agent.environ, input=given, capture_output=True, check=False, timeout=PATIENCE
    )


@pytest.fixture(scope="module")
def box(agent: AgentProcess) -> AgentProcess:
    """An agent with a container ``box`` that stays; its first process reaps what it inherits."""
    agent.start_container("box", definition("trap 'exit 0' TERM; while :; do sleep 100000 & wait; done"))
    return agent


def processes_of(agent: AgentProcess, name: str) -> set[int]:
    """The processes of a container, zombies not among them."""
    pids: set[int] = set()
    for group in find_cgroups(agent.cgroup(name)):
        pids |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    return {pid for pid in pids if read_process_state(pid) not in (None, "Z", "X")}


def commands_of(agent: AgentProcess, name: str) -> list[str]:
    found = []
    for pid in sorted(processes_of(agent, name)):
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
    return found


@contextmanager
def nothing_left(agent: AgentProcess, name: str = "box") -> Iterator[None]:
    """Afterwards the container's processes and the files of its instance are those from before."""
    folder = agent.run / "instances" / agent.row(name)["instance"]
    processes, files = processes_of(agent, name), sorted(os.listdir(folder))
    yield
    left = processes_of(agent, name) - processes
    assert not left, commands_of(agent, name)
    assert sorted(os.listdir(folder)) == files


# How it ends


@pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
def test_the_exit_code_is_the_commands(box: AgentProcess, code: int) -> None:
    with nothing_left(box):
        done = call(box, "box", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out\n", b"err\n")


def test_a_command_that_a_signal_ends(box: AgentProcess) -> None:
    assert call(box, "box", "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["box", "--", "nonesuch"], 127, "nonesuch"),
        (["box", "--", "/no/such"], 127, "/no/such"),
        (["box", "--", "/etc/passwd"], 126, "ermission denied"),
        (["-w", "/no/such", "box", "--", "true"], 125, "/no/such"),
        (["-t", "box", "--", "true"], 125, "standard input is not a terminal: leave -t away"),
        (["-u", "nobdy", "box", "--", "true"], 125, 'did you mean "nobody"?'),
        (["bx", "--", "true"], 125, 'there is no container "bx" (did you mean "box"?)'),
        (["-e", "NAME", "box", "--", "true"], 2, '"NAME" is not NAME=VALUE'),
        (["--timeout", "5", "box", "--", "true"], 2, '"5s"'),
        (["-w", "tmp", "box", "--", "true"], 2, "not absolute"),
        (["box"], 2, "CMD"),
    ],
)
def test_what_cannot_be_run_is_one_line(box: AgentProcess, arguments: list[str], code: int, said: str) -> None:
    with nothing_left(box):
        done = call(box, *arguments)
    assert done.returncode == code, done
    assert done.stdout == b""
    line = done.stderr.decode()
    assert line.startswith("orchestrator: ")
    assert said in line
    assert line.count("\n") == 1


def test_a_container_that_does_not_run(box: AgentProcess) -> None:
    box.run_to_end("done", "true")
    done = call(box, "done", "--", "true")
    assert (done.returncode, done.stderr) == (125, b"orchestrator: done is not running\n")


def test_a_container_that_is_paused(agent: AgentProcess) -> None:
    row = agent.start_container("frozen")
    pause = [*wrapper_for(agent.runtime), agent.program, "--root", agent.layout.runtime_root]
    subprocess.run([*pause, "pause", row["instance"]], check=True)
    try:
        with nothing_left(agent, "frozen"):
            done = call(agent, "frozen", "--", "true")
    finally:
        subprocess.run([*pause, "resume", row["instance"]], check=True)
    assert done.returncode == 125
    assert "paused container" in done.stderr.decode() or "is paused" in done.stderr.decode()


def test_no_right_to_read_the_states(box: AgentProcess) -> None:
    # The checkout may be root's alone, so the program is loaded before it becomes someone else.
    code = (
        "import os, sys; import orchestrator.cli.exec, orchestrator.system.exec; from orchestrator.cli import main; "
        "os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "exec", "--run", str(box.run), "box", "--", "true"]
    done = subprocess.run(command, env=box.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert done.stderr.endswith(": Permission denied\n")
    assert done.stderr.count("\n") == 1


# What it gets


def test_standard_input_is_handed_on_where_that_is_asked_for(box: AgentProcess, tmp_path: Path) -> None:
    given = os.urandom(3_000_000)
    assert call(box, "-i", "box", "--", "cat", given=given).stdout == given
    assert call(box, "box", "--", "cat", given=given).stdout == b""
    (tmp_path / "given").write_bytes(given)
    with (tmp_path / "given").open("rb") as file, (tmp_path / "taken").open("wb") as taken:
        done = subprocess.run(words(box, "-i", "box", "--", "cat"), env=box.environ, stdin=file, stdout=taken)
    assert done.returncode == 0
    assert (tmp_path / "taken").read_bytes() == given


def test_a_command_that_reads_no_more_than_it_needs(box: AgentProcess) -> None:
    done = call(box, "-i", "box", "--", "head", "-c", "5", given=b"x" * 1_000_000)
    assert (done.returncode, done.stdout) == (0, b"xxxxx")


def test_a_reader_that_leaves_ends_a_command_that_writes(box: AgentProcess) -> None:
    command = words(box, "box", "--", "yes")
    with nothing_left(box), subprocess.Popen(command, env=box.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


def test_it_has_the_rights_of_the_container(agent: AgentProcess) -> None:
    script = f"cat /proc/self/status; cd /; {STAYS}"
    for name, fields in (("asroot", {}), ("asuser", {"user": "12345:12346", "cwd": "/usr", "env": {"OWN": "set"}})):
        agent.start_container(name, definition(script, **fields))
        agent.wait_log(name, "Seccomp_filters")
        wanted = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"}

        def pick(text: str, wanted: set[str] = wanted) -> dict[str, str]:
            lines = (line.partition(":") for line in text.splitlines())
            return {key: value.strip() for key, _, value in lines if key in wanted}

        done = call(agent, name, "--", "cat", "/proc/self/status")
        assert pick(done.stdout.decode()) == pick(agent.log(name))
    assert call(agent, "asuser", "--", "sh", "-c", "pwd; echo $OWN").stdout == b"/usr\nset\n"


def test_user_folder_and_variables_may_be_others(box: AgentProcess) -> None:
    script = 'id -un; id -gn; pwd; echo "$HOME $A $B"; grep CapEff /proc/self/status'
    options = ("-u", "nobody", "-w", "/usr/share", "-e", "A=one two", "-e", "B=b=c", "-e", "B=d")
    lines = call(box, *options, "box", "--", "sh", "-c", script).stdout.decode().splitlines()
    assert lines[:3] == ["nobody", "nogroup", "/usr/share"]
    assert lines[3].endswith(" one two d")
    assert int(lines[4].split()[1], 16) == 0


def test_many_at_once(box: AgentProcess) -> None:
    with nothing_left(box):
        running = [
            subprocess.Popen(
                words(box, "box", "--", "sh", "-c", f"echo {number}; exit {number}"),
                env=box.environ,
                stdout=subprocess.PIPE,
            )
            for number in range(8)
        ]
        for number, process in enumerate(running):
            assert process.communicate(timeout=PATIENCE)[0] == b"%d\n" % number
            assert process.returncode == number


# What is left of it: nothing


@contextmanager
def running(agent: AgentProcess, script: str, *options: str, name: str = "box") -> Iterator["subprocess.Popen[bytes]"]:
    """A script that has said that it is up."""
    command = words(agent, *options, name, "--", "sh", "-c", script)
    with subprocess.Popen(command, env=agent.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


INIT = """
import os, subprocess, sys
from orchestrator.system.reaper import become_subreaper

become_subreaper()
subprocess.Popen(sys.argv[1:])
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""


@contextmanager
def killed(agent: AgentProcess, script: str, name: str = "box") -> Iterator[None]:
    """A script that has said that it is up, and whose command line was killed then. What that leaves belongs to a
    process that reaps it, as PID 1 of a host does: that of a test machine may not."""
    command = [sys.executable, "-c", INIT, *words(agent, name, "--", "sh", "-c", script)]
    with subprocess.Popen(command, env=agent.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as init:
        try:
            assert init.stdout is not None
            assert init.stdout.readline() == b"up\n"
            (pid,) = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
            os.kill(int(pid), signal.SIGKILL)
            yield
            init.wait(PATIENCE)
        finally:
            init.kill()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_signal_is_handed_on(box: AgentProcess, number: signal.Signals) -> None:
    script = f"trap 'echo got; exit 7' {int(number)}; echo up; while :; do sleep 0.01; done"
    with nothing_left(box), running(box, script) as process:
        process.send_signal(number)
        assert process.wait(PATIENCE) == 7
        assert process.stdout is not None
        assert process.stdout.read() == b"got\n"


def test_ctrl_z_does_not_stop_what_must_reap(box: AgentProcess) -> None:
    with nothing_left(box), running(box, "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done") as process:
        process.send_signal(signal.SIGTSTP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 3


STUBBORN = {
    "sleeps": "sleep 1000",
    "ignores-term": "trap '' TERM; sleep 1000 & sleep 1000",
    "daemonizes": "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & wait' &) ; sleep 1000",
}


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
def test_a_time_out_leaves_nothing(box: AgentProcess, script: str) -> None:
    with nothing_left(box):
        done = call(box, "--timeout", "300ms", "box", "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (124, b"")


def test_a_command_may_end_in_peace_at_its_time_out(box: AgentProcess) -> None:
    script = "trap 'echo late; exit 0' TERM; while :; do sleep 0.01; done"
    done = call(box, "--timeout", "1s", "box", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (124, b"late\n")


@pytest.mark.parametrize(
    "daemon",
    ["setsid sleep 1000", "env -i sleep 1000", "setsid sh -c 'sleep 1000 & wait'"],
    ids=["session", "env", "sh"],
)
def test_what_it_began_ends_with_it(box: AgentProcess, daemon: str) -> None:
    """Also what holds its output, which would otherwise be waited for."""
    with nothing_left(box):
        done = call(box, "box", "--", "sh", "-c", f"{daemon} & exit 4")
    assert done.returncode == 4


def test_what_a_killed_one_leaves_is_ended_by_the_next(box: AgentProcess) -> None:
    script = "trap '' TERM HUP; echo up; setsid sleep 1000 & sleep 1000 > /dev/null"
    with nothing_left(box), killed(box, script):
        before = processes_of(box, "box")
        left = {pid for pid in before if b"sleep\x001000\0" in Path(f"/proc/{pid}/cmdline").read_bytes()}
        assert left
        assert call(box, "box", "--", "true").returncode == 0
        # What was killed may take a moment to be gone.
        box.wait_until(lambda: not processes_of(box, "box") & left, "what was left to be gone")


def test_a_killed_one_does_not_keep_its_container(agent: AgentProcess) -> None:
    agent.start_container("left")
    with killed(agent, "trap '' TERM HUP; echo up; setsid sleep 1000 & sleep 1000 > /dev/null", name="left"):
        agent.remove("left")


def test_a_container_that_ends_takes_it_along(agent: AgentProcess) -> None:
    row = agent.start_container("short")
    with running(agent, "trap '' TERM; echo up; sleep 1000 & sleep 1000", name="short") as process:
        agent.remove("short")
        assert process.wait(PATIENCE) == 128 + signal.SIGKILL
    assert not (agent.run / "instances" / row["instance"]).exists()


def test_the_children_of_the_shell_that_it_was_stay(box: AgentProcess) -> None:
    """A script may end by becoming this command; what it began before is not the command's."""
    script = 'sleep 1000 & echo $!; exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *words(box, "box", "--", "true")], env=box.environ, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        sleeper = int(process.stdout.readline())
        try:
            assert process.wait(PATIENCE) == 0
            assert read_process_state(sleeper) == "S"
        finally:
            os.kill(sleeper, signal.SIGKILL)


# Terminals


class Terminal:
    """The program at a terminal of its own, as its session's first process."""

    def __init__(self, agent: AgentProcess, *arguments: str, rows: int = 24, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *words(agent, *arguments)],
            env={**agent.environ, "TERM": "vt100"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.master, (rows, columns))

    def send(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes) -> None:
        """Wait until this has been written since the last time."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, f"waited in vain for {text!r} in {self.seen!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(text)[2]

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is as it was"
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@contextmanager
def terminal(agent: AgentProcess, *arguments: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    opened = Terminal(agent, *arguments, rows=rows, columns=columns)
    try:
        yield opened
    finally:
        opened.close()


def test_a_terminal_is_one(box: AgentProcess) -> None:
    script = "tty; stty size; echo $TERM; read line; echo got $line; exit 6"
    with nothing_left(box), terminal(box, "-it", "box", "--", "sh", "-c", script, rows=33, columns=111) as screen:
        screen.expect(b"/dev/pts/")
        screen.expect(b"33 111")
        screen.expect(b"vt100")
        screen.send(b"hello\r")
        screen.expect(b"got hello")
        assert screen.wait() == 6


def test_a_terminal_follows_the_size_of_the_operators(box: AgentProcess) -> None:
    # The first size may be set, and told by a signal too, after the command has begun.
    script = "trap 'stty size' WINCH; trap 'exit 0' INT; echo up; while :; do sleep 0.01; done"
    with terminal(box, "-it", "box", "--", "sh", "-c", script) as screen:
        screen.expect(b"up")
        screen.resize(50, 132)
        screen.expect(b"50 132")
        screen.send(b"\x03")
        assert screen.wait() == 0


def test_ctrl_c_reaches_the_command_in_its_terminal(box: AgentProcess) -> None:
    script = "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 0.01; done"
    with nothing_left(box), terminal(box, "-it", "box", "--", "sh", "-c", script) as screen:
        screen.expect(b"up")
        screen.send(b"\x03")
        screen.expect(b"caught")
        assert screen.wait() == 5


def test_a_shell_at_a_terminal(box: AgentProcess) -> None:
    with nothing_left(box), terminal(box, "-it", "box", "--", "sh") as screen:
        screen.send(b"sleep 1000 & echo $((6 * 7))\r")
        screen.expect(b"42")
        screen.send(b"exit 5\r")
        assert screen.wait() == 5


def test_ctrl_c_without_a_terminal_of_its_own(box: AgentProcess) -> None:
    with nothing_left(box), terminal(box, "-i", "box", "--", "sh", "-c", "echo up; exec sleep 1000") as screen:
        screen.expect(b"up")
        screen.send(b"\x03")
        assert screen.wait() == 128 + signal.SIGINT


@pytest.mark.parametrize("how", ["time-out", "signal", "killed", "container"])
def test_the_terminal_is_restored_whatever_happens(agent: AgentProcess, how: str) -> None:
    row = agent.start_container("raw")
    options = ("--timeout", "500ms") if how == "time-out" else ()
    with terminal(agent, "-it", *options, "raw", "--", "sh", "-c", "trap '' HUP; echo up; sleep 1000") as screen:
        screen.expect(b"up")
        expected = {"time-out": 124, "signal": 143, "killed": 137, "container": 137}[how]
        match how:
            case "signal":
                os.kill(screen.process.pid, signal.SIGTERM)
            case "killed":
                mine = processes_of(agent, "raw") - {row["pid"]}
                for pid in mine:
                    with suppress(ProcessLookupError):  # what another one's end has ended
                        os.kill(pid, signal.SIGKILL)
            case "container":
                agent.remove("raw")
        assert screen.wait() == expected
    if how != "container":
        agent.remove("raw")


def test_a_terminal_that_is_gone_hangs_up(box: AgentProcess) -> None:
    before = processes_of(box, "box")
    with nothing_left(box):
        with terminal(box, "-it", "box", "--", "sh") as screen:
            screen.send(b"echo u'p'\r")
            screen.expect(b"up")
        box.wait_until(lambda: processes_of(box, "box") == before, "the shell to end")
