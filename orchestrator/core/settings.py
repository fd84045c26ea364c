"""The settings of an agent as the one argument of its process, and read back.

Loads nothing of the agent: the command that becomes one would load it for nothing. Floor: core.
"""

import json

from attrs import asdict

from orchestrator.model.settings import Settings


def encode_settings(settings: Settings) -> str:
    """Settings as the argument of ``python -m orchestrator.agent``."""
    return json.dumps(asdict(settings))


def decode_settings(text: str) -> Settings:
    """The settings that `encode_settings` was given."""
    return Settings(**json.loads(text))
