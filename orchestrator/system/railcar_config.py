"""A config.json as railcar 1.0.4 takes it: what it refuses, drops or does otherwise is put in words that it knows.

railcar reads the runtime-spec of 2018 (`oci/src/lib.rs` of its source): fields that it does not know are dropped
without a word, names that it does not know are refused. What cannot be put otherwise is told by `find_refusals`; what a
definition may not ask for, before that, by `orchestrator.core.lacking`. Pure, as core is. Floor: system.
"""

import errno
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_HOOKS = frozenset({"prestart", "poststart", "poststop"})
_NAMESPACES = frozenset({"mount", "cgroup", "uts", "ipc", "pid", "network"})
"""Without ``user``: under it the one of processes, which `orchestrator.system.railcar` makes, would be another's."""
_DEVICES = frozenset(f"/dev/{name}" for name in ("null", "zero", "full", "tty", "urandom", "random"))
"""Those that it makes by itself, and cannot make twice."""
_ARCHITECTURES = frozenset(
    f"SCMP_ARCH_{name}"
    for name in (
        *("NATIVE", "X86", "X86_64", "X32", "ARM", "AARCH64", "PPC", "PPC64", "PPC64LE", "S390", "S390X"),
        *("MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32"),
    )
)
_ACTIONS = {
    # Its one kill is that of a thread; it has no log and no listener.
    "SCMP_ACT_KILL_PROCESS": "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_THREAD": "SCMP_ACT_KILL",
    "SCMP_ACT_LOG": "SCMP_ACT_ALLOW",
    "SCMP_ACT_NOTIFY": "SCMP_ACT_ERRNO",
}
_UMASK = 0o022


def find_refusals(config: Mapping[str, Any]) -> Iterator[str]:
    """What of a config.json railcar would drop without a word, or do otherwise than it says."""
    for name in config.get("hooks") or {}:
        if name not in _HOOKS:
            yield f"it has no hooks of kind {name}"
    for namespace in config["linux"].get("namespaces", []):
        if namespace["type"] not in _NAMESPACES:
            yield f"it has no namespaces of kind {namespace['type']}"
        elif namespace["type"] == "pid" and namespace.get("path"):
            yield "it cannot join a pid namespace"
    if all(namespace["type"] != "pid" for namespace in config["linux"].get("namespaces", [])):
        yield "it needs a pid namespace"
    if config["linux"].get("rootfsPropagation", "private") not in ("private", "rprivate"):
        yield f"it cannot have a root that is {config['linux']['rootfsPropagation']}"
    umask = config["process"].get("user", {}).get("umask", _UMASK)
    if umask != _UMASK:
        yield f"it cannot set umask {umask:04o}"
    for mount in config.get("mounts", []):
        if ".." in mount["destination"]:
            yield f"it cannot mount on {mount['destination']}: there is a .. in it"


def adapt_config(config: Mapping[str, Any], folders: Collection[str] = ()) -> dict[str, Any]:
    """The same container in railcar's words. folders: those of its masked paths that are folders.

    Without ``hooks``, which would be run by both create and start: they belong to start alone.
    """
    linux, process = config["linux"], config["process"]
    mounts = list(config.get("mounts", []))
    adapted = {
        **linux,
        # The pid namespace is made before it: else its own init is process 1, and the application is not.
        "namespaces": [each for each in linux.get("namespaces", []) if each["type"] != "pid"],
        # Its own default would let the host's later mounts in, and its mounts have no propagation of their own.
        "rootfsPropagation": "private",
        "resources": _adapt_resources(linux.get("resources") or {}, process.get("oomScoreAdj")),
        "devices": [each for each in linux.get("devices") or [] if each["path"] not in _DEVICES],
        # Below a cgroup mount that is to be read-only it leaves a tmpfs for all to write to.
        "readonlyPaths": [
            *(linux.get("readonlyPaths") or []),
            *(each["destination"] for each in mounts if each.get("type") == "cgroup" and "ro" in each["options"]),
        ],
    }
    # It takes a folder that is to be masked for one that is not there.
    kernel = tuple(f"{each['destination']}/" for each in mounts if each.get("type") in ("proc", "sysfs"))
    masked = linux.get("maskedPaths") or []
    covered = [path for path in masked if path in folders and path.startswith(kernel)]
    adapted["maskedPaths"] = [path for path in masked if path not in covered]
    if linux.get("seccomp"):
        adapted["seccomp"] = _adapt_seccomp(linux["seccomp"])
    user = process.get("user", {})
    # Without a list it leaves the groups of whoever called it.
    groups = user.get("additionalGids") or [user.get("gid", 0)]
    return {
        **{key: value for key, value in config.items() if key != "hooks"},
        "process": {**process, "user": {**user, "additionalGids": groups}},
        "mounts": [*mounts, *map(_cover, covered)],
        "linux": adapted,
    }


def _cover(path: str) -> dict[str, Any]:
    options = ["ro", "nosuid", "nodev", "noexec"]
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options}


def _adapt_resources(resources: Mapping[str, Any], oom_score: int | None) -> dict[str, Any]:
    """Without the weight of disks, which it writes to a file that kernels no longer have: it is written after it."""
    adapted = dict(resources)
    if "blockIO" in adapted:
        adapted["blockIO"] = {key: value for key, value in adapted["blockIO"].items() if key != "weight"}
    if oom_score is not None:
        adapted["oomScoreAdj"] = oom_score
    return adapted


def _adapt_seccomp(seccomp: Mapping[str, Any]) -> dict[str, Any]:
    """It knows one error number, EPERM. A libc that is to fall back to an older call has need of ENOSYS, which is what
    the kernel makes of a call that is to be traced where nobody traces (seccomp(2)); so nobody may: no ptrace(2)."""
    default = _adapt_action(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    rules = [
        {
            "names": list(rule.get("names") or [rule["name"]]),
            "action": _adapt_action(rule["action"], rule.get("errnoRet")),
            **({"args": args} if args else {}),
        }
        for rule in seccomp.get("syscalls") or []
        for args in _split_conditions(rule.get("args") or [])
    ]
    if "SCMP_ACT_TRACE" in (default, *(rule["action"] for rule in rules)):
        for rule in rules:
            rule["names"] = [name for name in rule["names"] if name != "ptrace"]
        rules.append({"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"})
    return {
        "defaultAction": default,
        "architectures": [name for name in seccomp.get("architectures") or [] if name in _ARCHITECTURES],
        # libseccomp refuses a rule that says what is so without it.
        "syscalls": [rule for rule in rules if rule["names"] and rule["action"] != default],
    }


def _adapt_action(action: str, number: int | None) -> str:
    if action == "SCMP_ACT_ERRNO" and number == errno.ENOSYS:
        return "SCMP_ACT_TRACE"
    return _ACTIONS.get(action, action)


def _split_conditions(conditions: list[Any]) -> list[list[Any]]:
    """A rule for each condition where two are on one argument, which libseccomp refuses in one rule; as runc does."""
    indexes = [condition["index"] for condition in conditions]
    return [conditions] if len(set(indexes)) == len(indexes) else [[condition] for condition in conditions]
