"""Runs single applications as OCI containers from a directory of declarative definitions.

The way through: edit -> Source -> Definition -> Spec -> Bundle -> Action -> lifecycle -> Status.
`orchestrator.agent` reads as that line; each floor's docstring says what it is for.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("oci-orchestrator")
