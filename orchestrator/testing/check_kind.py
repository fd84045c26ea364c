"""Runs a plugin kind through all that the agent relies on, the end of an agent in the midst of its work among it.

Floor: testing.
"""

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, get_args

import attrs
from attrs import frozen

from orchestrator.core.folders import fill_in_folders
from orchestrator.model.attached import OWN, SCRATCH
from orchestrator.model.contribution import Attachment, Contribution, Stage
from orchestrator.model.facts import Facts, Question
from orchestrator.model.host import Container, HostFailed
from orchestrator.model.kinds import Attaching, MountKind, NetworkKind, Use
from orchestrator.model.option import Change, options_of
from orchestrator.testing.facts import make_facts
from orchestrator.testing.host_files import FakeFolder, FakeNode
from orchestrator.testing.kinds import LAYOUT, make_container
from orchestrator.testing.plugin_host import FakeHost, Killed
from orchestrator.testing.touched import watch_touches

_PID = 4242


def check_kind(
    kind: MountKind | NetworkKind,
    use: Use,
    *,
    facts: Facts | None = None,
    host: Callable[[], FakeHost] = FakeHost,
    lasting: Collection[str] = (),
    secrets: Collection[str] = (),
    together: bool = True,
) -> Contribution:
    """Check what every kind promises, and return what this one contributes. Raises AssertionError, saying what does not
    hold.

    kind: with options that are good. facts: the answers to what it asks; by default of a host that has nothing.
    host: makes a new host, as it is before the container comes, with the programs that the kind runs. lasting: folders
    of which something may be left when the container has gone, beside what a kind keeps for good. secrets: texts that
    nobody is to find in what is written down or on a disk. together: whether two instances may have it at a time, as in
    a hand-over; False for what takes a port of the host.
    """
    check_class(type(kind))
    _promise(_is_frozen(kind), "a kind is frozen")
    questions = tuple(kind.questions())
    _promise(all(isinstance(each, get_args(Question)) for each in questions), "questions() returns questions")
    facts = facts or make_facts(questions)
    given = repr(facts)
    contribution = kind.contribute(use, facts)
    _promise(isinstance(contribution, Contribution), "contribute() returns a Contribution")
    _promise(not contribution.faults, f"the options are good: {[fault.message for fault in contribution.faults]}")
    with watch_touches() as touches:  # not the first time, when a module may have been imported
        asked = tuple(kind.questions())
        again = attrs.evolve(kind).contribute(use, attrs.evolve(facts))  # type: ignore[misc] # kinds are attrs classes
    _promise(not touches, f"questions() and contribute() touch nothing: {', '.join(touches)}")
    _promise(contribution == again, "contribute() says the same for the same options and facts")
    _promise(questions == asked, "questions() asks the same each time")
    _promise(given == repr(facts), "contribute() leaves the facts as they are")
    _check_data(contribution, secrets)
    if contribution.attach:
        _promise(isinstance(kind, Attaching), "a kind with attachments has attach() and detach()")
        for name in ("attach", "detach"):
            static = isinstance(inspect.getattr_static(type(kind), name), staticmethod)
            _promise(static, f"{name}() is a static method: it goes by its work alone")
        _Life(kind, contribution, use, host, tuple(lasting), tuple(secrets)).check(together=together)
    return contribution


def check_class(cls: type[Any]) -> None:
    """The part of `check_kind` that needs no options."""
    _promise(attrs.has(cls), "a kind is an attrs class")
    _promise(bool(inspect.cleandoc(cls.__doc__ or "")), "a kind has a docstring, which people are shown")
    _promise(isinstance(getattr(cls, "type", None), str), "a kind has its name as `type: ClassVar[str]`")
    for each in options_of(cls):
        said = f"the option {each.name!r}"
        _promise(isinstance(each.metadata.get("change"), Change), f"{said} is declared with option()")
        _promise(bool(each.metadata["doc"]), f"{said} has a doc")
        _promise(bool(each.metadata["example"]), f"{said} has an example")


