"""What must be known of the world before a definition can be resolved. Asking is `orchestrator.system.facts`' work.

Every answer that `orchestrator.core.resolve` looks up was asked here. Floor: core.
"""

from orchestrator.core.cdi_names import file_questions, is_cdi_name
from orchestrator.core.hooks_dirs import folder_questions
from orchestrator.core.output import log_questions
from orchestrator.core.plugged import find_uses, watched_questions
from orchestrator.core.references import choose_store, is_closure, place_questions
from orchestrator.core.rootfs import is_of_host
from orchestrator.model.definition import Definition
from orchestrator.model.facts import (
    ClosureQuestion,
    ContentQuestion,
    DeviceQuestion,
    DigestQuestion,
    EntriesQuestion,
    Facts,
    PathQuestion,
    PlaceQuestion,
    Question,
    TextQuestion,
    TextsQuestion,
)
from orchestrator.model.rootfs import ClosureRootfs, DirectoryRootfs, HostRootfs
from orchestrator.model.store import NIX_STORE, Store


def ask_questions(name: str, definition: Definition, host_store: Store = NIX_STORE) -> tuple[Question, ...]:
    """The questions of the definition called ``name``, each once, in the order of its fields.

    host_store: as `HostFacts.store`. What can only be asked once these are answered: `further_questions`."""
    questions: list[Question] = [*log_questions(definition.log)]
    if definition.bundle is not None:
        questions += bundle_questions(definition.bundle)
        questions.append(bundle_place(definition.bundle, host_store))
        questions += [mount_point(definition.bundle, path) for path in definition.mounts]
        questions += [root_entries(definition.bundle)] if definition.mounts else []
        questions += [question for used in find_uses(name, definition) for question in used.ask()]
        questions += place_questions(definition, host_store)
        return tuple(dict.fromkeys(questions))
    questions += [DigestQuestion(file.path) for file in definition.env_files]
    match definition.rootfs:
        case HostRootfs():
            questions += account_questions("/")
            # What lies in a read-only view of the host's own folders must exist on the host to be mounted over.
            inside = (definition.cwd, *definition.mounts)
            questions += [PathQuestion(path) for path in inside if is_of_host(path)]
        case DirectoryRootfs(path=path):
            questions.append(PathQuestion(path))
            questions += account_questions(path)
        case ClosureRootfs() | None:
            # Names of users are the host's: a closure has none of its own.
            questions += account_questions("/")
    questions += [question for used in find_uses(name, definition) for question in used.ask()]
    if definition.sockets:
        questions += account_questions("/")  # whose a path is
    questions += [DeviceQuestion(device.path) for device in definition.devices if not is_cdi_name(device.path)]
    questions += (*file_questions(definition), *folder_questions(definition))
    if definition.seccomp.startswith("/"):
        questions += profile_questions(definition.seccomp)
    questions += place_questions(definition, choose_store(definition, host_store))
    return tuple(dict.fromkeys(questions))


def content_questions(name: str, definition: Definition, facts: Facts) -> tuple[Question, ...]:
    """Those of its questions whose answer is as good as a part of the definition, so that another answer is an edit:
    what a file says, and where in the store a link leads, and what kinds ask with ``watch``. What passwd(5) says is
    none: a package upgrade on the host must replace no container."""
    if definition.bundle is not None:
        place = bundle_place(definition.bundle, facts.host.store)
        places = (place, *place_questions(definition, facts.host.store))
        found = (each for each in places if facts.places[each] is not None)
        return (*bundle_questions(definition.bundle)[-1:], *found, *watched_questions(name, definition))
    questions: list[Question] = [DigestQuestion(file.path) for file in definition.env_files if file.watch]
    if definition.seccomp.startswith("/"):
        questions += profile_questions(definition.seccomp)[-1:]
    questions += (*watched_questions(name, definition), *file_questions(definition))
    questions += (each for each in folder_questions(definition) if isinstance(each, TextsQuestion))
    places = place_questions(definition, choose_store(definition, facts.host.store))
    # Of another root file system than a closure what leads to no store is nobody's business.
    questions += [each for each in places if is_closure(definition) or facts.places[each] is not None]
    return tuple(questions)


def bundle_questions(path: str) -> tuple[PathQuestion, PathQuestion, TextQuestion]:
    """Where a ready bundle is, and what its config.json says; and what stands there, to explain it if it says
    nothing."""
    config = f"{path.rstrip('/')}/config.json"
    return PathQuestion(path), PathQuestion(config), TextQuestion(config)


def bundle_place(path: str, host_store: Store) -> PlaceQuestion:
    """Where in the host's store a ready bundle is, if it is there."""
    return PlaceQuestion(host_store, path, whole=True)


def root_entries(path: str) -> EntriesQuestion:
    """What the root file system of a ready bundle has at its top, as most have it."""
    return EntriesQuestion(f"{path.rstrip('/')}/rootfs")


def mount_point(path: str, destination: str) -> PathQuestion:
    """What stands where something is to be mounted in the root file system of a ready bundle, as most have it."""
    return PathQuestion(f"{path.rstrip('/')}/rootfs{destination}")


def account_questions(root: str) -> tuple[TextQuestion, TextQuestion]:
    """Who is listed in the root file system at ``root`` of the host: passwd(5) and group(5)."""
    return TextQuestion("/etc/passwd", root), TextQuestion("/etc/group", root)


def profile_questions(path: str) -> tuple[PathQuestion, TextQuestion]:
    """What a seccomp profile says; and what stands at its path, to explain it if it says nothing."""
    return PathQuestion(path), TextQuestion(path)


def find_watched(question: Question) -> tuple[str, ...]:
    """The paths of the host whose change may be another answer."""
    match question:
        case TextQuestion(path=path, root=root):
            return (f"{root.rstrip('/')}{path}",)
        case ClosureQuestion(store=store, paths=paths):
            return (*map(store.find_real, paths), f"{store.state}/db/db.sqlite")
        case ContentQuestion(credential=True):
            # They stay what they are as long as the service runs that they were given to.
            return ()
        case _:
            # Of a kind that is a program, the program.
            return (question.path,)
