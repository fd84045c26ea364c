"""How an application ended, in words. Floor: core."""

from orchestrator.model.life import Exit


def describe_exit(ended: Exit | None) -> str:
    """An end in words: ``exited with code 3``, ``killed by signal 9 (out of memory)``."""
    if ended is None or (ended.code is None and ended.signal is None):
        return "ended; nobody saw how"
    why = " (out of memory)" if ended.oom else ""
    if ended.signal is not None:
        return f"killed by signal {ended.signal}{why}"
    return f"exited with code {ended.code}{why}"
