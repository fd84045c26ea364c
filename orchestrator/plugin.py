"""All that an author of a plugin imports. Floor: above core, beside ports.

A kind is a frozen attrs class; its fields, declared with `option`, are its options. See plugins/README.md.
"""

from orchestrator.core.folders import escape_option
from orchestrator.core.owners import Owner, find_owner, owner_questions
from orchestrator.core.resolvconf import ask_resolv_conf, follow_resolv_conf
from orchestrator.core.suggest import quote
from orchestrator.model.contribution import Attachment, BundleFile, Contribution, LiveFile, PortClaim, Stage
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import (
    ContentQuestion,
    DigestAnswer,
    EntriesQuestion,
    Facts,
    FolderAnswer,
    HostFacts,
    PathAnswer,
    PathKind,
    PathQuestion,
    Question,
    StampAnswer,
    StampQuestion,
    TextQuestion,
    TextsQuestion,
)
from orchestrator.model.host import Container, Host, HostFailed, Ran
from orchestrator.model.kinds import AskingByUse, Attaching, Keeping, MountKind, NetworkKind, Use
from orchestrator.model.oci import DeviceNode, Hook, HookStage, Mount, Namespace
from orchestrator.model.option import Change, option
from orchestrator.model.problem import At, Fault, Guess
from orchestrator.model.registry import Group, Origin, Registry, Unusable
from orchestrator.model.types import (
    AbsolutePath,
    ContainerName,
    Duration,
    EnvName,
    FileMode,
    HostName,
    SignalName,
    Size,
    UserName,
)

__all__ = [
    "AbsolutePath",
    "AskingByUse",
    "At",
    "Attaching",
    "Attachment",
    "BundleFile",
    "Change",
    "Container",
    "ContainerName",
    "ContentQuestion",
    "Contribution",
    "DeviceNode",
    "DigestAnswer",
    "Duration",
    "EntriesQuestion",
    "Entry",
    "EnvName",
    "Facts",
    "Fault",
    "FileEntry",
    "FileMode",
    "FolderAnswer",
    "FolderEntry",
    "Group",
    "Guess",
    "Hook",
    "HookStage",
    "Host",
    "HostFacts",
    "HostFailed",
    "HostName",
    "Keeping",
    "LinkEntry",
    "LiveFile",
    "Mount",
    "MountKind",
    "Namespace",
    "NetworkKind",
    "Origin",
    "Owner",
    "PathAnswer",
    "PathKind",
    "PathQuestion",
    "PortClaim",
    "Question",
    "Ran",
    "Registry",
    "SignalName",
    "Size",
    "Stage",
    "StampAnswer",
    "StampQuestion",
    "TextQuestion",
    "TextsQuestion",
    "Unusable",
    "Use",
    "UserName",
    "ask_resolv_conf",
    "escape_option",
    "find_owner",
    "follow_resolv_conf",
    "option",
    "owner_questions",
    "quote",
]
