"""Facts of a made-up host, for the tests of plugin kinds: all questions have their answers. Floor: testing."""

import hashlib
from collections.abc import Collection, Iterable, Mapping

from orchestrator.model.facts import (
    ContentQuestion,
    DeviceAnswer,
    DeviceQuestion,
    DigestAnswer,
    DigestQuestion,
    EntriesQuestion,
    Facts,
    FolderAnswer,
    HostFacts,
    PathAnswer,
    PathKind,
    PathQuestion,
    Question,
    StampAnswer,
    StampQuestion,
    TextQuestion,
    TextsAnswer,
    TextsQuestion,
)

HOST = HostFacts(
    machine="x86_64",
    kernel=(6, 1),
    usr_links={"/bin": "usr/bin", "/lib": "usr/lib", "/lib64": "usr/lib64"},
    etc_files=("/etc/passwd", "/etc/group"),
    seccomp_profile=None,
)
"""A host with a merged /usr and no seccomp profile."""


def make_facts(
    questions: Iterable[Question] = (),
    *,
    files: Mapping[str, str] | None = None,
    folders: Collection[str] = (),
    links: Mapping[str, str] | None = None,
    host: HostFacts = HOST,
) -> Facts:
    """The answers of a host that has just these files (by path, with their texts), these folders and those above them,
    and these links (each with where it leads in the end). Raises TypeError for a question that no plugin asks."""
    world = _World(dict(files or {}), frozenset(folders), dict(links or {}))
    paths: dict[str, PathAnswer] = {}
    texts: dict[TextQuestion, str | None] = {}
    digests: dict[str, DigestAnswer] = {}
    devices: dict[str, DeviceAnswer] = {}
    stamps: dict[str, StampAnswer | None] = {}
    folder_texts: dict[TextsQuestion, TextsAnswer | None] = {}
    entries: dict[str, FolderAnswer | None] = {}
    contents: dict[ContentQuestion, DigestAnswer] = {}
    for question in questions:
        match question:
            case PathQuestion(path=path):
                paths[path] = world.look(path)
            case TextQuestion(path=path, root=root):
                texts[question] = world.read(path if root == "/" else f"{root}{path}")
            case DigestQuestion(path=path):
                digests[path] = world.digest(path)
            case ContentQuestion(credential=True):
                contents[question] = DigestAnswer(None)  # as where no agent is
            case ContentQuestion(path=path):
                contents[question] = world.digest(path)
            case DeviceQuestion(path=path):
                devices[path] = DeviceAnswer("", detail="no such device")
            case StampQuestion(path=path):
                stamps[path] = world.stamp(path)
            case TextsQuestion(path=path, suffixes=suffixes):
                folder_texts[question] = world.read_folder(path, suffixes)
            case EntriesQuestion(path=path):
                entries[path] = world.list_folder(path)
            case _:
                raise TypeError(f"{type(question).__name__} is no question of a plugin")
    return Facts(
        host,
        paths,
        texts,
        digests,
        devices,
        entries=entries,
        stamps=stamps,
        folder_texts=folder_texts,
        contents=contents,
    )


class _World:
    def __init__(self, files: Mapping[str, str], folders: Collection[str], links: Mapping[str, str]) -> None:
        self._files = files
        self._links = links
        leaves = [*files, *folders]
        ways = ("/".join(path.split("/")[:end]) for path in leaves for end in range(1, path.count("/") + 1))
        self._folders = {"/", *folders, *ways} - {""}

    def look(self, path: str) -> PathAnswer:
        resolved = self._links.get(path, path)
        if resolved in self._files:
            return PathAnswer(PathKind.FILE, resolved)
        return PathAnswer(PathKind.DIRECTORY if resolved in self._folders else PathKind.MISSING, resolved)

    def read(self, path: str) -> str | None:
        return self._files.get(self._links.get(path, path))

    def digest(self, path: str) -> DigestAnswer:
        text = self.read(path)
        if text is None:
            return DigestAnswer(None, "no such file or directory")
        return DigestAnswer(hashlib.sha256(text.encode()).hexdigest())

    def stamp(self, path: str) -> StampAnswer | None:
        """Another text has another size or, as good as ever, another time."""
        text = self.read(path)
        if text is None:
            return None
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
        return StampAnswer(number, number, len(text.encode()), 1)

    def list_folder(self, path: str) -> FolderAnswer | None:
        if path not in self._folders:
            return None

        def inside(paths: Iterable[str]) -> list[str]:
            split = (each.rpartition("/") for each in paths if each != "/")
            return sorted(name for folder, _, name in split if (folder or "/") == path)

        links = tuple((name, self._links[f"{path.rstrip('/')}/{name}"]) for name in inside(self._links))
        return FolderAnswer(tuple(inside(self._folders)), tuple(inside(self._files)), links)

    def read_folder(self, path: str, suffixes: tuple[str, ...]) -> TextsAnswer:
        inside = ((file.rpartition("/"), text) for file, text in self._files.items())
        found = ((name, text) for (folder, _, name), text in inside if folder == path)
        return tuple(sorted((name, text) for name, text in found if name.endswith(suffixes) and name[0] != "."))
