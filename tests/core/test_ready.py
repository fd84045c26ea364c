"""Definitions that name a ready bundle: what of its config.json is changed, and what keeps it from running."""

from typing import Any

import attrs
import pytest

from orchestrator.core.questions import ask_questions, bundle_place, mount_point
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.bundle import HostLimits, LogTarget, OpenFiles
from orchestrator.model.definition import Definition
from orchestrator.model.entry import FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import Facts, FolderAnswer, PathAnswer, PathKind, TextQuestion
from orchestrator.model.log import FileLog, NoLog
from orchestrator.model.problem import Fault
from orchestrator.model.spec import FolderRoot, ReadySpec, SkeletonRoot
from orchestrator.model.store import NIX_STORE, StoreLink, StoreUse
from orchestrator.model.types import AbsolutePath, MountPath, Size
from tests.core.helpers_world import HELLO, answer, bind, instance_of


def ready(name: str, **changes: Any) -> Definition:  # noqa: ANN401 - the fields of a definition
    return attrs.evolve(Definition(bundle=AbsolutePath(f"/srv/bundles/{name}")), **changes)


def resolve(definition: Definition) -> ReadySpec | tuple[Fault, ...]:
    spec = resolve_spec("web", definition, answer(ask_questions("web", definition)))
    assert isinstance(spec, ReadySpec | tuple)
    return spec


def resolve_well(definition: Definition) -> ReadySpec:
    spec = resolve(definition)
    assert isinstance(spec, ReadySpec), spec
    return spec


def test_the_folder_is_without_links_and_the_root_below_it() -> None:
    spec = resolve_well(ready("current"))
    assert spec.folder == "/srv/bundles/web"
    assert spec.root == FolderRoot(path="/srv/bundles/web/rootfs")


def test_the_digest_is_of_what_it_says_and_where_it_is() -> None:
    spec = resolve_well(ready("web"))
    bundle = render_bundle(spec)
    assert bundle == render_bundle(resolve_well(ready("current")))
    assert bundle.readonly
    assert render_bundle(attrs.evolve(spec, folder="/elsewhere")).digest != bundle.digest
    assert render_bundle(attrs.evolve(spec, config={**spec.config, "hostname": "x"})).digest != bundle.digest
    logged = render_bundle(attrs.evolve(spec, log=NoLog()))
    assert logged.digest != bundle.digest
    assert logged.log is LogTarget.NONE


def test_what_only_the_agent_uses_is_the_definitions() -> None:
    policy = resolve_well(ready("web", log=FileLog(max_size=Size(1 << 20)))).policy
    assert policy.log_bound == 1 << 20


def test_the_hosts_limit_of_open_files_stands_where_it_has_none() -> None:
    instance = instance_of(render_bundle(resolve_well(ready("bare"))))
    limits = HostLimits(open_files=OpenFiles(soft=10, hard=20))
    assert '{"hard":20,"soft":10,"type":"RLIMIT_NOFILE"}' in render_instance(attrs.evolve(instance, host_limits=limits))


@pytest.mark.parametrize(
    ("name", "why", "hint"),
    [
        ("terminal", "process.terminal = true, and there is no terminal", '"terminal": false'),
        ("no-args", "no process.args", '"args": ["/bin/sh"]'),
        ("no-process", "no process", ""),
        ("no-root", "no root.path", '"path": "rootfs"'),
        ("open", "not JSON: Expecting value at line 2, column 12", ""),
        ("list", "not a JSON object", ""),
        ("nan", "a value that no JSON has", ""),
        ("deep", "too many in each other", ""),
        ("mounts", "mounts in its config.json is not a list of objects", ""),
        ("linux", "no object as its linux", ""),
        ("limits", "a limit of process.rlimits in its config.json has no type", ""),
    ],
)
def test_what_cannot_run_is_one_fault_of_the_bundle(name: str, why: str, hint: str) -> None:
    faults = resolve(ready(name))
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert fault.path == ("bundle",)
    assert fault.message.startswith(f'cannot run the bundle "/srv/bundles/{name}": ')
    assert why in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("folder", "config", "message"),
    [
        (PathKind.MISSING, PathKind.MISSING, "no such directory"),
        (PathKind.DENIED, PathKind.DENIED, "permission denied"),
        (PathKind.FILE, PathKind.MISSING, "not a directory"),
        (PathKind.OTHER, PathKind.MISSING, "not a directory"),
        (PathKind.DIRECTORY, PathKind.MISSING, "there is no config.json in it"),
        (PathKind.DIRECTORY, PathKind.DENIED, "cannot look at its config.json: permission denied"),
        (PathKind.DIRECTORY, PathKind.DIRECTORY, "its config.json cannot be read"),
    ],
)
def test_why_a_config_cannot_be_read(folder: PathKind, config: PathKind, message: str) -> None:
    definition = ready("x")
    asked = ask_questions("web", definition)
    detail = "permission denied"
    paths = {
        "/srv/bundles/x": PathAnswer(folder, "/srv/bundles/x", detail),
        "/srv/bundles/x/config.json": PathAnswer(config, "/srv/bundles/x/config.json", detail),
    }
    faults = resolve_spec("web", definition, attrs.evolve(answer(asked), paths=paths))
    assert isinstance(faults, tuple)
    assert [(fault.path, message in fault.message) for fault in faults] == [(("bundle",), True)]


