"""Facts: what the outside world answered, gathered before a decision so that the decision stays pure. Floor: model."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import evolve, field, frozen

from orchestrator.model.store import NIX_STORE, ClosureAnswer, Store


class PathKind(Enum):
    """What stands at a path, links followed."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"
    """A socket, a pipe or a device."""
    MISSING = "missing"
    DENIED = "denied"
    """It could not be looked at; ``detail`` of the answer says why."""


@frozen
class PathQuestion:
    """What stands at ``path`` of the host?"""

    path: str


@frozen
class TextQuestion:
    """What does the (small, UTF-8) file ``path`` say? With ``root``, ``path`` is looked up below that folder, with
    links resolved as if it were the root directory, and never leads out of it."""

    path: str
    root: str = "/"
    watch: bool = False
    """What it says is as good as a part of the definition: the file is watched, and another text is an edit."""


@frozen
class DigestQuestion:
    """What is the SHA-256 of the file ``path``, read as variables? What it says is not in the answer."""

    path: str
    watch: bool = False
    """As of `TextQuestion`."""


@frozen
class ContentQuestion:
    """What is the SHA-256 of the (small) file ``path`` of the host, or of the credential ``path`` of the agent
    (systemd.exec(5), "CREDENTIALS")? What it says is not in the answer. Another answer is an edit."""

    path: str
    credential: bool = False
    watch: ClassVar[bool] = True
    """As of `TextQuestion`."""


@frozen
class DeviceQuestion:
    """Which device stands at ``path`` of the host, links followed?"""

    path: str


@frozen
class EntriesQuestion:
    """What stands in the folder ``path``, link of its own not followed?"""

    path: str


@frozen
class TextsQuestion:
    """What do the small, UTF-8 files of the folder ``path`` say whose names end with one of ``suffixes`` and begin with
    no dot? Links are followed. Another answer is another content: what is made from it is made anew."""

    path: str
    suffixes: tuple[str, ...]
    watch: ClassVar[bool] = True
    """As of `TextQuestion`."""


@frozen
class ExecQuestion:
    """What does a plugin kind that is a program answer? To the same request the same program answers the same."""

    path: str
    """The program."""
    digest: str
    """The SHA-256 of what the program is, in hexadecimal: it is not asked when it is another by now."""
    command: str
    """The verb."""
    request: str
    """JSON."""


@frozen
class ExecAnswer:
    """How a program ended, and what it wrote; ``code`` is None where ``detail`` says why it did not come to an end."""

    code: int | None
    """Its exit code; 128 and the signal's number where a signal ended it."""
    output: str = ""
    errors: str = ""
    """The last line of its standard error."""
    detail: str = ""


@frozen
class StampQuestion:
    """Which state of the file ``path`` is there, links followed? Another answer may be another content."""

    path: str
    watch: bool = False
    """As of `TextQuestion`."""


@frozen
class PlaceQuestion:
    """Where in ``store`` does ``path`` of the host lead?

    With ``whole`` every link is followed. Without, those of its folders are, but of the links at its end only those
    that lead from outside into the store or from one store path into another: a program that goes by the name that it
    is called by keeps it (``bin/ls`` may be a link to ``coreutils`` beside it).
    """

    store: Store
    path: str
    whole: bool = False


@frozen
class ClosureQuestion:
    """What do these store paths of ``store`` need, and what do these packages, paths in the store, offer?"""

    store: Store
    paths: tuple[str, ...]
    packages: tuple[str, ...] = ()


Question = (
    EntriesQuestion
    | PathQuestion
    | TextQuestion
    | DigestQuestion
    | ContentQuestion
    | DeviceQuestion
    | PlaceQuestion
    | ClosureQuestion
    | StampQuestion
    | TextsQuestion
    | ExecQuestion
)

TextsAnswer = tuple[tuple[str, str | None], ...]
"""The files of a folder, sorted: each name with its text, None where that cannot be read. Empty where there is no such
folder."""


@frozen
class PathAnswer:
    """What stands at a path; ``resolved`` is the path with every link followed, where something is missing as far as it
    goes: what would be made there. ``detail`` says why it cannot be looked at, or why nothing can be made there."""

    kind: PathKind
    resolved: str
    detail: str = ""


@frozen
class DigestAnswer:
    """The digest of a file, in hexadecimal, or (with ``digest`` None) why there is none: it cannot be read, or a line
    of a file of variables is none (which is named by its number and never shown)."""

    digest: str | None
    detail: str = ""


