"""A kind that keeps its promises, and kinds that break one each."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from attrs import frozen

from orchestrator.plugin import (
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
    Use,
    option,
)
from orchestrator.testing import make_use

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
class Reads(Note):
    """It looks for itself."""

    promise: ClassVar[str] = r"touch nothing: open /dev/null"

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        with open("/dev/null") as file:
            return Contribution(env={"NULL": file.read()})


@frozen(kw_only=True)
class Learns(Note):
    """It writes down what it has seen."""

    promise: ClassVar[str] = r"leaves the facts as they are"

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        cast("dict[str, object]", facts.paths)["/seen"] = None
        return Contribution()


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


BROKEN: tuple[type[Any], ...] = (
    OtherEachTime,
    OtherQuestions,
    Reads,
    Learns,
    NoEntry,
    WorkOfTuples,
    WorkOfObjects,
    StateOfNumbers,
    NotThere,
    LeavesMount,
    GoesByState,
    FailsAgain,
    MountsAgain,
    RemovesOthers,
    ForgetsFirst,
    TakesWhatWasThere,
    Bound,
    Undescribed,
)
