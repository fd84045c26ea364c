"""From a spec to a bundle, and from an instance to the config.json that the runtime reads.

What differs from instance to instance (root path, cgroup path, resources that are changed live) or from one start of
the agent to the next (its own limits) is written by `render_instance` only, so it is not in the digest. Putting files
on disk is left to `orchestrator.system`. Floor: core.
"""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from orchestrator.core import defaults
from orchestrator.core.canonical import canonical_json, digest_of
from orchestrator.core.encode import to_plain
from orchestrator.core.envfile import merge_variables
from orchestrator.core.files import mount_files, mount_live, render_mount
from orchestrator.core.folders import fill_in_folders
from orchestrator.core.limits import render_resources
from orchestrator.core.notify import mount_notify
from orchestrator.model.bundle import Bundle, Instance, LogTarget, OpenFiles
from orchestrator.model.contribution import BundleFile
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.oci import Device, Hook, Mount, Namespace, Rlimit
from orchestrator.model.spec import FolderRoot, ReadySpec, SkeletonRoot, Spec

OPEN_FILES = "RLIMIT_NOFILE"


def render_bundle(spec: Spec | ReadySpec) -> Bundle:
    """The bundle of a spec: same spec, same bytes, same digest."""
    return _render_ready(spec) if isinstance(spec, ReadySpec) else _render_whole(spec)


def _render_ready(spec: ReadySpec) -> Bundle:
    log = LogTarget(spec.log.type)
    made_from: dict[str, Any] = {"config": spec.config, "folder": spec.folder, "log": log.value}
    if isinstance(spec.root, SkeletonRoot):
        made_from["root"] = _describe_root(spec.root)
    made_from |= _describe_kinds(spec)
    readonly = bool(spec.config["root"].get("readonly"))
    digest = digest_of(made_from)
    return Bundle(
        digest=digest,
        config=spec.config,
        root=spec.root,
        readonly=readonly,
        files=spec.files,
        log=log,
        attachments=spec.attachments,
        contents=spec.contents,
        live=tuple(file.path for file in spec.live),
        store=spec.store,
    )


def _render_whole(spec: Spec) -> Bundle:
    config: dict[str, Any] = {
        "ociVersion": defaults.OCI_VERSION,
        "hostname": spec.hostname,
        "process": _render_process(spec),
        "root": {"readonly": spec.readonly},
        "mounts": [render_mount(mount) for mount in spec.mounts],
        "linux": _render_linux(spec),
    }
    if spec.annotations:
        config["annotations"] = dict(spec.annotations)
    if spec.hooks:
        config["hooks"] = render_hooks(spec.hooks)
    log = LogTarget(spec.log.type)
    made_from: dict[str, Any] = {
        "config": config,
        "root": _describe_root(spec.root),
        "files": _describe_files(spec.files),
        "log": log.value,
        **_describe_kinds(spec),
    }
    if spec.env_files:
        made_from["env_files"] = [{"path": file.path, "digest": file.digest} for file in spec.env_files]
        # Without such files it makes no difference who has set a variable.
        made_from["own_env"] = sorted(spec.own_env)
    if spec.policy.notifies:
        made_from["notify"] = True
    if spec.sockets:
        made_from["sockets"] = [to_plain(each) for each in spec.sockets]
    if spec.shares_network_of:
        made_from["shares_network_of"] = spec.shares_network_of
    return Bundle(
        digest=digest_of(made_from),
        config=config,
        root=spec.root,
        readonly=spec.readonly,
        files=spec.files,
        env_files=spec.env_files,
        own_env=spec.own_env,
        log=log,
        notify=spec.policy.notifies,
        attachments=spec.attachments,
        contents=spec.contents,
        live=tuple(file.path for file in spec.live),
        shares_network_of=spec.shares_network_of,
        sockets=spec.sockets,
        store=spec.store,
    )


def _describe_files(files: Iterable[BundleFile]) -> list[dict[str, Any]]:
    return [{"path": file.path, "mode": file.mode, "text": file.text} for file in files]


def _describe_kinds(spec: Spec | ReadySpec) -> dict[str, Any]:
    """What plugin kinds add beside the config; nothing where they add nothing, so that no digest changes."""
    described: dict[str, Any] = {}
    if spec.attachments:
        described["attachments"] = [to_plain(each) for each in spec.attachments]
    if spec.contents:
        described["contents"] = list(spec.contents)
    if spec.live:
        described["live"] = [{"path": file.path, "mode": file.mode} for file in spec.live]
    if isinstance(spec, ReadySpec) and spec.files:
        described["files"] = _describe_files(spec.files)
    return described


def digest_skeleton(root: SkeletonRoot) -> str:
    """What a skeleton is stored as: bundles with the same mount points share one."""
    return digest_of(_describe_root(root))


