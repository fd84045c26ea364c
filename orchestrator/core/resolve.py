"""From a definition to a spec: defaults in, users looked up, mounts laid out, nothing left to decide.

Pure: what the world must be asked for is in the facts (`orchestrator.core.questions` asks). All the user's mistakes
that only facts can show are found at once. Writing config.json is `orchestrator.core.render`'s work. Floor: core.
"""

from collections.abc import Iterable

import attrs
from attrs import frozen

from orchestrator.core import defaults
from orchestrator.core.accounts import find_own_account
from orchestrator.core.closure import Named, find_kept, find_named, follow_links, lay_out_closure
from orchestrator.core.collect import collect_parts, contribute_kinds
from orchestrator.core.confinement import choose_confinement
from orchestrator.core.devices import join_devices
from orchestrator.core.envfile import choose_env_files
from orchestrator.core.files import choose_args, entry_files, script_files
from orchestrator.core.foreign import Patience, wait_for_ever
from orchestrator.core.lacking import find_lacking, find_lacking_hooks
from orchestrator.core.limits import find_resource_faults
from orchestrator.core.notify import notify_variables
from orchestrator.core.output import find_log_faults
from orchestrator.core.parts import Part, find_part_faults, join_files, list_claims, list_contents, plan_attachments
from orchestrator.core.platform import check_platform
from orchestrator.core.policy import choose_policy
from orchestrator.core.questions import account_questions
from orchestrator.core.ready import resolve_ready
from orchestrator.core.references import is_closure
from orchestrator.core.rootfs import (
    build_skeleton,
    find_obstacle,
    follow_usr_links,
    host_mounts,
    is_of_host,
    merge_mounts,
    usr_links,
)
from orchestrator.core.sockets import choose_sockets, claim_ports, listen_variables
from orchestrator.core.users import Account
from orchestrator.model.contribution import BundleFile, Contribution, LiveFile
from orchestrator.model.definition import Definition
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import Facts, PathKind
from orchestrator.model.oci import Mount, Namespace, User
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs
from orchestrator.model.spec import FolderRoot, ReadySpec, SkeletonRoot, Spec
from orchestrator.model.store import StoreUse


@frozen
class _Layout:
    root: SkeletonRoot | FolderRoot
    mounts: tuple[Mount, ...]
    files: tuple[BundleFile, ...] = ()
    store: StoreUse | None = None
    path: str = ""
    """$PATH where neither the definition nor a kind sets it; empty: the default's."""


