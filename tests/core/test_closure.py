"""The root file system of a closure: what is mounted, what is linked, and what is wrong with what is named."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.closure import closure_questions, find_named
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import ClosureQuestion, Facts
from orchestrator.model.rootfs import HostRootfs
from orchestrator.model.spec import SkeletonRoot, Spec
from orchestrator.model.store import NIX_STORE, ClosureAnswer, PackageAnswer, StoreLink, StoreUse
from orchestrator.model.types import AbsolutePath, EnvName, MountPath, UserName
from tests.core.helpers_world import BASH, BUSYBOX, CONF, GLIBC, GONE, HELLO, HOST, NIX, bind, learn, resolve


def closure(*args: str, packages: Sequence[str] = (), **fields: Any) -> Definition:  # noqa: ANN401 - fields
    return Definition(args=args, packages=tuple(map(AbsolutePath, packages)), **fields)


def with_answer(definition: Definition, answer: ClosureAnswer) -> Facts:
    """What this world says, but for the store's answer."""
    facts = learn("web", definition)
    (question,) = facts.closures
    return attrs.evolve(facts, closures={question: answer})


def with_offers(definition: Definition, offers: Mapping[str, PackageAnswer]) -> Facts:
    facts = learn("web", definition)
    (answer,) = facts.closures.values()
    return with_answer(definition, attrs.evolve(answer, packages={**answer.packages, **offers}))


def faults_of(definition: Definition, facts: Facts | None = None) -> list[tuple[Any, str]]:
    faults = resolve_spec("web", definition, facts or learn("web", definition))
    assert isinstance(faults, tuple), "it has no faults"
    return [(fault.path, fault.message) for fault in faults]


def entries_of(definition: Definition, facts: Facts | None = None) -> dict[str, Entry]:
    spec = resolve_spec("web", definition, facts or learn("web", definition))
    assert isinstance(spec, Spec), spec
    assert isinstance(spec.root, SkeletonRoot)
    return {entry.path: entry for entry in spec.root.entries}


def text_of(definition: Definition, path: str) -> list[str]:
    entry = entries_of(definition)[path]
    assert isinstance(entry, FileEntry)
    return entry.text.splitlines()


def test_the_store_is_asked_once_for_all_that_is_named() -> None:
    definition = closure(f"{HELLO}/bin/hello", "/home/me/result", CONF, packages=[BASH, "/opt/profile", BASH])
    (question,) = learn("web", definition).closures
    profile = find_named(definition, learn("web", definition)).packages[1]
    paths = tuple(sorted({HELLO, CONF, BASH, profile}))
    assert question == ClosureQuestion(NIX_STORE, paths, (BASH, profile))


@pytest.mark.parametrize(
    "definition",
    [
        closure(HELLO, rootfs=HostRootfs()),
        Definition(bundle=AbsolutePath("/srv/web")),
        closure("/usr/bin/true"),
        closure(HELLO, "/mnt/silent/x"),
        closure(HELLO, packages=["/opt/nothing"]),
    ],
)
def test_where_nothing_follows_from_it_the_store_is_not_asked(definition: Definition) -> None:
    assert closure_questions(definition, learn("web", definition)) == ()


def test_what_has_to_be_kept_is_what_is_named_and_how_it_was_found() -> None:
    definition = closure("/run/current-system/sw/bin/hello", CONF, mounts={MountPath("/x"): bind("/home/me/result")})
    assert resolve(definition).store == StoreUse(
        NIX_STORE,
        (HELLO, CONF),
        (
            StoreLink("/home/me/result", HELLO),
            StoreLink("/run/current-system/sw/bin/hello", f"{HELLO}/bin/hello"),
        ),
    )
    assert resolve(closure("true", rootfs=HostRootfs())).store is None


def test_only_a_link_into_the_store_is_one() -> None:
    named = find_named(closure("/srv/data", HELLO), learn("web", closure("/srv/data", HELLO)))
    assert named.links == ()
    assert named.paths == (HELLO,)


def test_each_path_that_is_not_valid_is_told_once_where_it_is_named_first() -> None:
    other = GONE.replace("gone", "lost")
    definition = closure(GONE, other, GONE, packages=[GONE])
    told = [f'"{path}" is not valid in the store /nix/store' for path in (GONE, other)]
    assert faults_of(definition) == [(("args", 0), told[0]), (("args", 1), told[1])]


