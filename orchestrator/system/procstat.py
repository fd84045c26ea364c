"""What the kernel tells of a process by its pid: its state, and when it began, which with the pid names it for ever.

/proc/PID/stat, proc_pid_stat(5). Loads nothing that is slow to load. Floor: system.
"""

_PF_EXITING = 0x4
"""Of the flags of a task, linux/sched.h: it has begun to end."""


def read_stat(pid: int) -> tuple[str, int] | None:
    """The state (``R``, ``S``, ``Z``: field 3) and the start time (field 22, in clock ticks since boot); None where
    there is no such process. Raises OSError where it cannot be read for another reason."""
    fields = _read_fields(pid)
    return None if fields is None else (fields[0].decode(), int(fields[19]))


def read_start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None where there is none. Raises OSError as `read_stat`."""
    found = read_stat(pid)
    return None if found is None else found[1]


def is_alive(pid: int, start_time: int) -> bool:
    """Whether the process with this id and this start time lives. A zombie does not. Raises OSError as `read_stat`."""
    found = read_stat(pid)
    return found is not None and found[1] == start_time and found[0] not in ("Z", "X", "x")


def has_begun_to_end(pid: int, start_time: int) -> bool:
    """Whether the process with this id and this start time ends, or has ended. Process 1 of a pid namespace ends all
    others in it on its way, pid_namespaces(7), so that what they come to then is no doing of theirs. Raises OSError as
    `read_stat`."""
    fields = _read_fields(pid)
    return fields is None or int(fields[19]) != start_time or bool(int(fields[6]) & _PF_EXITING)


def _read_fields(pid: int) -> list[bytes] | None:
    """From the third one on."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, which may hold spaces and brackets itself.
    return text[text.rindex(b")") + 2 :].split()
