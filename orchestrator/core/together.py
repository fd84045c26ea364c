"""Which keys of a definition may stand together: something must be run, and only one thing; what it is ready by must be
able to say so. Floor: core."""

from collections.abc import Iterator, Sequence

from orchestrator.core.sockets import check_sockets
from orchestrator.model.definition import Definition
from orchestrator.model.policy import ContainerType, Ready
from orchestrator.model.problem import At, Fault
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs

RUNS = ("args", "cmd", "bundle")
"""The keys that say what is run."""

BESIDE_BUNDLE = frozenset(
    {"type", "resources", "restart", "stop", "log", "os", "arch", "health", "ready", "start_timeout", "mounts"}
    | {"after", "requires", "on_failed_update"}
)
"""What a ready bundle does not say itself."""

NOT_OFFERED = "a ready bundle is run as it is, so it is offered no notify socket"
_NOT_FOR_BUNDLES = {
    "watchdog": NOT_OFFERED,
    "sockets": "a ready bundle is run as it is, so it is not told of sockets",
}


def check_together(keys: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with the keys of a definition being together. What their values are makes no difference."""
    runs = [key for key in keys if key in RUNS]
    if not runs:
        example = 'write args = ["/usr/bin/python3", "-m", "http.server"], or cmd, or bundle'
        yield Fault((), "there is nothing to run", example)
    for key in runs[1:]:
        yield Fault((key,), f"cannot be given with {runs[0]}", "take one of them away", At.KEY)
    if "bundle" in runs:
        for key in keys:
            if key in _NOT_FOR_BUNDLES:
                yield Fault((key,), _NOT_FOR_BUNDLES[key], "take it away", At.KEY)
            elif key not in BESIDE_BUNDLE and key not in RUNS:
                yield Fault((key,), "cannot be given with bundle: its config.json says it", at=At.KEY)
    elif "shell" in keys and "cmd" not in keys:
        yield Fault(("shell",), "there is no cmd for it to run", "write cmd, or take it away", At.KEY)


def check_values(definition: Definition) -> Iterator[Fault]:
    """What is wrong with values that stand together, each of which is good by itself."""
    yield from _check_readiness(definition)
    yield from _check_packages(definition)
    yield from check_sockets(definition.sockets)


def _check_packages(definition: Definition) -> Iterator[Fault]:
    """Packages are mounted into a closure; the other roots are as they are."""
    if definition.packages and isinstance(definition.rootfs, HostRootfs | DirectoryRootfs):
        kind = definition.rootfs.type
        message = f"packages are of a closure, and the root file system is {kind}"
        yield Fault(("packages",), message, "take rootfs away, or the packages", At.KEY)


def _check_readiness(definition: Definition) -> Iterator[Fault]:
    """How it is to become ready."""
    oneshot = definition.type is ContainerType.ONESHOT
    if oneshot and definition.ready is not Ready.STARTED:
        yield Fault(("ready",), "a oneshot is ready once it has completed", "take it away")
    elif definition.ready is Ready.HEALTHY and definition.health is None:
        example = 'write health = { type = "http", port = 8080 }, or exec, or tcp'
        yield Fault(("ready",), "there is no health that could be found good", example)
    elif definition.ready is Ready.NOTIFY and definition.bundle is not None:
        yield Fault(("ready",), NOT_OFFERED, 'write "healthy", with a health, or take it away')
