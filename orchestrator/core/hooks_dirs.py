"""What has to be asked to know the hooks of the directories that a definition names. What the files say is read by
`orchestrator.core.hooks`. Floor: core.
"""

from orchestrator.model.definition import Definition
from orchestrator.model.facts import PathQuestion, Question, TextsQuestion

SUFFIXES = (".json",)
"""What the names of files end with."""


def folder_questions(definition: Definition) -> tuple[Question, ...]:
    """What the directories have, and whether they are there."""
    folders = definition.hooks_dirs
    return (*(TextsQuestion(folder, SUFFIXES) for folder in folders), *(PathQuestion(folder) for folder in folders))
