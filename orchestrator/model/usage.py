"""What a container uses at a moment, as its control groups count it. Floor: model."""

from attrs import frozen


@frozen(kw_only=True)
class Usage:
    """What all processes of a container use together; None is what the kernel does not count."""

    memory: int | None = None
    """Bytes, what it has of the page cache included."""
    memory_limit: int | None = None
    """Bytes; None: no limit."""
    pids: int | None = None
    """Processes and threads."""
    cpu_seconds: float | None = None
    """Seconds of processor time since its instance was made."""
