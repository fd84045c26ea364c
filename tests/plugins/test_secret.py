"""The `secret` mount."""

from typing import Any

import pytest
from attrs import evolve
from orchestrator_mounts.secret import Secret

from orchestrator.plugin import (
    AbsolutePath,
    Attaching,
    ContentQuestion,
    Contribution,
    DigestAnswer,
    EnvName,
    Facts,
    Fault,
    FileEntry,
    FileMode,
    HostFailed,
    Mount,
    MountKind,
    Use,
    UserName,
)
from orchestrator.testing import FakeFile, FakeHost
from tests.core.helpers_world import answer
from tests.plugins.helpers_attach import assert_undone, container, work_of

USE = Use("web", "/run/secret", 1000, 7)
SECRET = b"dwarf\xff-starfish"
KEY = AbsolutePath("/srv/app.conf")


def facts_of(kind: Secret, digest: DigestAnswer) -> Facts:
    facts = answer(kind.questions())
    asked = [question for question in kind.questions() if isinstance(question, ContentQuestion)]
    return evolve(facts, contents=dict.fromkeys(asked, digest))


def contribution_of(kind: Secret, digest: DigestAnswer = DigestAnswer("abc")) -> Contribution:  # noqa: B008
    return kind.contribute(USE, facts_of(kind, digest))


def host() -> FakeHost:
    files = {"/srv/app.conf": SECRET, "/run/credentials/web": SECRET}
    return FakeHost(
        files, {"KEY": SECRET.decode("utf-8", "surrogateescape"), "CREDENTIALS_DIRECTORY": "/run/credentials"}
    )


SOURCES = (Secret(file=KEY), Secret(env=EnvName("KEY")), Secret(credential="web"))


def test_it_is_a_file_in_a_folder_of_the_instances_own() -> None:
    assert isinstance(Secret(), MountKind)
    assert isinstance(Secret, Attaching)
    contribution = contribution_of(Secret(file=KEY))
    options = ("bind", "private", "ro", "nosuid", "nodev", "noexec")
    assert contribution.mounts == (Mount("/run/secret", "bind", f"{USE.own}/secret", options),)
    assert contribution.entries == (FileEntry("/run/secret"),)
    assert work_of(contribution) == {"from": "file", "name": KEY, "mode": 0o400, "uid": 1000, "gid": 7}
    assert contribution.contents == ("abc",)


def test_another_secret_is_another_container_unless_it_is_not_watched() -> None:
    assert contribution_of(Secret(file=KEY), DigestAnswer("x")) != contribution_of(Secret(file=KEY))
    assert contribution_of(Secret(credential="web")).contents == ("abc",)
    assert contribution_of(Secret(file=KEY, watch=False)).contents == ()
    assert contribution_of(Secret(env=EnvName("KEY"))).contents == ()


def test_of_credentials_only_an_agent_knows() -> None:
    """Nothing is wrong where they are not known."""
    contribution = contribution_of(Secret(credential="web"), DigestAnswer(None))
    assert contribution.faults == ()
    assert contribution.contents == ()


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (
            Secret(),
            Fault((), "it does not say where the secret comes from", "write one of file, env and credential"),
        ),
        (
            Secret(env=EnvName("A"), credential="b"),
            Fault(("credential",), "env says already where the secret comes from", "write one of them"),
        ),
        (
            Secret(credential="a/b"),
            Fault(("credential",), '"a/b" is no name of a credential', "write its ID, as LoadCredential= has it"),
        ),
        (
            Secret(file=AbsolutePath("/srv/none")),
            Fault(("file",), 'cannot use "/srv/none": no such file or directory'),
        ),
        (Secret(file=AbsolutePath("/srv/data")), Fault(("file",), 'cannot use "/srv/data": it is not a regular file')),
        (Secret(file=AbsolutePath("/root/key")), Fault(("file",), 'cannot use "/root/key": permission denied')),
    ],
)
def test_mistakes(kind: Secret, fault: Fault) -> None:
    assert contribution_of(kind).faults == (fault,)


def test_what_cannot_be_read_says_why() -> None:
    silent = DigestAnswer(None, "it does not answer")
    (fault,) = contribution_of(Secret(file=KEY), silent).faults
    assert fault == Fault(("file",), f'cannot use "{KEY}": it does not answer')
    (fault,) = contribution_of(Secret(credential="web"), silent).faults
    assert fault == Fault(("credential",), 'cannot use the credential "web": it does not answer')


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("kernel_knows_noswap", [True, False])
def test_it_is_put_into_memory_and_taken_away(kind: Secret, kernel_knows_noswap: bool) -> None:
    where = host()
    if not kernel_knows_noswap:
        where.fail("mount", "Invalid argument")
    before = where.describe()
    kind = evolve(kind, mode=FileMode(0o440), owner=UserName("33:4"))
    work = work_of(contribution_of(kind))
    Secret.attach(work, container(), where)
    file = where.look(f"{container().own}/secret")
    assert isinstance(file, FakeFile)
    assert (file.data, file.mode, file.uid, file.gid) == (SECRET, 0o440, 33, 4)
    (mount,) = where.mounts
    assert (mount.target, mount.kind) == (container().own, "tmpfs")
    Secret.attach(work, container(), where)
    assert len(where.mounts) == 1, "once more is the same"
    Secret.detach(work, None, container(), where)
    assert [line for line in where.describe() if line not in before and "/ " not in line] == []


@pytest.mark.parametrize("kind", SOURCES)
def test_a_kill_leaves_nothing(kind: Secret) -> None:
    assert_undone(Secret, work_of(contribution_of(kind)), host)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Secret(file=KEY), "cannot read /srv/app.conf: no such file or directory"),
        (Secret(env=EnvName("KEY")), "the agent has no variable KEY"),
        (
            Secret(credential="web"),
            "the agent was given no credentials, so not web (systemd.exec(5), LoadCredential=)",
        ),
    ],
)
def test_a_source_that_is_gone_says_so(kind: Secret, why: str) -> None:
    empty = FakeHost()
    with pytest.raises(HostFailed) as told:
        Secret.attach(work_of(contribution_of(kind)), container(), empty)
    assert str(told.value) == why
    assert empty.mounts == ()


def test_it_is_in_nothing_that_is_written_down() -> None:
    where = host()
    work: dict[str, Any] = work_of(contribution_of(Secret(env=EnvName("KEY"))))
    assert Secret.attach(work, container(), where) is None
    assert "starfish" not in str(work)
