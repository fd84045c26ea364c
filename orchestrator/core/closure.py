"""The root file system of `rootfs = "closure"`: the store paths that a definition names, with all they need, and
nothing else of the store.

Each path is a read-only bind mount over a skeleton, so nothing is copied and nothing depends on how large they are.
Beside them there are only a few small files of /etc. Floor: core.
"""

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, frozen

from orchestrator.core.defaults import HOST_BIND_OPTIONS, SCRATCH_MOUNTS
from orchestrator.core.files import choose_args, find_command
from orchestrator.core.references import (
    Kind,
    Reference,
    choose_store,
    find_references,
    is_closure,
    place_question,
    replace_words,
)
from orchestrator.core.rootfs import build_skeleton, is_below, merge_mounts
from orchestrator.core.silent import no_place
from orchestrator.core.suggest import quote, suggest_similar
from orchestrator.core.users import Account
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import ClosureQuestion, Facts
from orchestrator.model.oci import Mount
from orchestrator.model.problem import Fault
from orchestrator.model.spec import SkeletonRoot
from orchestrator.model.store import ClosureAnswer, EntryKind, PackageAnswer, Store, StoreEntry, StoreLink, StoreUse

PROGRAMS = "/bin"
CERTIFICATES = "/etc/ssl/certs"
_BUNDLES = ("ca-certificates.crt", "ca-bundle.crt")
"""All certificates in one file: what Debian and NixOS call it, and what nixpkgs' package of it does."""

_HOST_FILES = ("/etc/hosts", "/etc/resolv.conf")
"""Of the host, for names of the network."""
_NOBODY = 65534


