"""A machine whose process 1 is systemd: booted by systemd-nspawn(1), with the agent of this checkout installed.

Its root file system is that of `machine_root` below a layer that is forgotten at its end. The checkout and its venv are
seen inside at the same paths, so that the command runs there as it does here. Files are written and read through
/proc/PID/root, commands run by nsenter(1).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.host.agent_process import find_program
from tests.system.helpers_manager import Manager, listen
from tests.systemd.machine_groups import own_groups
from tests.systemd.machine_root import boot_alone, find_root

CHECKOUT = Path(__file__).parents[2]
UNIT = CHECKOUT / "contrib" / "orchestrator.service"
PATIENCE = 60.0
"""Seconds after which a wait has failed. No measure of anything: the machine may be busy with other things."""
CONFIG = "etc/orchestrator"
"""The directory of definitions that the unit names, inside."""
WRITABLE = "mount -o remount,rw,bind /sys/fs/cgroup; for d in /sys/fs/cgroup/*/; do mount -o remount,rw,bind $d; done"
"""The hierarchies of control groups, which systemd-nspawn hands over read-only, made as they are on any host."""

Row = dict[str, Any]
T = TypeVar("T")


class Machine:
    """A machine that runs. `boot` makes one."""

    def __init__(self, nspawn: subprocess.Popen[bytes], leader: int, console: Path, outside: Path) -> None:
        """leader: the process id of its process 1, as it is outside. outside: a folder that is its /srv."""
        self._nspawn = nspawn
        self._leader = leader
        self._console = console
        self.outside = outside
        self.root = Path(f"/proc/{leader}/root")
        """Its root directory. What lies behind an absolute link in it is not found by this path."""

    # Commands

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; its output. check: it must succeed."""
        result = subprocess.run(
            (find_program("nsenter"), "-t", str(self._leader), "-a", *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin", "LANG": "C.UTF-8"},
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )
        failed = result.returncode != 0
        assert not (check and failed), f"{' '.join(command)}: {result.stdout}\n{self.describe()}"
        return result.stdout

    def systemctl(self, *arguments: str) -> None:
        """Have systemd do something, and wait until it is done."""
        self.run("systemctl", *arguments)

    def ask(self, property: str) -> str:
        """A property of the agent's unit, as systemd has it."""
        return self.run("systemctl", "show", "--value", "--property", property, UNIT.name).strip()

    def version(self) -> int:
        """That of its systemd."""
        return int(self.run("systemctl", "--version").split()[1])

    def orchestrator(self, *arguments: str) -> str:
        """Run the program inside; what it says. It must succeed."""
        return self.run("/opt/orchestrator/bin/orchestrator", *arguments)

    def journal(self, *options: str) -> list[str]:
        """The messages of the journal that fit, all that was written so far, in their order."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--output=cat", "--quiet", *options).splitlines()

    # Definitions

    def define(self, name: str, text: str) -> None:
        """Put a definition in place by rename."""
        new = self.root / CONFIG / f".{name}.new"
        new.write_text(text)
        new.rename(new.with_name(f"{name}.toml"))

    def clear(self) -> None:
        """Remove all definitions."""
        for path in (self.root / CONFIG).glob("*.toml"):
            path.unlink()

    def drop_in(self, text: str) -> None:
        """Have the unit differ by these lines of its section [Service], or by none."""
        folder = self.root / "run/systemd/system" / f"{UNIT.name}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(f"[Service]\n{text}")
        self.run("systemctl", "daemon-reload")

    # What runs

    def rows(self) -> dict[str, Row]:
        """What `status --json` tells of each container, by name."""
        told = self.run("/opt/orchestrator/bin/orchestrator", "status", "--json", check=False)
        return {row["name"]: row for row in json.loads(told)}

    def wait_row(self, name: str, fits: Callable[[Row], object], what: str) -> Row:
        """Wait until the container's row fits."""

        def look() -> Row | None:
            row = self.rows().get(name)
            return row if row is not None and fits(row) else None

        found = self.wait_until(look, f"{name}: {what}")
        assert found is not None
        return found

    def wait_running(self, name: str) -> Row:
        """Wait until the container runs."""
        return self.wait_row(name, lambda row: row["state"] == "running", "to run")

    def is_alive(self, row: Row) -> bool:
        """Whether the container's first process is there; its pid is one of the machine's."""
        return (self.root / "proc" / str(row["pid"])).is_dir()

    def wait_until(self, look: Callable[[], T], what: str) -> T:
        """Look again and again until there is something to see, and return that."""
        deadline = time.monotonic() + PATIENCE
        while not (seen := look()):
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self.describe()}"
            time.sleep(0.02)
        return seen

    def power_off(self) -> None:
        """Shut it down as an operator does, and wait until it is off."""
        self.run("systemctl", "--no-block", "poweroff")
        assert self._nspawn.wait(2 * PATIENCE) == 0, self._console.read_text()

    def describe(self) -> str:
        """All that helps to understand why something went wrong."""
        unit = self.run("systemctl", "status", "--no-pager", "--lines=0", UNIT.name, check=False)
        journal = self.run("journalctl", "--quiet", "--no-pager", "--lines=60", check=False)
        return f"--- unit\n{unit}\n--- journal\n{journal}\n--- console\n{self._console.read_text()[-2000:]}"


