"""A machine under systemd for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.systemd.machine import Machine, boot


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with boot(tmp_path_factory.mktemp("machine")) as machine:
        yield machine
