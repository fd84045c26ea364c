"""Runs single applications as OCI containers from a directory of declarative definitions.

The way through: edit -> Source -> Definition -> Spec -> Bundle -> Action -> lifecycle -> Status.
`orchestrator.agent` reads as that line; each floor's docstring says what it is for.
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """``__version__``, read from the installed distribution when it is asked for: that takes tens of milliseconds."""
    if name == "__version__":
        from importlib.metadata import version

        return version("oci-orchestrator")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
