"""What outlives an agent: descriptors that systemd keeps for the next one. Floor: ports."""

from typing import Protocol


class DescriptorStore(Protocol):
    """systemd's file descriptor store (sd_pid_notify_with_fds(3), FDSTORE=1). Nothing where there is none; never
    raises."""

    def keep(self, name: str, descriptor: int) -> None:
        """Let a descriptor be kept under ``name`` (an instance's id) until it is given up."""
        ...

    def give_up(self, name: str) -> None:
        """Let it go."""
        ...

    def take(self, name: str) -> int | None:
        """The descriptor that was kept under ``name`` when this agent began, once; it is the caller's then."""
        ...

    def give_up_rest(self) -> None:
        """Let go of all that was kept and not taken."""
        ...
