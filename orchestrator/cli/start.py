"""`orchestrator start`: start containers, also those that were stopped. Floor: cli."""

from orchestrator.cli.operate import make_operation_command
from orchestrator.ports import Operation

command = make_operation_command(
    Operation.START,
    "Start the containers NAME, also those that were stopped, and wait until they run.\n\n"
    "A container that runs already is left alone. Those that one requires are started with it, also if they were "
    "stopped; those that it only comes after are not. Exit code 1 if one of them does not run.",
)