@pytest.mark.parametrize("packages", [[], [BASH]])
def test_a_path_that_the_closure_needs_and_that_is_not_on_disk_is_a_fault(packages: list[str]) -> None:
    definition = closure(HELLO, packages=packages)
    facts = with_answer(definition, ClosureAnswer(invalid=(GLIBC,)))
    message = f'"{GLIBC}", which the closure needs, is not there in the store /nix/store'
    assert faults_of(definition, facts) == [(("args", 0), message)]


def test_a_store_that_cannot_be_asked_says_why() -> None:
    definition = closure("hello", packages=[HELLO])
    facts = with_answer(definition, ClosureAnswer(detail="it does not answer"))
    message = "cannot look up the closure in the store /nix/store: it does not answer"
    assert faults_of(definition, facts) == [(("packages", 0), message)]


def test_faults_of_the_closure_stand_beside_the_others() -> None:
    definition = closure(GONE, user=UserName("wbe"), mounts={MountPath("/x"): bind("/nope")})
    assert {path for path, _ in faults_of(definition)} == {("args", 0), ("user",), ("mounts", "/x", "source")}


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (closure("./hello", CONF), None),
        (closure("bin/hello", CONF), None),
        (closure("hello", CONF, env={EnvName("PATH"): f"{HELLO}/bin"}), None),
        (closure("hello", CONF, env_files=(EnvFile(path=AbsolutePath("/etc/web.env")),)), None),
        (closure("/data/hello", CONF, mounts={MountPath("/data"): bind("/srv/data")}), None),
        (closure("/tmp/hello", CONF), None),
        (closure(CONF), None),
        (closure("hello", CONF), ("args", 0)),
        (closure("/bin/hello", CONF), ("args", 0)),
        (closure("/bin/helo", CONF, packages=[HELLO]), ("args", 0)),
        (closure("/bin/helo", CONF, packages=[HELLO, BASH]), ("args", 0)),
        (closure("/bin/hello", CONF, packages=[HELLO, BASH]), None),
    ],
)
def test_a_program_that_can_be_nowhere_is_told(definition: Definition, path: Any) -> None:  # noqa: ANN401 - a key
    spec = resolve_spec("web", definition, learn("web", definition))
    found = [fault.path for fault in spec] if isinstance(spec, tuple) else [None]
    assert found == [path]


_PACKAGES = st.dictionaries(st.sampled_from([HELLO, BASH, BUSYBOX]), st.sets(st.sampled_from("abcd")), min_size=1)


@given(_PACKAGES, st.randoms(use_true_random=False))
def test_the_first_package_that_has_a_program_gives_it(offers: dict[str, set[str]], random: Any) -> None:  # noqa: ANN401
    packages = sorted(offers)
    random.shuffle(packages)
    definition = closure(CONF, packages=packages)
    answers = {path: PackageAnswer(tuple(sorted(names))) for path, names in offers.items()}
    facts = with_offers(definition, answers)
    entries = entries_of(definition, facts)
    having = [path for path in packages if offers[path]]
    if len(having) == 1:
        assert entries["/bin"] == LinkEntry("/bin", f"{having[0]}/bin")
    else:
        first = {name: path for path in reversed(packages) for name in offers[path]}
        assert {path: entry for path, entry in entries.items() if path.startswith("/bin/")} == {
            f"/bin/{name}": LinkEntry(f"/bin/{name}", f"{path}/bin/{name}") for name, path in first.items()
        }
    spec = resolve_spec("web", definition, facts)
    assert isinstance(spec, Spec)
    path = dict(spec.env)["PATH"]
    assert path == (":".join(f"{each}/bin" for each in having) or dict(resolve(closure(CONF)).env)["PATH"])


def test_certificates_have_both_names_that_programs_look_for() -> None:
    definition = closure(CONF, packages=[HELLO, BASH])
    offers = {
        HELLO: PackageAnswer(certificates=("ca-certificates.crt", "own.pem")),
        BASH: PackageAnswer(certificates=("ca-bundle.crt", "other.pem")),
    }
    entries = entries_of(definition, with_offers(definition, offers))
    place = f"{HELLO}/etc/ssl/certs"
    assert {path: entry for path, entry in entries.items() if path.startswith("/etc/ssl/certs/")} == {
        f"/etc/ssl/certs/{name}": LinkEntry(f"/etc/ssl/certs/{name}", f"{place}/{target}")
        for name, target in {
            "ca-certificates.crt": "ca-certificates.crt",
            "ca-bundle.crt": "ca-certificates.crt",
            "own.pem": "own.pem",
        }.items()
    }


