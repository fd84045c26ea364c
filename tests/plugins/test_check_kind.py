"""What authors run their kinds through finds what does not hold, and nothing else."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pytest
from attrs import define, frozen
from orchestrator_mounts.bind import Bind
from orchestrator_networks.none import NoNetwork

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    FileEntry,
    Host,
    HostFailed,
    Mount,
    PathQuestion,
    Question,
    Ran,
    Stage,
    Use,
    option,
)
from orchestrator.testing import (
    Command,
    FakeHost,
    check_kind,
    make_facts,
    make_use,
)

USE = make_use("/note")
COUNT = itertools.count()


@frozen(kw_only=True)
class Note:
    """A file in memory, and a word about it that all containers share."""

    type: ClassVar[str] = "note"
    text: str = option(doc="What it says.", change=Change.REPLACE, example='"hello"')

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution(
            mounts=(Mount(use.destination, "bind", f"{use.own}/note", ("bind", "ro")),),
            entries=(FileEntry(use.destination),),
            attach=(Attachment(work={"text": self.text}),),
        )

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        host.make_folder(container.own, mode=0o700)
        host.unmount(container.own)
        host.mount("tmpfs", container.own, "tmpfs", ("size=64k", "mode=0700"))
        host.write_file(f"{container.own}/note", work["text"].encode())
        with host.lock("note"):
            host.write_file(f"{container.shared}/note/{container.instance}", b"")
        return {"written": [1, 2]}

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        host.remove(f"{container.shared}/note/{container.instance}")
        host.unmount(container.own)


def test_a_good_kind_passes() -> None:
    contribution = check_kind(Note(text="hello"), USE)
    assert [mount.destination for mount in contribution.mounts] == ["/note"]
    check_kind(NoNetwork(), make_use())
    bind = Bind(source=AbsolutePath("/srv"))
    check_kind(bind, make_use("/srv"), facts=make_facts(bind.questions(), folders=["/srv"]))


class TestBroken:
    """Each of these kinds breaks one promise."""

    @frozen(kw_only=True)
    class OtherEachTime(Note):
        """It counts."""

        promise: ClassVar[str] = r"says the same for the same options and facts"

        def contribute(self, use: Use, facts: Facts) -> Contribution:
            return Contribution(env={"NUMBER": str(next(COUNT))})

    @frozen(kw_only=True)
    class OtherQuestions(Note):
        """It asks something else."""

        promise: ClassVar[str] = r"asks the same each time"

        def questions(self) -> Iterable[Question]:
            return (PathQuestion(f"/{next(COUNT)}"),)

    @frozen(kw_only=True)
    class NoEntry(Note):
        """Nothing to mount on."""

        promise: ClassVar[str] = r"there is an entry to mount /note on"

        def contribute(self, use: Use, facts: Facts) -> Contribution:
            return Contribution(mounts=(Mount(use.destination, "tmpfs", "tmpfs"),))

    @frozen(kw_only=True)
    class WorkOfTuples(Note):
        """JSON has no tuples."""

        promise: ClassVar[str] = r"work reads back from JSON as it is"

        def contribute(self, use: Use, facts: Facts) -> Contribution:
            return Contribution(attach=(Attachment(work={"pair": (1, 2)}),))

    @frozen(kw_only=True)
    class WorkOfObjects(Note):
        """JSON has no classes."""

        promise: ClassVar[str] = r"work is plain JSON data: .*not JSON serializable"

        def contribute(self, use: Use, facts: Facts) -> Contribution:
            return Contribution(attach=(Attachment(work={"kind": object}),))

    @frozen(kw_only=True)
    class StateOfNumbers(Note):
        """JSON has no numbers as keys."""

        promise: ClassVar[str] = r"what attach\(\) returns reads back from JSON"

        @staticmethod
        def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
            return {"by number": {1: 2}}

    @frozen(kw_only=True)
    class NotThere(Note):
        """What is mounted is not made."""

        promise: ClassVar[str] = r"note is there after attach\(\), to be mounted"

        @staticmethod
        def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
            return None

    @frozen(kw_only=True)
    class LeavesMount(Note):
        """One thing is not undone."""

        promise: ClassVar[str] = r"nothing is left after detach\(\):.*own/.* mounted: tmpfs"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            host.remove(f"{container.shared}/note/{container.instance}")

    @frozen(kw_only=True)
    class GoesByState(Note):
        """It undoes only what came to its end."""

        promise: ClassVar[str] = r"nothing is left after an attach\(\) that failed at call 4, write_file"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            if state is not None:
                Note.detach(work, state, container, host)

    @frozen(kw_only=True)
    class FailsAgain(Note):
        """What is gone is a failure."""

        promise: ClassVar[str] = r"detach\(\) does its work: it is gone"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            if host.read_file(f"{container.own}/note") is None:
                raise HostFailed("it is gone")
            Note.detach(work, state, container, host)

    @frozen(kw_only=True)
    class MountsAgain(Note):
        """A second time makes more."""

        promise: ClassVar[str] = r"nothing is left after attach\(\) twice"

        @staticmethod
        def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
            for number in range(len(host.list_folder(f"{container.shared}/more")) + 1):
                host.write_file(f"{container.shared}/more/{number}", b"")
            return Note.attach(work, container, host)

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            host.remove(f"{container.shared}/more/0")
            Note.detach(work, state, container, host)

    @frozen(kw_only=True)
    class RemovesOthers(Note):
        """It takes what others have."""

        promise: ClassVar[str] = r"note is there after detach\(\) of another instance"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            Note.detach(work, state, container, host)
            host.remove(f"{container.shared}/note")
            for number in "12":
                host.unmount(container.own.replace("web-1", f"web-{number}"))

    @frozen(kw_only=True)
    class ForgetsFirst(Note):
        """The mark goes first, by which it would know."""

        promise: ClassVar[str] = r"nothing is left after a detach\(\) that was cut short at its call 3"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            mark = f"{container.shared}/note/{container.instance}"
            if host.read_file(mark) is not None:
                Note.detach(work, state, container, host)
            elif state is None:
                host.unmount(container.own)

    @frozen(kw_only=True)
    class TakesWhatWasThere(Note):
        """It takes what it did not make."""

        promise: ClassVar[str] = r"nothing that was there is gone.*/etc/hosts"

        @staticmethod
        def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
            Note.detach(work, state, container, host)
            host.remove("/etc/hosts")

    @frozen(kw_only=True)
    class Bound(Note):
        """It goes by its options."""

        promise: ClassVar[str] = r"attach\(\) is a static method"

        def attach(self, work: Any, container: Any, host: Any = None) -> None:  # type: ignore[override] # noqa: ANN401
            raise AssertionError

    @frozen(kw_only=True)
    class Undescribed:
        """An option by other means."""

        promise: ClassVar[str] = r"the option 'size' is declared with option\(\)"

        type: ClassVar[str] = "undescribed"
        size: int = 3

    BROKEN = (OtherEachTime, OtherQuestions, NoEntry, WorkOfTuples, WorkOfObjects, StateOfNumbers, NotThere)
    BROKEN_LIVES = (LeavesMount, GoesByState, FailsAgain, MountsAgain, RemovesOthers, ForgetsFirst, TakesWhatWasThere)

    @pytest.mark.parametrize("kind", [*BROKEN, *BROKEN_LIVES, Bound, Undescribed], ids=lambda kind: kind.__name__)
    def test_its_promise_is_named(self, kind: type[Any]) -> None:
        options = {} if kind is self.Undescribed else {"text": "hello"}
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
