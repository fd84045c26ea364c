"""Which keys of a definition may stand together: something must be run, and only one thing. Floor: core."""

from collections.abc import Iterator, Sequence

from orchestrator.model.problem import At, Fault

RUNS = ("args", "cmd", "bundle")
"""The keys that say what is run."""

BESIDE_BUNDLE = frozenset(
    {"type", "resources", "restart", "stop", "log", "os", "arch", "health", "ready", "start_timeout"}
    | {"after", "requires", "on_failed_update"}
)
"""What a ready bundle does not say itself."""


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
            if key not in BESIDE_BUNDLE and key not in RUNS:
                yield Fault((key,), "cannot be given with bundle: its config.json says it", at=At.KEY)
    elif "shell" in keys and "cmd" not in keys:
        yield Fault(("shell",), "there is no cmd for it to run", "write cmd, or take it away", At.KEY)