def resolve_spec(
    name: str, definition: Definition, facts: Facts, patience: Patience = wait_for_ever
) -> Spec | ReadySpec | tuple[Fault, ...]:
    """The spec of the definition called ``name``, or all its faults, with paths as in its file.

    ``facts`` must have the answers to all that `ask_questions` asks of this definition. patience: with kinds.
    """
    if definition.bundle is not None:
        return _resolve_bundle(name, definition, definition.bundle, facts, patience)
    named = find_named(definition, facts) if is_closure(definition) else None
    if named is not None:
        definition = follow_links(definition, named)
    parts, part_faults = collect_parts(name, definition, facts, patience)
    faults = [*part_faults, *find_part_faults(parts)]
    files, live = join_files(parts)
    account = find_own_account(definition, facts)
    # Where it is not known who the application runs as, the faults of the rest are the same.
    who = Account(User(0, 0), "/") if isinstance(account, tuple) else account
    points = _mount_points(files, live)
    layout = _lay_out(definition, named, parts, points, who, facts)
    contributions = tuple(part.contribution for part in parts)
    plugged = (capability for each in contributions for capability in each.capabilities)
    confinement = choose_confinement(definition, who.user.uid, plugged, facts)
    nodes = ((part.path, node) for part in parts for node in part.contribution.devices)
    devices, device_faults = join_devices(confinement.devices, nodes, who.user)
    hooks = tuple((part.path, hook) for part in parts for hook in part.contribution.hooks)
    faults += (*device_faults, *find_lacking_hooks(hooks, facts.host.runtime))
    env_files, env_faults = choose_env_files(definition.env_files, facts)
    faults += (*env_faults, *find_log_faults(definition.log, facts))
    faults += find_resource_faults(definition.resources, facts.host.controllers)
    faults += find_lacking(definition, facts.host.runtime)
    sockets, socket_faults = choose_sockets(definition, *(facts.texts.get(each) for each in account_questions("/")))
    faults += socket_faults
    if isinstance(layout, tuple):
        faults += layout
    if isinstance(account, tuple):
        faults += account
    faults += (*confinement.faults, *check_platform(definition.os, definition.arch, facts.host.machine))
    if faults or isinstance(layout, tuple) or isinstance(account, tuple):
        return tuple(faults)
    hostname = definition.hostname or name
    shares = next((each.shares_network_of for each in contributions if each.shares_network_of), "")
    policy = choose_policy(definition, shares)
    path = layout.path or defaults.PATH
    env = {"PATH": path, "HOME": account.home, "HOSTNAME": str(hostname)}
    env |= {**notify_variables(policy), **listen_variables(sockets)}
    for each in contributions:
        env |= each.env
    env.update({str(key): value for key, value in definition.env.items()})
    of_host = {mount.destination for mount in layout.mounts if mount.source == mount.destination}
    live = tuple(each for each in live if not each.over_hosts or each.path in of_host)
    covered = {each.path for each in live} | {each.path for each in files}
    return Spec(
        name=name,
        args=choose_args(definition),
        env=tuple(sorted(env.items())),
        own_env=frozenset(str(key) for key in definition.env),
        env_files=env_files,
        files=(*script_files(definition), *layout.files, *files),
        devices=devices,
        hooks=tuple(hook for _, hook in hooks),
        rlimits=confinement.rlimits,
        annotations=tuple(sorted(definition.annotations.items())),
        log=definition.log,
        cwd=definition.cwd,
        user=_choose_user(account.user, definition, contributions),
        hostname=hostname,
        readonly=not isinstance(layout.root, FolderRoot) if definition.readonly is None else definition.readonly,
        root=layout.root,
        mounts=(*defaults.SYSTEM_MOUNTS, *(each for each in layout.mounts if each.destination not in covered)),
        namespaces=_choose_namespaces(definition, contributions),
        capabilities=confinement.capabilities,
        seccomp=confinement.seccomp,
        masked_paths=confinement.masked_paths,
        readonly_paths=confinement.readonly_paths,
        no_new_privileges=definition.no_new_privileges,
        resources=definition.resources,
        policy=policy,
        attachments=plan_attachments(parts),
        live=live,
        contents=list_contents(parts),
        claims=(*list_claims(parts), *claim_ports(sockets)),
        sockets=sockets,
        shares_network_of=shares,
        store=layout.store if named is not None else find_kept(definition, facts),
    )


def _resolve_bundle(
    name: str, definition: Definition, bundle: str, facts: Facts, patience: Patience
) -> ReadySpec | tuple[Fault, ...]:
    parts = contribute_kinds(name, definition, facts, patience)
    faults = tuple(find_part_faults(parts))
    contributions = tuple(part.contribution for part in parts)
    spec = resolve_ready(name, definition, bundle, contributions, facts, choose_policy(definition))
    if isinstance(spec, tuple):
        return (*faults, *spec)
    files, live = join_files(parts)
    return faults or attrs.evolve(
        spec,
        files=files,
        attachments=plan_attachments(parts),
        live=tuple(each for each in live if not each.over_hosts),
        contents=list_contents(parts),
        claims=list_claims(parts),
        store=_join_uses(spec.store, find_kept(definition, facts)),
    )


def _mount_points(files: Iterable[BundleFile], live: Iterable[LiveFile]) -> Contribution:
    """What a skeleton has to have for these files. Where one takes the place of the host's there is that one's."""
    paths = (*(each.path for each in files), *(each.path for each in live if not each.over_hosts))
    return Contribution(entries=tuple(FileEntry(path) for path in paths))


def _lay_out(
    definition: Definition,
    named: Named | None,
    parts: tuple[Part, ...],
    points: Contribution,
    account: Account,
    facts: Facts,
) -> _Layout | tuple[Fault, ...]:
    match definition.rootfs:
        case HostRootfs():
            return _lay_out_host(definition, parts, points, facts)
        case DirectoryRootfs(path=path):
            return _lay_out_folder(path, parts, facts)
    assert named is not None, "what is neither is a closure"
    contributions = (points, *(part.contribution for part in parts))
    layout = lay_out_closure(definition, named, contributions, account, facts)
    if isinstance(layout, tuple):
        return layout
    return _Layout(layout.root, layout.mounts, store=layout.use, path=layout.path)


def _join_uses(one: StoreUse | None, other: StoreUse | None) -> StoreUse | None:
    if one is None or other is None:
        return one or other
    links = {link.path: link for link in (*one.links, *other.links)}
    return StoreUse(one.store, tuple(sorted({*one.paths, *other.paths})), tuple(links[path] for path in sorted(links)))


