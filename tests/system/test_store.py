"""Where links lead into a store, and what stands at its paths: on plain folders, since nothing of this asks nix."""

import os
from pathlib import Path

import pytest

from orchestrator.model.facts import PlaceQuestion
from orchestrator.model.store import NIX_STORE, ClosureAnswer, EntryKind, PackageAnswer, Store, StoreEntry
from orchestrator.system.links import MAX_LINKS
from orchestrator.system.store import find_host_store, find_place, look_at_closure
from tests.system.helpers_store import fill_in, name_path


class Laid:
    """A store in a scratch folder, and beside it the folder of its user."""

    def __init__(self, root: Path, *, chroot: bool) -> None:
        real = f"{root}/nix/store"
        self.store = Store("/nix/store", real, f"{root}/nix/var/nix", str(root)) if chroot else Store(real, real)
        self.home = root / "home"
        self.home.mkdir()
        self.busybox = name_path(self.store, "b", "busybox")
        self.hello = name_path(self.store, "h", "hello-2.12")
        self.env = name_path(self.store, "v", "user-environment")
        place = fill_in(self.store, self.busybox, "bin/busybox")
        (place / "bin/ls").symlink_to("busybox")
        (place / "bin/cat").symlink_to(f"{self.busybox}/bin/busybox")
        (place / "bin/none").symlink_to("nothing")
        fill_in(self.store, self.hello, "bin/hello", "share/doc/hello")
        place = fill_in(self.store, self.env)
        (place / "bin").mkdir()
        (place / "bin/hello").symlink_to(f"{self.hello}/bin/hello")
        (place / "bin/hallo").symlink_to("hello")
        (place / "bin/ls").symlink_to(f"{self.busybox}/bin/ls")
        (place / "share").symlink_to(f"{self.hello}/share")

    def link(self, name: str, target: str) -> str:
        """A link of the user's."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        return str(path)

    def word(self, path: str) -> str | None:
        return find_place(PlaceQuestion(self.store, path))

    def whole(self, path: str) -> str | None:
        return find_place(PlaceQuestion(self.store, path, whole=True))


@pytest.fixture(params=[False, True], ids=["here", "chroot"])
def laid(request: pytest.FixtureRequest, tmp_path: Path) -> Laid:
    """A store at its own paths, and one below another root: what it says of itself leads nowhere on the host there."""
    return Laid(Path(os.path.realpath(tmp_path)), chroot=request.param)


def test_a_result_link_leads_to_the_store_path(laid: Laid) -> None:
    link = laid.link("result", laid.hello)
    assert laid.whole(link) == laid.word(link) == laid.hello
    assert laid.word(f"{link}/bin/hello") == f"{laid.hello}/bin/hello"
    assert laid.whole(f"{link}/share/doc") == f"{laid.hello}/share/doc"


def test_a_profile_is_followed_through_all_its_links(laid: Laid) -> None:
    laid.link("profiles/default-7-link", laid.env)
    profile = laid.link("profiles/default", "default-7-link")
    assert laid.whole(profile) == laid.word(profile) == laid.env
    short = laid.link("short", "profiles/../profiles/default/")
    assert laid.whole(short) == laid.word(short) == laid.env
    above = laid.link("above", f"{laid.hello}/bin/..")
    assert laid.whole(above) == laid.word(above) == laid.hello


def test_a_link_from_one_store_path_to_another_is_followed(laid: Laid) -> None:
    profile = laid.link("profile", laid.env)
    assert laid.word(f"{profile}/bin/hello") == f"{laid.hello}/bin/hello"
    assert laid.whole(f"{profile}/bin/hello") == f"{laid.hello}/bin/hello"
    assert laid.word(f"{profile}/share/doc/hello") == f"{laid.hello}/share/doc/hello"


@pytest.mark.parametrize("name", ["ls", "cat"])
def test_a_program_of_many_names_keeps_the_one_that_it_is_called_by(laid: Laid, name: str) -> None:
    profile = laid.link("profile", laid.busybox)
    assert laid.word(f"{profile}/bin/{name}") == f"{laid.busybox}/bin/{name}"
    assert laid.whole(f"{profile}/bin/{name}") == f"{laid.busybox}/bin/busybox"


def test_also_where_a_profile_leads_to_it(laid: Laid) -> None:
    assert laid.word(f"{laid.link('profile', laid.env)}/bin/ls") == f"{laid.busybox}/bin/ls"


def test_a_link_that_is_kept_may_lead_on_to_another_store_path(laid: Laid) -> None:
    assert laid.word(f"{laid.link('profile', laid.env)}/bin/hallo") == f"{laid.env}/bin/hallo"


@pytest.mark.parametrize("beyond", ["", "/bin/none", "/bin/ls/x", "/share", "/bin/busybox/"])
def test_what_is_not_there_leads_nowhere(laid: Laid, beyond: str) -> None:
    place = laid.link("gone", "/nowhere/at/all") if not beyond else f"{laid.link('profile', laid.busybox)}{beyond}"
    expected = f"{laid.busybox}/bin/busybox" if beyond == "/bin/busybox/" else None
    assert laid.word(place.rstrip("/")) == expected
    assert laid.whole(place.rstrip("/")) == expected


def test_a_loop_leads_nowhere(laid: Laid) -> None:
    one = laid.link("one", "two")
    laid.link("two", "one")
    itself = laid.link("itself", "itself/x")
    for path in (one, f"{one}/x", itself):
        assert laid.word(path) is None
        assert laid.whole(path) is None


def test_as_many_links_as_the_kernel_follows_and_no_more(laid: Laid) -> None:
    links = MAX_LINKS + 1
    laid.link("0", laid.hello)
    for number in range(1, links):
        laid.link(str(number), str(number - 1))
    assert laid.whole(f"{laid.home}/{MAX_LINKS - 1}") == laid.hello
    assert laid.whole(f"{laid.home}/{MAX_LINKS}") is None
    assert laid.word(f"{laid.home}/{MAX_LINKS}") is None


def test_what_leads_elsewhere_is_in_no_store(laid: Laid) -> None:
    for path in ("/", "/etc", "/proc/self/exe", str(laid.home), "/usr/bin/env", "/a\0b", "/\ud800"):
        assert laid.word(path) is None
        assert laid.whole(path) is None


def test_out_of_the_store_and_back_into_it(laid: Laid) -> None:
    place = Path(laid.store.find_real(laid.env))
    (place / "etc").symlink_to(laid.link("etc", laid.hello))
    assert laid.word(f"{laid.link('profile', laid.env)}/etc/bin/hello") == f"{laid.hello}/bin/hello"
    assert laid.word(f"{laid.home}/profile/etc") == laid.hello


def test_the_stores_own_folder_is_no_path_in_it(laid: Laid) -> None:
    assert laid.whole(laid.link("all", laid.store.folder)) is None
    assert laid.whole(laid.link("real", laid.store.real)) is None


@pytest.mark.parametrize("chroot", [False, True], ids=["here", "chroot"])
def test_a_store_that_is_reached_by_a_link(tmp_path: Path, chroot: bool) -> None:
    """`store = "/opt/nix/store"` where /opt/nix is a link to another disk."""
    root = Path(os.path.realpath(tmp_path)) / "disk"
    root.mkdir()
    laid = Laid(root, chroot=chroot)
    alias = root.parent / "alias"
    alias.symlink_to(root)
    folder = laid.store.folder if chroot else f"{alias}/nix/store"
    store = Store(folder, f"{alias}/nix/store")
    link = root / "home/result"
    link.symlink_to(f"{folder}/{'h' * 32}-hello-2.12")
    assert find_place(PlaceQuestion(store, str(link), whole=True)) == f"{folder}/{'h' * 32}-hello-2.12"


def test_a_link_of_a_chroot_store_that_is_kept_leads_on_in_it(tmp_path: Path) -> None:
    """`bin/a` leads to `bin/b` beside it, and that to another path as the store has it, which is not the host's."""
    laid = Laid(tmp_path, chroot=True)
    assert not os.path.exists(laid.hello), "else this proves nothing"
    assert laid.word(f"{laid.link('profile', laid.env)}/bin/hallo") == f"{laid.env}/bin/hallo"


