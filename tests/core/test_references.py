"""What a definition names of a store: words, store paths written out, packages, what is mounted."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.references import (
    Kind,
    choose_store,
    find_references,
    is_closure,
    place_questions,
    replace_words,
)
from orchestrator.model.definition import Definition
from orchestrator.model.facts import PlaceQuestion
from orchestrator.model.health import ExecHealth, TcpHealth
from orchestrator.model.rootfs import ClosureRootfs, DirectoryRootfs, HostRootfs
from orchestrator.model.store import NIX_STORE, Store
from orchestrator.model.types import AbsolutePath, EnvName, MountPath
from tests.core.helpers_world import BASH, CONF, GLIBC, HELLO, bind

LINK = "/home/me/result"


def words_of(*args: str, **fields: Any) -> list[str]:  # noqa: ANN401 - fields of a definition
    """The words of these arguments that may be links into the store."""
    definition = Definition(args=args, **fields)
    named = find_references(definition, NIX_STORE)
    return [each.path for each in named if each.kind is Kind.WORD and each.store_path is None]


def follow(text: str) -> str:
    """An argument as it is run, where `LINK` leads to HELLO."""
    args = replace_words(Definition(args=(text,)), {LINK: HELLO}).args
    assert args is not None
    return args[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/a/b", ["/a/b"]),
        ("/a/b/", ["/a/b"]),
        ("/a//b/./c/../d", ["/a/b/d"]),
        ("--x=/a/b", ["/a/b"]),
        ("/a:/b/c:relative:/d", ["/a", "/b/c", "/d"]),
        ("'/a' \"/b\" `/c`", ["/a", "/b", "/c"]),
        ("cat </a>/b;/c&/d|/e", ["/a", "/b", "/c", "/d", "/e"]),
        ("(/a) {/b,/c} [/d]", ["/a", "/b", "/c", "/d"]),
        ("$(/a/b)", ["/a/b"]),
        ("line\n/a\n\t/b", ["/a", "/b"]),
        ("/a /b /a", ["/a", "/b"]),
        ("file:///a/b", ["/a/b"]),
        # Of what the shell fills in, the folder before it.
        ("/a/b/$C /a/d/*.so /a/e/{f,g} /a/h/\\ i", ["/a/b", "/a/d", "/a/e", "/a/h"]),
        ("/a/b$C /a/b*.so /a/b{c,d} /a/b\\ c", []),
        # No words of their own.
        ("a/b", []),
        ("./a ../b ~/c", []),
        ("$HOME/a ${HOME}/b $(pwd)/c", []),
        ("http://a/b https://c", []),
        ("/", []),
        ("", []),
        # The container has its own.
        ("/proc/self/fd /dev/null /sys", []),
        ("/process /device", ["/process", "/device"]),
        ("/nix/store /nix/store/x", []),
    ],
)
def test_the_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_what_is_mounted_and_what_packages_bring_is_no_path_of_the_host() -> None:
    mounts = {MountPath("/srv"): bind("/srv/data")}
    assert words_of("/srv/a", "/srv", "/srv2", mounts=mounts) == ["/srv2"]
    packages = (AbsolutePath("/opt/p"),)
    texts = ("/bin/sh", "/etc/ssl/certs/ca.crt", "/bin2")
    assert words_of(*texts) == list(texts)
    assert words_of(*texts, packages=packages) == ["/bin2"]


def test_all_that_names_something_is_looked_at_with_its_key() -> None:
    definition = Definition(
        cmd=f"exec {HELLO}/bin/hello",
        shell=AbsolutePath("/link/sh"),
        env={EnvName("A"): f"{CONF}:/link/env"},
        packages=(AbsolutePath("/link/package"), AbsolutePath(BASH)),
        mounts={MountPath("/x"): bind("/link/source"), MountPath("/y"): bind(f"{GLIBC}/lib")},
        health=ExecHealth(args=("/link/probe", GLIBC)),
    )
    found = [(each.key, each.path, each.kind, each.store_path) for each in find_references(definition, NIX_STORE)]
    assert found == [
        (("cmd",), HELLO, Kind.WORD, HELLO),
        (("shell",), "/link/sh", Kind.WORD, None),
        (("env", "A"), CONF, Kind.WORD, CONF),
        (("env", "A"), "/link/env", Kind.WORD, None),
        (("health", "args", 0), "/link/probe", Kind.WORD, None),
        (("health", "args", 1), GLIBC, Kind.WORD, GLIBC),
        (("packages", 0), "/link/package", Kind.PACKAGE, None),
        (("packages", 1), BASH, Kind.PACKAGE, BASH),
        (("mounts", "/x"), "/link/source", Kind.SOURCE, None),
        (("mounts", "/y"), f"{GLIBC}/lib", Kind.SOURCE, GLIBC),
    ]


def test_the_shell_counts_with_a_script_only_and_other_probes_never() -> None:
    definition = Definition(args=("x",), shell=AbsolutePath("/link/sh"), health=TcpHealth(port=80))
    assert find_references(definition, NIX_STORE) == ()


def test_each_place_is_asked_once_and_store_paths_never() -> None:
    definition = Definition(
        args=("/a", "/a", HELLO), packages=(AbsolutePath("/a"),), mounts={MountPath("/x"): bind("/a")}
    )
    assert place_questions(definition, NIX_STORE) == (
        PlaceQuestion(NIX_STORE, "/a"),
        PlaceQuestion(NIX_STORE, "/a", whole=True),
    )


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (HELLO, [HELLO]),
        (f"{HELLO}/bin/hello {CONF}", [HELLO, CONF]),
        (f"x{HELLO}y{CONF}", [f"{HELLO}y", CONF]),
        (f"-I{HELLO}/include,-L{GLIBC}/lib", [HELLO, GLIBC]),
        (f"{HELLO}:{HELLO}", [HELLO]),
        ("/nix/store/hello", []),
        (f"/nix/store/{'e' * 32}-hello", []),
        (f"/nix/store/{'a' * 31}-hello", []),
        (f"/opt{HELLO[4:]}", []),
    ],
)
def test_store_paths_that_are_written_out(text: str, paths: list[str]) -> None:
    named = find_references(Definition(args=(text,)), NIX_STORE)
    assert [each.store_path for each in named if each.store_path is not None] == paths


def test_a_store_path_is_known_by_its_place_on_the_host_too() -> None:
    store = Store(real="/srv/chroot/nix/store")
    real = f"/srv/chroot{HELLO}/bin"
    (package,) = find_references(Definition(args=("x",), packages=(AbsolutePath(real),)), store)
    assert (package.path, package.store_path) == (f"{HELLO}/bin", HELLO)
    # What lies at the store's folder on the host is another store.
    (elsewhere,) = find_references(Definition(args=("x",), packages=(AbsolutePath("/srv/chroot/nix/store"),)), store)
    assert elsewhere.store_path is None


@pytest.mark.parametrize(
    ("written", "store"),
    [
        (None, NIX_STORE),
        ("/opt/nix/store", Store("/opt/nix/store", "/opt/nix/store", "/opt/nix/var/nix")),
        ("/store", Store("/store", "/store", "/var/nix")),
        ("/srv/chroot", Store("/nix/store", "/srv/chroot/nix/store", "/srv/chroot/nix/var/nix", "/srv/chroot")),
    ],
)
def test_the_store_that_is_meant(written: str | None, store: Store) -> None:
    rootfs = ClosureRootfs(store=None if written is None else AbsolutePath(written))
    assert choose_store(Definition(args=("x",), rootfs=rootfs), NIX_STORE) == store


def test_a_store_that_is_not_written_is_the_hosts() -> None:
    host = Store("/x/store", "/y/store", "/x/state")
    assert choose_store(Definition(args=("x",)), host) == host
    assert choose_store(Definition(args=("x",), rootfs=ClosureRootfs()), host) == host
    chroot = choose_store(Definition(args=("x",), rootfs=ClosureRootfs(store=AbsolutePath("/c"))), host)
    assert (chroot.folder, chroot.real) == ("/x/store", "/c/nix/store"), (
        "nix has it there whatever its paths are called"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"rootfs": ClosureRootfs()}, True),
        ({"rootfs": HostRootfs()}, False),
        ({"rootfs": DirectoryRootfs(path=AbsolutePath("/srv"))}, False),
        ({"bundle": AbsolutePath("/srv"), "args": None}, False),
    ],
)
def test_what_has_a_closure(fields: dict[str, Any], expected: bool) -> None:
    assert is_closure(attrs.evolve(Definition(args=("x",)), **fields)) is expected


@pytest.mark.parametrize(
    ("text", "followed"),
    [
        (LINK, HELLO),
        (f"{LINK}/", f"{HELLO}/"),
        (f"//{LINK[1:]}", f"//{LINK[1:]}"),
        ("/home//me/./result", HELLO),
        (f"--root={LINK},x={LINK}", f"--root={HELLO},x={HELLO}"),
        (f"{LINK}:{LINK}/bin:/x", f"{HELLO}:{LINK}/bin:/x"),
        (f"cat {LINK}/$FILE", f"cat {HELLO}/$FILE"),
        (f"cat {LINK}$FILE {LINK}* {LINK}s x{LINK}", f"cat {LINK}$FILE {LINK}* {LINK}s x{LINK}"),
        (f"file://{LINK}", f"file://{HELLO}"),
        (f"http:/{LINK}", f"http:/{LINK}"),
        (f"${{ROOT}}{LINK}", f"${{ROOT}}{LINK}"),
    ],
)
def test_a_word_that_leads_into_the_store_is_what_it_leads_to(text: str, followed: str) -> None:
    assert follow(text) == followed


def test_words_are_followed_wherever_they_are_looked_for() -> None:
    definition = Definition(
        cmd=f"exec {LINK}",
        shell=AbsolutePath(LINK),
        env={EnvName("A"): LINK},
        health=ExecHealth(args=("x", LINK)),
        cwd=AbsolutePath(LINK),
    )
    assert replace_words(definition, {LINK: HELLO}) == attrs.evolve(
        definition,
        cmd=f"exec {HELLO}",
        shell=AbsolutePath(HELLO),
        env={EnvName("A"): HELLO},
        health=ExecHealth(args=("x", HELLO)),
        cwd=AbsolutePath(HELLO),
    )


_ODD = st.text(st.sampled_from("/ab.:=,;'\"`$*{}()[]<>&|\\ \n-é"), max_size=30)
_PATHS = st.lists(st.sampled_from(["a", "b", "a-b", "c.d", "é"]), min_size=1, max_size=3).map(
    lambda names: "/" + "/".join(names)
)


@given(_ODD, st.dictionaries(_PATHS, st.just(HELLO), max_size=3))
def test_what_is_replaced_is_what_was_asked_about_and_nothing_else(text: str, targets: dict[str, str]) -> None:
    definition = Definition(args=(text,))
    asked = set(words_of(text))
    changed = replace_words(definition, targets)
    if not asked & targets.keys():
        assert changed == definition
    else:
        assert changed.args is not None
        assert HELLO in changed.args[0]


@given(
    _PATHS,
    st.sampled_from(["", " ", "--x=", "a:", "'", '"', "`", "(", "{", "[", "<", ">", "&", "|", ";", ",", "\n"]),
    st.sampled_from(["", " ", ":b", "'", '"', "`", ")", "}", "]", "<", ">", "&", "|", ";", ",", "\n"]),
)
def test_a_word_is_found_wherever_it_stands(path: str, before: str, after: str) -> None:
    text = f"{before}{path}{after}"
    assert words_of(text) == [path]
    assert replace_words(Definition(args=(text,)), {path: HELLO}).args == (f"{before}{HELLO}{after}",)