def render_instance(instance: Instance, variables: Mapping[str, str] | None = None) -> str:
    """The text of an instance's config.json: canonical JSON, valid against the runtime-spec's JSON Schema. Without a
    cgroup path the runtime chooses one, without a folder paths are relative to the bundle.

    variables: what the bundle's files of variables say.
    """
    bundle, config = instance.bundle, instance.bundle.config
    linux = config["linux"]
    scope = instance.scope
    path = instance.cgroups_path if scope is None else scope.cgroups_path
    own: dict[str, Any] = {"cgroupsPath": path} if path else {}
    limits = instance.host_limits
    own["resources"] = _merge_resources(linux["resources"], render_resources(instance.resources, limits))
    process = _limit_open_files(config["process"], limits.open_files)
    if variables:
        process = {**process, "env": merge_variables(process["env"], variables, bundle.own_env)}
    own_mounts = (
        *mount_files(bundle.files, instance.folder),
        *mount_live(bundle.live, instance.live),
        *mount_notify(instance.notify),
    )
    mounts = fill_in_folders(config["mounts"], instance.folders) if instance.folders else config["mounts"]
    if own_mounts or instance.folders:
        config = {**config, "mounts": [*mounts, *map(render_mount, own_mounts)]}
    if bundle.shares_network_of:
        linux = {**linux, "namespaces": [_join(each, instance.joins) for each in linux["namespaces"]]}
    return canonical_json(
        {
            **config,
            "process": process,
            "root": {**config["root"], "path": instance.rootfs},
            **({} if scope is None else {"annotations": {**config.get("annotations", {}), **scope.annotations}}),
            "linux": {**linux, **own},
        }
    )


def _join(namespace: Mapping[str, str], path: str) -> Mapping[str, str]:
    """The network namespace of another container has a path only once that runs."""
    return {**namespace, "path": path} if namespace["type"] == "network" and path else namespace


def _merge_resources(have: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Of a limit in both the own stands; what the config has beside it stays."""
    merged = {**have, **own}
    for kind in have.keys() & own.keys():
        if isinstance(have[kind], Mapping):
            merged[kind] = {**have[kind], **own[kind]}
    return merged


def _limit_open_files(process: Mapping[str, Any], open_files: OpenFiles | None) -> Mapping[str, Any]:
    """``process`` with RLIMIT_NOFILE as the host has it, unless it has a limit of its own, or is to inherit one."""
    own = process.get("rlimits", [])
    if open_files is None or any(limit["type"] == OPEN_FILES for limit in own):
        return process
    files = _render_rlimit(Rlimit(OPEN_FILES, open_files.soft, open_files.hard))
    return {**process, "rlimits": sorted([*own, files], key=itemgetter("type"))}


def _render_rlimit(limit: Rlimit) -> dict[str, Any]:
    return {"type": limit.type, "soft": limit.soft, "hard": limit.hard}


def _render_process(spec: Spec) -> dict[str, Any]:
    user: dict[str, Any] = {"uid": spec.user.uid, "gid": spec.user.gid, "umask": spec.user.umask}
    if spec.user.additional_gids:
        user["additionalGids"] = list(spec.user.additional_gids)
    rlimits = {"rlimits": [_render_rlimit(limit) for limit in spec.rlimits]} if spec.rlimits else {}
    return {
        "args": list(spec.args),
        "capabilities": _render_capabilities(spec),
        "cwd": spec.cwd,
        "env": [f"{name}={value}" for name, value in spec.env],
        "noNewPrivileges": spec.no_new_privileges,
        **rlimits,
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


def render_hooks(hooks: Iterable[Hook]) -> dict[str, Any]:
    """``hooks`` by their stages, in order."""
    rendered: dict[str, list[dict[str, Any]]] = {}
    for hook in hooks:
        entry: dict[str, Any] = {"path": hook.path}
        entry |= {"args": list(hook.args)} if hook.args else {}
        entry |= {"env": list(hook.env)} if hook.env else {}
        entry |= {} if hook.timeout is None else {"timeout": hook.timeout}
        rendered.setdefault(hook.stage.value, []).append(entry)
    return rendered


def _render_linux(spec: Spec) -> dict[str, Any]:
    usable = (device for device in spec.devices if device.access)
    linux: dict[str, Any] = {
        "maskedPaths": list(spec.masked_paths),
        "namespaces": [_render_namespace(namespace) for namespace in spec.namespaces],
        "readonlyPaths": list(spec.readonly_paths),
        "resources": {"devices": [*map(dict, defaults.DEVICE_RULES), *map(_allow_device, usable)]},
    }
    if spec.devices:
        linux["devices"] = [_render_device(device) for device in spec.devices]
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


def _render_device(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.type,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _allow_device(device: Device) -> dict[str, Any]:
    numbers = {"type": device.type, "major": device.major, "minor": device.minor}
    return {"allow": True, **numbers, "access": device.access}


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