@frozen
class FolderAnswer:
    """What stands in a folder: the names of folders, of files (and all that is neither), and links with their targets,
    each sorted."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@frozen
class StampAnswer:
    """A state of a file: stat(2). Times are in nanoseconds since the epoch; ``changed_at`` is when anything about it
    was, which no tool can set (ctime)."""

    modified_at: int
    changed_at: int
    size: int
    inode: int


@frozen
class DeviceAnswer:
    """A device: ``type`` is ``c`` or ``b``, or empty where ``detail`` says why there is none."""

    type: str
    major: int = 0
    minor: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    detail: str = ""


@frozen(eq=False)
class HostFacts:
    """What the agent learns of its host once, when it starts. Each is equal to itself only, so that what follows from
    one can be remembered.

    It does not change in an agent's life, so that a package upgrade on the host replaces no container.
    """

    machine: str
    """The processor architecture as uname(2) names it, ``x86_64``."""
    kernel: tuple[int, int]
    """Major and minor version of the kernel."""
    usr_links: Mapping[str, str]
    """The top-level folders that a program needs beside /usr (``/bin``, ``/lib64``): the link's target, or the empty
    string where the host has a real folder there."""
    etc_files: tuple[str, ...]
    """Which of the files and folders of a minimal /etc the host has."""
    seccomp_profile: Mapping[str, Any] | None
    """The parsed profile of the host (containers-seccomp.json(5)), None where there is none."""
    bounding_set: int = 2**41 - 1
    """The capabilities that the agent may give: a bit for each number, as in CapBnd of /proc/PID/status (proc(5))."""
    controllers: frozenset[str] = frozenset({"memory", "swap", "cpu", "pids", "io"})
    """What the kernel's control groups can limit: ``swap`` is memory and swap together, ``io`` the weight of disks."""
    store: Store = NIX_STORE
    """The Nix store that definitions mean which name no other (NIX_STORE_DIR); it need not be there."""
    cni_path: tuple[str, ...] = ()
    """Where the agent's environment says that CNI plugins are (CNI_PATH); empty where it does not."""
    runtime: str = ""
    """The base name of the OCI runtime that makes new containers; empty where it is not known, and nothing is
    lacking."""


@frozen
class Facts:
    """The answers to the questions that a set of definitions asks, beside what is known of the host."""

    host: HostFacts
    paths: Mapping[str, PathAnswer] = field(factory=dict)
    texts: Mapping[TextQuestion, str | None] = field(factory=dict)
    """None where there is no such file, or no answer."""
    digests: Mapping[str, DigestAnswer] = field(factory=dict)
    """By path."""
    devices: Mapping[str, DeviceAnswer] = field(factory=dict)
    """By path."""
    places: Mapping[PlaceQuestion, str | None] = field(factory=dict)
    """A path in the store, as the store writes it; None where it leads to none, or got no answer."""
    closures: Mapping[ClosureQuestion, ClosureAnswer] = field(factory=dict)
    entries: Mapping[str, FolderAnswer | None] = field(factory=dict)
    """By path of the folder; None where there is none that can be read."""
    stamps: Mapping[str, StampAnswer | None] = field(factory=dict)
    """By path; None where there is no such file, or no answer."""
    folder_texts: Mapping[TextsQuestion, TextsAnswer | None] = field(factory=dict)
    """None where the folder is there and cannot be read, or gave no answer."""
    programs: Mapping[ExecQuestion, ExecAnswer] = field(factory=dict)
    contents: Mapping[ContentQuestion, DigestAnswer] = field(factory=dict)
    unanswered: frozenset[Question] = frozenset()
    """The questions that got no answer in time. Such a path is `PathKind.DENIED`, such a text None: to go by that None
    would be to decide by a disk's speed."""

    def join(self, more: "Facts") -> "Facts":
        """These and what was asked after them."""
        return evolve(
            self,
            paths={**self.paths, **more.paths},
            texts={**self.texts, **more.texts},
            digests={**self.digests, **more.digests},
            devices={**self.devices, **more.devices},
            places={**self.places, **more.places},
            closures={**self.closures, **more.closures},
            entries={**self.entries, **more.entries},
            stamps={**self.stamps, **more.stamps},
            folder_texts={**self.folder_texts, **more.folder_texts},
            programs={**self.programs, **more.programs},
            contents={**self.contents, **more.contents},
            unanswered=self.unanswered | more.unanswered,
        )
