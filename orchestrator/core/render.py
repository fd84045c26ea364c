"""From a spec to a bundle, and from an instance to the config.json that the runtime reads.

What differs from instance to instance (root path, cgroup path, resources that are changed live) or from one start of
the agent to the next (its own limits) is written by `render_instance` only, so it is not in the digest. Putting files
on disk is left to `orchestrator.system`. Floor: core.
"""

from typing import Any

from orchestrator.core import defaults
from orchestrator.core.canonical import canonical_json, digest_of
from orchestrator.model.bundle import Bundle, Instance, OpenFiles
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.oci import Mount, Namespace
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot, SkeletonRoot, Spec


def render_bundle(spec: Spec) -> Bundle:
    """The bundle of a spec: same spec, same bytes, same digest."""
    config = {
        "ociVersion": defaults.OCI_VERSION,
        "hostname": spec.hostname,
        "process": _render_process(spec),
        "root": {"readonly": spec.readonly},
        "mounts": [_render_mount(mount) for mount in spec.mounts],
        "linux": _render_linux(spec),
    }
    digest = digest_of({"config": config, "root": _describe_root(spec.root)})
    return Bundle(digest=digest, config=config, root=spec.root, readonly=spec.readonly)


def digest_skeleton(root: SkeletonRoot) -> str:
    """What a skeleton is stored as: bundles with the same mount points share one."""
    return digest_of(_describe_root(root))


def render_instance(instance: Instance) -> str:
    """The text of an instance's config.json: canonical JSON, valid against the runtime-spec's JSON Schema. Without a
    cgroup path the runtime chooses one."""
    config = instance.bundle.config
    linux = config["linux"]
    own = {"cgroupsPath": instance.cgroups_path} if instance.cgroups_path else {}
    limits = instance.host_limits
    own["resources"] = linux["resources"] | render_resources(instance.resources, limits_swap=limits.limits_swap)
    return canonical_json(
        {
            **config,
            "process": {**config["process"], **_render_rlimits(limits.open_files)},
            "root": {**config["root"], "path": instance.rootfs},
            "linux": {**linux, **own},
        }
    )


def render_resources(resources: Resources, *, limits_swap: bool = True) -> dict[str, Any]:
    """The part of ``linux.resources`` that is changed live; empty without limits. ``swap`` counts memory and swap
    together (runtime-spec config-linux.md, "Memory"): with both the same nothing is swapped beyond the limit. Where the
    kernel cannot limit swap, runtimes may refuse to be asked for it."""
    if resources.memory is None:
        return {}
    limit = int(resources.memory)
    return {"memory": {"limit": limit, "swap": limit} if limits_swap else {"limit": limit}}


def _render_rlimits(open_files: OpenFiles | None) -> dict[str, Any]:
    """``process.rlimits`` (runtime-spec config.md, "POSIX process"); nothing where it is to be inherited."""
    if open_files is None:
        return {}
    return {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": open_files.soft, "hard": open_files.hard}]}


def _render_process(spec: Spec) -> dict[str, Any]:
    user: dict[str, Any] = {"uid": spec.user.uid, "gid": spec.user.gid}
    if spec.user.additional_gids:
        user["additionalGids"] = list(spec.user.additional_gids)
    return {
        "args": list(spec.args),
        "capabilities": _render_capabilities(spec),
        "cwd": spec.cwd,
        "env": [f"{name}={value}" for name, value in spec.env],
        "noNewPrivileges": spec.no_new_privileges,
        "terminal": False,
        "user": user,
    }


def _render_capabilities(spec: Spec) -> dict[str, list[str]]:
    """All five sets, always: what an absent set means differs between runtimes.

    Uid 0 gets its permitted set back from the bounding set at each execve, so inheritable and ambient stay empty: a
    child that becomes another user keeps nothing (capabilities(7)). Another user has a capability after execve only by
    its ambient set, which must be inheritable too.
    """
    held = list(spec.capabilities)
    kept = [] if spec.user.uid == 0 else held
    return {
        "bounding": held,
        "permitted": list(held),
        "effective": list(held),
        "inheritable": list(kept),
        "ambient": list(kept),
    }


def _render_linux(spec: Spec) -> dict[str, Any]:
    linux: dict[str, Any] = {
        "maskedPaths": list(spec.masked_paths),
        "namespaces": [_render_namespace(namespace) for namespace in spec.namespaces],
        "readonlyPaths": list(spec.readonly_paths),
        "resources": {"devices": [dict(rule) for rule in defaults.DEVICE_RULES]},
    }
    propagation = _choose_propagation(spec.mounts)
    if propagation is not None:
        linux["rootfsPropagation"] = propagation
    if spec.seccomp is not None:
        linux["seccomp"] = dict(spec.seccomp)
    return linux


def _choose_propagation(mounts: tuple[Mount, ...]) -> str | None:
    """What the root must be for the mounts in it to be what they say: under a private root a mount that is to be
    shared with the host, or to follow it, does neither (mount_namespaces(7))."""
    options = {option for mount in mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    return "slave" if options & {"slave", "rslave"} else None


def _render_mount(mount: Mount) -> dict[str, Any]:
    return {
        "destination": mount.destination,
        "type": mount.type,
        "source": mount.source,
        "options": list(mount.options),
    }


def _render_namespace(namespace: Namespace) -> dict[str, str]:
    return {"type": namespace.type} | ({} if namespace.path is None else {"path": namespace.path})


def _describe_root(root: SkeletonRoot | FolderRoot) -> dict[str, Any]:
    match root:
        case FolderRoot(path=path):
            return {"folder": path}
        case SkeletonRoot(entries=entries):
            return {"skeleton": [_describe_entry(entry) for entry in entries]}


def _describe_entry(entry: Entry) -> dict[str, Any]:
    match entry:
        case FolderEntry(path=path, mode=mode):
            return {"folder": path, "mode": mode}
        case FileEntry(path=path, text=text, mode=mode):
            return {"file": path, "mode": mode, "text": text}
        case LinkEntry(path=path, target=target):
            return {"link": path, "target": target}
