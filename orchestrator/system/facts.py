"""The world's answers: what stands at a path, what a small file says, what the host is like. `ports.World`, for real.

Which questions there are is decided by `orchestrator.core.questions` and the plugin kinds. Floor: system.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import trio
from attrs import evolve, field, frozen

from orchestrator.core.defaults import ETC_FILES, ETC_FOLDERS, USR_FOLDERS
from orchestrator.core.seccomp import ProfileError, compile_profile
from orchestrator.model.facts import (
    ClosureQuestion,
    ContentQuestion,
    DeviceAnswer,
    DeviceQuestion,
    DigestAnswer,
    DigestQuestion,
    EntriesQuestion,
    ExecQuestion,
    Facts,
    FolderAnswer,
    HostFacts,
    PathAnswer,
    PathKind,
    PathQuestion,
    PlaceQuestion,
    Question,
    StampAnswer,
    StampQuestion,
    TextQuestion,
    TextsAnswer,
    TextsQuestion,
)
from orchestrator.model.store import ClosureAnswer, Requisites
from orchestrator.ports import OutsideError
from orchestrator.system.bounding import read_bounding_set
from orchestrator.system.contents import digest_content
from orchestrator.system.controllers import find_controllers
from orchestrator.system.devices import find_device
from orchestrator.system.envfile import digest_variables
from orchestrator.system.hierarchies import read_hierarchies
from orchestrator.system.inquiry import Answer, Inquiry
from orchestrator.system.inroot import open_in_root
from orchestrator.system.nix import PATIENCE, NixFailed, NixStore
from orchestrator.system.programs import Programs
from orchestrator.system.reaper import Children
from orchestrator.system.store import find_host_store, find_place, look_at_closure

SECCOMP_PROFILES = ("/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json")
"""Where a host has its profile; the first that is there is used, as podman does (containers-seccomp.json(5))."""

LARGEST_TEXT = 1024 * 1024
"""Bytes of the largest file that a TextQuestion reads."""

MOST_TEXTS = 1000
"""Files of a folder that a TextsQuestion reads; the rest is passed over."""

AT_A_TIME = 4
"""Commands of nix that are asked beside each other."""

NO_ANSWER = "it does not answer"
"""Why a path cannot be used whose file system hangs."""


class ProfileUnusable(OutsideError):
    """The host's seccomp profile is there and cannot be used: another filter in its place would be a surprise."""


