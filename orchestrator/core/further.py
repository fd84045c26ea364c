"""What can only be asked of the world once the first questions are answered. Floor: core."""

from orchestrator.core.cdi_edits import edit_questions
from orchestrator.core.closure import closure_questions
from orchestrator.core.hooks import program_questions
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, Question


def further_questions(definition: Definition, facts: Facts) -> tuple[Question, ...]:
    """The second round for a definition. facts: the answers to `orchestrator.core.questions.ask_questions`."""
    edits, hooks = edit_questions(definition, facts), program_questions(definition, facts)
    return (*closure_questions(definition, facts), *edits, *hooks)