def _is_frozen(kind: object) -> bool:
    try:
        setattr(kind, "type", "")  # noqa: B010 - of all kinds it is the one attribute that there is
    except attrs.exceptions.FrozenInstanceError:
        return True
    except AttributeError:
        return False
    return False


def _check_data(contribution: Contribution, secrets: Collection[str]) -> None:
    for each in contribution.attach:
        _check_plain(each.work, "work")
    whole = repr(contribution)
    for secret in secrets:
        _promise(secret not in whole, "a contribution has no secret")
    for mount in contribution.mounts:
        _promise(mount.destination.startswith("/"), f"the destination {mount.destination!r} is absolute")
    made = {entry.path for entry in contribution.entries}
    for mount in contribution.mounts:
        _promise(mount.destination in made, f"there is an entry to mount {mount.destination} on")


def _check_plain(data: object, what: str) -> None:
    """It reads back from JSON as it is: a next agent has it from a file."""
    try:
        same = json.loads(json.dumps(data, allow_nan=False)) == data
    except (TypeError, ValueError) as error:
        raise AssertionError(f"a promise does not hold: {what} is plain JSON data: {error}") from error
    _promise(same, f"{what} reads back from JSON as it is (no tuples, and keys are texts): {data!r}")


@frozen
class _Life:
    """Instances that have what a kind contributes."""

    kind: Any
    contribution: Contribution
    use: Use
    make_host: Callable[[], FakeHost]
    lasting: tuple[str, ...]
    secrets: tuple[str, ...]

    def check(self, *, together: bool) -> None:
        host, before = self._begin()
        done = self._attach(host, "1")
        self._check_there(host, "1", "after attach()")
        calls = len(host.calls)
        self._detach(host, done)
        self._check_gone(host, before, "after detach()")
        undoing = len(host.calls) - calls
        self._detach(host, done)
        self._check_gone(host, before, "after detach() a second time")
        self._check_again()
        for number in range(calls):
            self._check_cut_short(number)
        for number in range(undoing):
            self._check_undoing_cut_short(number)
        if together:
            self._check_together()

    def _check_again(self) -> None:
        host, before = self._begin()
        self._attach(host, "1")
        done = self._attach(host, "1")
        self._check_there(host, "1", "after attach() a second time")
        self._detach(host, done)
        self._check_gone(host, before, "after attach() twice and detach()")

    def _check_cut_short(self, number: int) -> None:
        """After so many calls it fails, or the agent is killed."""
        for cut in (FakeHost.fail_after, FakeHost.kill_after):
            host, before = self._begin()
            cut(host, number)
            done = self._attach(host, "1", cut=True)
            method, about = host.calls[number] if len(host.calls) > number else ("the next call", "")
            when = "failed" if cut is FakeHost.fail_after else "was cut short before"
            host.restart()
            self._detach(host, done)
            self._check_gone(host, before, f"after an attach() that {when} at call {number + 1}, {method} {about}")

    def _check_undoing_cut_short(self, number: int) -> None:
        for cut in (FakeHost.fail_after, FakeHost.kill_after):
            host, before = self._begin()
            done = self._attach(host, "1")
            cut(host, number)
            self._detach(host, done, cut=True)
            host.restart()
            self._detach(host, done)
            self._check_gone(host, before, f"after a detach() that was cut short at its call {number + 1}, and another")

    def _check_together(self) -> None:
        host, before = self._begin()
        first, second = self._attach(host, "1"), self._attach(host, "2")
        self._detach(host, first)
        self._check_there(host, "2", "after detach() of another instance")
        self._detach(host, second)
        self._check_gone(host, before, "after detach() of two instances")

    def _begin(self) -> tuple[FakeHost, Collection[str]]:
        host = self.make_host()
        for path in (LAYOUT.shared, LAYOUT.kept, *(LAYOUT.instance(self._id(each)) for each in "12")):
            host.make_folder(path)
        host.calls.clear()
        return host, self._describe(host)

    def _attach(self, host: FakeHost, which: str, *, cut: bool = False) -> "list[_Done]":
        """As the agent does it: what has been begun, with what attach() returned where it came to its end."""
        done: list[_Done] = []
        for stage in Stage:
            container = self._container(which, _PID if stage is Stage.CONNECT else None)
            for attachment in self.contribution.attach:
                if attachment.stage is not stage:
                    continue
                try:
                    state = self.kind.attach(_reread(attachment.work), container, host)
                except (HostFailed, Killed) as error:
                    _promise(cut, f"attach() does its work: {error}")
                    return [*done, _Done(attachment, None, container)]
                self._check_state(state)
                done.append(_Done(attachment, state, container))
        return done

    def _detach(self, host: FakeHost, done: "list[_Done]", *, cut: bool = False) -> None:
        for each in reversed(done):
            container = attrs.evolve(each.container, pid=None)
            state = None if each.state is None else _reread(each.state)
            try:
                self.kind.detach(_reread(each.attachment.work), state, container, host)
            except (HostFailed, Killed) as error:
                _promise(cut, f"detach() does its work: {error}")
                if isinstance(error, Killed):
                    return

    def _check_state(self, state: object) -> None:
        if state is None:
            return
        _promise(isinstance(state, Mapping), "attach() returns a dict or None")
        _check_plain(state, "what attach() returns")
        for secret in self.secrets:
            _promise(secret not in json.dumps(state), "what attach() returns has no secret")

    def _check_there(self, host: FakeHost, which: str, when: str) -> None:
        """What is mounted is there by the time that it is."""
        folders = LAYOUT.find_folders(self._id(which))
        mounts = [
            {"source": each.source, "options": list(each.options)}
            for each in self.contribution.mounts
            if each.source.startswith("@")
        ]
        for mount in fill_in_folders(mounts, folders):
            _promise(host.look(mount["source"]) is not None, f"{mount['source']} is there {when}, to be mounted")
        for path, text in _texts_on_disk(host, (LAYOUT.kept, LAYOUT.scratches)):
            for secret in self.secrets:
                _promise(secret.encode() not in text, f"no secret is on a disk: {path}")

    def _check_gone(self, host: FakeHost, before: Collection[str], when: str) -> None:
        left = sorted(set(self._describe(host)) - set(before))
        lost = sorted(set(before) - set(self._describe(host)))
        _promise(not left, f"nothing is left {when}:\n  " + "\n  ".join(left))
        _promise(not lost, f"nothing that was there is gone {when}:\n  " + "\n  ".join(lost))

    def _describe(self, host: FakeHost) -> list[str]:
        """Without what the agent removes itself, and what is to stay. A kind's own folder among the shared may stay."""
        removed = [folder for each in "12" for folder in self._own_folders(self._id(each))]
        shared = host.look(LAYOUT.shared)
        inside = shared.entries.items() if isinstance(shared, FakeFolder) else ()
        empty = [
            f"{LAYOUT.shared}/{name}" for name, node in inside if isinstance(node, FakeFolder) and not node.entries
        ]
        return host.describe(without=(*removed, LAYOUT.kept, *self.lasting, *empty))

    @staticmethod
    def _own_folders(instance: str) -> tuple[str, ...]:
        folders = LAYOUT.find_folders(instance)
        return folders[OWN], folders[SCRATCH], LAYOUT.scratches

    def _container(self, which: str, pid: int | None) -> Container:
        return make_container(self.use, instance=self._id(which), pid=pid)

    def _id(self, which: str) -> str:
        return f"{self.use.container}-{which}"


@frozen
class _Done:
    attachment: Attachment
    state: Mapping[str, Any] | None
    container: Container


def _is_empty(node: FakeNode | None) -> bool:
    return isinstance(node, FakeFolder) and not node.entries


def _reread(data: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(data)))
    return plain


def _texts_on_disk(host: FakeHost, folders: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for path, data in host.files.items():
        if path.startswith(tuple(f"{folder}/" for folder in folders)):
            yield path, data


def _promise(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"a promise does not hold: {what}")
