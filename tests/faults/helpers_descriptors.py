"""A process that has no descriptor left, for a while."""

import contextlib
import os
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def no_descriptors_left(spare: int = 0) -> Iterator[None]:
    """Only ``spare`` more descriptors can be opened in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        taken = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(2))
        for descriptor in taken[:spare]:
            os.close(descriptor)
        for descriptor in taken[spare:]:
            stack.callback(os.close, descriptor)
        yield
