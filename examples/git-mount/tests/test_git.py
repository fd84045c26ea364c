"""The `git` mount: which commit a revision means, and who needs it."""

import pytest
from orchestrator.plugin import HostFailed, Ran
from orchestrator.testing import (
    Command,
    FakeHost,
    check_kind,
    contribute,
    find_problems,
    make_container,
    make_facts,
    make_use,
    read_kind,
)

from orchestrator_mount_git import GIT, Git

ONE, TWO = "1" * 40, "2" * 40
USE = make_use("/site")
HOST = {GIT: "", "/srv/site.git/objects/x": ""}
SITE = read_kind(Git, 'repository = "/srv/site.git"')


def make_host() -> FakeHost:
    """A host with a git that checks one file out."""
    host = FakeHost()

    def git(command: Command) -> Ran:
        tree = next(word for word in command.args if word.startswith("--work-tree=")).partition("=")[2]
        host.write_file(f"{tree}/index.html", b"hello")
        return Ran(0, b"", b"")

    host.reply(GIT, git)
    return host


@pytest.mark.parametrize(
    ("revision", "files", "commit"),
    [
        ("main", {"/srv/site.git/refs/heads/main": f"{ONE}\n"}, ONE),
        ("v1", {"/srv/site.git/refs/tags/v1": f"{TWO}\n"}, TWO),
        ("main", {"/srv/site.git/packed-refs": f"# pack-refs with: peeled\n{ONE} refs/heads/main\n^{TWO}\n"}, ONE),
        ("v1", {"/srv/site.git/packed-refs": f"{TWO} refs/heads/v10\n{ONE} refs/tags/v1\n"}, ONE),
        (
            "main",
            {"/srv/site.git/refs/heads/main": TWO, "/srv/site.git/packed-refs": f"{ONE} refs/heads/main\n"},
            TWO,
        ),
        (ONE, {}, ONE),
    ],
)
def test_a_revision_is_a_commit(revision: str, files: dict[str, str], commit: str) -> None:
    kind = read_kind(Git, f'repository = "/srv/site.git"\nrevision = "{revision}"')
    (mount,) = contribute(kind, USE, files={**HOST, **files}).mounts
    assert mount.source == f"{USE.kept}/git/{commit}/tree"


def test_a_repository_may_have_a_work_tree() -> None:
    files = {GIT: "", "/srv/site.git/.git/objects/x": "", "/srv/site.git/.git/refs/heads/main": ONE}
    (attachment,) = contribute(SITE, USE, files=files).attach
    assert attachment.work == {"folder": "/srv/site.git/.git", "commit": ONE}


def test_it_keeps_its_promises() -> None:
    facts = make_facts(SITE.questions(), files={**HOST, "/srv/site.git/refs/heads/main": ONE})
    check_kind(SITE, USE, facts=facts, host=make_host)


def test_a_commit_is_checked_out_once_and_goes_with_its_last_user() -> None:
    host, work = make_host(), {"folder": "/srv/site.git", "commit": ONE}
    first, second = make_container(USE), make_container(make_use("/site", "api"))
    for container in (first, second, first):
        Git.attach(work, container, host)
    assert len(host.commands) == 1
    assert host.files[f"{first.kept}/git/{ONE}/tree/index.html"] == b"hello"
    Git.detach(work, None, first, host)
    assert f"{first.kept}/git/{ONE}/tree/index.html" in host.files
    Git.detach(work, None, second, host)
    assert host.files == {}


def test_what_was_left_by_a_boot_or_half_done_is_made_anew() -> None:
    host, container = make_host(), make_container(USE)
    host.write_file(f"{container.kept}/git/{TWO}/done", b"")
    host.write_file(f"{container.kept}/git/{ONE}/tree/half", b"")
    Git.attach({"folder": "/srv/site.git", "commit": ONE}, container, host)
    kept = [path for path in host.files if path.startswith(container.kept)]
    assert kept == [f"{container.kept}/git/{ONE}/done", f"{container.kept}/git/{ONE}/tree/index.html"]


def test_what_git_says_is_told() -> None:
    host = FakeHost()
    host.reply(GIT, Ran(128, b"", b"fatal: detected dubious ownership\n"))
    with pytest.raises(HostFailed, match=f"git cannot check out {ONE}: fatal: detected dubious ownership$"):
        Git.attach({"folder": "/srv/site.git", "commit": ONE}, make_container(USE), host)


@pytest.mark.parametrize(
    ("options", "files", "problem"),
    [
        (
            'repository = "/srv/site.git"',
            HOST,
            '18: mounts."/site".revision: there is no branch or tag "main" in /srv/site.git',
        ),
        (
            'repository = "/srv/none"',
            {GIT: ""},
            '47: mounts."/site".repository: "/srv/none" is no git repository',
        ),
        (
            f'repository = "/srv/site.git", revision = "{ONE}"',
            {"/srv/site.git/objects/x": ""},
            f'18: mounts."/site": there is no {GIT} on this host (install git)',
        ),
        (
            'repository = "/srv/site.git", revison = "main"',
            HOST,
            '64: mounts."/site".revison: unknown key "revison" (did you mean "revision"?)',
        ),
    ],
)
def test_a_mistake_has_its_line(options: str, files: dict[str, str], problem: str) -> None:
    text = f'args = ["/bin/true"]\nmounts."/site" = {{ type = "git", {options} }}\n'
    (told,) = find_problems(Git, text, files=files)
    assert told.startswith(f"web.toml:2:{problem}")
