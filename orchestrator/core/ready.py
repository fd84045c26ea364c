"""A definition that names a ready bundle (`bundle = PATH`): its config.json is taken as it is, but for paths, which are
made absolute, since an instance has a folder of its own.

Only what would keep it from running under an agent is looked for; the rest is the runtime's to judge. The format is
the OCI runtime-spec's, config.md. Floor: core.
"""

import json
import posixpath
from collections.abc import Sequence
from typing import Any

from orchestrator.core.files import render_mount
from orchestrator.core.limits import find_resource_faults
from orchestrator.core.output import find_log_faults
from orchestrator.core.platform import check_platform
from orchestrator.core.questions import bundle_place, bundle_questions
from orchestrator.core.rootfs import merge_mounts
from orchestrator.core.silent import no_answer, no_place
from orchestrator.core.stored_bundle import find_missing_points, lay_out_stored
from orchestrator.core.suggest import quote
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, PathKind
from orchestrator.model.oci import User
from orchestrator.model.problem import Fault
from orchestrator.model.spec import FolderRoot, Policy, ReadySpec, SkeletonRoot
from orchestrator.model.store import Store, StoreLink, StoreUse

_AT = ("bundle",)


class _Unfit(Exception):
    """A config.json cannot be run: ``str()`` says why, ``hint`` what to write in it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def resolve_ready(
    name: str, definition: Definition, bundle: str, parts: Sequence[Contribution], facts: Facts, policy: Policy
) -> ReadySpec | tuple[Fault, ...]:
    """The spec of a definition whose bundle stands at ``bundle``, or all its faults.

    parts: what is mounted beside what its config.json says. In a store the root file system is read-only, whatever that
    says: what is there belongs to all who use the store."""
    platform = check_platform(definition.os, definition.arch, facts.host.machine)
    resources = find_resource_faults(definition.resources, facts.host.controllers)
    faults = (*platform, *find_log_faults(definition.log, facts), *resources)
    asked = bundle_place(bundle, facts.host.store)
    if asked in facts.unanswered:
        return (*faults, no_place(_AT, asked))
    place = facts.places[asked]
    found = _read_config(bundle, facts)
    if isinstance(found, Fault):
        return (*faults, found)
    folder, said = found
    try:
        config, root = _fit(_parse(said), folder)
    except _Unfit as unfit:
        return (*faults, Fault(_AT, f"cannot run the bundle {quote(bundle)}: {unfit}", unfit.hint))
    if faults:
        return faults
    own: FolderRoot | SkeletonRoot = FolderRoot(path=root)
    mounts = merge_mounts((), (mount for part in parts for mount in part.mounts))
    missing = find_missing_points(bundle, definition.mounts, facts) if place is not None else ()
    if missing:
        laid = lay_out_stored(bundle, root, config["mounts"], missing, parts, facts)
        if isinstance(laid, tuple):
            return laid
        own, config["mounts"] = laid.root, [*laid.mounts, *config["mounts"]]
    if place is not None:
        config["root"]["readonly"] = True
    config["mounts"] = [*config["mounts"], *map(render_mount, mounts)]
    return ReadySpec(
        name=name,
        folder=folder,
        config=config,
        root=own,
        resources=definition.resources,
        log=definition.log,
        policy=policy,
        store=_keep(bundle, place, facts.host.store) if place is not None else None,
    )


def find_ready_user(bundle: str, facts: Facts) -> User:
    """Who the application of a ready bundle runs as; root where its config.json says nothing that can be read."""
    try:
        user = json.loads(facts.texts[bundle_questions(bundle)[2]] or "")["process"]["user"]
        uid, gid = user.get("uid", 0), user.get("gid", 0)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return User(0, 0)
    return User(uid, gid) if type(uid) is int and type(gid) is int else User(0, 0)


def _keep(bundle: str, place: str, store: Store) -> StoreUse:
    """What has to be kept of a bundle that lies in a store: with it, all that it needs."""
    path = store.cut(place)
    links = () if bundle == place else (StoreLink(bundle, place),)
    return StoreUse(store, (path,) if path is not None else (), links)


def _read_config(bundle: str, facts: Facts) -> tuple[str, str] | Fault:
    """The folder of the bundle without links, and the text of its config.json."""
    at_folder, at_config, text = bundle_questions(bundle)
    if text in facts.unanswered:
        return no_answer(_AT, text)
    folder, config, said = facts.paths[at_folder.path], facts.paths[at_config.path], facts.texts[text]
    if said is not None and folder.kind is PathKind.DIRECTORY:
        return folder.resolved, said
    hint = ""
    match folder.kind, config.kind:
        case PathKind.MISSING, _:
            why = "no such directory"
        case PathKind.DENIED, _:
            why = folder.detail
        case PathKind.FILE | PathKind.OTHER, _:
            why, hint = "not a directory", "write the folder that config.json is in"
        case _, PathKind.MISSING:
            why, hint = "there is no config.json in it", '"orchestrator build" and "runc spec" make one'
        case _, PathKind.DENIED:
            why = f"cannot look at its config.json: {config.detail}"
        case _:
            why = "its config.json cannot be read: it is not a file of at most 1 MiB that may be opened"
    return Fault(_AT, f"cannot use {quote(bundle)}: {why}", hint)


def _parse(said: str) -> dict[str, Any]:
    try:
        config = json.loads(said, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        why = f"its config.json is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _Unfit(why) from None
    except (ValueError, RecursionError):  # NaN, a number of thousands of digits, brackets by the thousand
        raise _Unfit("its config.json has a value that no JSON has, or too many in each other") from None
    if not isinstance(config, dict):
        raise _Unfit("its config.json is not a JSON object")
    return config


def _refuse_constant(text: str) -> object:
    raise ValueError(text)


def _fit(config: dict[str, Any], folder: str) -> tuple[dict[str, Any], str]:
    """The config with paths that hold outside of ``folder`` too, and the path of its root file system."""
    process, root = _object(config, "process"), _object(config, "root")
    args = process.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
        raise _Unfit("its config.json has no process.args", 'write "args": ["/bin/sh"] in its "process"')
    if process.get("terminal") is True:
        hint = 'write "terminal": false in its "process"'
        raise _Unfit("its config.json has process.terminal = true, and there is no terminal", hint)
    path = root.get("path")
    if not isinstance(path, str) or not path:
        raise _Unfit("its config.json has no root.path", 'write "root": {"path": "rootfs"}')
    linux = _object(config, "linux", optional=True)
    linux = {**linux, "resources": _object(linux, "resources", prefix="linux.", optional=True)}
    process = {**process, "rlimits": _objects(process, "rlimits", prefix="process.")}
    if not all(isinstance(limit.get("type"), str) for limit in process["rlimits"]):
        raise _Unfit("a limit of process.rlimits in its config.json has no type")
    mounts = [_fit_mount(mount, folder) for mount in _objects(config, "mounts")]
    place = posixpath.normpath(posixpath.join(folder, path))
    return {**config, "process": process, "root": {**root, "path": place}, "linux": linux, "mounts": mounts}, place


def _object(parent: dict[str, Any], key: str, *, prefix: str = "", optional: bool = False) -> dict[str, Any]:
    """The object at a key; a null is nothing there, as runtimes take it."""
    value = parent.get(key)
    if value is None and optional:
        return {}
    if not isinstance(value, dict):
        how = "has no" if value is None else "has no object as its"
        raise _Unfit(f"its config.json {how} {prefix}{key}")
    return value


def _objects(parent: dict[str, Any], key: str, *, prefix: str = "") -> list[dict[str, Any]]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _Unfit(f"{prefix}{key} in its config.json is not a list of objects")
    return value


def _fit_mount(mount: dict[str, Any], folder: str) -> dict[str, Any]:
    """Only of a bind mount the source is a path, and may be relative to the bundle (config.md, "Mounts")."""
    source, options = mount.get("source"), mount.get("options")
    binds = mount.get("type") == "bind" or (isinstance(options, list) and not {"bind", "rbind"}.isdisjoint(options))
    if not binds or not isinstance(source, str) or source.startswith("/"):
        return mount
    return {**mount, "source": posixpath.normpath(posixpath.join(folder, source))}