def test_what_stands_at_the_paths_of_a_closure(laid: Laid) -> None:
    file = name_path(laid.store, "f", "app.conf")
    Path(laid.store.find_real(file)).write_text("x")
    link = name_path(laid.store, "l", "current")
    Path(laid.store.find_real(link)).symlink_to(laid.hello)
    answer = look_at_closure(laid.store, [link, laid.hello, file], [])
    assert answer == ClosureAnswer(
        entries=(
            StoreEntry(file, EntryKind.FILE),
            StoreEntry(laid.hello, EntryKind.FOLDER),
            StoreEntry(link, EntryKind.LINK, laid.hello),
        )
    )


def test_what_packages_offer(laid: Laid) -> None:
    link = name_path(laid.store, "l", "current")
    Path(laid.store.find_real(link)).symlink_to(laid.env)
    fill_in(laid.store, certs := name_path(laid.store, "c", "cacert"), "etc/ssl/certs/ca-bundle.crt")
    file = name_path(laid.store, "f", "app.conf")
    Path(laid.store.find_real(file)).write_text("x")
    answer = look_at_closure(laid.store, [], [link, laid.busybox, certs, file, f"{laid.hello}/share"])
    assert answer.packages == {
        link: PackageAnswer(("hallo", "hello", "ls")),
        laid.busybox: PackageAnswer(("busybox", "cat", "ls", "none")),
        certs: PackageAnswer((), ("ca-bundle.crt",)),
        file: PackageAnswer(),
        f"{laid.hello}/share": PackageAnswer(),
    }


def test_a_path_that_is_valid_and_not_there_is_told(laid: Laid) -> None:
    gone = name_path(laid.store, "x", "gone")
    assert look_at_closure(laid.store, [laid.hello, gone], [laid.hello]) == ClosureAnswer(invalid=(gone,))


@pytest.mark.parametrize(
    ("environ", "folder", "state"),
    [
        ({}, NIX_STORE.folder, NIX_STORE.state),
        ({"NIX_STORE_DIR": "", "NIX_STATE_DIR": ""}, NIX_STORE.folder, NIX_STORE.state),
        ({"NIX_STORE_DIR": "/x/store/", "NIX_STATE_DIR": "/x/state/"}, "/x/store", "/x/state"),
        ({"NIX_STATE_DIR": "/x/state"}, NIX_STORE.folder, "/x/state"),
    ],
)
def test_the_hosts_store(environ: dict[str, str], folder: str, state: str) -> None:
    assert find_host_store(environ) == Store(folder, os.path.realpath(folder), state)


def test_the_hosts_store_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to("disk")
    store = find_host_store({"NIX_STORE_DIR": f"{tmp_path}/store"})
    assert (store.folder, store.real) == (f"{tmp_path}/store", f"{os.path.realpath(tmp_path)}/disk")
