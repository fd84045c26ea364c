"""Says of each part of a container's config who contributed it: a plugin, a file of the host, a default or a key of the
definition, for `show --explain`.

It walks what `orchestrator.core.resolve` has put together, the stronger before the weaker. Floor: core.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from orchestrator.core.capabilities import ALL
from orchestrator.core.closure import find_named, follow_links
from orchestrator.core.collect import collect_parts, contribute_kinds
from orchestrator.core.defaults import SYSTEM_MOUNTS
from orchestrator.core.fields import default_of
from orchestrator.core.files import SCRIPT
from orchestrator.core.foreign import Patience, wait_for_ever
from orchestrator.core.notify import FOLDER as NOTIFY
from orchestrator.core.notify import notify_variables
from orchestrator.core.parts import Part
from orchestrator.core.references import is_closure
from orchestrator.core.rootfs import follow_usr_links, is_below, usr_links
from orchestrator.core.sockets import listen_variables
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts
from orchestrator.model.option import options_of
from orchestrator.model.origins import DEFAULT, Explained
from orchestrator.model.policy import Ready
from orchestrator.model.problem import dotted
from orchestrator.model.registry import Registry
from orchestrator.model.resources import Resources
from orchestrator.model.rootfs import HostRootfs
from orchestrator.model.spec import ReadySpec, SkeletonRoot, Spec

_PLAIN: tuple[tuple[str, str], ...] = (
    ("process.cwd", "cwd"),
    ("process.user", "user"),
    ("process.user.umask", "umask"),
    ("process.noNewPrivileges", "no_new_privileges"),
    ("hostname", "hostname"),
    ("root", "rootfs"),
    ("root.readonly", "readonly"),
    ("linux.seccomp", "seccomp"),
    ("linux.maskedPaths", "masked_paths"),
    ("linux.readonlyPaths", "readonly_paths"),
)
"""The parts that one key says, or a default."""
_BUNDLE = "bundle"


def find_origins(
    name: str,
    definition: Definition,
    spec: Spec | ReadySpec,
    facts: Facts,
    registry: Registry,
    patience: Patience = wait_for_ever,
) -> tuple[Explained, ...]:
    """Each part with where it comes from, in the order of a config. spec: what the definition was resolved to by
    ``facts``. patience: with kinds."""
    if isinstance(spec, ReadySpec):
        finder = _Finder(definition, contribute_kinds(name, definition, facts, patience), facts, registry)
        return tuple(_walk_ready(spec, finder))
    named = find_named(definition, facts) if is_closure(definition) else None
    followed = definition if named is None else follow_links(definition, named)
    parts, _ = collect_parts(name, followed, facts, patience)
    return tuple(_walk(definition, spec, _Finder(definition, parts, facts, registry)))


def show_origins(explained: Iterable[Explained]) -> dict[str, Any]:
    """The same as JSON data."""
    return {"parts": [{"part": each.part, "key": each.key, "by": each.by} for each in explained]}


@frozen
class _Finder:
    """Finds who contributed something."""

    definition: Definition
    parts: tuple[Part, ...]
    """The weaker first."""
    facts: Facts
    registry: Registry

    def find(self, part: str, holds: Any) -> Explained | None:  # noqa: ANN401 - a function of a contribution
        """The strongest part whose contribution has it."""
        found = next((each for each in reversed(self.parts) if holds(each.contribution)), None)
        return None if found is None else Explained(part, dotted(found.path), self.describe(found))

    def describe(self, part: Part) -> str:
        """Who made a part of its key: a kind with its origin, or a file of the host."""
        if part.used is None:
            return part.file
        names = self.registry.name_of(part.used.group, type(part.used.kind)) or (part.used.name,)
        origin = str(self.registry.origin_of(part.used.group, names[0]))
        return f"{names[0]}, {origin}" if origin else names[0]

    def of_key(self, part: str, key: str) -> Explained:
        """By a key of the definition, or its default."""
        declared = next(each for each in options_of(Definition) if each.name == key)
        written = getattr(self.definition, key) != default_of(declared)
        return Explained(part, key) if written else Explained(part, by=DEFAULT)

    @property
    def links(self) -> Mapping[str, str]:
        """Those beside /usr, through which destinations in a `host` root are mounted."""
        if not isinstance(self.definition.rootfs, HostRootfs):
            return {}
        return usr_links(self.facts.host, self.definition.mounts)

    def has_mount(self, destination: str) -> Any:  # noqa: ANN401 - a function of a contribution
        """Whether a contribution mounts something there."""
        links = self.links
        return lambda each: any(follow_usr_links(mount.destination, links) == destination for mount in each.mounts)

    def has_entry(self, path: str) -> Any:  # noqa: ANN401 - a function of a contribution
        """Whether a contribution needs an entry of the root's skeleton, for itself or below."""
        links = self.links

        def holds(contribution: Contribution) -> bool:
            entries = (*contribution.entries, *contribution.files, *contribution.live)
            paths = (*(entry.path for entry in entries), *(mount.destination for mount in contribution.mounts))
            return any(is_below(follow_usr_links(each, links), path) for each in paths)

        return holds


