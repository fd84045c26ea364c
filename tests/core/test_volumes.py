"""Which volumes are used by whom, and which may be removed."""

from typing import Any

import pytest
from attrs import evolve
from orchestrator_mounts.bind import Bind
from orchestrator_mounts.overlay import Overlay, Upper
from orchestrator_mounts.volume import Volume as VolumeKind

from orchestrator.core.sizes import show_size
from orchestrator.core.volumes import (
    describe_users,
    find_keeping,
    find_volumes,
    find_volumes_of,
    refuse_removal,
    refuse_unknown,
)
from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.contribution import Stage
from orchestrator.model.layout import Layout
from orchestrator.model.registry import Group, Registry
from orchestrator.model.state import InstanceState
from orchestrator.model.types import AbsolutePath, MountPath
from orchestrator.model.volume import Volume
from tests.core.helpers_world import bind, host_definition
from tests.system.helpers_disk import make_instance_state


def state(**work: object) -> InstanceState:
    plan = PlannedAttachment(group="orchestrator.mounts", type="volume", key="/x", stage=Stage.PREPARE, work=work)
    return evolve(make_instance_state(Layout("/state", "/run")), attached=(Attached(plan=plan),))


def test_a_definition_says_itself_what_it_uses() -> None:
    lower = (AbsolutePath("/srv"),)
    mounts = {
        MountPath("/a"): VolumeKind(),
        MountPath("/b"): VolumeKind(name="data"),
        MountPath("/c"): Overlay(lower=lower, upper=Upper.KEPT),
        MountPath("/d"): Overlay(lower=lower),
        MountPath("/e"): bind("/srv/data"),
    }
    assert find_volumes("web", host_definition(mounts=mounts)) == {"web+a", "data", "web+c"}


def test_the_kinds_that_keep_something_are_known() -> None:
    kinds = {"bind": Bind, "overlay": Overlay, "volume": VolumeKind}
    assert find_keeping(Registry({Group.MOUNTS: kinds})) == {"overlay", "volume"}


def test_an_instance_has_what_its_state_and_its_bundle_name() -> None:
    mounts = [
        {"source": "@kept/volumes/one", "options": ["rbind"]},
        {"source": "overlay", "options": ["upperdir=@kept/volumes/two/upper"]},
        {"source": "@kept/other/three"},
        {"source": "/srv/@kept/volumes/four"},
        {},
    ]
    assert find_volumes_of(state(volume="data"), {"mounts": mounts}) == {"data", "one", "two"}
    assert find_volumes_of(state(volume=""), None) == frozenset()


@pytest.mark.parametrize(
    ("users", "why", "also_with_generations"),
    [
        ({}, "", True),
        ({"instances": ("web-1",), "definitions": ("web",)}, "it is in use by web-1", False),
        ({"definitions": ("db", "web")}, "it is in use by the definitions of db, web", False),
        (
            {"generations": (3,)},
            "a roll-back to generation 3 would want it (--ignore-generations removes it all the same)",
            True,
        ),
        (
            {"generations": (3, 4, 7)},
            "a roll-back to 3 generations, the last of them 7 would want it "
            "(--ignore-generations removes it all the same)",
            True,
        ),
    ],
)
def test_what_is_used_is_not_removed(users: dict[str, Any], why: str, also_with_generations: bool) -> None:
    volume = Volume(name="data", **users)
    assert refuse_removal(volume, with_generations=False) == why
    assert (refuse_removal(volume, with_generations=True) == "") is also_with_generations


def test_people_are_told_who_uses_it() -> None:
    assert describe_users(Volume(name="x", definitions=("web",), instances=("web-1", "db-2"))) == "web, db-2"
    assert describe_users(Volume(name="x", generations=(1, 2))) == "2 earlier generations"
    assert describe_users(Volume(name="x", generations=(1,))) == "1 earlier generation"
    assert describe_users(Volume(name="x")) == "nobody"
    assert refuse_unknown("dta", ["data"]) == 'there is no volume "dta": did you mean "data"?'


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1025, "1.1K"),
        (10 * 1024, "10K"),
        (10 * 1024 + 1, "11K"),
        (1024**2 - 1, "1.0M"),
        (5 * 1024**3, "5.0G"),
        (2**63, "8.0E"),
    ],
)
def test_sizes_are_as_du_has_them(count: int, shown: str) -> None:
    assert show_size(count) == shown