def test_of_certificates_in_single_files_no_whole_one_is_made_up() -> None:
    definition = closure(CONF, packages=[HELLO])
    entries = entries_of(definition, with_offers(definition, {HELLO: PackageAnswer(certificates=("own.pem",))}))
    assert [path for path in entries if path.startswith("/etc/ssl/certs/")] == ["/etc/ssl/certs/own.pem"]


@pytest.mark.parametrize(
    ("user", "line", "group"),
    [
        ("0:0", "root:x:0:0::/:/bin/sh", "root:x:0:"),
        ("0:7", "root:x:0:0::/:/bin/sh", "app:x:7:"),
        ("65534:65534", "nobody:x:65534:65534::/:/bin/sh", "nogroup:x:65534:"),
        ("web:adm", "web:x:1000:4::/:/bin/sh", "web:x:4:"),
        ("7", "app:x:7:0::/:/bin/sh", "root:x:0:"),
    ],
)
def test_who_runs_is_known_inside(user: str, line: str, group: str) -> None:
    definition = closure(HELLO, user=UserName(user))
    assert line in text_of(definition, "/etc/passwd")
    assert group in text_of(definition, "/etc/group")
    for path in ("/etc/passwd", "/etc/group"):
        lines = [each.split(":") for each in text_of(definition, path)]
        assert len(lines) == len({name for name, *_ in lines}) == len({number for _, _, number, *_ in lines})


def test_no_two_have_one_name() -> None:
    """The host's nobody may be another than that of Linux."""
    definition = closure(HELLO, user=UserName("nobody"))
    facts = learn("web", definition)
    texts = {
        question: text if text is None or question.path != "/etc/passwd" else f"{text}nobody:x:99:99::/:/bin/sh\n"
        for question, text in facts.texts.items()
    }
    entry = entries_of(definition, attrs.evolve(facts, texts=texts))["/etc/passwd"]
    assert isinstance(entry, FileEntry)
    assert "nobody:x:99:99::/:/bin/sh" in entry.text.splitlines()
    names = [line.split(":")[0] for line in entry.text.splitlines()]
    assert len(names) == len(set(names)), names


def test_own_files_of_etc_take_the_place_of_those_that_are_made() -> None:
    mounts = {MountPath("/etc/passwd"): bind("/srv/app.conf"), MountPath("/etc/hosts"): bind("/srv/app.conf")}
    definition = closure(HELLO, mounts=mounts)
    assert entries_of(definition)["/etc/passwd"] == FileEntry("/etc/passwd")
    spec = resolve(definition)
    assert [mount.source for mount in spec.mounts if mount.destination in ("/etc/passwd", "/etc/hosts")] == [
        "/srv/app.conf",
        "/srv/app.conf",
    ]


def test_of_the_host_there_are_the_names_of_the_network_and_no_more() -> None:
    sources = [mount.source for mount in resolve(closure(HELLO)).mounts if mount.type == "bind"]
    assert sorted(sources) == sorted(["/etc/hosts", "/etc/resolv.conf", HELLO, GLIBC])
    bare = resolve(closure(HELLO), host=attrs.evolve(HOST, etc_files=()))
    assert sorted(mount.source for mount in bare.mounts if mount.type == "bind") == sorted([HELLO, GLIBC])


def test_a_mount_over_the_whole_store_hides_it() -> None:
    spec = resolve(closure(f"{HELLO}/bin/hello", mounts={MountPath("/nix"): bind("/srv/data")}))
    assert [mount.destination for mount in spec.mounts if mount.destination.startswith("/nix")] == ["/nix"]
    assert entries_of(closure(HELLO, mounts={MountPath("/nix"): bind("/srv/data")}))["/nix"] == FolderEntry("/nix")


def test_a_link_that_leads_elsewhere_is_another_root_and_the_same_one_the_same() -> None:
    definition = closure(CONF, "/home/me/result", packages=["/home/me/result"])
    facts = learn("web", definition)
    moved = attrs.evolve(
        facts, places={question: target and target.replace(HELLO, BASH) for question, target in facts.places.items()}
    )
    questions = closure_questions(definition, moved)
    moved = attrs.evolve(moved, closures={question: NIX.answer(question) for question in questions})
    before, after = resolve_spec("web", definition, facts), resolve_spec("web", definition, moved)
    assert isinstance(before, Spec)
    assert isinstance(after, Spec)
    assert before.root != after.root
    assert dict(after.env)["PATH"] == f"{BASH}/bin"
    assert resolve_spec("web", definition, learn("web", definition)) == before