@frozen
class Named:
    """What a definition names of a store, once it is known where all paths lead."""

    store: Store
    references: tuple[Reference, ...]
    """Those in the store, each with its store path; ``path`` is as the store writes it."""
    links: tuple[StoreLink, ...]
    """Those that are links into it, sorted."""
    faults: tuple[Fault, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The store paths, sorted, each once."""
        return tuple(sorted({str(each.store_path) for each in self.references}))

    @property
    def packages(self) -> tuple[str, ...]:
        """The paths of the packages, in the order in which they are named, each once."""
        named = (each.path for each in self.references if each.kind is Kind.PACKAGE)
        return tuple(dict.fromkeys(named))

    @property
    def question(self) -> ClosureQuestion:
        """What do they need?"""
        return ClosureQuestion(self.store, self.paths, self.packages)


@frozen
class ClosureLayout:
    """The root file system, what is mounted over it, and what of the store has to be kept for it."""

    root: SkeletonRoot
    mounts: tuple[Mount, ...]
    use: StoreUse
    path: str
    """$PATH, where the packages have programs; else empty."""


def closure_questions(definition: Definition, facts: Facts) -> tuple[ClosureQuestion, ...]:
    """What must be asked once it is known where the paths lead that a definition names."""
    named = find_named(definition, facts)
    return (named.question,) if named.paths and not (named.faults and is_closure(definition)) else ()


def find_named(definition: Definition, facts: Facts) -> Named:
    """What a definition names of its store. Of a package that leads to none, and of a path that does not answer (to go
    on without it would be to decide by a disk's speed), there is a fault."""
    store = choose_store(definition, facts.host.store)
    references: list[Reference] = []
    links: dict[str, str] = {}
    faults: list[Fault] = []
    for each in find_references(definition, store):
        if each.store_path is not None:
            references.append(each)
            continue
        question = place_question(each, store)
        target = facts.places[question]
        if question in facts.unanswered:
            faults.append(no_place(each.key, question))
        elif target is not None:
            references.append(evolve(each, path=target, store_path=store.cut(target)))
            links[each.path] = target
        elif each.kind is Kind.PACKAGE:
            message = f"cannot use {quote(each.path)}: it leads to no path in the store {store.folder}"
            faults.append(Fault(each.key, message, "write a store path, a link to one (result), or a profile"))
    found = tuple(StoreLink(path, target) for path, target in sorted(links.items()))
    return Named(store, tuple(references), found, tuple(faults))


def find_kept(definition: Definition, facts: Facts) -> StoreUse | None:
    """What of the store has to be kept for a definition whose root file system is no closure: what it mounts and reads,
    as far as it is valid there. None where that is nothing."""
    named = find_named(definition, facts)
    if not named.paths:
        return None
    answer = facts.closures[named.question]
    paths = tuple(path for path in named.paths if path not in answer.invalid)
    return StoreUse(named.store, paths, named.links) if paths and not answer.detail else None


def find_links(definition: Definition, facts: Facts, known: Iterable[StoreLink]) -> tuple[StoreLink, ...]:
    """The links of a definition that lead into the store now, and those ``known`` that did. None where it has another
    root file system."""
    if not is_closure(definition):
        return ()
    found = {link.path: link for link in (*known, *find_named(definition, facts).links)}
    return tuple(link for _, link in sorted(found.items()))


def find_gone_links(definition: Definition, facts: Facts, known: Iterable[StoreLink]) -> tuple[Fault, ...]:
    """A fault for each link that led into the store and does not any more: what it is by itself, inside, is something
    else, and not what was meant."""
    targets = {link.path: link.target for link in known}
    if not targets:
        return ()
    store = choose_store(definition, facts.host.store)
    faults: dict[str, Fault] = {}
    for each in find_references(definition, store):
        question = place_question(each, store)
        if each.store_path is not None or each.path not in targets or question in facts.unanswered:
            continue
        if facts.places[question] is None:
            message = f"{quote(each.path)} leads nowhere in the store any more; it led to {targets[each.path]}"
            faults.setdefault(each.path, Fault(each.key, message, "wait until it does again, or write another"))
    return tuple(faults.values())


def follow_links(definition: Definition, named: Named) -> Definition:
    """The definition as it is to run: with the paths of the store in the place of the links that lead there."""
    words = {each.path for each in find_references(definition, named.store) if each.kind is Kind.WORD}
    return replace_words(definition, {link.path: link.target for link in named.links if link.path in words})


def lay_out_closure(
    definition: Definition, named: Named, parts: Sequence[Contribution], account: Account, facts: Facts
) -> ClosureLayout | tuple[Fault, ...]:
    """The root file system of a definition whose links are followed, or all its faults."""
    if named.faults:
        return named.faults
    if not named.paths:
        key, _ = find_command(definition)
        message = f"no rootfs, and no store path in {key} whose closure could be one"
        if definition.rootfs is not None:
            message = f"no store path in {key}, env, mounts or packages whose closure could be the root file system"
        return (Fault((key,), message, 'write rootfs = "host" for the host\'s own programs'),)
    answer = facts.closures[named.question]
    faults = _find_invalid(named, answer)
    if faults:
        return faults
    own = tuple(mount for each in parts for mount in each.mounts)
    mounts = merge_mounts((*_mount_store(named.store, answer.entries), *_mount_host(facts)), own)
    destinations = [mount.destination for mount in mounts]
    entries: dict[str, Entry] = {}
    for entry in (
        *_store_points(answer.entries),
        *_accounts(account),
        *_link_programs(named.packages, answer.packages, destinations),
        *_link_certificates(named.packages, answer.packages),
        *(entry for each in parts for entry in each.entries),
    ):
        entries[entry.path] = entry
    faults = _find_missing_program(definition, named, answer, destinations, entries)
    if faults:
        return faults
    # Below a link there is what it leads to, and nothing to be made.
    links = (path for path, entry in entries.items() if isinstance(entry, LinkEntry))
    folder = definition.cwd
    if folder != "/" and folder not in entries and not any(is_below(folder, path) for path in (*destinations, *links)):
        entries[folder] = FolderEntry(folder)
    path = ":".join(f"{each}{PROGRAMS}" for each in named.packages if answer.packages[each].programs)
    return ClosureLayout(
        root=build_skeleton({}, mounts, entries.values()),
        mounts=mounts,
        use=StoreUse(named.store, named.paths, named.links),
        path=path,
    )


def _find_invalid(named: Named, answer: ClosureAnswer) -> tuple[Fault, ...]:
    if answer.detail:
        message = f"cannot look up the closure in the store {named.store.folder}: {answer.detail}"
        return (Fault(named.references[0].key, message),)
    invalid = set(answer.invalid)
    told: dict[str, Fault] = {}
    for each in named.references:
        path = str(each.store_path)
        if path in invalid and path not in told:
            # Whole, however long: it is what is looked for.
            message = f'"{path}" is not valid in the store {named.store.real}'
            told[path] = Fault(each.key, message, "build it, or get it by nix-store --realise; it may be collected")
    if invalid and not told:
        # One that these need: the store has it on record, and not on disk.
        message = f'"{min(invalid)}", which the closure needs, is not there in the store {named.store.real}'
        return (
            Fault(named.references[0].key, message, "repair the store: nix-store --verify --check-contents --repair"),
        )
    return tuple(told.values())


def _mount_store(store: Store, entries: Iterable[StoreEntry]) -> Iterable[Mount]:
    return (
        Mount(entry.path, "bind", store.find_real(entry.path), HOST_BIND_OPTIONS)
        for entry in entries
        if entry.kind is not EntryKind.LINK
    )


def _mount_host(facts: Facts) -> Iterable[Mount]:
    names = (Mount(path, "bind", path, HOST_BIND_OPTIONS) for path in _HOST_FILES if path in facts.host.etc_files)
    return (*names, *SCRATCH_MOUNTS)


def _store_points(entries: Iterable[StoreEntry]) -> Iterable[Entry]:
    """What the mounts are made on; and links, which are just that."""
    for entry in entries:
        match entry.kind:
            case EntryKind.FOLDER:
                yield FolderEntry(entry.path)
            case EntryKind.FILE:
                yield FileEntry(entry.path)
            case EntryKind.LINK:
                yield LinkEntry(entry.path, entry.target)


def _accounts(account: Account) -> Iterable[Entry]:
    """passwd(5) and group(5) with no more than who is there: programs ask for the name and the home of their uid."""
    user, name = account.user, account.name or "app"
    users = {0: ("root", 0), _NOBODY: ("nobody", _NOBODY)}
    groups = {0: "root", _NOBODY: "nogroup"}
    if user.uid not in users:
        # The host's nobody may be another than this one.
        users = {uid: each for uid, each in users.items() if each[0] != name} | {user.uid: (name, user.gid)}
    groups.setdefault(user.gid, "app" if name in groups.values() else name)
    passwd = "".join(f"{name}:x:{uid}:{gid}::/:/bin/sh\n" for uid, (name, gid) in sorted(users.items()))
    group = "".join(f"{name}:x:{gid}:\n" for gid, name in sorted(groups.items()))
    yield FileEntry("/etc/passwd", passwd)
    yield FileEntry("/etc/group", group)
    yield FileEntry("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


def _link_programs(
    packages: Sequence[str], offers: Mapping[str, PackageAnswer], destinations: Sequence[str]
) -> Iterable[Entry]:
    """/bin: of one package a link to its own, of several a folder of links; the first that has a name gives it."""
    having = [each for each in packages if offers[each].programs]
    if len(having) == 1 and not any(is_below(path, PROGRAMS) for path in destinations):
        yield LinkEntry(PROGRAMS, f"{having[0]}{PROGRAMS}")
        return
    for package in reversed(having):
        for name in offers[package].programs:
            yield LinkEntry(f"{PROGRAMS}/{name}", f"{package}{PROGRAMS}/{name}")


def _link_certificates(packages: Sequence[str], offers: Mapping[str, PackageAnswer]) -> Iterable[Entry]:
    """/etc/ssl/certs of the first package that brings certificates, under both names that programs look for."""
    package = next((each for each in packages if offers[each].certificates), None)
    if package is None:
        return
    names = offers[package].certificates
    known = {name: name for name in names}
    whole = next((name for name in _BUNDLES if name in known), None)
    for name in _BUNDLES if whole is not None else ():
        known.setdefault(name, whole or name)
    for name, target in sorted(known.items()):
        yield LinkEntry(f"{CERTIFICATES}/{name}", f"{package}{CERTIFICATES}/{target}")


def _find_missing_program(
    definition: Definition,
    named: Named,
    answer: ClosureAnswer,
    destinations: Sequence[str],
    entries: Mapping[str, Entry],
) -> tuple[Fault, ...]:
    """What is to be run, and can be nowhere in the root."""
    args = choose_args(definition)
    program = args[0] if args else ""
    key = "shell" if definition.cmd is not None else "args"
    at = ("shell",) if key == "shell" else ("args", 0)
    if not program.startswith("/"):
        offered = {name for each in answer.packages.values() for name in each.programs}
        if "/" in program or program in offered or "PATH" in definition.env or definition.env_files:
            return ()
        hint = suggest_similar(program, offered) or "write its whole path, or add the package that has it to packages"
        return (Fault(at, f"no {quote(program)} in the bin/ of any of the packages", hint),)
    links = [each.path for each in answer.entries if each.kind is EntryKind.LINK]
    if any(is_below(program, path) for path in (*destinations, *links)) or program in entries:
        return ()
    if PROGRAMS in entries and is_below(program, PROGRAMS):
        offered = {name for each in answer.packages.values() for name in each.programs}
        if program[len(PROGRAMS) + 1 :].split("/")[0] in offered:
            return ()
    hint = "write a path in the store, or add the package that has it to packages"
    if definition.cmd is not None:
        hint = "add a package with a shell (bash, busybox) to packages, or write shell = its path in the store"
    return (Fault(at if definition.cmd is None else ("cmd",), f"there is no {quote(program)} in the closure", hint),)
