"""The command line: one file a group of commands, no logic. The highest floor."""

from orchestrator.cli.main import main

__all__ = ["main"]
