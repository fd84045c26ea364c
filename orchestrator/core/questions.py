"""What must be known of the world before a definition can be resolved. Asking is `orchestrator.system.facts`' work.

Every answer that `orchestrator.core.resolve` looks up was asked here. Floor: core.
"""

from orchestrator.core.output import log_questions
from orchestrator.core.rootfs import is_of_host
from orchestrator.core.suggest import quote
from orchestrator.model.definition import Definition
from orchestrator.model.facts import DeviceQuestion, DigestQuestion, PathQuestion, Question, TextQuestion
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs


def ask_questions(name: str, definition: Definition) -> tuple[Question, ...]:
    """The questions of the definition called ``name``, each once, in the order of its fields."""
    questions: list[Question] = [*log_questions(definition.log)]
    if definition.bundle is not None:
        return (*questions, *bundle_questions(definition.bundle))
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
    for mount in definition.mounts.values():
        questions += mount.questions()
    if definition.network is not None:
        questions += definition.network.questions()
    questions += [DeviceQuestion(device.path) for device in definition.devices]
    if definition.seccomp.startswith("/"):
        questions += profile_questions(definition.seccomp)
    return tuple(dict.fromkeys(questions))


def content_questions(definition: Definition) -> tuple[Question, ...]:
    """Those of its questions whose answer is what a file says that is as good as a part of the definition: another
    answer is an edit. What passwd(5) says is none: a package upgrade on the host must replace no container."""
    if definition.bundle is not None:
        return bundle_questions(definition.bundle)[-1:]
    questions: list[Question] = [DigestQuestion(file.path) for file in definition.env_files if file.watch]
    if definition.seccomp.startswith("/"):
        questions += profile_questions(definition.seccomp)[-1:]
    return tuple(questions)


def bundle_questions(path: str) -> tuple[PathQuestion, PathQuestion, TextQuestion]:
    """Where a ready bundle is, and what its config.json says; and what stands there, to explain it if it says
    nothing."""
    config = f"{path.rstrip('/')}/config.json"
    return PathQuestion(path), PathQuestion(config), TextQuestion(config)


def account_questions(root: str) -> tuple[TextQuestion, TextQuestion]:
    """Who is listed in the root file system at ``root`` of the host: passwd(5) and group(5)."""
    return TextQuestion("/etc/passwd", root), TextQuestion("/etc/group", root)


def profile_questions(path: str) -> tuple[PathQuestion, TextQuestion]:
    """What a seccomp profile says; and what stands at its path, to explain it if it says nothing."""
    return PathQuestion(path), TextQuestion(path)


def no_answer(path: KeyPath, question: TextQuestion) -> Fault:
    """The fault of the key at ``path`` for which a text was asked that could not be read in time."""
    below = "" if question.root == "/" else f" below {quote(question.root)}"
    return Fault(path, f"cannot read {quote(question.path)}{below}: it does not answer")