@frozen
class HostWorld:
    """The host that the agent runs on."""

    host: HostFacts
    _inquiry: Inquiry = field(factory=lambda: Inquiry(answer_question), eq=False, repr=False)
    _nix: NixStore = field(factory=lambda: NixStore(Children(), os.environ), eq=False, repr=False)
    _programs: Programs = field(factory=lambda: Programs(Children(), os.environ), eq=False, repr=False)

    @classmethod
    def probe(cls, children: Children | None = None, runtime: str = "") -> "HostWorld":
        """Learn of the host, once. children: of a process that reaps its orphans. runtime: as `HostFacts`. Raises
        ProfileUnusable, CgroupUnreadable."""
        host = evolve(probe_host(), runtime=runtime)
        children = Children() if children is None else children
        return cls(host, nix=NixStore(children, os.environ), programs=Programs(children, os.environ))

    def look_again(self) -> "HostWorld":
        """The same with what the host is like now. Raises ProfileUnusable, CgroupUnreadable."""
        self._programs.forget()
        return evolve(self, host=evolve(probe_host(), runtime=self.host.runtime))

    async def gather(self, questions: Iterable[Question]) -> Facts:
        """Answer all questions, within seconds: what hangs is a path that does not answer (`Facts.unanswered`), and is
        not asked again while it hangs."""
        asked = tuple(dict.fromkeys(questions))
        for_programs = [question for question in asked if isinstance(question, ExecQuestion)]
        looked_at = [question for question in asked if not isinstance(question, ExecQuestion)]
        answers = await self._inquiry.ask(looked_at) if looked_at else {}
        paths: dict[str, PathAnswer] = {}
        texts: dict[TextQuestion, str | None] = {}
        digests: dict[str, DigestAnswer] = {}
        devices: dict[str, DeviceAnswer] = {}
        places: dict[PlaceQuestion, str | None] = {}
        closures: dict[ClosureQuestion, ClosureAnswer] = {}
        entries: dict[str, FolderAnswer | None] = {}
        stamps: dict[str, StampAnswer | None] = {}
        folder_texts: dict[TextsQuestion, TextsAnswer | None] = {}
        contents: dict[ContentQuestion, DigestAnswer] = {}
        for_nix: list[ClosureQuestion] = []
        for question in looked_at:
            answer = answers.get(question)
            if isinstance(question, TextQuestion):
                texts[question] = answer if isinstance(answer, str) else None
            elif isinstance(question, DigestQuestion):
                digests[question.path] = answer if isinstance(answer, DigestAnswer) else DigestAnswer(None, NO_ANSWER)
            elif isinstance(question, ContentQuestion):
                contents[question] = answer if isinstance(answer, DigestAnswer) else DigestAnswer(None, NO_ANSWER)
            elif isinstance(question, DeviceQuestion):
                silent = DeviceAnswer("", detail=NO_ANSWER)
                devices[question.path] = answer if isinstance(answer, DeviceAnswer) else silent
            elif isinstance(question, EntriesQuestion):
                entries[question.path] = answer if isinstance(answer, FolderAnswer) else None
            elif isinstance(question, StampQuestion):
                stamps[question.path] = answer if isinstance(answer, StampAnswer) else None
            elif isinstance(question, TextsQuestion):
                folder_texts[question] = answer if isinstance(answer, tuple) else None
            elif isinstance(question, PlaceQuestion):
                places[question] = answer if isinstance(answer, str) else None
            elif isinstance(question, ClosureQuestion):
                closures[question] = answer if isinstance(answer, ClosureAnswer) else ClosureAnswer(detail=NO_ANSWER)
                if question in answers and answer is None:
                    for_nix.append(question)
            elif isinstance(answer, PathAnswer):
                paths[question.path] = answer
            else:
                paths[question.path] = PathAnswer(PathKind.DENIED, question.path, NO_ANSWER)
        if for_nix:
            closures |= await self._ask_nix(for_nix)
        programs = await self._programs.ask(for_programs) if for_programs else {}
        silent_ones = frozenset(looked_at) - answers.keys()
        return Facts(
            host=self.host,
            paths=paths,
            texts=texts,
            digests=digests,
            devices=devices,
            places=places,
            closures=closures,
            entries=entries,
            stamps=stamps,
            folder_texts=folder_texts,
            programs=programs,
            contents=contents,
            unanswered=silent_ones,
        )

    async def _ask_nix(self, questions: Iterable[ClosureQuestion]) -> Mapping[ClosureQuestion, ClosureAnswer]:
        """What the command says, where the database of a store cannot be read: a few at a time, and of all together as
        long as of one that hangs."""
        answers: dict[ClosureQuestion, ClosureAnswer] = {}
        places = trio.CapacityLimiter(AT_A_TIME)

        async def ask(question: ClosureQuestion) -> None:
            async with places:
                try:
                    requisites = await self._nix.query_requisites(question.store, question.paths)
                except NixFailed as error:
                    answers[question] = ClosureAnswer(detail=str(error))
                    return
                answers[question] = await trio.to_thread.run_sync(
                    _describe_closure, question, requisites, abandon_on_cancel=True
                )

        with trio.move_on_after(PATIENCE + 1.0):
            async with trio.open_nursery() as nursery:
                for question in questions:
                    nursery.start_soon(ask, question)
        return answers

    async def wait_news(self) -> None:
        """Wait until what did not answer may answer now: a reason to look again. Cancellation-safe."""
        async with trio.open_nursery() as nursery:

            async def wait(source: Inquiry | Programs) -> None:
                await source.wait_news()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait, self._inquiry)
            nursery.start_soon(wait, self._programs)


def answer_question(question: Question) -> Answer:
    """Look at what is asked about. Blocks, perhaps for ever; raises nothing."""
    match question:
        case PathQuestion(path=path):
            return look_at(path)
        case TextQuestion(path=path, root=root):
            return read_text(path, root)
        case DigestQuestion(path=path):
            return digest_variables(path)
        case ContentQuestion():
            return digest_content(question)
        case DeviceQuestion(path=path):
            return find_device(path)
        case EntriesQuestion(path=path):
            return list_entries(path)
        case StampQuestion(path=path):
            return read_stamp(path)
        case TextsQuestion(path=path, suffixes=suffixes):
            return read_texts(path, suffixes)
        case PlaceQuestion():
            return find_place(question)
        case ClosureQuestion():
            return _ask_database(question)
        case ExecQuestion():
            raise AssertionError("a program is no path that is looked at")


def _ask_database(question: ClosureQuestion) -> ClosureAnswer | None:
    """What a store's database says of a closure; None where it cannot be read, and the command may know."""
    from orchestrator.system.storedb import DatabaseUnreadable, query_requisites  # loads a library that most never need

    try:
        requisites = query_requisites(question.store, question.paths)
    except DatabaseUnreadable:
        return None
    return _describe_closure(question, requisites)


def _describe_closure(question: ClosureQuestion, requisites: Requisites) -> ClosureAnswer:
    if requisites.invalid:
        return ClosureAnswer(invalid=requisites.invalid)
    return look_at_closure(question.store, requisites.paths, question.packages)


