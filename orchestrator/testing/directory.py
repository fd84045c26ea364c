"""A watched directory and a world that exist in memory only, and change as a test says. Floor: testing."""

from collections.abc import Collection, Iterable, Mapping

import trio

from orchestrator.model.facts import (
    ClosureQuestion,
    ContentQuestion,
    DeviceAnswer,
    DeviceQuestion,
    DigestAnswer,
    DigestQuestion,
    EntriesQuestion,
    Facts,
    FolderAnswer,
    PathAnswer,
    PathKind,
    PathQuestion,
    PlaceQuestion,
    Question,
    StampAnswer,
    StampQuestion,
    TextQuestion,
    TextsAnswer,
    TextsQuestion,
)
from orchestrator.model.source import Form, Listing, Source
from orchestrator.testing.facts import HOST
from orchestrator.testing.nix import FakeNixStore


class FakeDirectory:
    """Implements `orchestrator.ports.Directory`. What a test does to it is a hint, as from inotify."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        """files: texts by container name."""
        self.reads = 0
        self.also: frozenset[str] = frozenset()
        self.contents: frozenset[str] = frozenset()
        self.message = ""
        self._sources = {(name, Form.TOML): Source(name, f"{name}.toml", text) for name, text in (files or {}).items()}
        self._error: str | None = None
        self._changed = trio.Event()

    def write(self, name: str, text: str, form: Form = Form.TOML) -> None:
        """A file has this text now."""
        self._sources[name, form] = Source(name, f"{name}{form.value}", text, form=form)
        self.hint()

    def remove(self, name: str, form: Form = Form.TOML) -> None:
        """A file is gone. Raises KeyError if it was not there."""
        del self._sources[name, form]
        self.hint()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that there are now."""
        return tuple(self._sources.values())

    def break_down(self, error: str | None) -> None:
        """The directory as a whole cannot be read, or (None) can again."""
        self._error = error
        self.hint()

    def hint(self) -> None:
        """Something may have changed."""
        self._changed.set()

    async def read(self) -> Listing:
        """What there is now."""
        self.reads += 1
        self._changed = trio.Event()
        await trio.lowlevel.checkpoint()
        if self._error is not None:
            return Listing((), self._error)
        return Listing(tuple(sorted(self._sources.values(), key=lambda source: (source.name, source.file))))

    async def wait_changed(self) -> None:
        """Wait for a hint."""
        await self._changed.wait()

    def watch_also(self, paths: Collection[str], contents: Collection[str] = ()) -> None:
        """Kept in ``also`` and ``contents``, for a test to see."""
        self.also, self.contents = frozenset(paths), frozenset(contents)


class FakeWorld:
    """Implements `orchestrator.ports.World`: a host on which only the given paths exist, with the given texts."""

    def __init__(self, paths: Mapping[str, PathKind] | None = None, texts: Mapping[str, str] | None = None) -> None:
        """paths: what stands there. texts: what files say, by path, in every root file system."""
        self.host = HOST
        self.paths = dict(paths or {})
        self.texts = dict(texts or {})
        self.digests: dict[str, DigestAnswer] = {}
        """What files of variables say, by path."""
        self.contents: dict[ContentQuestion, DigestAnswer] = {}
        """What small files say, by question."""
        self.devices: dict[str, DeviceAnswer] = {}
        """Those there are, by path."""
        self.places: dict[str, str] = {}
        """Links into the store: where each leads, as the store writes it."""
        self.nix = FakeNixStore()
        """What the store has, whichever store is asked."""
        self.entries: dict[str, FolderAnswer] = {}
        """What stands in folders, by path."""
        self.stamps: dict[str, StampAnswer] = {}
        """The states of files, by path."""
        self.folder_texts: dict[str, TextsAnswer] = {}
        """What the files of folders say, by the folder's path."""
        self.asked: list[Question] = []
        self.news = trio.Event()
        """To be set when what did not answer may answer now."""
        self.unanswered: frozenset[Question] = frozenset()
        """What does not answer."""
        self.delay = 0.0
        """Seconds until it answers."""

    async def wait_news(self) -> None:
        """Wait for `news`, once."""
        await self.news.wait()
        self.news = trio.Event()

    async def gather(self, questions: Iterable[Question]) -> Facts:
        """Answer from what was given."""
        asked = tuple(questions)
        await trio.sleep(self.delay)
        self.asked.extend(asked)
        paths = {
            question.path: PathAnswer(
                self.paths.get(question.path, PathKind.MISSING), self.places.get(question.path, question.path)
            )
            for question in asked
            if isinstance(question, PathQuestion)
        }
        texts = {question: self.texts.get(question.path) for question in asked if isinstance(question, TextQuestion)}
        digests = {
            question.path: self.digests.get(question.path, DigestAnswer(None, "no such file or directory"))
            for question in asked
            if isinstance(question, DigestQuestion)
        }
        devices = {
            question.path: self.devices.get(question.path, DeviceAnswer("", detail="no such device"))
            for question in asked
            if isinstance(question, DeviceQuestion)
        }
        unanswered = self.unanswered & set(asked)
        places = {
            question: None if question in unanswered else self.places.get(question.path)
            for question in asked
            if isinstance(question, PlaceQuestion)
        }
        closures = {question: self.nix.answer(question) for question in asked if isinstance(question, ClosureQuestion)}
        listed = (question.path for question in asked if isinstance(question, EntriesQuestion))
        entries = {path: self.entries.get(path) for path in listed}
        stamps = {
            question.path: self.stamps.get(question.path) for question in asked if isinstance(question, StampQuestion)
        }
        contents = {
            question: self.contents.get(question, DigestAnswer(None, "no such file or directory"))
            for question in asked
            if isinstance(question, ContentQuestion)
        }
        return Facts(
            host=self.host,
            paths=paths,
            texts=texts,
            digests=digests,
            devices=devices,
            places=places,
            closures=closures,
            entries=entries,
            stamps=stamps,
            folder_texts={each: self._find_texts(each) for each in asked if isinstance(each, TextsQuestion)},
            contents=contents,
            unanswered=unanswered,
        )

    def _find_texts(self, question: TextsQuestion) -> TextsAnswer:
        answer = self.folder_texts.get(question.path, ())
        return tuple((name, text) for name, text in answer if name.endswith(question.suffixes))
