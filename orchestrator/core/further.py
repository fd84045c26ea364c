"""What can only be asked of the world once the first questions are answered. Floor: core.

What few definitions need is loaded with the first of them: the classes of foreign files take milliseconds to make.
"""

from orchestrator.core.cdi_names import has_cdi_names
from orchestrator.core.closure import closure_questions
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, Question


def further_questions(definition: Definition, facts: Facts) -> tuple[Question, ...]:
    """The second round for a definition. facts: the answers to `orchestrator.core.questions.ask_questions`."""
    questions: list[Question] = [*closure_questions(definition, facts)]
    if has_cdi_names(definition):
        from orchestrator.core.cdi_edits import edit_questions

        questions += edit_questions(definition, facts)
    if definition.hooks_dirs:
        from orchestrator.core.hooks import program_questions

        questions += program_questions(definition, facts)
    return tuple(questions)
