"""Why one target is not another: by the fields of their definitions, and by what the host made of them."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.core.changes import (
    LARGE,
    diff_configs,
    diff_fields,
    explain_bundle,
    explain_change,
    show_change,
)
from orchestrator.core.fields import classify, describe_fields, describe_links
from orchestrator.core.plan import Observed, plan_actions
from orchestrator.core.planned import Recorded, compare_recorded, describe_plan
from orchestrator.core.render import render_bundle
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.action import FieldChange, Keep, Replace, Retune, Target, Update, Verb
from orchestrator.model.definition import Definition
from orchestrator.model.facts import HostFacts
from orchestrator.model.health import ExecHealth, TcpHealth
from orchestrator.model.option import Change
from orchestrator.model.policy import Ready, Restart
from orchestrator.model.resources import Resources
from orchestrator.model.rootfs import HostRootfs
from orchestrator.model.types import Duration, EnvName, Size
from tests.core.helpers_world import HOST, definitions, host_definition, learn
from tests.golden.test_bundles import REGISTRY as BUILT_IN

MOST = {
    Keep: (None, Change.RETUNE, Change.UPDATE, Change.REPLACE),
    Retune: (Change.RETUNE, Change.UPDATE, Change.REPLACE),
    Update: (Change.UPDATE, Change.REPLACE),
    Replace: (Change.REPLACE,),
}
"""The classes that the fields of an action may have: never less than what is done."""


def find_target(definition: Definition, host: HostFacts = HOST) -> Target | None:
    """What a definition becomes in this world; None where it has problems there."""
    spec = resolve_spec("web", definition, learn("web", definition, host))
    if isinstance(spec, tuple):
        return None
    fields = describe_fields(definition, BUILT_IN) | describe_links(spec.store)
    return Target(render_bundle(spec), spec.resources, spec.policy, fields=fields)


def target_of(definition: Definition, host: HostFacts = HOST) -> Target:
    target = find_target(definition, host)
    assert target is not None
    return target


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Target, Target]:
    """Before and after an edit: two targets whose definitions share most of what they say."""
    first, second = draw(definitions()), draw(definitions())
    restart = st.builds(Restart, delay=st.sampled_from([0.1, 1.0]).map(Duration))
    first, second = evolve(first, restart=draw(restart)), evolve(second, restart=draw(restart))
    # What says what is run goes together: args, cmd and shell.
    names: tuple[str, ...] = (
        "env",
        "cwd",
        "user",
        "type",
        "mounts",
        "network",
        "resources",
        "restart",
        "log",
        "env_files",
        "readonly",
    )
    names += ("health", "ready", "watchdog")
    changed = draw(st.sets(st.sampled_from(names), max_size=3) | st.just(frozenset(names)))
    have, want = find_target(first), find_target(evolve(first, **{name: getattr(second, name) for name in changed}))
    assume(have is not None and want is not None)  # what is mixed may have problems
    assert have is not None
    assert want is not None
    return have, want


@given(pairs())
def test_what_is_done_has_a_reason_that_is_as_strong(pair: tuple[Target, Target]) -> None:
    have, want = pair
    (action,) = plan_actions({"web": want}, {"web": Observed(have)}).values()
    changes = explain_change(have, want)
    assert classify(changes, BUILT_IN) in MOST[type(action)]
    assert explain_change(want, want) == ()
    assert [(change.path, change.new, change.old) for change in changes if "host:" not in change.path] == [
        (change.path, change.old, change.new) for change in explain_change(want, have) if "host:" not in change.path
    ]


def test_fields_are_told_by_path_with_none_for_the_default() -> None:
    assert diff_fields({"b": 1, "a": [1]}, {"a": [2], "c": None, "d": "x"}) == (
        FieldChange("a", [1], [2]),
        FieldChange("b", 1, None),
        FieldChange("d", None, "x"),
    )


def test_the_host_is_told_where_the_fields_do_not_explain_it() -> None:
    definition = host_definition()
    have = target_of(definition)
    want = target_of(definition, evolve(HOST, usr_links={"/bin": "usr/bin"}, etc_files=("/etc/passwd",)))
    changes = explain_change(have, want)
    assert classify(changes) is Change.REPLACE
    assert all(change.path.startswith("host:mounts.") for change in changes)
    assert 'host:mounts."/etc/hosts".source' in {change.path for change in changes}
    edited = target_of(evolve(definition, env={EnvName("A"): "b"}), evolve(HOST, etc_files=()))
    assert explain_change(have, edited) == (FieldChange("env.A", None, "b"),)


def test_what_config_json_does_not_show_is_told_by_the_digests() -> None:
    have = target_of(host_definition())
    bundle = evolve(have.bundle, digest="f" * 64)
    expected = FieldChange("host:bundle", have.bundle.digest[:12], "f" * 12)
    assert explain_change(have, evolve(have, bundle=bundle)) == (expected,)
    assert explain_bundle(have.bundle.digest, None, bundle) == (expected,)


def test_a_kind_that_makes_it_another_is_named_and_what_it_goes_by_is_not() -> None:
    have = target_of(Definition(args=("/bin/true",), rootfs=HostRootfs()))
    one, two = (evolve(have.bundle, digest=f"{text}0", contents=(f"mounts./key: {text}",)) for text in ("one", "two"))
    changes = explain_change(evolve(have, bundle=one), evolve(have, bundle=two))
    assert [show_change(change) for change in changes] == ["host:mounts./key: differs"]


def test_of_what_an_earlier_agent_has_made_only_the_digest_is_told() -> None:
    want = target_of(Definition(args=("/bin/true",), rootfs=HostRootfs()))
    have = evolve(want, bundle=evolve(want.bundle, digest="a" * 64, config={}))
    assert [change.path for change in explain_change(have, want)] == ["host:bundle"]


@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [
        ({}, {"ready": Ready.HEALTHY}, Verb.RETUNE),
        ({"ready": Ready.HEALTHY}, {}, Verb.RETUNE),
        ({}, {"ready": Ready.NOTIFY}, Verb.REPLACE),
        ({"ready": Ready.NOTIFY}, {"ready": Ready.HEALTHY}, Verb.REPLACE),
        ({}, {"watchdog": Duration(1.0)}, Verb.REPLACE),
        # It has the socket for its watchdog already.
        ({"watchdog": Duration(1.0)}, {"watchdog": Duration(1.0), "ready": Ready.NOTIFY}, Verb.RETUNE),
        ({}, {"start_timeout": Duration(1.0)}, Verb.RETUNE),
        ({}, {"health": ExecHealth(args=("true",))}, Verb.RETUNE),
        ({"health": ExecHealth(args=("true",))}, {"health": TcpHealth(port=80, failures=1)}, Verb.RETUNE),
    ],
)
def test_what_an_edit_of_how_it_becomes_ready_does(before: dict[str, Any], after: dict[str, Any], verb: Verb) -> None:
    health: dict[str, Any] = {"health": TcpHealth(port=80)}
    have, want = (target_of(host_definition(**{**health, **fields})) for fields in (before, after))
    (planned,) = describe_plan({"web": want}, {"web": Observed(have)})
    changed = [key for key in ("health", "ready", "start_timeout", "watchdog") if before.get(key) != after.get(key)]
    assert planned.verb is verb
    assert {change.path.partition(".")[0] for change in planned.fields} == set(changed)
    # The same by the state files, which know of the policy as fields only.
    recorded = Recorded(
        fields=have.fields, bundle=have.bundle.digest, config=have.bundle.config, resources=have.resources
    )
    assert compare_recorded({"web": want}, {"web": recorded}) == (planned,)


def test_limits_that_the_fields_do_not_explain() -> None:
    """As those of a ready bundle, which its own config.json says."""
    have = target_of(host_definition())
    want = evolve(have, resources=Resources(memory=Size(2**26)))
    assert explain_change(have, want) == (FieldChange("host:resources.memory", None, 2**26),)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, []),
        ({"hostname": "a"}, {"hostname": "b"}, [("host:hostname", "a", "b")]),
        (
            {"process": {"env": ["HOME=/a=b", "X=1"]}},
            {"process": {"env": ["HOME=/c", "Y.Z=2"]}},
            [
                ('host:process.env."Y.Z"', None, "2"),
                ("host:process.env.HOME", "/a=b", "/c"),
                ("host:process.env.X", "1", None),
            ],
        ),
        (
            {"mounts": [{"destination": "/a", "source": "x", "options": ["ro"]}]},
            {"mounts": [{"destination": "/a", "source": "y", "options": ["ro"]}]},
            [('host:mounts."/a".source', "x", "y")],
        ),
        (
            {"linux": {"namespaces": [{"type": "pid"}]}},
            {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}]}},
            [("host:linux.namespaces.network", None, {"type": "network", "path": "/n"})],
        ),
        (
            {"linux": {"seccomp": {"defaultAction": "A", "syscalls": [{"names": ["x" * 1000]}]}}},
            {"linux": {"seccomp": {"defaultAction": "A", "syscalls": [{"names": ["y" * 1000]}]}}},
            [("host:linux.seccomp.syscalls", LARGE, LARGE)],
        ),
        ({"a": "x" * 1000}, {}, [("host:a", LARGE, None)]),
        ({"a": ("x", "y")}, {"a": ["x", "y"]}, []),
        ({"mounts": ["odd"], "process": {"env": [1]}}, {"mounts": [], "process": {"env": []}},
         [("host:mounts", ["odd"], None), ("host:process.env", [1], None)]),
    ],
)  # fmt: skip
def test_config_json_is_compared_by_its_parts(
    old: dict[str, Any], new: dict[str, Any], changes: list[tuple[str, Any, Any]]
) -> None:
    assert [(change.path, change.old, change.new) for change in diff_configs(old, new)] == changes


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (FieldChange("env.LANG", "C", "C.UTF-8"), 'env.LANG: "C" → "C.UTF-8"'),
        (FieldChange("cpus", None, 1.5), "cpus: default → 1.5"),
        (FieldChange("args", ["größe"], None), 'args: ["größe"] → default'),
        (FieldChange("host:hostname", None, "a"), 'host:hostname: none → "a"'),
        (FieldChange("host:linux.seccomp", LARGE, LARGE), "host:linux.seccomp: differs"),
    ],
)
def test_a_change_in_words(change: FieldChange, line: str) -> None:
    assert show_change(change) == line


def test_a_long_value_shows_its_beginning_and_its_end() -> None:
    line = show_change(FieldChange("cmd", None, f"begin{'x' * 500}end"))
    assert len(line) < 150
    assert line.startswith('cmd: default → "beginxxx')
    assert line.endswith('xend"')
