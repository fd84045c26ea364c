"""Definition and facts to spec: what is decided, and every fault at once with its path."""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from orchestrator_networks.host import HostNetwork

from orchestrator.core import defaults
from orchestrator.core.questions import ask_questions, bundle_place, bundle_questions
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.contribution import BundleFile, Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.entry import FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import Facts, PathQuestion, PlaceQuestion, Question, TextQuestion
from orchestrator.model.kinds import Use
from orchestrator.model.oci import Namespace, User
from orchestrator.model.place import KeyPath
from orchestrator.model.policy import ContainerType, OnExit, Restart
from orchestrator.model.problem import Fault
from orchestrator.model.rootfs import DirectoryRootfs
from orchestrator.model.spec import FolderRoot, SkeletonRoot, Spec
from orchestrator.model.store import NIX_STORE
from orchestrator.model.types import AbsolutePath
from tests.core.helpers_world import HOST, answer, bind, definitions, host_definition, learn, resolve


def faults_of(definition: Definition) -> tuple[Fault, ...]:
    faults = resolve_spec("web", definition, learn("web", definition))
    assert isinstance(faults, tuple)
    return faults


def directory_definition(path: str = "/srv/alpine", **changes: Any) -> Definition:  # noqa: ANN401 - fields
    return attrs.evolve(Definition(args=("true",), rootfs=DirectoryRootfs(path=AbsolutePath(path))), **changes)


def entries_of(spec: Spec) -> dict[str, FolderEntry | FileEntry | LinkEntry]:
    assert isinstance(spec.root, SkeletonRoot)
    return {entry.path: entry for entry in spec.root.entries}


def destinations_of(spec: Spec) -> list[str]:
    return [mount.destination for mount in spec.mounts[len(defaults.SYSTEM_MOUNTS) :]]


@given(definitions())
def test_what_this_world_can_resolve_is_a_spec_and_the_same_one_each_time(definition: Definition) -> None:
    spec = resolve(definition)
    assert spec == resolve(definition)
    assert spec.mounts[: len(defaults.SYSTEM_MOUNTS)] == defaults.SYSTEM_MOUNTS
    assert len(destinations_of(spec)) == len(set(destinations_of(spec)))
    assert spec.policy.restart.on_success is not None


@given(definitions())
def test_a_skeleton_holds_every_mount_point_that_no_other_mount_hides(definition: Definition) -> None:
    spec = resolve(definition)
    if not isinstance(spec.root, SkeletonRoot):
        return
    entries = entries_of(spec)
    paths = [mount.destination for mount in spec.mounts]
    for path in paths:
        hidden = any(path.startswith(f"{other}/") for other in paths)
        assert (path in entries) is not hidden
    made: list[str] = []
    for entry in spec.root.entries:
        parent = entry.path.rpartition("/")[0]
        assert parent in ("", *made), "the folder of each entry comes before it"
        made.append(entry.path)


def test_parents_are_mounted_before_their_children() -> None:
    mounts = {"/data/in": bind("/srv/data"), "/data": bind("/srv/data")}
    order = destinations_of(resolve(host_definition(mounts=mounts)))
    assert order.index("/data") < order.index("/data/in")


def test_the_order_of_tables_says_nothing() -> None:
    first = {"/a": bind("/srv/data"), "/b": bind("/srv/app.conf")}
    again = dict(reversed(first.items()))
    assert resolve(host_definition(mounts=first)) == resolve(host_definition(mounts=again))


def test_a_host_rootfs_is_links_and_mount_points() -> None:
    entries = entries_of(resolve(host_definition(mounts={"/opt/x/app.conf": bind("/srv/app.conf")})))
    assert entries["/bin"] == LinkEntry("/bin", "usr/bin")
    assert entries["/usr"] == FolderEntry("/usr")
    assert entries["/etc/passwd"] == FileEntry("/etc/passwd")
    assert entries["/etc/ssl/certs"] == FolderEntry("/etc/ssl/certs")
    assert entries["/opt/x"] == FolderEntry("/opt/x")
    assert entries["/opt/x/app.conf"] == FileEntry("/opt/x/app.conf")
    assert "/dev/pts" not in entries


def test_a_real_folder_beside_usr_is_bound() -> None:
    spec = resolve(host_definition(), host=attrs.evolve(HOST, usr_links={"/bin": "", "/lib": "usr/lib"}))
    assert entries_of(spec)["/bin"] == FolderEntry("/bin")
    assert "/bin" in destinations_of(spec)
    assert "/lib" not in destinations_of(spec)


def test_what_is_mounted_over_a_default_takes_its_place() -> None:
    spec = resolve(host_definition(mounts={"/etc": bind("/srv/data"), "/tmp": bind("/srv/data")}))
    assert [path for path in destinations_of(spec) if path.startswith(("/etc", "/tmp"))] == ["/etc", "/tmp"]
    assert [mount.type for mount in spec.mounts if mount.destination == "/tmp"] == ["bind"]


