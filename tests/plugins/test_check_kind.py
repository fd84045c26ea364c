"""What authors run their kinds through finds what does not hold, and nothing else."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from attrs import define, frozen
from orchestrator_mounts.bind import Bind
from orchestrator_networks.none import NoNetwork

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Container,
    Contribution,
    Facts,
    Host,
    Ran,
    Stage,
    Use,
)
from orchestrator.testing import (
    Command,
    FakeHost,
    check_kind,
    make_facts,
    make_use,
)
from tests.plugins.broken_kinds import BROKEN, USE, Note, Undescribed


def test_a_good_kind_passes() -> None:
    contribution = check_kind(Note(text="hello"), USE)
    assert [mount.destination for mount in contribution.mounts] == ["/note"]
    check_kind(NoNetwork(), make_use())
    bind = Bind(source=AbsolutePath("/srv"))
    check_kind(bind, make_use("/srv"), facts=make_facts(bind.questions(), folders=["/srv"]))


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_the_broken_promise_is_named(kind: type[Any]) -> None:
    options = {} if kind is Undescribed else {"text": "hello"}
    with pytest.raises(AssertionError, match=re.compile(f"a promise does not hold: .*{kind.promise}", re.DOTALL)):
        check_kind(kind(**options), USE, host=lambda: FakeHost({"/etc/hosts": b""}))


def test_what_can_be_changed_is_no_kind() -> None:
    @define(kw_only=True)
    class Thawed:
        """No."""

        type: ClassVar[str] = "thawed"

    with pytest.raises(AssertionError, match="a kind is frozen"):
        check_kind(Thawed(), USE)  # type: ignore[arg-type] # that is what is tried


def test_a_secret_is_found_where_it_must_not_be() -> None:
    with pytest.raises(AssertionError, match="a contribution has no secret"):
        check_kind(Note(text="hunter2"), USE, secrets=["hunter2"])


@frozen(kw_only=True)
class Wire(Note):
    """An interface that a program makes."""

    type: ClassVar[str] = "wire"

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(attach=(Attachment(stage=Stage.CONNECT),))

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        assert container.netns
        host.run(["/sbin/ip", "link", "add", f"v-{container.instance}", "netns", container.netns])
        return {"name": f"v-{container.instance}"}

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        assert container.netns == ""
        host.run(["/sbin/ip", "link", "delete", f"v-{container.instance}"])


def make_host_with_ip() -> FakeHost:
    host = FakeHost()

    def ip(command: Command) -> Ran:
        match command.args[1:]:
            case ("link", "add", name, *_):
                host.resources.add(f"link {name}")
            case ("link", "delete", name):
                host.resources.discard(f"link {name}")
        return Ran(0, b"", b"")

    host.reply("/sbin/ip", ip)
    return host


def test_what_programs_make_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    check_kind(Wire(text=""), make_use(), host=make_host_with_ip)
    with pytest.raises(AssertionError, match=r"attach\(\) does its work: cannot run /sbin/ip"):
        check_kind(Wire(text=""), make_use())
    monkeypatch.setattr(Wire, "detach", staticmethod(lambda *_: None))
    with pytest.raises(AssertionError, match=r"(?s)nothing is left after detach\(\):.*link v-web-1"):
        check_kind(Wire(text=""), make_use(), host=make_host_with_ip)