def _lay_out_folder(path: str, parts: tuple[Part, ...], facts: Facts) -> _Layout | tuple[Fault, ...]:
    """A folder in place: the runtime makes the mount points that are missing in it."""
    answer = facts.paths[path]
    at = ("rootfs", "path")
    match answer.kind:
        case PathKind.DIRECTORY:
            if answer.resolved == "/":
                message = f'cannot use "{path}": it is the root of the host itself'
                return (Fault(at, message, 'write rootfs = "host" for a read-only view of its /usr'),)
        case PathKind.MISSING:
            return (Fault(at, f'cannot use "{path}": no such directory'),)
        case PathKind.DENIED:
            return (Fault(at, f'cannot use "{path}": {answer.detail}'),)
        case PathKind.FILE | PathKind.OTHER:
            return (Fault(at, f'cannot use "{path}": not a directory'),)
    faults = tuple(
        Fault(part.path, f'needs links of its own in the root, and "{path}" of the host is left as it is')
        for part in parts
        if any(isinstance(entry, LinkEntry) for entry in part.contribution.entries)
    )
    if faults:
        return faults
    own = tuple(mount for part in parts for mount in part.contribution.mounts)
    entries = (entry for part in parts for entry in part.contribution.entries)
    return _Layout(FolderRoot(path=answer.resolved), merge_mounts((), own), entry_files(entries, own))


def _lay_out_host(
    definition: Definition, parts: tuple[Part, ...], points: Contribution, facts: Facts
) -> _Layout | tuple[Fault, ...]:
    """The skeleton, the host's own over it, the definition's over that; and what cannot be mounted where it is to."""
    links = usr_links(facts.host, definition.mounts)
    contributions = (points, *(part.contribution for part in parts))
    own = tuple(
        attrs.evolve(mount, destination=follow_usr_links(mount.destination, links))
        for each in contributions
        for mount in each.mounts
    )
    asked_for = (entry for each in contributions for entry in each.entries)
    moved = (attrs.evolve(entry, path=follow_usr_links(entry.path, links)) for entry in asked_for)
    entries: dict[str, Entry] = {entry.path: entry for entry in moved}
    mounts = merge_mounts(host_mounts(facts.host), own)
    faults: list[Fault] = []

    def look(asked: str, *, file: bool, at: KeyPath, trying: str) -> None:
        if not is_of_host(asked):
            return
        inside = follow_usr_links(asked, links)
        why = find_obstacle(inside, file=file, host=facts.host, mounts=mounts, answer=facts.paths[asked])
        if why is not None:
            half = At.KEY if at[0] == "mounts" else At.VALUE
            faults.append(Fault(at, f'cannot {trying} "{asked}": {why}', at=half))

    for part in parts:
        if part.path[0] == "mounts" and (part.contribution.mounts or part.contribution.files):
            destination = str(part.path[1])
            point = entries.get(follow_usr_links(destination, links))
            look(destination, file=isinstance(point, FileEntry), at=part.path, trying="mount on")
        elif part.path[0] == "devices":
            for mount in part.contribution.mounts:
                point = entries.get(follow_usr_links(mount.destination, links))
                look(mount.destination, file=isinstance(point, FileEntry), at=part.path, trying="mount on")
    look(definition.cwd, file=False, at=("cwd",), trying="work in")
    if faults:
        return tuple(faults)
    working = follow_usr_links(definition.cwd, links)
    if working not in {"/", *links, *entries, *(mount.destination for mount in mounts)}:
        entries[working] = FolderEntry(working)
    return _Layout(build_skeleton(links, mounts, entries.values()), mounts)


def _choose_user(user: User, definition: Definition, contributions: Iterable[Contribution]) -> User:
    groups = (*user.additional_gids, *(group for each in contributions for group in each.groups))
    return attrs.evolve(user, umask=definition.umask, additional_gids=tuple(dict.fromkeys(groups)))


def _choose_namespaces(definition: Definition, contributions: tuple[Contribution, ...]) -> tuple[Namespace, ...]:
    """The container's own by default, with what kinds add; of two of one type the kind's stands."""
    chosen = {namespace.type: namespace for namespace in defaults.NAMESPACES}
    if definition.network is None:
        chosen["network"] = defaults.NETWORK_NAMESPACE
    chosen |= {namespace.type: namespace for each in contributions for namespace in each.namespaces}
    return tuple(chosen.values())
