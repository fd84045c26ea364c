"""How it is found out whether an application is well: a closed set of kinds of probes. Floor: model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import Duration, ProbeHost, UrlPath


@frozen(kw_only=True)
class Probing:
    """What all kinds have in common: how often, and how patiently."""

    period: Duration = option(
        default=Duration(10.0),
        doc="From the beginning of one probe to that of the next.",
        change=Change.RETUNE,
        minimum=0.1,
        maximum=86400.0,
        example='"10s"',
    )
    start_period: Duration = option(
        default=Duration(1.0),
        doc="The same until the first probe that succeeds. Those that fail before it count only once `start_timeout` "
        "is over.",
        change=Change.RETUNE,
        minimum=0.1,
        maximum=86400.0,
        example='"500ms"',
    )
    timeout: Duration = option(
        default=Duration(3.0),
        doc="A probe that takes longer has failed; nothing is left of it.",
        change=Change.RETUNE,
        minimum=0.01,
        maximum=3600.0,
        example='"3s"',
    )
    failures: int = option(
        default=3,
        doc="So many failures in a row end the instance, and `restart` says what follows.",
        change=Change.RETUNE,
        minimum=1,
        maximum=1000,
        example="3",
    )


@frozen(kw_only=True)
class ExecHealth(Probing):
    """A command that is run inside, as the application's user: exit code 0 is well."""

    type: ClassVar[str] = "exec"

    args: tuple[str, ...] = option(
        doc="The command and its arguments; a command without a slash is looked up in PATH inside.",
        change=Change.RETUNE,
        example='["/usr/bin/pg_isready", "-q"]',
    )


@frozen(kw_only=True)
class HttpHealth(Probing):
    """A GET request (RFC 9110) in the container's own network; nothing is needed inside. A status of 200 to 399 is
    well; redirections are not followed, certificates not checked."""

    type: ClassVar[str] = "http"

    port: int = option(
        doc="The TCP port.",
        change=Change.RETUNE,
        minimum=1,
        maximum=65535,
        example="8080",
    )
    path: UrlPath = option(
        default=UrlPath("/"),
        doc="What is asked for: an absolute path, with a query or without.",
        change=Change.RETUNE,
        example='"/healthz"',
    )
    host: ProbeHost = option(
        default=ProbeHost("127.0.0.1"),
        doc="The address that is connected to, an IP address.",
        change=Change.RETUNE,
        example='"127.0.0.1"',
    )
    tls: bool = option(
        default=False,
        doc="Whether to speak TLS.",
        change=Change.RETUNE,
        example="true",
    )


@frozen(kw_only=True)
class TcpHealth(Probing):
    """A connection in the container's own network that is accepted is well."""

    type: ClassVar[str] = "tcp"

    port: int = option(
        doc="The TCP port.",
        change=Change.RETUNE,
        minimum=1,
        maximum=65535,
        example="5432",
    )
    host: ProbeHost = option(
        default=ProbeHost("127.0.0.1"),
        doc="The address that is connected to, an IP address.",
        change=Change.RETUNE,
        example='"127.0.0.1"',
    )


Health = ExecHealth | HttpHealth | TcpHealth
"""How it is found out whether an application is well."""


@frozen(kw_only=True)
class Notification:
    """One message of an application, as sd_notify(3) has it. None: it says nothing of that."""

    ready: bool = False
    stopping: bool = False
    reloading: bool = False
    status: str | None = None
    watchdog: bool = False
    """It is alive."""
    watchdog_trigger: bool = False
    """Its watchdog is to be taken as bitten (WATCHDOG=trigger)."""
    watchdog_usec: int | None = None
    """From now on it promises this, in microseconds; 0 that it promises nothing any more."""
    extend_timeout_usec: int | None = None


@frozen(kw_only=True)
class Proven:
    """What an instance has shown of itself for good, so that a next agent need not wait for it again."""

    ready: bool = False
    """Whether it has been ready."""
    healthy: bool = False
    """Whether a probe, as it is asked now, has succeeded."""
    watchdog: float | None = None
    """How often it has promised a sign of life since (WATCHDOG_USEC=), in seconds; 0 that it promises none."""


@frozen(kw_only=True)
class HealthReport:
    """What people are told of an instance's health."""

    healthy: bool | None = None
    """What its last probe found; None where none has answered yet, or there are none."""
    status_text: str = ""
    """What it says of itself (STATUS=)."""
    message: str = ""
    """Why it is not ready or not well, in one line."""


HEALTH_KINDS: Mapping[str, type[Any]] = {kind.type: kind for kind in (ExecHealth, HttpHealth, TcpHealth)}
