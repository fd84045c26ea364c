"""What confines an application, or frees it: limits, capabilities, the devices that it may use. Floor: model."""

from typing import ClassVar

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import AbsolutePath, Capability, DeviceAccess, DeviceName, RlimitValue


@frozen(kw_only=True)
class Rlimit:
    """A limit of getrlimit(2)."""

    shorthand: ClassVar[str] = "hard"

    hard: RlimitValue = option(
        doc='The most that the process may raise the limit to; a number or `"unlimited"`.',
        change=Change.REPLACE,
        example="4096",
    )
    soft: RlimitValue | None = option(
        default=None,
        doc="The limit that it begins with. Default: `hard`.",
        change=Change.REPLACE,
        example="1024",
    )


@frozen(kw_only=True)
class Capabilities:
    """What the application may do beyond, or short of, the defaults for its user."""

    add: tuple[Capability, ...] = option(
        default=(),
        doc='Those that it gets beside the defaults; `"ALL"` for all that the agent has to give.',
        change=Change.REPLACE,
        example='["NET_ADMIN"]',
    )
    drop: tuple[Capability, ...] = option(
        default=(),
        doc='Those that it does not get; `"ALL"` for all but what is added by name.',
        change=Change.REPLACE,
        example='["CHOWN"]',
    )


@frozen(kw_only=True)
class Device:
    """A device of the host, or what a vendor's file says of one (CDI)."""

    shorthand: ClassVar[str] = "path"

    path: DeviceName = option(
        doc="The device, on the host; or the name of a CDI device, `vendor.com/class=device`, of the files in /etc/cdi "
        "and /var/run/cdi.",
        change=Change.REPLACE,
        example='"/dev/fuse"',
    )
    destination: AbsolutePath | None = option(
        default=None,
        doc="Where it is inside, below /dev. Default: `path`.",
        change=Change.REPLACE,
        example='"/dev/other"',
    )
    access: DeviceAccess | None = option(
        default=None,
        doc="What may be done with it: `r`ead, `w`rite, `m`ake. Default: `rw`, or what the vendor's file says.",
        change=Change.REPLACE,
        example='"r"',
    )
