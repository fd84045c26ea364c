"""Files that follow the host: where they are mounted, and that what they say replaces nothing."""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from attrs import evolve, frozen
from orchestrator_networks.host import HostNetwork

from orchestrator.core.changes import LARGE, explain_change
from orchestrator.core.plan import Observed, plan_actions
from orchestrator.core.planned import Recorded, compare_recorded, describe_plan
from orchestrator.core.questions import ask_questions
from orchestrator.core.records import describe_record, note_action
from orchestrator.core.render import render_bundle
from orchestrator.core.resolvconf import RESOLV_CONF
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.action import FieldChange, Keep, Replace, Retune, Target, Verb
from orchestrator.model.contribution import BundleFile, Contribution, LiveFile
from orchestrator.model.definition import Definition
from orchestrator.model.entry import FileEntry
from orchestrator.model.facts import Facts, Question
from orchestrator.model.kinds import Use
from orchestrator.model.rootfs import DirectoryRootfs
from orchestrator.model.spec import SkeletonRoot, Spec
from orchestrator.model.types import AbsolutePath, MountPath
from tests.core.helpers_world import HELLO, HOST, bind, host_definition, learn

PATH = "/etc/resolv.conf"
CLOSURE = Definition(args=(f"{HELLO}/bin/hello",))
FOLDER = Definition(args=("true",), rootfs=DirectoryRootfs(path=AbsolutePath("/srv/alpine")))


@frozen(kw_only=True)
class Bringing:
    """A network that brings files along, wherever its root is from."""

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(live=(LiveFile("/etc/live", "a"),), files=(BundleFile("/etc/fixed", "b"),))


def spec_of(definition: Definition, text: str = "one", **host: Any) -> Spec:  # noqa: ANN401 - of HostFacts
    facts = learn("web", definition, evolve(HOST, **host))
    facts = evolve(facts, texts={**facts.texts, RESOLV_CONF: text})
    spec = resolve_spec("web", definition, facts)
    assert isinstance(spec, Spec), spec
    return spec


def on_host(definition: Definition, text: str = "one", **host: Any) -> Spec:  # noqa: ANN401 - of HostFacts
    return spec_of(evolve(definition, network=HostNetwork()), text, **host)


def target_of(spec: Spec) -> Target:
    return Target(render_bundle(spec), spec.resources, spec.policy, live=spec.live)


def mounted(spec: Spec) -> set[str]:
    return {mount.destination for mount in spec.mounts}


@pytest.mark.parametrize("definition", [host_definition(), CLOSURE])
def test_the_host_network_has_it_in_the_place_of_the_host_s_own(definition: Definition) -> None:
    spec = on_host(definition)
    assert spec.live == (LiveFile(PATH, "one", over_hosts=True),)
    assert PATH not in mounted(spec)
    assert isinstance(spec.root, SkeletonRoot)
    assert FileEntry(PATH) in spec.root.entries


def test_where_the_host_s_own_would_not_be_it_is_not() -> None:
    assert on_host(FOLDER).live == ()
    assert on_host(host_definition(), etc_files=("/etc/passwd",)).live == ()
    for mount, destination in (("/srv/app.conf", PATH), ("/srv/data", "/etc")):
        own = {MountPath(destination): bind(mount)}
        spec = on_host(host_definition(mounts=own))
        assert spec.live == ()
        assert destination in mounted(spec)


def test_without_a_network_it_is_the_host_s_own_as_ever() -> None:
    spec = spec_of(host_definition())
    assert spec.live == ()
    assert PATH in mounted(spec)
    assert RESOLV_CONF not in ask_questions("web", host_definition())


def test_what_a_kind_brings_along_has_its_place_in_a_skeleton() -> None:
    for definition in (host_definition(), CLOSURE):
        spec = spec_of(evolve(definition, network=Bringing()))
        assert isinstance(spec.root, SkeletonRoot)
        assert {FileEntry("/etc/live"), FileEntry("/etc/fixed")} <= set(spec.root.entries)
    spec = spec_of(evolve(FOLDER, network=Bringing()))
    assert [*(file.path for file in spec.live), *(file.path for file in spec.files)] == ["/etc/live", "/etc/fixed"]


def test_what_it_says_is_in_no_digest_and_retunes() -> None:
    have, want = (target_of(on_host(host_definition(), text)) for text in ("one", "two"))
    assert have.bundle.digest == want.bundle.digest
    (action,) = plan_actions({"web": want}, {"web": Observed(have)}).values()
    assert action == Retune(want)
    assert plan_actions({"web": want}, {"web": Observed(want)}) == {"web": Keep(want)}
    (planned,) = describe_plan({"web": want}, {"web": Observed(have)})
    differs = FieldChange("host:/etc/resolv.conf", LARGE, LARGE)
    assert (planned.verb, planned.fields) == (Verb.RETUNE, (differs,))
    record = note_action("web", action, have, 0.0)
    assert record is not None
    assert describe_record(record) == "web: retuned: host:/etc/resolv.conf: differs"


def test_beside_a_replacement_it_is_not_told() -> None:
    have = target_of(spec_of(host_definition()))
    want = target_of(on_host(host_definition(), "two"))
    assert plan_actions({"web": want}, {"web": Observed(have)}) == {"web": Replace(want)}
    assert all(change.path != f"host:{PATH}" for change in explain_change(have, want))


def test_what_it_said_is_no_news_where_nobody_knows() -> None:
    want = target_of(on_host(host_definition()))
    have = attrs.evolve(want, live=None)
    assert plan_actions({"web": want}, {"web": Observed(have)}) == {"web": Keep(want)}


@pytest.mark.parametrize(
    ("live", "verb"),
    [
        ((LiveFile(PATH, "one", over_hosts=True),), Verb.NOTHING),
        ((LiveFile(PATH, "old", over_hosts=True),), Verb.RETUNE),
        (None, Verb.NOTHING),
    ],
)
def test_without_an_agent_it_is_compared_with_the_state_file(live: tuple[LiveFile, ...] | None, verb: Verb) -> None:
    want = target_of(on_host(host_definition()))
    recorded = Recorded(fields={}, bundle=want.bundle.digest, resources=want.resources, live=live)
    (planned,) = compare_recorded({"web": want}, {"web": recorded})
    assert planned.verb is verb
    assert [change.path for change in planned.fields] == ([f"host:{PATH}"] if verb is Verb.RETUNE else [])
