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
from attrs import frozen

from orchestrator.core.defaults import ETC_FILES, ETC_FOLDERS, USR_FOLDERS
from orchestrator.core.seccomp import ProfileError, compile_profile
from orchestrator.model.facts import Facts, HostFacts, PathAnswer, PathKind, PathQuestion, Question, TextQuestion
from orchestrator.ports import OutsideError

SECCOMP_PROFILES = ("/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json")
"""Where a host has its profile; the first that is there is used, as podman does (containers-seccomp.json(5))."""

LARGEST_TEXT = 1024 * 1024
"""Bytes of the largest file that a TextQuestion reads."""

_MOST_LINKS = 40
"""As the kernel has it, path_resolution(7)."""


class ProfileUnusable(OutsideError):
    """The host's seccomp profile is there and cannot be used: another filter in its place would be a surprise."""


@frozen
class HostWorld:
    """The host that the agent runs on."""

    host: HostFacts

    @classmethod
    def probe(cls) -> "HostWorld":
        """Learn of the host, once. Raises ProfileUnusable."""
        return cls(probe_host())

    async def gather(self, questions: Iterable[Question]) -> Facts:
        """Answer all questions, in a thread of its own: a file system may be slow, or gone. A cancel leaves the thread
        to itself; it changes nothing."""
        asked = tuple(dict.fromkeys(questions))
        if not asked:
            return Facts(self.host)
        return await trio.to_thread.run_sync(answer_questions, self.host, asked, abandon_on_cancel=True)


def answer_questions(host: HostFacts, questions: Iterable[Question]) -> Facts:
    """The facts that answer the questions. Blocks; raises nothing."""
    paths: dict[str, PathAnswer] = {}
    texts: dict[TextQuestion, str | None] = {}
    for question in questions:
        match question:
            case PathQuestion(path=path):
                paths[path] = look_at(path)
            case TextQuestion():
                texts[question] = read_text(question.path, question.root)
    return Facts(host, paths, texts)


def look_at(path: str) -> PathAnswer:
    """What stands at a path, links followed."""
    try:
        resolved = os.path.realpath(path, strict=True)
        mode = os.stat(resolved).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return PathAnswer(PathKind.MISSING, path)
    except OSError as error:
        return PathAnswer(PathKind.DENIED, path, (error.strerror or str(error)).lower())
    except ValueError:
        # A NUL or a lone surrogate: no file can be called so.
        return PathAnswer(PathKind.MISSING, path)
    if stat.S_ISDIR(mode):
        return PathAnswer(PathKind.DIRECTORY, resolved)
    return PathAnswer(PathKind.FILE if stat.S_ISREG(mode) else PathKind.OTHER, resolved)


def read_text(path: str, root: str = "/") -> str | None:
    """The text of a regular file of at most `LARGEST_TEXT` bytes below ``root``, or None where there is no such file.

    What is not UTF-8 is replaced: one odd name in a passwd(5) must not hide the others.
    """
    try:
        with ExitStack() as stack:
            found = _open_in_root(path, root, stack)
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return None
            # The file that was looked at and no other: opened by its descriptor.
            reader = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(reader, "rb") as file:
                data = file.read(LARGEST_TEXT + 1)
    except (OSError, ValueError):
        return None
    return data.decode(errors="replace") if len(data) <= LARGEST_TEXT else None


def _open_in_root(path: str, root: str, stack: ExitStack) -> int:
    """An O_PATH descriptor of what ``path`` names with ``root`` as the root directory, closed by ``stack``.

    As openat2(2) does with RESOLVE_IN_ROOT, which Python does not have: component by component, each opened below the
    descriptor of its folder, so that neither a link nor ``..`` leads out, also while someone renames in it.
    """

    def enter(name: str, folder: int | None) -> int:
        descriptor = os.open(
            name, os.O_PATH | os.O_CLOEXEC | (os.O_NOFOLLOW if folder is not None else 0), dir_fd=folder
        )
        stack.callback(os.close, descriptor)
        return descriptor

    top = enter(root, None)
    way = [top]
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            # Above the root there is the root.
            way = way[:-1] or [top]
            continue
        descriptor = enter(name, way[-1])
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            way.append(descriptor)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"too many links on the way to {path}")
        target = os.readlink("", dir_fd=descriptor)
        if target.startswith("/"):
            way = [top]
        todo += target.split("/")[::-1]
    return way[-1]


def probe_host(root: str = "/", profiles: Iterable[str] = SECCOMP_PROFILES) -> HostFacts:
    """What the host is like, with ``root`` as its root directory. Raises ProfileUnusable."""
    system = os.uname()
    machine, kernel = system.machine, read_kernel_version(system.release)
    return HostFacts(
        machine=machine,
        kernel=kernel,
        usr_links={path: link for path in USR_FOLDERS if (link := _read_usr_link(path, root)) is not None},
        etc_files=tuple(path for path in sorted((*ETC_FILES, *ETC_FOLDERS)) if os.path.exists(_inside(root, path))),
        seccomp_profile=_read_profile(profiles, machine, kernel),
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