def _walk(definition: Definition, spec: Spec, finder: _Finder) -> Iterator[Explained]:
    yield Explained("process.args", "cmd" if definition.cmd is not None else "args")
    for name, _ in spec.env:
        yield _find_variable(name, definition, spec, finder)
    for file_path, index in {str(file.path): index for index, file in enumerate(definition.env_files)}.items():
        yield Explained(f"process.env of {file_path}", dotted(("env_files", index)))
    for part, key in _PLAIN:
        yield finder.of_key(part, key)
    for group in spec.user.additional_gids:
        part = f"process.user.additionalGids.{group}"
        found = finder.find(part, lambda each, group=group: group in each.groups)
        yield found or Explained(part, "groups" if definition.groups else "user")
    for capability in spec.capabilities:
        yield _find_capability(capability, definition, finder)
    for limit in spec.rlimits:
        yield Explained(f"process.rlimits.{limit.type}", dotted(("rlimits", limit.type[7:].lower())))
    for mount in spec.mounts:
        yield _find_mount(mount.destination, definition, finder)
    if spec.policy.notifies:
        yield Explained(f"mounts.{NOTIFY}", _notify_key(definition))
    for path in (*(each.path for each in spec.files), *(each.path for each in spec.live)):
        yield _find_file(path, definition, finder)
    for namespace in spec.namespaces:
        part = f"linux.namespaces.{namespace.type}"
        found = finder.find(part, lambda each, kind=namespace.type: kind in (one.type for one in each.namespaces))
        yield found or Explained(part, by=DEFAULT)
    for device in spec.devices:
        yield _find_device(device.path, definition, finder)
    for option in options_of(Resources):
        if getattr(spec.resources, option.name) != default_of(option):
            yield Explained(f"linux.resources.{option.name}", dotted(("resources", option.name)))
    for name, _ in spec.annotations:
        yield Explained(f"annotations.{name}", dotted(("annotations", name)))
    for index, hook in enumerate(spec.hooks):
        part = f"hooks.{hook.stage.value}.{index}"
        found = finder.find(part, lambda each, hook=hook: hook in each.hooks)
        assert found is not None, "hooks are contributed"
        yield found
    if isinstance(spec.root, SkeletonRoot):
        for entry in spec.root.entries:
            part = f"rootfs.{entry.path}"
            yield finder.find(part, finder.has_entry(entry.path)) or _of_root(part, definition)
    yield from _find_attachments(finder)


def _find_variable(name: str, definition: Definition, spec: Spec, finder: _Finder) -> Explained:
    part = f"process.env.{name}"
    if name in spec.own_env:
        return Explained(part, dotted(("env", name)))
    found = finder.find(part, lambda each: name in each.env)
    if found is not None:
        return found
    if name in notify_variables(spec.policy):
        return Explained(part, "watchdog" if name.startswith("WATCHDOG_") else _notify_key(definition))
    if name in listen_variables(spec.sockets):
        return Explained(part, "sockets")
    keys = {"PATH": "packages", "HOME": "user", "HOSTNAME": "hostname"}
    return finder.of_key(part, keys[name]) if name in keys else Explained(part, by=DEFAULT)


def _notify_key(definition: Definition) -> str:
    """What a notify socket is there for."""
    return "ready" if definition.ready is Ready.NOTIFY else "watchdog"


def _find_capability(capability: str, definition: Definition, finder: _Finder) -> Explained:
    part = f"process.capabilities.{capability}"
    added = definition.capabilities.add
    if capability in added:
        return Explained(part, dotted(("capabilities", "add", added.index(capability))))
    found = finder.find(part, lambda each: capability in each.capabilities)
    if found is None and ALL in added:
        return Explained(part, dotted(("capabilities", "add", [str(each) for each in added].index(ALL))))
    return found or Explained(part, by=DEFAULT)


def _find_mount(destination: str, definition: Definition, finder: _Finder) -> Explained:
    part = f"mounts.{destination}"
    if any(mount.destination == destination for mount in SYSTEM_MOUNTS):
        return Explained(part, by=DEFAULT)
    return finder.find(part, finder.has_mount(destination)) or _of_root(part, definition)


def _of_root(part: str, definition: Definition) -> Explained:
    """What a root file system is made of: the closure of what is run is the default."""
    if definition.rootfs is None:
        return Explained(part, "packages" if definition.packages else "", by="closure")
    return Explained(part, "rootfs", by=definition.rootfs.type)


def _find_file(path: str, definition: Definition, finder: _Finder) -> Explained:
    part = f"files.{path}"
    if path == SCRIPT and definition.cmd is not None:
        return Explained(part, "cmd")
    found = finder.find(part, lambda each: any(one.path == path for one in (*each.files, *each.live, *each.entries)))
    return found or Explained(part, by=DEFAULT)


def _find_device(path: str, definition: Definition, finder: _Finder) -> Explained:
    part = f"linux.devices.{path}"
    own = [index for index, each in enumerate(definition.devices) if (each.destination or each.path) == path]
    if own:
        return Explained(part, dotted(("devices", own[0])))
    found = finder.find(part, lambda each: any(device.path == path for device in each.devices))
    assert found is not None, "a device is of the definition or is contributed"
    return found


def _find_attachments(finder: _Finder) -> Iterator[Explained]:
    for part in finder.parts:
        for attachment in part.contribution.attach:
            yield Explained(f"{attachment.stage.value}.{part.path[-1]}", dotted(part.path), finder.describe(part))


def _walk_ready(spec: ReadySpec, finder: _Finder) -> Iterator[Explained]:
    """Of a ready bundle its own config.json says all but what kinds add."""
    process, linux = spec.config.get("process", {}), spec.config.get("linux", {})
    yield Explained("process.args", _BUNDLE)
    for variable in process.get("env") or ():
        yield Explained(f"process.env.{str(variable).partition('=')[0]}", _BUNDLE)
    for mount in spec.config.get("mounts") or ():
        destination = str(mount.get("destination"))
        part = f"mounts.{destination}"
        yield finder.find(part, finder.has_mount(destination)) or Explained(part, _BUNDLE)
    for path in (*(each.path for each in spec.files), *(each.path for each in spec.live)):
        yield _find_file(path, finder.definition, finder)
    for namespace in linux.get("namespaces") or ():
        yield Explained(f"linux.namespaces.{namespace.get('type')}", _BUNDLE)
    yield from _find_attachments(finder)
