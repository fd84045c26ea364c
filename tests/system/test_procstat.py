"""A process by its pid and its start time."""

import os
import subprocess
import sys

from orchestrator.system.procstat import has_begun_to_end, is_alive, read_start_time, read_stat


def test_this_process() -> None:
    start = read_start_time(os.getpid())
    assert start is not None
    assert read_stat(os.getpid()) == ("R", start)
    assert is_alive(os.getpid(), start)
    assert not is_alive(os.getpid(), start + 1)
    assert not has_begun_to_end(os.getpid(), start)
    assert has_begun_to_end(os.getpid(), start + 1)


def test_a_name_like_other_fields_shifts_none() -> None:
    code = "import sys; open('/proc/self/comm', 'w').write('a) Z (b'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        start = read_start_time(child.pid)
        assert start is not None
        assert is_alive(child.pid, start)
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert read_stat(child.pid) == ("Z", start)
        assert not is_alive(child.pid, start)
        assert has_begun_to_end(child.pid, start)
    assert has_begun_to_end(child.pid, start)
    assert read_stat(child.pid) is None
    assert read_start_time(child.pid) is None
    assert not is_alive(child.pid, start)


def test_it_loads_no_loop() -> None:
    code = "import sys, orchestrator.system.procstat; print({'trio', 'attrs', 'cattrs'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