def look_at(path: str) -> PathAnswer:
    """What stands at a path, links followed."""
    try:
        resolved = os.path.realpath(path, strict=True)
        mode = os.stat(resolved).st_mode
    except FileNotFoundError:
        return PathAnswer(PathKind.MISSING, os.path.realpath(path))
    except NotADirectoryError as error:
        return PathAnswer(PathKind.MISSING, path, (error.strerror or str(error)).lower())
    except OSError as error:
        return PathAnswer(PathKind.DENIED, path, (error.strerror or str(error)).lower())
    except ValueError:
        # A NUL or a lone surrogate: no file can be called so.
        return PathAnswer(PathKind.MISSING, path)
    if stat.S_ISDIR(mode):
        return PathAnswer(PathKind.DIRECTORY, resolved)
    return PathAnswer(PathKind.FILE if stat.S_ISREG(mode) else PathKind.OTHER, resolved)


def list_entries(path: str) -> FolderAnswer | None:
    """What stands in a folder."""
    folders, files, links = [], [], []
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_symlink():
                    links.append((entry.name, os.readlink(entry.path)))
                elif entry.is_dir():
                    folders.append(entry.name)
                else:
                    files.append(entry.name)
    except (OSError, ValueError):
        return None
    return FolderAnswer(tuple(folders), tuple(files), tuple(links))


def read_stamp(path: str) -> StampAnswer | None:
    """Which state of a file is there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return StampAnswer(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def read_text(path: str, root: str = "/") -> str | None:
    """The text of a regular file of at most `LARGEST_TEXT` bytes below ``root``, or None where there is no such file.

    What is not UTF-8 is replaced: one odd name in a passwd(5) must not hide the others.
    """
    try:
        with ExitStack() as stack:
            found = open_in_root(path, root, stack)
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return None
            # The file that was looked at and no other: opened by its descriptor.
            reader = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(reader, "rb") as file:
                data = file.read(LARGEST_TEXT + 1)
    except (OSError, ValueError):
        return None
    return data.decode(errors="replace") if len(data) <= LARGEST_TEXT else None


def read_texts(path: str, suffixes: tuple[str, ...]) -> TextsAnswer | None:
    """What the files of a folder say whose names end so; None where it cannot be looked through."""
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(suffixes) and not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError):
        return None
    return tuple((name, read_text(os.path.join(path, name))) for name in names[:MOST_TEXTS])


def probe_host(root: str = "/", profiles: Iterable[str] = SECCOMP_PROFILES) -> HostFacts:
    """What the host is like, with ``root`` as its root directory. Raises ProfileUnusable, CgroupUnreadable."""
    system = os.uname()
    machine, kernel = system.machine, read_kernel_version(system.release)
    return HostFacts(
        machine=machine,
        kernel=kernel,
        usr_links={path: link for path in USR_FOLDERS if (link := _read_usr_link(path, root)) is not None},
        etc_files=tuple(path for path in sorted((*ETC_FILES, *ETC_FOLDERS)) if os.path.exists(_inside(root, path))),
        seccomp_profile=_read_profile(profiles, machine, kernel),
        bounding_set=read_bounding_set(),
        controllers=find_controllers(read_hierarchies()),
        store=find_host_store(os.environ),
        cni_path=tuple(folder for folder in os.environ.get("CNI_PATH", "").split(":") if folder.startswith("/")),
    )


def read_kernel_version(release: str) -> tuple[int, int]:
    """Major and minor of what uname(2) calls the release, ``6.1.0-18-amd64``; 0.0 where it is not of that form."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _read_usr_link(path: str, root: str) -> str | None:
    """The target of the link at ``path`` if it leads below /usr; empty for a folder, or a link to somewhere else, that
    is to be mounted; None where there is nothing."""
    place = _inside(root, path)
    if not os.path.isdir(place):
        return None
    if not os.path.islink(place):
        return ""
    usr = os.path.realpath(_inside(root, "/usr"))
    return os.readlink(place) if os.path.realpath(place).startswith(f"{usr}/") else ""


def _read_profile(profiles: Iterable[str], machine: str, kernel: tuple[int, int]) -> Mapping[str, Any] | None:
    for path in profiles:
        try:
            with open(path, encoding="utf-8") as file:
                profile = json.load(file)
            if not isinstance(profile, dict):
                raise ProfileError("not an object")
            compile_profile(profile, machine, kernel, ())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ProfileUnusable(f"cannot read the seccomp profile {path}: {error.strerror}") from error
        except ValueError as error:
            raise ProfileUnusable(f"cannot use the seccomp profile {path}: {error}") from error
        return profile
    return None


def _inside(root: str, path: str) -> str:
    return root.rstrip("/") + path
