"""The faults of keys for which something was asked of the host that did not answer in time. Floor: core."""

from orchestrator.core.suggest import quote
from orchestrator.model.facts import PlaceQuestion, StampQuestion, TextQuestion, TextsQuestion
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault


def no_place(path: KeyPath, question: PlaceQuestion) -> Fault:
    """The fault of the key that names a path of which it is not known in time where it leads."""
    return Fault(path, f"cannot look where {quote(question.path)} leads: it does not answer")


def no_answer(path: KeyPath, question: TextQuestion | TextsQuestion | StampQuestion) -> Fault:
    """The fault of the key at ``path`` for which a file was asked about that could not be read in time."""
    root = question.root if isinstance(question, TextQuestion) else "/"
    below = "" if root == "/" else f" below {quote(root)}"
    return Fault(path, f"cannot read {quote(question.path)}{below}: it does not answer")
