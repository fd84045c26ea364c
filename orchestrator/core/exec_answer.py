"""What a plugin kind that is a program answers to CONTRIBUTE, as a contribution: every mistake of the program is a
fault of the definition that uses it, and names the program. Floor: core.
"""

from collections.abc import Iterator

from orchestrator.core.exec_wire import WrongAnswer, read_wire
from orchestrator.core.suggest import list_choices, quote
from orchestrator.model.contribution import Attachment, BundleFile, Contribution, PortClaim, Stage
from orchestrator.model.exec_plugin import PROTOCOL, Program
from orchestrator.model.exec_wire import WireContribution, WireDevice, WireMount
from orchestrator.model.facts import ExecAnswer
from orchestrator.model.oci import DeviceNode, Hook, Mount, Namespace
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group


def make_contribution(program: Program, answer: ExecAnswer) -> Contribution:
    """The contribution that a program has printed; or the faults that say how it failed."""
    try:
        wire = read_wire(answer, WireContribution)
        reasons = tuple(_check(program, wire))
        if reasons:
            raise WrongAnswer(*reasons)
    except WrongAnswer as error:
        return Contribution(faults=tuple(_blame(program, answer, reason) for reason in error.reasons))
    known = {option.name for option in program.options}
    return Contribution(
        mounts=tuple(Mount(each.destination, each.type, each.source, each.options) for each in wire.mounts),
        env={str(name): value for name, value in wire.env.items()},
        namespaces=tuple(Namespace(each.type.value, each.path) for each in wire.namespaces),
        capabilities=tuple(wire.capabilities),
        devices=tuple(_make_device(each) for each in wire.devices),
        hooks=tuple(
            Hook(stage=each.stage, path=each.path, args=each.args, env=each.env, timeout=each.timeout)
            for each in wire.hooks
        ),
        groups=wire.groups,
        entries=tuple(each.make() for each in wire.entries),
        files=tuple(BundleFile(each.path, each.text, each.mode) for each in wire.files),
        attach=tuple(Attachment(stage=_find_stage(program, each.stage), work=each.work) for each in wire.attach),
        claims=tuple(
            PortClaim(protocol=each.protocol.value, port=each.port, address=each.address, path=_cut(each.path, known))
            for each in wire.claims
        ),
        faults=tuple(Fault(_cut(each.path, known), each.message, each.hint) for each in wire.faults),
    )


def _make_device(wire: WireDevice) -> DeviceNode:
    return DeviceNode(
        path=wire.path,
        type=wire.type.value,
        major=wire.major,
        minor=wire.minor,
        mode=wire.mode,
        access=wire.access,
        uid=wire.uid,
        gid=wire.gid,
    )


def _blame(program: Program, answer: ExecAnswer, reason: str) -> Fault:
    noun = "mount" if program.group is Group.MOUNTS else "network"
    how = "failed" if answer.code != 0 else "answered wrongly"
    hint = f"{program.path} is what failed" if answer.code != 0 else f"this is a defect of {program.path}"
    return Fault((), f"the {noun} kind {quote(program.name)} {how}: {reason}", hint)


def _check(program: Program, wire: WireContribution) -> Iterator[str]:
    """What the types of the protocol cannot say."""
    if wire.version != PROTOCOL:
        yield f"version: it is {quote(wire.version)}, and was asked in {quote(PROTOCOL)}"
    for index, mount in enumerate(wire.mounts):
        yield from _check_mount(f"mounts[{index}]", mount)
    for index, each in enumerate(wire.attach):
        if not program.attaches:
            yield f'attach[{index}]: its description has no "attaches"'
        elif each.stage is not None and each.stage not in program.attaches:
            stages = list_choices(stage.value for stage in program.attaches)
            yield f"attach[{index}].stage: its description has {stages} only"


def _check_mount(path: str, mount: WireMount) -> Iterator[str]:
    if not mount.type:
        yield f"{path}.type: it is empty"
    if mount.type == "bind" and not mount.source.startswith(("/", "@")):
        yield f"{path}.source: {quote(mount.source)} is no absolute path and none of the folders of the request"


def _find_stage(program: Program, stage: Stage | None) -> Stage:
    return program.attaches[0] if stage is None else stage


def _cut(path: KeyPath, known: set[str]) -> KeyPath:
    """Where a file says it: an option that there is, or the kind as a whole."""
    return path if path and path[0] in known else ()
