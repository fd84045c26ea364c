"""The `secret` mount: a file that the application may read, and that is never on disk. Floor: plugin.

What it says goes from its source into a file system in memory that only root may look into, and from there is mounted
read-only. It is in no bundle, in no state and in no message; of what it says only a digest is asked, so that another
secret is another container.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    ContentQuestion,
    Contribution,
    EnvName,
    Facts,
    Fault,
    FileEntry,
    FileMode,
    Host,
    HostFailed,
    Mount,
    PathKind,
    PathQuestion,
    Question,
    Use,
    UserName,
    find_owner,
    option,
    owner_questions,
    quote,
)

LARGEST = 1 << 20
"""Bytes; that of a systemd credential, too."""

FILE = "secret"
"""What it is called in the file system in memory."""

_SOURCES = ("file", "env", "credential")
_BIND = ("bind", "private", "ro", "nosuid", "nodev", "noexec")
_MEMORY = ("nosuid", "nodev", "noexec", "mode=0700", f"size={2 * LARGEST}", "nr_inodes=8")


@frozen(kw_only=True)
class Secret:
    """A file with what a file, a variable or a credential of the agent says. Of these just one is written."""

    type: ClassVar[str] = "secret"

    file: AbsolutePath | None = option(
        default=None,
        doc="The file of the host that has it, 1 MiB at most. When it says something else, the container is replaced.",
        change=Change.REPLACE,
        example='"/etc/web.key"',
    )
    env: EnvName | None = option(
        default=None,
        doc="The variable of the agent's own environment that has it, as that is at each start of the container.",
        change=Change.REPLACE,
        example='"WEB_KEY"',
    )
    credential: str | None = option(
        default=None,
        doc="The credential of the agent's service that has it (systemd.exec(5), LoadCredential=). When it is another "
        "as the agent starts, the container is replaced.",
        change=Change.REPLACE,
        example='"web.key"',
    )
    mode: FileMode = option(
        default=FileMode(0o400),
        doc="The mode of the file inside.",
        change=Change.REPLACE,
        example='"0440"',
    )
    owner: UserName | None = option(
        default=None,
        doc="Whose the file is: `USER` or `USER:GROUP`, names of the host or numbers. By default who the application "
        "runs as.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    watch: bool = option(
        default=True,
        doc="Whether another secret in `file` or `credential` is another container. Else it is read anew at the next "
        "start.",
        change=Change.REPLACE,
        example="false",
    )

    @property
    def _content(self) -> ContentQuestion | None:
        if self.file is not None:
            return ContentQuestion(self.file)
        if self.credential is not None and not _is_no_file_name(self.credential):
            return ContentQuestion(self.credential, credential=True)
        return None

    def questions(self) -> Iterable[Question]:
        """What is the digest of what it says, and who is there to own it?"""
        asked: list[Question] = [*owner_questions(self.owner)]
        if self.file is not None:
            asked.append(PathQuestion(self.file))
        if self._content is not None and self.watch:
            asked.append(self._content)
        return asked

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and something to mount it on. The mistakes are told that can be known without the agent: what its
        environment and its credentials are, nobody else knows."""
        faults = list(self._find_faults(facts))
        owner = find_owner(self.owner, use, facts)
        if isinstance(owner, Fault):
            faults.append(owner)
        elif not faults:
            name = next(name for name in _SOURCES if getattr(self, name) is not None)
            source = {"from": name, "name": str(getattr(self, name))}
            work = {**source, "mode": self.mode, "uid": owner.uid, "gid": owner.gid}
            digest = facts.contents[self._content].digest if self.watch and self._content is not None else None
            return Contribution(
                mounts=(Mount(use.destination, "bind", f"{use.own}/{FILE}", _BIND),),
                entries=(FileEntry(use.destination),),
                attach=(Attachment(work=work),),
                contents=() if digest is None else (digest,),
            )
        return Contribution(faults=tuple(faults))

    def _find_faults(self, facts: Facts) -> Iterable[Fault]:
        written = [name for name in _SOURCES if getattr(self, name) is not None]
        if not written:
            yield Fault((), "it does not say where the secret comes from", "write one of file, env and credential")
        for name in written[1:]:
            yield Fault((name,), f"{written[0]} says already where the secret comes from", "write one of them")
        if self.credential is not None and _is_no_file_name(self.credential):
            message = f"{quote(self.credential)} is no name of a credential"
            yield Fault(("credential",), message, "write its ID, as LoadCredential= has it")
        if len(written) == 1 and (self.file is not None or self._content is not None):
            name = written[0]
            why = self._find_obstacle(facts)
            if why:
                noun = "" if name == "file" else f"the {name} "
                yield Fault((name,), f"cannot use {noun}{quote(str(getattr(self, name)))}: {why}")

    def _find_obstacle(self, facts: Facts) -> str:
        if self.file is not None:
            answer = facts.paths[self.file]
            match answer.kind:
                case PathKind.MISSING:
                    return answer.detail or "no such file or directory"
                case PathKind.DENIED:
                    return answer.detail
                case PathKind.DIRECTORY | PathKind.OTHER:
                    return "it is not a regular file"
        if self.watch and self._content is not None:
            return facts.contents[self._content].detail
        return ""

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> None:
        """Read it, and put it into a file system in memory of its own; raises HostFailed without what it says."""
        data = _read(work["from"], work["name"], host)
        host.make_folder(container.own, mode=0o700)
        host.unmount(container.own)
        try:
            host.mount("tmpfs", container.own, "tmpfs", (*_MEMORY, "noswap"))
        except HostFailed:
            # Linux before 6.4 does not know that it is not to be swapped out.
            host.mount("tmpfs", container.own, "tmpfs", _MEMORY)
        host.write_file(f"{container.own}/{FILE}", data, mode=work["mode"], uid=work["uid"], gid=work["gid"])

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Take it away, however far it came."""
        host.remove(container.own)


def _read(source: str, name: str, host: Host) -> bytes:
    if source == "env":
        value = host.getenv(name)
        if value is None:
            raise HostFailed(f"the agent has no variable {name}")
        return value.encode("utf-8", "surrogateescape")
    path = name
    if source == "credential":
        folder = host.getenv("CREDENTIALS_DIRECTORY")
        if not folder:
            raise HostFailed(f"the agent was given no credentials, so not {name} (systemd.exec(5), LoadCredential=)")
        path = f"{folder.rstrip('/')}/{name}"
    data = host.read_file(path, limit=LARGEST)
    if data is None:
        raise HostFailed(f"cannot read {path}: no such file or directory")
    return data


def _is_no_file_name(name: str) -> bool:
    return "/" in name or name in ("", ".", "..")
