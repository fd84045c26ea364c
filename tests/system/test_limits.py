"""How many descriptors a process may have, tried in processes of their own."""

import json
import subprocess
import sys

import pytest

RAISE = """
import json, resource
from orchestrator.system.limits import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, {limits})
before = raise_descriptor_limit()
print(json.dumps([[before.soft, before.hard], resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""
COUNT = """
import os, resource
from orchestrator.system.limits import are_descriptors_left, descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = os.listdir("/proc/self/fd")
free = 40 - (len(held) - 1)
assert are_descriptors_left(free) and not are_descriptors_left(free + 1)
assert are_descriptors_left(free), "none is kept"
assert descriptor_limit() == 40
"""


def run_python(text: str) -> str:
    done = subprocess.run((sys.executable, "-c", text), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("soft", "hard"), [(256, 512), (512, 512)])
def test_the_soft_limit_becomes_the_hard_one_and_what_it_was_is_told(soft: int, hard: int) -> None:
    assert json.loads(run_python(RAISE.format(limits=(soft, hard)))) == [[soft, hard], [hard, hard]]


def test_whether_so_many_can_be_opened() -> None:
    run_python(COUNT)
