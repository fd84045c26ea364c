"""What a definition asks for that the runtime cannot do: railcar 1.0.4, which has less than crun, runc and youki.

What it can do in other words is not told here; those are found by the adapter. Each field of a definition, by railcar's
source:

- not the runtime's business: ``shell``, ``rootfs``, ``packages``, ``env_files``, ``os``, ``arch``, ``type``, ``log``,
  ``restart``, ``stop``, ``start_timeout``, ``after``, ``requires``, ``on_failed_update``; ``ready`` and ``watchdog``,
  whose socket is a mount; ``health`` by ``http`` and ``tcp``
- as with the others: ``args``, ``cmd``, ``env``, ``cwd``, ``user``, ``hostname``, ``readonly``, ``network``,
  ``devices``, ``rlimits`` (it knows all sixteen), ``readonly_paths``; ``groups``, which it needs told even where there
  are none; ``annotations``, which it keeps, and which its hooks do not get
- made good by the adapter: ``resources``, all of them and live; ``seccomp``, though every other refusal becomes EPERM
  or ENOSYS and ptrace(2) may have to be refused; ``masked_paths`` of the kernel that are folders
- of a ``bundle`` it is not seen here what it asks for: `create` refuses it
- lacking: what the functions below say

Floor: core.
"""

from collections.abc import Iterable, Iterator

from orchestrator.core.capabilities import ALL
from orchestrator.core.suggest import quote
from orchestrator.model.definition import Definition
from orchestrator.model.health import ExecHealth
from orchestrator.model.oci import Hook, HookStage
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault

RAILCAR = "railcar"

_UMASK = 0o022
"""It sets this one and no other."""
_NEWER = ("CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE")
"""Capabilities of Linux 5.8 and 5.9. It takes a config.json with one of them for a broken one, and drops them from no
bounding set."""
_SHARED = ("slave", "rslave", "shared", "rshared")
"""How a mount may propagate; of a bind mount it is dropped by the kernel where it is not asked for by itself."""
_HOOK_STAGES = (HookStage.PRESTART, HookStage.POSTSTART, HookStage.POSTSTOP)
_OF_THE_KERNEL = ("/proc/", "/sys/")


def find_lacking(definition: Definition, runtime: str) -> tuple[Fault, ...]:
    """The faults of what ``runtime``, by its name, cannot do; none for another than railcar. Paths are those of the
    definition."""
    return tuple(_find_all(definition)) if runtime == RAILCAR else ()


def find_lacking_hooks(hooks: Iterable[tuple[KeyPath, Hook]], runtime: str) -> Iterator[Fault]:
    """The faults of hooks that ``runtime`` would drop without a word, each by the path of who asks for it."""
    for path, hook in hooks if runtime == RAILCAR else ():
        if hook.stage not in _HOOK_STAGES:
            yield Fault(path, f"railcar runs no hook of the stage {quote(hook.stage.value)}: {hook.path}")


def _find_all(definition: Definition) -> Iterator[Fault]:
    if isinstance(definition.health, ExecHealth):
        # It has no `exec`.
        hint = 'write a health of type "http" or "tcp", or run it with another --runtime'
        yield Fault(("health",), "railcar cannot run a further command in a container", hint)
    if definition.umask != _UMASK:
        message = f"railcar cannot set the umask {quote(f'{definition.umask:04o}')}: it is always {_UMASK:04o}"
        yield Fault(("umask",), message, 'leave it away, and write cmd = "umask 0027 && exec …"')
    if not definition.no_new_privileges:
        # What is in the bounding set root has after its next execve(2), and whatever is set-user-ID gives.
        message = "railcar cannot keep capabilities newer than itself from programs that give privileges"
        yield Fault(("no_new_privileges",), message, "leave it away")
    if definition.sockets:
        # It has no --preserve-fds.
        yield Fault(("sockets",), "railcar cannot hand over sockets", "run it with another --runtime", At.KEY)
    yield from _find_capabilities(definition)
    yield from _find_mounts(definition)
    yield from _find_paths(definition)


def _find_capabilities(definition: Definition) -> Iterator[Fault]:
    for index, name in enumerate(definition.capabilities.add):
        if name == ALL:
            message = f"railcar cannot give {quote(name)}: it does not know the newest"
            yield Fault(("capabilities", "add", index), message, "write the names of those that are needed")
        elif name in _NEWER:
            yield Fault(("capabilities", "add", index), f"railcar does not know {quote(name)}", "leave it away")


def _find_mounts(definition: Definition) -> Iterator[Fault]:
    for destination, kind in sorted(definition.mounts.items()):
        if ".." in destination:
            message = f'railcar cannot mount on {quote(destination)}: there is a ".." in it'
            yield Fault(("mounts", destination), message, "choose another place", At.KEY)
        # A kind is a plugin's; options by this name are those of mount(8).
        options = getattr(kind, "options", ())
        for index, name in enumerate(options if isinstance(options, tuple) else ()):
            if name in _SHARED:
                message = f"railcar cannot make a mount {quote(name)}"
                yield Fault(("mounts", destination, "options", index), message, "leave it away: it is private then")


def _find_paths(definition: Definition) -> Iterator[Fault]:
    for index, path in enumerate(definition.masked_paths or ()):
        if not path.startswith(_OF_THE_KERNEL):
            # A folder it takes for one that is not there, and what this one is is not known beforehand.
            message = f"railcar cannot hide {quote(path)}: it hides files only, and what is in /proc and /sys"
            yield Fault(("masked_paths", index), message, "mount something over it")
    for key in ("masked_paths", "readonly_paths"):
        for index, path in enumerate(getattr(definition, key) or ()):
            if ".." in path:
                yield Fault((key, index), f'railcar cannot find {quote(path)}: there is a ".." in it')