def test_a_config_that_does_not_answer_is_said_to() -> None:
    definition = ready("web")
    asked = ask_questions("web", definition)
    silent = frozenset(question for question in asked if isinstance(question, TextQuestion))
    facts = attrs.evolve(answer(asked), unanswered=silent)
    message = 'cannot read "/srv/bundles/web/config.json": it does not answer'
    assert resolve_spec("web", definition, facts) == (Fault(("bundle",), message),)


def in_store(definition: Definition, place: str = f"{HELLO}/bundle") -> Facts:
    """This world, where the bundle is a link into the store."""
    facts = answer(ask_questions("web", definition))
    return attrs.evolve(facts, places={**facts.places, bundle_place(str(definition.bundle), NIX_STORE): place})


def test_a_bundle_in_a_store_is_kept_and_read_only_whatever_it_says() -> None:
    definition = ready("web")
    plain, stored = resolve_well(definition), resolve_spec("web", definition, in_store(definition))
    assert isinstance(stored, ReadySpec)
    assert plain.store is None
    assert stored.store == StoreUse(NIX_STORE, (HELLO,), (StoreLink("/srv/bundles/web", f"{HELLO}/bundle"),))
    assert stored.config["root"]["readonly"] is True
    assert render_bundle(stored).store == stored.store
    assert render_bundle(stored).readonly


def test_a_bundle_that_is_written_as_a_store_path_is_no_link() -> None:
    stored = resolve_spec("web", ready("web"), in_store(ready("web"), "/srv/bundles/web"))
    assert isinstance(stored, ReadySpec)
    assert stored.store is not None
    assert stored.store.links == ()


def test_in_a_store_it_gets_a_root_of_mount_points_where_one_is_missing() -> None:
    definition = ready("web", mounts={MountPath(path): bind("/srv/data") for path in ("/data", "/bin/there")})
    facts = in_store(definition)
    there = mount_point("/srv/bundles/web", "/bin/there").path
    facts = attrs.evolve(facts, paths={**facts.paths, there: PathAnswer(PathKind.DIRECTORY, there)})
    spec = resolve_spec("web", definition, facts)
    assert isinstance(spec, ReadySpec)
    assert isinstance(spec.root, SkeletonRoot)
    assert {FolderEntry("/data"), FolderEntry("/bin"), FileEntry("/init"), LinkEntry("/lib", "bin")} <= set(
        spec.root.entries
    )
    mounted = [(mount["destination"], mount["source"]) for mount in spec.config["mounts"]]
    root = "/srv/bundles/web/rootfs"
    assert {("/bin", f"{root}/bin"), ("/init", f"{root}/init"), ("/nix", f"{root}/nix")} <= set(mounted)
    assert mounted.index(("/bin", f"{root}/bin")) < mounted.index(("/bin/there", "/srv/data"))
    assert mounted[-1] == ("/data", "/srv/data")
    plain = resolve(definition)
    assert isinstance(plain, ReadySpec)
    assert isinstance(plain.root, FolderRoot), "elsewhere the runtime makes it"
    assert render_bundle(spec).digest != render_bundle(plain).digest


@pytest.mark.parametrize("folder", [None, FolderAnswer(("srv",))])
def test_in_a_folder_of_a_store_no_mount_point_can_be_made(folder: FolderAnswer | None) -> None:
    definition = ready("web", mounts={MountPath("/srv/data"): bind("/srv/data")})
    facts = attrs.evolve(in_store(definition), entries={"/srv/bundles/web/rootfs": folder})
    faults = resolve_spec("web", definition, facts)
    assert isinstance(faults, tuple)
    assert [fault.path for fault in faults] == [("mounts", "/srv/data")]
    why = "cannot be looked at" if folder is None else "in a store nothing can be made"
    assert why in faults[0].message


def test_where_it_is_not_known_in_time_whether_it_is_in_a_store_that_is_not_guessed() -> None:
    definition = ready("web")
    place = bundle_place("/srv/bundles/web", NIX_STORE)
    facts = attrs.evolve(answer(ask_questions("web", definition)), unanswered=frozenset({place}))
    assert isinstance(resolve_spec("web", definition, facts), tuple)
