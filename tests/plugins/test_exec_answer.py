"""What a kind that is a program prints becomes a contribution, or the faults that name it."""

import pytest

from orchestrator.model.contribution import Attachment, BundleFile, PortClaim, Stage
from orchestrator.model.entry import FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import ExecAnswer
from orchestrator.model.oci import DeviceNode, Hook, HookStage, Mount, Namespace
from tests.plugins.helpers_exec import PATH, contribution_of


def test_all_that_a_kind_may_contribute() -> None:
    made = contribution_of(
        {
            "version": "1.0",
            "mounts": [{"destination": "/disk", "type": "bind", "source": "@own/x", "options": ["bind", "ro"]}],
            "env": {"DISK": "/disk"},
            "namespaces": [{"type": "network", "path": "/run/netns/x"}, {"type": "ipc"}],
            "capabilities": ["SYS_ADMIN"],
            "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "mode": "0600", "access": "r"}],
            "hooks": [{"stage": "poststop", "path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 3}],
            "groups": [44],
            "entries": [
                {"type": "folder", "path": "/disk", "mode": "0700"},
                {"type": "file", "path": "/etc/disk", "text": "x"},
                {"type": "link", "path": "/d", "target": "disk"},
            ],
            "files": [{"path": "/etc/disk.conf", "text": "a\n", "mode": "400"}],
            "attach": [{"work": {"a": [1]}}, {"stage": "prepare", "work": {}}],
            "claims": [{"port": 80, "path": ["labels", "x"]}, {"protocol": "udp", "port": 53, "address": "::1"}],
            "faults": [
                {"path": ["tags", 1], "message": "no such tag", "hint": "write another"},
                {"path": ["nonsense"], "message": "of no option"},
            ],
        }
    )
    assert made.mounts == (Mount("/disk", "bind", "@own/x", ("bind", "ro")),)
    assert made.env == {"DISK": "/disk"}
    assert made.namespaces == (Namespace("network", "/run/netns/x"), Namespace("ipc"))
    assert made.capabilities == ("CAP_SYS_ADMIN",)
    assert made.devices == (DeviceNode(path="/dev/x", type="c", major=1, minor=3, mode=0o600, access="r"),)
    hook = Hook(stage=HookStage.POSTSTOP, path="/bin/true", args=("true",), env=("A=b",), timeout=3)
    assert (made.hooks, made.groups) == ((hook,), (44,))
    assert made.entries == (FolderEntry("/disk", 0o700), FileEntry("/etc/disk", "x"), LinkEntry("/d", "disk"))
    assert made.files == (BundleFile("/etc/disk.conf", "a\n", 0o400),)
    assert made.attach == (
        Attachment(stage=Stage.CONNECT, work={"a": [1]}),
        Attachment(stage=Stage.PREPARE, work={}),
    )
    assert made.claims == (
        PortClaim(protocol="tcp", port=80, path=("labels", "x")),
        PortClaim(protocol="udp", port=53, address="::1"),
    )
    assert [(fault.path, fault.message, fault.hint) for fault in made.faults] == [
        (("tags", 1), "no such tag", "write another"),
        ((), "of no option", ""),
    ]


def test_an_empty_object_contributes_nothing() -> None:
    made = contribution_of({})
    assert (made.mounts, made.env, made.faults) == ((), {}, ())


@pytest.mark.parametrize(
    ("printed", "reasons"),
    [
        ({"mount": []}, ['mount: unknown key "mount" (did you mean "mounts"?)']),
        ({"version": "2.0"}, ['version: it is "2.0", and was asked in "1.0"']),
        (
            {"mounts": [{"destination": "disk", "type": "bind", "source": 1}], "env": {"A=B": "x"}},
            [
                'mounts[0].destination: the path "disk" is not absolute',
                "mounts[0].source: expected a string, found the integer 1",
                'env."A=B": ',
            ],
        ),
        (
            {"mounts": [{"destination": "/disk", "type": "bind", "source": "disk"}]},
            ['mounts[0].source: "disk" is no absolute path and none of the folders of the request'],
        ),
        ({"mounts": [{"destination": "/proc", "type": "x", "source": "x"}]}, ["mounts[0].destination: "]),
        ({"namespaces": [{"type": "net"}]}, ["namespaces[0].type: expected "]),
        ({"capabilities": ["SYS_ADMN"]}, ["capabilities[0]: "]),
        ({"entries": [{"type": "pipe", "path": "/x"}]}, ['entries[0].type: unknown kind of entry "pipe"']),
        ({"files": [{"path": "/x", "text": "", "mode": "rw"}]}, ['files[0].mode: "rw" is no mode of a file']),
        ({"attach": [{"work": []}]}, ["attach[0].work: expected a table"]),
        ({"claims": [{"port": 0, "address": "host"}]}, ["claims[0].port: ", "claims[0].address: "]),
        ({"faults": [{"path": "size", "message": "x"}]}, ["faults[0].path: expected a list of keys"]),
    ],
)
def test_a_wrong_answer_names_the_program_and_what_is_wrong(printed: object, reasons: list[str]) -> None:
    made = contribution_of(printed)
    assert made.mounts == (), "nothing is half believed"
    assert len(made.faults) == len(reasons)
    for fault, reason in zip(made.faults, reasons, strict=True):
        assert fault.path == ()
        assert fault.message.startswith(f'the mount kind "disk" answered wrongly: {reason}')
        assert fault.hint == f"this is a defect of {PATH}"


@pytest.mark.parametrize(
    ("attaches", "stage", "why"),
    [
        ([], "prepare", 'attach[0]: its description has no "attaches"'),
        (["prepare"], "connect", 'attach[0].stage: its description has "prepare" only'),
    ],
)
def test_what_is_not_described_is_not_attached(attaches: list[str], stage: str, why: str) -> None:
    made = contribution_of({"attach": [{"stage": stage, "work": {}}]}, attaches=attaches)
    (fault,) = made.faults
    assert fault.message == f'the mount kind "disk" answered wrongly: {why}'


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ExecAnswer(None, detail=f"{PATH} took longer than 5 s"), f"failed: {PATH} took longer than 5 s"),
        (ExecAnswer(1, '{"code": 100, "msg": "the disk is full"}'), "failed: the disk is full (code 100)"),
        (ExecAnswer(2, "", "disk: line 7: jq: not found"), "failed: exit code 2: disk: line 7: jq: not found"),
        (ExecAnswer(139), "failed: signal 11, and nothing that says why"),
        (ExecAnswer(0, "{"), "answered wrongly: what it printed is no JSON object: line 1, column 2: "),
    ],
)
def test_a_program_that_fails_is_a_fault_of_who_uses_it(answer: ExecAnswer, message: str) -> None:
    (fault,) = contribution_of(answer).faults
    assert fault.message.startswith(f'the mount kind "disk" {message}')
    assert PATH in fault.hint
