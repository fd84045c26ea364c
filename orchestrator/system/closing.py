"""What is closed at the end of its ``with`` block, whatever ends it. Floor: system."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Something that holds descriptors: a context manager that closes itself."""

    @abstractmethod
    def close(self) -> None:
        """Give up what is held. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
