"""What must be known of the world before a definition can be resolved. Asking is `orchestrator.system.facts`' work.

Every answer that `orchestrator.core.resolve` looks up was asked here. Floor: core.
"""

from orchestrator.core.rootfs import is_of_host
from orchestrator.model.definition import Definition
from orchestrator.model.facts import PathQuestion, Question, TextQuestion
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs


def ask_questions(name: str, definition: Definition) -> tuple[Question, ...]:
    """The questions of the definition called ``name``, each once, in the order of its fields."""
    questions: list[Question] = []
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
    return tuple(dict.fromkeys(questions))


def account_questions(root: str) -> tuple[TextQuestion, TextQuestion]:
    """Who is listed in the root file system at ``root`` of the host: passwd(5) and group(5)."""
    return TextQuestion("/etc/passwd", root), TextQuestion("/etc/group", root)