def test_a_mount_below_a_link_beside_usr_goes_where_the_link_leads() -> None:
    spec = resolve(host_definition(mounts={"/bin/true": bind("/srv/app.conf")}))
    order = destinations_of(spec)
    assert order.index("/usr") < order.index("/usr/bin/true")
    assert "/usr/bin/true" not in entries_of(spec)


def test_a_mount_on_a_link_beside_usr_takes_its_place() -> None:
    spec = resolve(host_definition(mounts={"/bin": bind("/srv/data")}))
    assert entries_of(spec)["/bin"] == FolderEntry("/bin")


def test_where_nothing_is_mounted_the_working_directory_is_made() -> None:
    assert entries_of(resolve(host_definition(cwd="/srv/app")))["/srv/app"] == FolderEntry("/srv/app")
    assert "/tmp/app" not in entries_of(resolve(host_definition(cwd="/tmp/app")))


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        (
            {"mounts": {"/usr/share/no": bind("/srv/data")}},
            ("mounts", "/usr/share/no"),
            'cannot mount on "/usr/share/no": /usr is the host\'s, read-only, and has no such file or directory',
        ),
        (
            {"mounts": {"/usr/share/doc": bind("/srv/app.conf")}},
            ("mounts", "/usr/share/doc"),
            'cannot mount on "/usr/share/doc": it is a directory on the host, and what is mounted is none',
        ),
        (
            {"mounts": {"/bin/true": bind("/srv/data")}},
            ("mounts", "/bin/true"),
            'cannot mount on "/bin/true": it is no directory on the host',
        ),
        (
            {"mounts": {"/etc/ssl/certs/own.crt": bind("/srv/app.conf")}},
            ("mounts", "/etc/ssl/certs/own.crt"),
            'cannot mount on "/etc/ssl/certs/own.crt": '
            "/etc/ssl/certs is the host's, read-only, and has no such file or directory",
        ),
        (
            {"mounts": {"/data": bind("/srv/x")}},
            ("mounts", "/data", "source"),
            'cannot use "/srv/x": no such file or directory',
        ),
        (
            {"cwd": "/usr/no"},
            ("cwd",),
            'cannot work in "/usr/no": /usr is the host\'s, read-only, and has no such file or directory',
        ),
        ({"user": "wbe"}, ("user",), 'no user "wbe" in the /etc/passwd of the root file system'),
    ],
)
def test_a_fault_of_a_host_rootfs(changes: dict[str, Any], path: KeyPath, message: str) -> None:
    assert [(fault.path, fault.message) for fault in faults_of(host_definition(**changes))] == [(path, message)]


def test_all_faults_are_told_at_once() -> None:
    mounts = {"/a": bind("/nope", "rq"), "/usr/no": bind("/srv/data")}
    faults = faults_of(host_definition(user="nobdy", mounts=mounts, cwd="/usr/none"))
    assert {fault.path for fault in faults} == {
        ("mounts", "/a", "source"),
        ("mounts", "/a", "options", 0),
        ("mounts", "/usr/no"),
        ("cwd",),
        ("user",),
    }


def test_a_missing_root_does_not_hide_the_faults_of_mounts() -> None:
    faults = faults_of(directory_definition("/srv/gone", mounts={"/a": bind("/nope")}, user="anyone"))
    assert [fault.path for fault in faults] == [("mounts", "/a", "source"), ("rootfs", "path")]


def test_no_rootfs_is_a_fault_with_a_hint() -> None:
    (fault,) = faults_of(Definition(args=("sleep", "1")))
    assert fault.path == ("args",)
    assert 'rootfs = "host"' in fault.hint


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/srv/gone", 'cannot use "/srv/gone": no such directory'),
        ("/srv/app.conf", 'cannot use "/srv/app.conf": not a directory'),
        ("/root/x", 'cannot use "/root/x": permission denied'),
        ("/", 'cannot use "/": it is the root of the host itself'),
    ],
)
def test_a_directory_that_cannot_be_a_root(path: str, message: str) -> None:
    (fault,) = faults_of(directory_definition(path))
    assert (fault.path, fault.message) == (("rootfs", "path"), message)


def test_a_directory_is_used_in_place_and_is_writable_by_default() -> None:
    spec = resolve(directory_definition())
    assert spec.root == FolderRoot(path="/srv/alpine")
    assert not spec.readonly
    assert resolve(directory_definition(readonly=True)).readonly
    assert spec.mounts == defaults.SYSTEM_MOUNTS
    assert resolve(host_definition()).readonly


def test_the_environment_of_the_definition_wins() -> None:
    spec = resolve(host_definition(user="web", env={"PATH": "/x", "LANG": "C"}, hostname="box"))
    assert dict(spec.env) == {"HOME": "/home/web", "HOSTNAME": "box", "LANG": "C", "PATH": "/x"}
    assert dict(resolve(host_definition()).env)["HOSTNAME"] == "web"


def test_root_has_the_default_capabilities_and_others_none() -> None:
    assert resolve(host_definition()).capabilities == defaults.ROOT_CAPABILITIES
    assert resolve(host_definition(user="web")).capabilities == ()
    assert resolve(host_definition(user="web")).user == User(1000, 1000, (4, 101))


