"""Probes of every kind: what they find, by what words, in whose network, and that nothing is left of them."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve

from orchestrator.model.bundle import Instance
from orchestrator.model.health import ExecHealth, Health, HttpHealth, TcpHealth
from orchestrator.model.policy import Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, Step
from orchestrator.model.types import Duration, ProbeHost, UrlPath
from orchestrator.ports import NotAsked
from orchestrator.system import netns, probe_exec
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.exec_begin import make_scratch
from orchestrator.system.netns import make_socket
from orchestrator.system.probes import HostProber
from orchestrator.system.procstat import read_start_time
from orchestrator.system.reaper import Children, reap_orphans
from orchestrator.system.strays import make_mark
from tests.system.helpers_runtime import Bench, Program, look_at_host, open_bench

SOON = Duration(0.2)
LONG = Duration(30.0)
"""Never waited for."""


def state_of(pid: int, **changes: Any) -> InstanceState:  # noqa: ANN401 - fields of an InstanceState
    """The state of an instance whose first process is this one."""
    paths = dict.fromkeys(("bundle", "runtime", "root", "folder", "rootfs", "cgroups_path", "log"), "/nowhere")
    fields: dict[str, Any] = {
        **paths,
        "name": "web",
        "instance": "web-1",
        "step": Step.RUNNING,
        "created_at": 0.0,
        "resources": Resources(),
        "policy": Policy(oneshot=False, restart=Restart(), stop=Stop()),
        "pid": pid,
        "pid_start_time": read_start_time(pid),
    }
    return InstanceState(**{**fields, **changes})


def prober() -> HostProber:
    return HostProber(Children(), Cgroups())


async def ask_here(health: Health) -> str | None:
    """Ask this process itself."""
    return await prober().probe(health, state_of(os.getpid()))


Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server of this process; its port."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
        port: int = listener.socket.getsockname()[1]

        async def serve(stream: trio.abc.Stream) -> None:
            async with trio.SSLStream(stream, context, server_side=True) if context is not None else stream as taken:
                await handler(taken)

        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield port
        nursery.cancel_scope.cancel()


def answering(answer: bytes) -> Handler:
    """Reads a request and answers so."""

    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    return handle


async def never(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def unused_port() -> int:
    async with serving(never) as port:
        return port


# By TCP and HTTP


async def test_a_connection_that_is_accepted_is_well() -> None:
    async with serving(never) as port:
        assert await ask_here(TcpHealth(port=port, timeout=LONG)) == ""
    async with serving(never, "::1") as port:
        assert await ask_here(TcpHealth(port=port, timeout=LONG, host=ProbeHost("::1"))) == ""


async def test_nobody_listens() -> None:
    port = await unused_port()
    assert await ask_here(TcpHealth(port=port, timeout=LONG)) == "connection refused"
    assert await ask_here(HttpHealth(port=port, timeout=LONG)) == "connection refused"
    assert await ask_here(TcpHealth(port=port, timeout=LONG, host=ProbeHost("ff02::1"))) == "network is unreachable"


async def test_a_connection_that_is_not_accepted_in_time() -> None:
    full = trio.socket.socket()
    with full:
        await full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [trio.socket.socket() for _ in range(2)]
        async with trio.open_nursery() as nursery:
            for filler in fillers:
                nursery.start_soon(filler.connect, ("127.0.0.1", port))
            await trio.testing.wait_all_tasks_blocked()
            assert await ask_here(TcpHealth(port=port, timeout=SOON)) == "no answer within 0.2 s"
            nursery.cancel_scope.cancel()
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        (b"HTTP/1.0 200 OK\r\n\r\nok", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nnothing here", "HTTP 404"),
        # What comes after the head decides nothing.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\ncut off", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 1_000_000, ""),
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "the connection was closed without an answer"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "what it answers is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "what it answers is no HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "its answer has no end"),
    ],
)
async def test_an_answer_by_http(answer: bytes, why: str) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        try:
            await answering(answer)(stream)
        except trio.BrokenResourceError:
            assert len(answer) > 64 * 1024, "what is small is read to its end"

    async with serving(handle) as port:
        assert await ask_here(HttpHealth(port=port, timeout=LONG)) == why


async def test_what_is_asked_for_by_http() -> None:
    asked = []

    async def handle(stream: trio.abc.Stream) -> None:
        asked.append(bytes(await stream.receive_some()))
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(handle, "::1") as port:
        health = HttpHealth(port=port, timeout=LONG, host=ProbeHost("::1"), path=UrlPath("/healthz?deep=1"))
        assert await ask_here(health) == ""
    lines = asked[0].decode().lower().split("\r\n")
    assert lines[0] == "get /healthz?deep=1 http/1.1"
    assert {f"host: [::1]:{port}", "connection: close"} <= set(lines)


async def test_a_server_that_says_nothing() -> None:
    async with serving(never) as port:
        assert await ask_here(HttpHealth(port=port, timeout=SOON)) == "no answer within 0.2 s"


async def test_a_page_that_never_ends_is_good_when_its_head_is() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await answering(b"HTTP/1.1 200 OK\r\n\r\n")(stream)
        await trio.sleep_forever()

    async with serving(handle) as port:
        assert await ask_here(HttpHealth(port=port, timeout=SOON)) == ""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Signed by nobody, and of another name."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is not installed: apt-get install openssl"
    folder = tmp_path_factory.mktemp("certificate")
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=elsewhere.example -days 1 -keyout key.pem -out cert.pem"
    subprocess.run([openssl, *words.split()], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_a_certificate_is_not_checked(certificate: ssl.SSLContext) -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), context=certificate) as port:
        assert await ask_here(HttpHealth(port=port, timeout=LONG, tls=True)) == ""


async def test_what_speaks_no_tls() -> None:
    async with serving(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert await ask_here(HttpHealth(port=port, timeout=LONG, tls=True)) == "TLS: wrong version number"


# Whose network it is

SERVER = """
import socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    connection.close()
"""


@contextmanager
def elsewhere() -> Iterator[tuple[int, int]]:
    """A server in a network namespace of its own: its pid, and its port there."""
    up = "import subprocess; subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)"
    with subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", f"{up}\n{SERVER}"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.pid, int(server.stdout.readline())
        finally:
            server.kill()


@contextmanager
def zombie() -> Iterator[int]:
    """A process that has ended and was not waited for."""
    with subprocess.Popen(["/bin/true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield ended.pid


def own_namespace() -> str:
    return os.readlink("/proc/thread-self/ns/net")


@pytest.mark.real
async def test_what_is_in_another_network_is_asked_there() -> None:
    ours = own_namespace()
    with elsewhere() as (pid, port):
        before = look_at_host("/none", Cgroups())
        assert await prober().probe(TcpHealth(port=port, timeout=LONG), state_of(pid)) == ""
        assert await prober().probe(HttpHealth(port=port, timeout=LONG), state_of(pid)) == ""
        assert await ask_here(TcpHealth(port=port, timeout=LONG)) == "connection refused"
        assert look_at_host("/none", Cgroups()) == before
    assert own_namespace() == ours


@pytest.mark.real
async def test_what_has_ended_is_not_asked() -> None:
    with elsewhere() as (pid, port):
        state = state_of(pid)
    assert await prober().probe(TcpHealth(port=port, timeout=LONG), state) is None
    with zombie() as ended:
        assert await prober().probe(HttpHealth(port=port, timeout=LONG), state_of(ended)) is None


async def test_a_pid_that_is_another_s_by_now() -> None:
    assert make_socket(os.getpid(), 1, trio.socket.AF_INET) is None


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """So many may be opened, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 10, hard))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(spare):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.real
async def test_without_descriptors_nobody_is_blamed() -> None:
    ours = own_namespace()
    with elsewhere() as (pid, port):
        state, asking = state_of(pid), prober()
        for spare in range(3):
            with few_descriptors(spare), pytest.raises(NotAsked, match=r"cannot probe it: [Tt]oo many open files"):
                await asking.probe(TcpHealth(port=port, timeout=LONG), state)
            assert own_namespace() == ours
        with few_descriptors(3):
            assert await asking.probe(TcpHealth(port=port, timeout=LONG), state) == ""


