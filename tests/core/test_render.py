"""Spec to bundle, instance to config.json: valid, without nulls, the same bytes each time."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from orchestrator_networks.none import NoNetwork

from orchestrator.core import defaults
from orchestrator.core.canonical import canonical_json, digest_of
from orchestrator.core.limits import render_resources
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.model.bundle import HostLimits, OpenFiles
from orchestrator.model.confinement import Capabilities, Device, Rlimit
from orchestrator.model.definition import Definition
from orchestrator.model.entry import FileEntry
from orchestrator.model.oci import Mount, Namespace
from orchestrator.model.policy import Restart
from orchestrator.model.resources import Resources
from orchestrator.model.spec import SkeletonRoot
from orchestrator.model.types import (
    Capability,
    DeviceName,
    Duration,
    GroupName,
    RlimitValue,
    SeccompChoice,
    Size,
    Umask,
)
from tests.core.helpers_world import (
    assert_valid,
    bind,
    config_of,
    definitions,
    find_nulls,
    host_definition,
    instance_of,
    resolve,
)


@given(definitions())
def test_every_config_is_valid_and_without_nulls(definition: Definition) -> None:
    assert_valid(config_of(definition))


@given(definitions())
def test_same_definition_same_bytes_same_digest(definition: Definition) -> None:
    first, second = (render_bundle(resolve(definition)) for _ in range(2))
    assert first.digest == second.digest
    assert render_instance(instance_of(first)) == render_instance(instance_of(second))


@given(definitions(), definitions())
def test_a_digest_tells_bundles_apart(one: Definition, other: Definition) -> None:
    specs = resolve(one), resolve(other)
    first, second = map(render_bundle, specs)
    same = canonical_json(first.config) == canonical_json(second.config) and first.root == second.root
    same = same and specs[0].files == specs[1].files and specs[0].log.type == specs[1].log.type
    by_file = {(spec.env_files, spec.own_env if spec.env_files else None) for spec in specs}
    assert (first.digest == second.digest) is (same and len(by_file) == 1)


@given(definitions())
def test_the_text_is_canonical_json(definition: Definition) -> None:
    bundle = render_bundle(resolve(definition))
    text = render_instance(instance_of(bundle, definition.resources))
    assert text == canonical_json(json.loads(text))


def test_what_the_host_says_of_limits_is_the_instances_and_in_no_digest() -> None:
    definition = host_definition(resources=Resources(memory=Size(1 << 26)))
    bundle = render_bundle(resolve(definition))
    instance = instance_of(bundle, definition.resources)
    inherits = json.loads(render_instance(instance))
    assert "rlimits" not in inherits["process"]
    assert inherits["linux"]["resources"]["memory"] == {"limit": 1 << 26, "swap": 1 << 26}
    limits = HostLimits(open_files=OpenFiles(1024, 524288), limits_swap=False)
    config = json.loads(render_instance(attrs.evolve(instance, host_limits=limits)))
    assert_valid(config)
    assert config["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 524288}]
    assert config["linux"]["resources"]["memory"] == {"limit": 1 << 26}
    assert "rlimits" not in bundle.config["process"]


def test_all_sets_of_capabilities_are_always_written() -> None:
    held = list(defaults.ROOT_CAPABILITIES)
    assert config_of(host_definition())["process"]["capabilities"] == {
        "bounding": held,
        "permitted": held,
        "effective": held,
        "inheritable": [],
        "ambient": [],
    }
    sets = config_of(host_definition(user="web"))["process"]["capabilities"]
    assert sets == {key: [] for key in ("bounding", "permitted", "effective", "inheritable", "ambient")}


def test_a_capability_of_another_user_survives_execve() -> None:
    spec = attrs.evolve(resolve(host_definition(user="web")), capabilities=("CAP_NET_RAW",))
    sets = render_bundle(spec).config["process"]["capabilities"]
    assert set(map(tuple, sets.values())) == {("CAP_NET_RAW",)}


def test_memory_is_the_instances_and_not_in_the_digest() -> None:
    small, large = (host_definition(resources=Resources(memory=Size(size * 2**20))) for size in (64, 128))
    assert render_bundle(resolve(small)).digest == render_bundle(resolve(large)).digest
    linux = config_of(small)["linux"]
    assert linux["resources"]["memory"] == {"limit": 64 * 2**20, "swap": 64 * 2**20}
    assert linux["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    assert render_resources(Resources()) == {}


def test_a_limit_of_the_definition_wins_over_the_hosts() -> None:
    host = HostLimits(open_files=OpenFiles(1024, 524288))
    files = {"type": "RLIMIT_NOFILE", "soft": 5, "hard": 7}
    core = {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}
    nofile = Rlimit(soft=RlimitValue(5), hard=RlimitValue(7))
    for wanted, expected in (
        ({"nofile": nofile}, [files]),
        ({"core": Rlimit(hard=RlimitValue(0))}, [core, {**files, "soft": 1024, "hard": 524288}]),
        ({"nofile": nofile, "core": Rlimit(hard=RlimitValue(0))}, [core, files]),
    ):
        instance = instance_of(render_bundle(resolve(host_definition(rlimits=wanted))))
        config = json.loads(render_instance(attrs.evolve(instance, host_limits=host)))
        assert config["process"]["rlimits"] == expected


def test_the_rules_of_devices_stand_beside_limits_that_are_changed_live() -> None:
    definition = host_definition(
        devices=(Device(path=DeviceName("/dev/fuse")),), resources=Resources(memory=Size(1 << 26))
    )
    resources = config_of(definition)["linux"]["resources"]
    fuse = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
    assert resources["devices"] == [{"allow": False, "access": "rwm"}, fuse]
    assert resources["memory"]["limit"] == 1 << 26


@pytest.mark.parametrize(
    "changes",
    [
        {"umask": Umask(0o27)},
        {"groups": (GroupName("44"),)},
        {"annotations": {"org.example.team": "web"}},
        {"rlimits": {"core": Rlimit(hard=RlimitValue(0))}},
        {"capabilities": Capabilities(drop=(Capability("ALL"),))},
        {"no_new_privileges": False},
        {"seccomp": SeccompChoice("unconfined")},
        {"devices": (Device(path=DeviceName("/dev/fuse")),)},
        {"masked_paths": ()},
        {"readonly_paths": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_confines_a_process_is_in_the_digest(changes: dict[str, Any]) -> None:
    assert render_bundle(resolve(host_definition(**changes))).digest != render_bundle(resolve(host_definition())).digest


def test_the_platform_is_not_in_the_digest() -> None:
    written = host_definition(os="linux", arch="amd64")
    assert render_bundle(resolve(written)).digest == render_bundle(resolve(host_definition())).digest


def test_the_policy_is_not_in_the_digest() -> None:
    changed = host_definition(restart=Restart(delay=Duration(7.0)))
    assert render_bundle(resolve(changed)).digest == render_bundle(resolve(host_definition())).digest


def test_to_write_the_default_network_changes_nothing() -> None:
    written = render_bundle(resolve(host_definition(network=NoNetwork())))
    assert written.digest == render_bundle(resolve(host_definition())).digest


def test_what_differs_from_instance_to_instance_is_not_in_the_bundle() -> None:
    bundle = render_bundle(resolve(host_definition()))
    assert "path" not in bundle.config["root"]
    assert "cgroupsPath" not in bundle.config["linux"]
    before = canonical_json(bundle.config)
    config = json.loads(render_instance(instance_of(bundle)))
    assert config["root"] == {"path": "/var/lib/orchestrator/bundles/x/rootfs", "readonly": True}
    assert config["linux"]["cgroupsPath"] == "/orchestrator/web-1"
    assert canonical_json(bundle.config) == before


def test_the_skeleton_is_in_the_digest() -> None:
    spec = resolve(host_definition())
    assert isinstance(spec.root, SkeletonRoot)
    more = attrs.evolve(spec, root=SkeletonRoot(entries=(*spec.root.entries, FileEntry("/x", text="y"))))
    assert render_bundle(more).digest != render_bundle(spec).digest


@pytest.mark.parametrize(
    ("options", "propagation"), [((), None), (("rslave",), "slave"), (("shared",), "shared"), (("slave",), "slave")]
)
def test_the_root_lets_mounts_propagate_as_asked(options: tuple[str, ...], propagation: str | None) -> None:
    config = config_of(host_definition(mounts={"/data": bind("/srv/data", *options)}))
    assert config["linux"].get("rootfsPropagation") == propagation


def test_a_namespace_with_a_path_is_joined() -> None:
    spec = attrs.evolve(resolve(host_definition()), namespaces=(Namespace("network", "/run/netns/x"), Namespace("pid")))
    namespaces = render_bundle(spec).config["linux"]["namespaces"]
    assert namespaces == [{"type": "network", "path": "/run/netns/x"}, {"type": "pid"}]


def test_without_a_profile_there_is_no_seccomp() -> None:
    spec = attrs.evolve(resolve(host_definition()), seccomp=None, mounts=(Mount("/x", "tmpfs", "tmpfs"),))
    assert "seccomp" not in render_bundle(spec).config["linux"]


def test_canonical_json_sorts_keys_and_keeps_characters() -> None:
    assert canonical_json({"b": "é", "a": [1, True]}) == '{"a":[1,true],"b":"é"}'
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_a_null_is_found() -> None:
    assert find_nulls({"a": [1, {"b": None}]}) == ["/a/1/b"]