def test_the_network_is_its_own_unless_it_is_the_hosts() -> None:
    assert Namespace("network") in resolve(host_definition()).namespaces
    assert Namespace("network") not in resolve(host_definition(network=HostNetwork())).namespaces


def test_success_stops_a_oneshot_and_restarts_a_service() -> None:
    assert resolve(host_definition()).policy.restart.on_success is OnExit.RESTART
    oneshot = host_definition(type=ContainerType.ONESHOT)
    assert resolve(oneshot).policy.restart.on_success is OnExit.STOP
    kept = attrs.evolve(oneshot, restart=Restart(on_success=OnExit.RESTART))
    assert resolve(kept).policy.restart.on_success is OnExit.RESTART


@frozen(kw_only=True)
class _Plugged:
    """A network of a plugin: a namespace by path, a variable, a capability."""

    def questions(self) -> Iterable[Question]:
        return (PathQuestion("/srv/data"),)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(
            env={"HOME": "/plug", "PATH": "/plug"},
            namespaces=(Namespace("network", "/run/netns/x"),),
            capabilities=("CAP_NET_RAW",),
            faults=() if "/srv/data" in facts.paths else (Fault((), "not asked"),),
        )


def test_a_plugin_fills_in_what_the_definition_leaves_unset() -> None:
    spec = resolve(host_definition(network=_Plugged(), user="web", env={"PATH": "/own"}))
    assert dict(spec.env) == {"HOME": "/plug", "HOSTNAME": "web", "PATH": "/own"}
    assert spec.namespaces[-1] == Namespace("network", "/run/netns/x")
    assert spec.capabilities == ("CAP_NET_RAW",)


@frozen(kw_only=True)
class _WithFiles:
    """A network that brings a file of its own."""

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(entries=(FileEntry("/etc/plugged", "yes\n"), FolderEntry("/plug")))


def test_a_plugin_may_bring_files_to_every_root() -> None:
    assert entries_of(resolve(host_definition(network=_WithFiles())))["/etc/plugged"] == FileEntry(
        "/etc/plugged", "yes\n"
    )
    assert resolve(host_definition(network=_WithFiles())).files == ()
    spec = resolve(directory_definition(network=_WithFiles()))
    assert spec.files == (BundleFile("/etc/plugged", "yes\n", 0o644),)
    mounts = {"/etc": bind("/srv/data")}
    assert resolve(directory_definition(network=_WithFiles(), mounts=mounts)).files == (), "it would be hidden"


@frozen(kw_only=True)
class _WithLink:
    """A network that needs a link in the root."""

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(entries=(LinkEntry("/etc/resolv.conf", "../run/resolv.conf"),))


def test_a_plugin_may_bring_links_to_a_skeleton_only() -> None:
    assert "/etc/resolv.conf" in entries_of(resolve(host_definition(network=_WithLink())))
    (fault,) = faults_of(directory_definition(network=_WithLink()))
    assert fault.path == ("network",)
    assert "needs links of its own" in fault.message


def test_each_question_is_asked_once() -> None:
    mounts = {"/a": bind("/srv/data"), "/b": bind("/srv/data"), "/usr/bin": bind("/srv/data")}
    assert ask_questions("web", host_definition(mounts=mounts)) == (
        TextQuestion("/etc/passwd", "/"),
        TextQuestion("/etc/group", "/"),
        PathQuestion("/usr/bin"),
        PathQuestion("/srv/data"),
        PlaceQuestion(NIX_STORE, "/srv/data", whole=True),
    )
    ready = Definition(bundle=AbsolutePath("/srv/web"))
    assert ask_questions("web", ready) == (*bundle_questions("/srv/web"), bundle_place("/srv/web", NIX_STORE))


@frozen(kw_only=True)
class _ReadsText:
    """A network that goes by a text of the host."""

    def questions(self) -> Iterable[Question]:
        return (TextQuestion("/etc/net.conf"),)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(env={"NET": facts.texts[TextQuestion("/etc/net.conf")] or "default"})


@pytest.mark.parametrize(
    ("definition", "question", "expected"),
    [
        (
            host_definition(user="0:0"),
            TextQuestion("/etc/passwd"),
            Fault(("user",), 'cannot read "/etc/passwd": it does not answer'),
        ),
        (
            directory_definition(),
            TextQuestion("/etc/group", "/srv/alpine"),
            Fault(("user",), 'cannot read "/etc/group" below "/srv/alpine": it does not answer'),
        ),
        (
            host_definition(network=_ReadsText()),
            TextQuestion("/etc/net.conf"),
            Fault(("network",), 'cannot read "/etc/net.conf": it does not answer'),
        ),
    ],
)
def test_a_text_that_does_not_answer_is_not_taken_for_a_missing_one(
    definition: Definition, question: TextQuestion, expected: Fault
) -> None:
    questions = ask_questions("web", definition)
    assert question in questions
    facts = answer(questions)
    silent = attrs.evolve(facts, texts={**facts.texts, question: None}, unanswered=frozenset((question,)))
    assert resolve_spec("web", definition, silent) == (expected,)
