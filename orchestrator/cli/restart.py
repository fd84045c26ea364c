"""`orchestrator restart`: stop containers and start them again. Floor: cli."""

from orchestrator.cli.operate import make_operation_command
from orchestrator.ports import Operation

command = make_operation_command(
    Operation.RESTART,
    "Stop the containers NAME, start them again, also those that were stopped, and wait until they run.\n\n"
    "Exit code 1 if one of them does not run.",
)
