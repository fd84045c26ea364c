"""The `git` mount: a revision of a git repository of the host, read-only.

A revision is checked out once for all containers that have it, into the folder that lasts. Who uses it is marked in the
folder that ends with a boot, as the containers do; so what nobody has marked is left from before and can go.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from attrs import frozen
from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    FolderEntry,
    Host,
    HostFailed,
    Mount,
    PathKind,
    PathQuestion,
    Question,
    TextQuestion,
    Use,
    option,
)

GIT = "/usr/bin/git"
"""It is run with the host's rights, so it is named by its path."""

OPTIONS = ("rbind", "ro", "nosuid", "nodev")

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LOCK = "git"


@frozen(kw_only=True)
class Git:
    """A revision of a git repository of the host, read-only; where a branch moves on, the container follows."""

    type: ClassVar[str] = "git"

    repository: AbsolutePath = option(
        doc="The repository on the host, bare or with a work tree. It has to be root's.",
        change=Change.REPLACE,
        example='"/srv/site.git"',
    )
    revision: str = option(
        default="main",
        doc="A branch, a tag or a whole commit id.",
        change=Change.REPLACE,
        example='"v1.2"',
    )

    def questions(self) -> Iterable[Question]:
        """Which commit does the revision mean now? Watched, since a push is as good as an edit."""
        yield PathQuestion(GIT)
        for folder in self._folders():
            yield PathQuestion(f"{folder}/objects")
            yield from self._references(folder)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount of the commit's files, which `attach` checks out."""
        faults = []
        if facts.paths[GIT].kind is PathKind.MISSING:
            faults.append(Fault((), f"there is no {GIT} on this host", "install git"))
        folder = self._find_folder(facts)
        commit = "" if folder is None else self._find_commit(folder, facts)
        if folder is None:
            faults.append(Fault(("repository",), f'"{self.repository}" is no git repository'))
        elif not commit:
            message = f'there is no branch or tag "{self.revision}" in {self.repository}'
            faults.append(Fault(("revision",), message, "a commit is written in full, 40 digits"))
        if faults:
            return Contribution(faults=tuple(faults))
        return Contribution(
            mounts=(Mount(use.destination, "bind", f"{use.kept}/git/{commit}/tree", OPTIONS),),
            entries=(FolderEntry(use.destination),),
            attach=(Attachment(work={"folder": folder, "commit": commit}),),
        )

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        """Check the commit out, unless it is there."""
        place = f"{container.kept}/git/{work['commit']}"
        with host.lock(_LOCK):
            host.write_file(_mark(work, container), b"")
            _remove_unused(container, host)
            if host.read_file(f"{place}/done") is None:
                host.remove(place)
                host.make_folder(f"{place}/tree")
                _check_out(work["folder"], work["commit"], place, host)
                host.write_file(f"{place}/done", b"")
        return None

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Nobody needs it who has not marked it."""
        with host.lock(_LOCK):
            host.remove(_mark(work, container))
            _remove_unused(container, host)

    def _folders(self) -> tuple[str, str]:
        """Where the repository may have what git keeps."""
        return self.repository, f"{self.repository}/.git"

    def _references(self, folder: str) -> Iterator[TextQuestion]:
        for name in (f"refs/heads/{self.revision}", f"refs/tags/{self.revision}", "packed-refs"):
            yield TextQuestion(f"{folder}/{name}", watch=True)

    def _find_folder(self, facts: Facts) -> str | None:
        found = (each for each in self._folders() if facts.paths[f"{each}/objects"].kind is PathKind.DIRECTORY)
        return next(found, None)

    def _find_commit(self, folder: str, facts: Facts) -> str:
        """The id that the revision means; empty where there is none. Those in files of their own are newer than those
        that are packed (git-pack-refs(1))."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        head, tag, packed = (facts.texts[question] or "" for question in self._references(folder))
        lines = dict(line.split(" ", 1)[::-1] for line in packed.splitlines() if _COMMIT.match(line))
        known = (head, tag, lines.get(f"refs/heads/{self.revision}", ""), lines.get(f"refs/tags/{self.revision}", ""))
        return next((each.strip() for each in known if _COMMIT.fullmatch(each.strip())), "")


def _mark(work: Mapping[str, Any], container: Container) -> str:
    """That this use of this instance needs the commit. A container may have it at two places."""
    use = container.own.rpartition("/")[2]
    return f"{container.shared}/git/{work['commit']}/{container.instance}-{use}"


def _remove_unused(container: Container, host: Host) -> None:
    kept, marked = f"{container.kept}/git", f"{container.shared}/git"
    for commit in {*host.list_folder(kept), *host.list_folder(marked)}:
        if not host.list_folder(f"{marked}/{commit}"):
            host.remove(f"{kept}/{commit}")
            host.remove(f"{marked}/{commit}")


def _check_out(folder: str, commit: str, place: str, host: Host) -> None:
    command = [
        GIT,
        "-c",
        "core.hooksPath=/dev/null",
        f"--git-dir={folder}",
        f"--work-tree={place}/tree",
        "checkout",
        "--force",
        commit,
        "--",
        ".",
    ]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C", "GIT_INDEX_FILE": f"{place}/index"}
    ran = host.run(command, env=env)
    if not ran.success:
        raise HostFailed(f"git cannot check out {commit}: {ran.errors.decode(errors='replace').strip()}")
