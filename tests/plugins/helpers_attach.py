"""What kinds do on a host in memory, also when the agent is killed, or the host fails, at every step."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.plugin import Attaching, Container, Contribution, HostFailed
from orchestrator.testing import FakeHost, Killed

MOST_CALLS = 30
"""Calls of the host that a kind makes at the most."""


def container(instance: str = "web-1", folder: str = "f") -> Container:
    """An instance of the container web."""
    return Container(
        name="web",
        instance=instance,
        own=f"/run/o/instances/{instance}/own/{folder}",
        scratch=f"/var/o/scratch/{instance}/{folder}",
        shared="/run/o/shared",
        kept="/var/o/kept",
    )


def work_of(contribution: Contribution) -> dict[str, Any]:
    """The one thing that a contribution is to do on the host."""
    assert contribution.faults == ()
    (attachment,) = contribution.attach
    return dict(attachment.work)


def assert_undone(
    kind: type[Attaching],
    work: Mapping[str, Any],
    make_host: Callable[[], FakeHost],
    stays: Callable[[str], bool] = lambda line: False,
) -> None:
    """Whatever becomes of ``attach`` and of the ``detach`` after it, a further `detach` leaves the host as it was.

    stays: which lines of what there is may be left. Folders that lead to something are left to whoever made them."""
    for calls in range(MOST_CALLS):
        for method in ("kill_after", "fail_after"):
            host = make_host()
            before = host.describe()
            getattr(host, method)(calls)
            ended = _try(lambda host=host: kind.attach(work, container(), host))  # type: ignore[misc]
            host.restart()
            host.kill_after(calls // 2)
            _try(lambda host=host: kind.detach(work, None, container(), host))  # type: ignore[misc]
            host.restart()
            kind.detach(work, None, container(), host)
            kind.detach(work, None, container(), host)
            left = [line for line in host.describe() if line not in before and not stays(line)]
            assert [line for line in left if "/ " not in line] == [], (method, calls)
            if ended:
                return
    raise AssertionError(f"it makes more than {MOST_CALLS} calls")


def _try(call: Callable[[], object]) -> bool:
    """Whether it came to its end."""
    try:
        call()
    except (HostFailed, Killed):
        return False
    return True
