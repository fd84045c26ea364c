"""What a definition is for: its operating system and its architecture, compared with the host's. Floor: core."""

from collections.abc import Mapping

from orchestrator.core.suggest import quote
from orchestrator.model.problem import Fault, Guess

OS = "linux"

_ARCHITECTURES: Mapping[str, tuple[str, ...]] = {
    "386": ("i386", "i486", "i586", "i686", "x86"),
    "amd64": ("x86_64",),
    "arm": ("armhf", "armv5tel", "armv6l", "armv7l", "armv8l"),
    "arm64": ("aarch64",),
    "loong64": ("loongarch64",),
    "ppc64": (),
    "ppc64le": ("powerpc64le",),
    "riscv64": (),
    "s390x": (),
}
"""By the name that the OCI image-spec and Go have (GOARCH): the other names of each, uname(2)'s above all. Without
those whose byte order uname(2) does not tell (mips)."""

_NAMES: Mapping[str, str] = {
    name: architecture for architecture, others in _ARCHITECTURES.items() for name in (architecture, *others)
}


def check_platform(os: str, arch: str | None, machine: str) -> tuple[Fault, ...]:
    """Why a definition for ``os`` and ``arch`` (None: any) does not run on this host.

    machine: the host's architecture as uname(2) has it. An architecture that the kernel also runs (386 on amd64) is
    another: what is asked for is the host's own.
    """
    faults = []
    if os != OS:
        faults.append(Fault(("os",), f"{quote(os)} does not run here: the host is {OS}", f"write {quote(OS)}"))
    if arch is not None and arch not in _NAMES and arch != machine:
        message, hint = f"{quote(arch)} is not an architecture", f"the host is {quote(_name(machine))}"
        faults.append(Fault(("arch",), message, hint, guess=Guess(arch, tuple(_NAMES))))
    elif arch is not None and _name(arch) != _name(machine):
        faults.append(Fault(("arch",), f"{quote(arch)} does not run here: the host is {quote(_name(machine))}"))
    return tuple(faults)


def _name(machine: str) -> str:
    """The one name of an architecture; a machine that is not known is called what it calls itself."""
    return _NAMES.get(machine, machine)
