"""`orchestrator stop`: stop containers, for good. Floor: cli."""

from orchestrator.cli.operate import make_operation_command
from orchestrator.ports import Operation

command = make_operation_command(
    Operation.STOP,
    "Stop the containers NAME and wait until they have ended.\n\n"
    "They stay so, over an agent's restart too, until they are started, their file is removed, or the host is booted. "
    "Exit code 1 if one of them has not ended.",
)