@pytest.mark.real
async def test_without_a_way_back_the_agent_must_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []
    enter = netns._enter

    def enter_and_complain(namespace: int) -> None:
        entered.append(namespace)
        enter(namespace)
        if len(entered) == 2:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(netns, "_enter", enter_and_complain)
    with elsewhere() as (pid, port), pytest.raises(RuntimeError, match="left in another network namespace"):
        await prober().probe(TcpHealth(port=port, timeout=LONG), state_of(pid))


# By a command


def begin(script: str) -> int:
    """A child that nobody waits for; its pid."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], {})


async def test_how_a_child_has_ended_that_the_reaper_was_quicker_with() -> None:
    children = Children()
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        with children.record() as reaped:
            pid = begin("exit 5")
            while pid not in reaped:  # noqa: ASYNC110 - a record has no event
                await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    assert (reaped[pid].si_code, reaped[pid].si_status) == (os.CLD_EXITED, 5)


def test_what_could_not_be_removed_for_want_of_descriptors_is_removed_later(tmp_path: Path) -> None:
    state, mark = state_of(os.getpid(), folder=str(tmp_path)), make_mark()
    with contextlib.ExitStack() as without:
        with make_scratch(state, mark) as folder:
            Path(folder, "process.json").write_text("{}")
            without.enter_context(few_descriptors(0))
        assert os.path.isdir(folder)
        with pytest.raises(OSError, match="Too many open files"), make_scratch(state, mark):
            raise AssertionError("there was nothing to make it with")
    with make_scratch(state, mark) as again:
        assert (again, os.listdir(again)) == (folder, [])
    assert os.listdir(tmp_path) == []


class Box:
    """A container whose processes are asked."""

    def __init__(self, bench: Bench, instance: Instance, pid: int, prober: HostProber) -> None:
        self.bench, self.instance, self.pid, self.prober = bench, instance, pid, prober
        self.state = state_of(
            pid,
            instance=instance.id,
            runtime=bench.runtime.command,
            root=bench.runtime.root,
            folder=instance.folder,
            cgroups_path=instance.cgroups_path,
        )

    async def ask(self, script: str, seconds: float = LONG) -> str | None:
        health = ExecHealth(args=("/bin/sh", "-c", script), timeout=Duration(seconds))
        return await self.prober.probe(health, self.state)

    def pids(self) -> frozenset[int]:
        return self.bench.cgroups.pids(self.instance.cgroups_path)


@asynccontextmanager
async def open_box(folder: Path) -> AsyncIterator[Box]:
    async with open_bench("runc", folder) as bench, fill_box(bench, HostProber(bench.children, bench.cgroups)) as box:
        yield box


@asynccontextmanager
async def fill_box(bench: Bench, prober: HostProber) -> AsyncIterator[Box]:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    yield Box(bench, instance, process.pid, prober)
    await bench.remove(instance)
    await process.wait()
    process.close()


@pytest.mark.real
async def test_a_command_tells_by_its_exit(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        before = look_at_host("/none", box.bench.cgroups)
        assert await box.ask("exit 0") == ""
        assert await box.ask("echo fine; echo finer; exit 3") == "exit code 3: fine"
        assert await box.ask("printf '\\n\\n  \\033[1mbad\\r\\n' >&2; exit 1") == "exit code 1: [1mbad"
        assert await box.ask("exit 7") == "exit code 7"
        assert await box.ask("kill -9 $$") == "signal 9"
        # More than a pipe holds, and more than is kept.
        assert await box.ask("head -c 1000000 /dev/zero; echo; exit 1") == "exit code 1"
        missing = ExecHealth(args=("no-such-command",), timeout=LONG)
        why = await box.prober.probe(missing, box.state)
        assert why is not None
        assert why.startswith("cannot run no-such-command: exec: ")
        assert "executable file not found" in why
        assert box.pids() == {box.pid}
        assert not [name for name in os.listdir(box.instance.folder) if name.startswith("exec-")]
        assert look_at_host("/none", box.bench.cgroups) == before


@pytest.mark.real
async def test_a_command_that_takes_too_long_leaves_nothing(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        for script in (
            "sleep 1000",
            "trap '' TERM INT HUP; while :; do sleep 1000; done",
            "setsid sleep 1000 & sh -c 'sleep 1000 & sleep 1000 & wait' & wait",
            "while :; do echo noise; done",
        ):
            assert await box.ask(script, seconds=1.0) == "no answer within 1 s"
            assert box.pids() == {box.pid}


@pytest.mark.real
async def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        assert await box.ask("setsid sleep 1000 & exit 0") == ""
        assert box.pids() == {box.pid}


@pytest.mark.real
async def test_a_probe_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        for delay in (0.0, 0.01, 0.02, 0.04, 0.08, 0.3):
            with trio.move_on_after(delay) as scope:
                await box.ask("sleep 1000 & sleep 1000")
            assert scope.cancelled_caught
            assert box.pids() == {box.pid}


@pytest.mark.real
async def test_a_command_that_hangs_keeps_no_other_container_from_being_asked(tmp_path: Path) -> None:
    async with open_box(tmp_path) as hung, fill_box(hung.bench, hung.prober) as other:
        hung.prober._runtimes.total_tokens = 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hung.ask, "sleep 1000", 1000.0)
            while len(hung.pids()) < 2:  # noqa: ASYNC110 - a control group has no event
                await trio.sleep(0.005)
            with trio.fail_after(LONG):
                assert await other.ask("exit 0") == ""
            nursery.cancel_scope.cancel()
        assert hung.pids() == {hung.pid}


@pytest.mark.real
async def test_the_wait_for_a_place_is_not_the_application_s_time(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        places = box.prober._runtimes
        places.total_tokens = 1
        answers: list[str | None] = []

        async def ask() -> None:
            answers.append(await box.ask("exit 0", seconds=2.0))

        async with trio.open_nursery() as nursery, places:
            before = open_descriptors()
            nursery.start_soon(ask)
            await trio.sleep(2.0)
            assert (places.statistics().tasks_waiting, answers) == (1, [])
            # And costs nothing.
            assert open_descriptors() == before
        assert answers == [""]


@pytest.mark.real
async def test_a_container_that_ends_under_a_probe_is_not_to_blame(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        async with trio.open_nursery() as nursery:
            answers: list[str | None] = []

            async def ask() -> None:
                answers.append(await box.ask("sleep 1000"))

            nursery.start_soon(ask)
            while len(box.pids()) < 2:  # noqa: ASYNC110 - a control group has no event
                await trio.sleep(0.005)
            os.kill(box.pid, signal.SIGKILL)
        assert answers == [None]
        assert await box.ask("exit 0") is None


@pytest.mark.real
async def test_a_runtime_that_is_not_there_is_not_the_application_s_fault(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        gone = evolve(box.state, runtime="/no/such/runc")
        with pytest.raises(NotAsked, match="cannot probe it: No such file or directory"):
            await box.prober.probe(ExecHealth(args=("/bin/true",), timeout=LONG), gone)
        slow = tmp_path / "slow"
        slow.write_text("#!/bin/sh\nsleep 1000\n")
        slow.chmod(0o755)
        hangs = evolve(box.state, runtime=str(slow))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(probe_exec, "RUNTIME_DEADLINE", 0.2)
            with pytest.raises(NotAsked, match="cannot probe it: cannot run a command in web: slow: took too long"):
                await box.prober.probe(ExecHealth(args=("/bin/true",), timeout=SOON), hangs)
        assert box.pids() == {box.pid}


@pytest.mark.real
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'error while loading shared libraries: libseccomp.so.2' >&2; exit 127", "exit code 127"),
        ("echo 'open /run/runc: no space left on device' >&2; exit 1", "exit code 1"),
        ("kill -SEGV $$", "signal 11"),
    ],
)
async def test_a_runtime_that_fails_by_itself_is_not_the_application_s_fault(
    tmp_path: Path, script: str, why: str
) -> None:
    async with open_box(tmp_path) as box:
        broken = tmp_path / "broken"
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
        state = evolve(box.state, runtime=str(broken))
        with pytest.raises(NotAsked, match=f"cannot probe it: cannot run a command in web: broken: {why}"):
            await box.prober.probe(ExecHealth(args=("/bin/true",), timeout=LONG), state)
        config = f"{box.instance.folder}/config.json"
        os.rename(config, f"{config}.gone")
        with pytest.raises(NotAsked, match=f"cannot probe it: cannot read {config}"):
            await box.ask("exit 0")
        os.rename(f"{config}.gone", config)
        assert await box.ask("exit 0") == ""
        assert box.pids() == {box.pid}


@pytest.mark.real
async def test_a_runtime_that_takes_all_of_the_time_is_not_the_application_s_fault(tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        with pytest.raises(NotAsked, match="cannot probe it: runc takes longer than a probe may"):
            await box.ask("sleep 1000", seconds=0.001)
        assert box.pids() == {box.pid}
