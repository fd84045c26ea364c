"""Targets and generations for tests: small, and made as the real ones are."""

from collections.abc import Mapping

from orchestrator.core.generations import digest_text, make_generation
from orchestrator.model.action import Broken, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.generation import Generation
from orchestrator.model.policy import Restart, Stop
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Form, Source
from orchestrator.model.spec import Policy, SkeletonRoot

PROBLEM = Problem("/c/web.toml", 3, 1, "env", "wrong")
PLUGINS = {"orchestrator.mounts/bind": "oci-orchestrator 1.0"}


def text_of(command: str) -> str:
    """A definition that runs this."""
    return f'args = ["{command}"]\nrootfs = "host"\n'


def make_target(name: str, text: str, bundle: str | None = None, modified_at: float = 5.0) -> Target:
    """What a definition became. bundle: its digest; by default one that follows from the text."""
    return Target(
        Bundle(bundle or digest_text(text), {}, SkeletonRoot(entries=()), readonly=True),
        Resources(),
        Policy(oneshot=False, restart=Restart(), stop=Stop()),
        Source(name, f"/c/{name}.toml", text, form=Form.TOML, modified_at=modified_at),
    )


def make_broken(instead: Target | None = None) -> Broken:
    """A definition with a problem."""
    return Broken((PROBLEM,), instead)


def follow(newest: Generation | None, desired: Mapping[str, Target | Broken], number: int) -> Generation:
    """The generation that follows another; there must be one."""
    generation = make_generation(desired, newest, PLUGINS, number=number, at=100.0 + number)
    assert generation is not None
    return generation


def make_one(number: int = 1, **texts: str) -> Generation:
    """A generation of these definitions, by name."""
    return follow(None, {name: make_target(name, text) for name, text in texts.items()}, number)
