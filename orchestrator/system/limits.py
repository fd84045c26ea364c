"""How many descriptors this process may have: more for the agent, no more than before for its containers.

The agent holds two for each container (its first process, its log), and systemd gives a service 1024 unless asked for
more. What containers are given is written by `orchestrator.core.render`. Floor: system.
"""

import contextlib
import os
import resource

from orchestrator.model.bundle import OpenFiles


def raise_descriptor_limit() -> OpenFiles | None:
    """Raise RLIMIT_NOFILE (setrlimit(2)) of this process to the most that it may give itself.

    To be called once, when the agent starts. Returns the limits that it was started with, which are what its containers
    are to have: a soft limit above 1024 harms programs that use select(2), and a hard limit above the agent's own would
    need CAP_SYS_RESOURCE. None where the kernel refuses even the limits that are held now (fs.nr_open was lowered
    since): then nothing is to be set for a container either, which inherits what the agent has.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # Python makes a ValueError of EPERM
        return None
    return OpenFiles(soft, hard)


def are_descriptors_left(count: int) -> bool:
    """Whether ``count`` more descriptors can be opened now, by doing it."""
    with contextlib.ExitStack() as stack:
        try:
            first = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, first)
            for _ in range(count - 1):
                stack.callback(os.close, os.dup(first))
        except OSError:
            return False
    return True


def descriptor_limit() -> int:
    """How many descriptors this process may have: its soft RLIMIT_NOFILE."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
