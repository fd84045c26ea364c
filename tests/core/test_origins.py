"""Who contributed each part of a config: each part has just one origin, and it is the one that made it."""

import json
from collections import Counter
from typing import Any

from hypothesis import given
from orchestrator_mounts.bind import Bind
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.core.origins import find_origins, show_origins
from orchestrator.core.parse import parse_definition
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.definition import Definition
from orchestrator.model.origins import Explained
from orchestrator.model.registry import Group, Origin, Registry
from orchestrator.model.source import Source
from orchestrator.model.spec import SkeletonRoot, Spec
from tests.core.helpers_world import definitions, instance_of, learn

OWN = Origin(distribution="oci-orchestrator", version="0.1.0", place="x", builtin=True)
REGISTRY = (
    Registry()
    .with_kind(Group.MOUNTS, "bind", Bind, OWN)
    .with_kind(Group.NETWORKS, "none", NoNetwork, OWN)
    .with_kind(Group.NETWORKS, "host", HostNetwork, OWN)
)


def explain(definition: Definition) -> tuple[Spec, tuple[Explained, ...]] | None:
    """The spec and its origins; None where the definition has faults on this host."""
    facts = learn("web", definition)
    spec = resolve_spec("web", definition, facts)
    return (spec, find_origins("web", definition, spec, facts, REGISTRY)) if isinstance(spec, Spec) else None


def explain_text(text: str) -> dict[str, str]:
    """The origins of a definition without faults, by part, as people see them."""
    definition = parse_definition(Source("web", "web.toml", text), REGISTRY)
    assert isinstance(definition, Definition), definition
    facts = learn("web", definition)
    spec = resolve_spec("web", definition, facts)
    assert not isinstance(spec, tuple), spec
    return {each.part: str(each) for each in find_origins("web", definition, spec, facts, REGISTRY)}


def parts_of(config: dict[str, Any], spec: Spec) -> list[str]:
    """The parts of a config that must have an origin."""
    files = {*(each.path for each in spec.files), *(each.path for each in spec.live)}
    process, linux = config["process"], config["linux"]
    return [
        *(f"process.env.{variable.partition('=')[0]}" for variable in process["env"]),
        *(f"process.capabilities.{name}" for name in process["capabilities"]["bounding"]),
        *(f"process.rlimits.{limit['type']}" for limit in process.get("rlimits", ())),
        *(f"mounts.{each['destination']}" for each in config["mounts"] if each["destination"] not in files),
        *(f"files.{path}" for path in files),
        *(f"linux.namespaces.{each['type']}" for each in linux["namespaces"]),
        *(f"linux.devices.{each['path']}" for each in linux.get("devices", ())),
        *(f"annotations.{name}" for name in config.get("annotations", ())),
        *(f"rootfs.{each.path}" for each in (spec.root.entries if isinstance(spec.root, SkeletonRoot) else ())),
    ]


@given(definitions())
def test_every_part_has_one_origin(definition: Definition) -> None:
    found = explain(definition)
    if found is None:
        return
    spec, explained = found
    config = json.loads(render_instance(instance_of(render_bundle(spec), definition.resources)))
    counts = Counter(each.part for each in explained)
    assert [part for part in parts_of(config, spec) if not counts[part]] == []
    assert [part for part, count in counts.items() if count > 1] == []
    assert all(each.key or each.by for each in explained)


@given(definitions())
def test_what_a_key_explains_is_in_the_key(definition: Definition) -> None:
    found = explain(definition)
    for each in found[1] if found is not None else ():
        if each.part.startswith("process.env.") and each.key.startswith("env"):
            assert each.part.removeprefix("process.env.") in definition.env or " of " in each.part
        if each.part.startswith("process.capabilities.") and each.by == "default":
            assert each.part.removeprefix("process.capabilities.") not in definition.capabilities.add


def test_kinds_keys_files_and_defaults_are_told_apart() -> None:
    told = explain_text(
        """
        args = ["/bin/sh"]
        rootfs = "host"
        env = { LANG = "C" }
        devices = ["/dev/fuse", "vendor.com/gpu=card0"]
        hooks_dirs = ["/etc/more.d"]
        capabilities = { add = ["NET_ADMIN", "CHOWN"] }
        rlimits = { nofile = 5 }
        resources.memory = "64M"
        user = "root"
        mounts."/data" = { source = "/srv/data" }
        mounts."/bin/true" = { source = "/usr/bin/true" }
        network = "none"
        sockets.web = "80"
        """
    )
    bind = "(bind, oci-orchestrator 0.1.0)"
    vendor = "(/etc/cdi/vendor.json)"
    assert told["process.args"] == "args"
    assert told["process.env.LANG"] == "env.LANG", "and not what the vendor says"
    assert told["process.env.VENDOR_VISIBLE"] == f"devices[1] {vendor}"
    assert told["process.env.PATH"] == "default"
    assert told["process.env.HOME"] == "user"
    assert {told[f"process.env.{name}"] for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")} == {"sockets"}
    assert told["process.user"] == "user"
    assert told["process.user.additionalGids.44"] == f"devices[1] {vendor}"
    assert told["process.capabilities.CAP_NET_ADMIN"] == "capabilities.add[0]"
    assert told["process.capabilities.CAP_CHOWN"] == "capabilities.add[1]"
    assert told["process.capabilities.CAP_KILL"] == "default"
    assert told["process.rlimits.RLIMIT_NOFILE"] == "rlimits.nofile"
    assert told["mounts./proc"] == "default"
    assert told["mounts./usr"] == "rootfs (host)"
    assert told["mounts./data"] == f'mounts."/data" {bind}'
    assert told["mounts./usr/bin/true"] == f'mounts."/bin/true" {bind}'
    assert told["mounts./opt/vendor"] == f"devices[1] {vendor}"
    assert told["linux.namespaces.network"] == "network (none, oci-orchestrator 0.1.0)"
    assert told["linux.namespaces.pid"] == "default"
    assert told["linux.devices./dev/fuse"] == "devices[0]"
    assert told["linux.devices./dev/made"] == f"devices[1] {vendor}"
    assert told["linux.resources.memory"] == "resources.memory"
    assert told["rootfs./data"] == f'mounts."/data" {bind}'
    assert [line for part, line in told.items() if part.startswith("hooks.")] == [
        f"devices[1] {vendor}",
        f"devices[1] {vendor}",
        "hooks_dirs[0] (/etc/more.d/07-hidden.json)",
    ]


def test_of_a_closure_what_is_no_mount_of_the_definition_is_its_packages() -> None:
    told = explain_text('args = ["hello"]\npackages = ["/opt/profile"]\n')
    stored = {line for part, line in told.items() if part.startswith("mounts./nix/store/")}
    assert stored == {"packages (closure)"}
    assert told["process.env.PATH"] == "packages"


def test_of_a_ready_bundle_its_own_config_says_the_rest() -> None:
    told = explain_text('bundle = "/srv/bundles/web"\nmounts."/data" = { source = "/srv/data" }\n')
    assert told["process.args"] == "bundle"
    assert told["mounts./data"] == 'mounts."/data" (bind, oci-orchestrator 0.1.0)'
    assert {line for part, line in told.items() if part.startswith("process.env.")} <= {"bundle"}


def test_as_data() -> None:
    assert show_origins([Explained("mounts./x", 'mounts."/x"', "bind")]) == {
        "parts": [{"part": "mounts./x", "key": 'mounts."/x"', "by": "bind"}]
    }
