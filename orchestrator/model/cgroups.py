"""Where the control groups of an agent's instances are, and what a runtime is told to make them there. Floor: model.

A runtime makes a group by itself (its cgroupfs driver), or has systemd make a scope (its systemd driver, for hosts
where that is process 1 and takes all groups for its own). Either way a group has one path, absolute below the mount
point of each hierarchy; what ``linux.cgroupsPath`` says of it differs.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import frozen

SLICE = "orchestrator.slice"
"""The slice (systemd.slice(5)) of the scopes of all agents, so that a host's administrator can limit all containers."""
_SCOPE = ".scope"


class CgroupDriver(Enum):
    """Who makes control groups."""

    CGROUPFS = "cgroupfs"
    SYSTEMD = "systemd"


@frozen
class Scope:
    """An instance's scope, systemd.scope(5)."""

    prefix: str
    instance: str

    @property
    def path(self) -> str:
        """The control group."""
        return f"/{SLICE}/{self.prefix}-{self.instance}{_SCOPE}"

    @property
    def cgroups_path(self) -> str:
        """What ``linux.cgroupsPath`` says for the systemd driver."""
        return f"{SLICE}:{self.prefix}:{self.instance}"

    @property
    def annotations(self) -> Mapping[str, str]:
        """What runc and crun set the scope's properties by."""
        return {
            # When the system goes down it is stopped after every ordinary service, so that the agent, which is one,
            # stops its container before, in its turn. (Not ordered by the agent's own unit: a restart of that would
            # then hold up the start of a scope.)
            "org.systemd.property.Before": "['basic.target']",
            # One that has failed, since its first process was killed, is forgotten as one that has ended is.
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
        }


@frozen
class InstanceGroups:
    """The control groups of one agent's instances. ``root`` is the agent's own name for them, as ``/orchestrator``."""

    root: str
    driver: CgroupDriver = CgroupDriver.CGROUPFS

    def path(self, instance: str) -> str:
        """The control group of an instance."""
        scope = self.scope(instance)
        return f"{self.root}/{instance}" if scope is None else scope.path

    def scope(self, instance: str) -> Scope | None:
        """Its scope; None where the runtime makes the group by itself."""
        return Scope(self.root.strip("/"), instance) if self.driver is CgroupDriver.SYSTEMD else None


def find_scope(path: str) -> str | None:
    """The unit of the scope that a control group is of, whichever agent had it made; None where it is of none."""
    parent, _, name = path.rpartition("/")
    return name if parent == f"/{SLICE}" and name.endswith(_SCOPE) else None