@contextmanager
def boot(base: Path) -> Iterator[Machine]:
    """A machine with the agent installed, not started. base: a folder; `outside` in it is /srv inside.

    At its end it is gone, and all that runs in it.
    """
    root, console, outside = find_root(), base / "console.log", base / "outside"
    outside.mkdir()
    address = str(base / "notify")
    with boot_alone(), console.open("wb") as output, own_groups() as join:
        with listen(address) as manager:
            nspawn = subprocess.Popen(
                _command(root, outside),
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=join,
            )
            try:
                leader = _wait_booted(nspawn, manager, console)
            except BaseException:
                _end(nspawn)
                raise
        # Nobody listens any more: systemd-nspawn passes on all that its systemd says, and would wait to be read.
        try:
            machine = Machine(nspawn, leader, console, outside)
            _install(machine)
            yield machine
        finally:
            _end(nspawn)


def _command(root: Path, outside: Path) -> list[str]:
    seen = [str(CHECKOUT), sys.prefix]
    if sys.base_prefix == "/usr":
        # The root's own python3 is taken for the one that the venv was made from.
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        assert (root / "usr/bin" / version).exists(), f"the venv needs {version}, which {root} does not have"
    else:
        seen.append(sys.base_prefix)
    return [
        find_program("systemd-nspawn"),
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--capability=all",
        "--system-call-filter=bpf add_key keyctl",
        "--volatile=overlay",
        "--notify-ready=yes",
        "--console=pipe",
        "--machine=orchestrator-tests",
        f"--directory={root}",
        f"--bind={outside}:/srv",
        *(f"--bind-ro={path}" for path in dict.fromkeys(seen)),
        "--boot",
    ]


def _wait_booted(nspawn: subprocess.Popen[bytes], manager: Manager, console: Path) -> int:
    """Wait until its systemd says that the system is up; the process id of that. systemd-nspawn tells both."""
    told: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE
    while "READY" not in told:
        assert nspawn.poll() is None, f"the machine does not boot\n{console.read_text()}"
        assert time.monotonic() < deadline, f"the machine is not up: {told}\n{console.read_text()}"
        time.sleep(0.02)
        for text in manager.read_texts():
            for line in text.splitlines():
                name, _, value = line.partition("=")
                told[name] = value
    return int(told["X_NSPAWN_LEADER_PID"])


def _install(machine: Machine) -> None:
    """The unit as it is in contrib/, and the command where it says that it is."""
    machine.run("sh", "-c", WRITABLE)
    machine.run("ln", "-s", sys.prefix, "/opt/orchestrator")
    (machine.root / "etc/systemd/system" / UNIT.name).write_text(UNIT.read_text())
    machine.run("mkdir", "-p", f"/{CONFIG}")
    machine.systemctl("enable", UNIT.name)


def _end(nspawn: subprocess.Popen[bytes]) -> None:
    """Kill its first process, and all others with it; systemd-nspawn cleans up then."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    if nspawn.poll() is None:
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
    try:
        nspawn.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        nspawn.kill()
        nspawn.wait()
