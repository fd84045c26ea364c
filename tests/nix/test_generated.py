"""What the Nix files read of the program is what it says by now, and their patterns are the program's."""

import json
import re

from contrib.nix.generate import make_files
from tests.nix.helpers_nix import CONTRIB
from tests.nix.private_store import PrivateStore, quote

SAMPLES = (
    "", "a", "x y", " ", "\n\t", "é", "A", "A=B", "A\nB",
    "/", "/a", "/a/b", "a/b", "/a/../b", "/..", "/a/..", "/a..b/c", "/a\nb", "/a b", "/a#b", '/a"b', "/é", "/healthz",
    "/proc", "/proc/x", "//proc", "/./sys", "/process", "/dev", "/x/profile.json", "default", "unconfined", "default/x",
    "10s", "1m30s", "30s1m", "ms", "5ms", "1d", "0", "256M", "12KiB", "3G", "12X", "0022", "22", "0999", "77777",
    "rw", "rwm", "m", "x", "SIGTERM", "TERM", "SIGRTMIN+3", "RTMIN+33", "SIGFOO", "web", "web-1.x", "-web", "WEB",
    "a" * 63, "a" * 64, "user", "user:group", "1000", "1000:1000", "1000:", "us er", "host.name", "-host", "host-", ".",
    "localhost", "127.0.0.1", "::1", "fe80::1%eth0", "foo",
    "80", "*:80", ":80", "[::1]:80", "[fe80::1%eth0]:80", "[web]:80", "127.0.0.1:80", "::1:80", "http:",
)  # fmt: skip

LENIENT = {"^(?!.*(.).*\\1)[rwm]{1,3}$"}
"""That no letter stands twice, Nix cannot test. What it lets pass beyond the samples the agent refuses."""


def test_the_generated_files_are_up_to_date() -> None:
    for name, text in make_files().items():
        assert (CONTRIB / name).read_text() == text, f"{name} is out of date: run contrib/nix/generate.py"


def find_patterns(schema: object) -> set[str]:
    match schema:
        case dict():
            own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
            return own.union(*(find_patterns(value) for value in schema.values()))
        case list():
            return set().union(*(find_patterns(value) for value in schema))
    return set()


def test_a_pattern_matches_the_same_in_nix(private_store: PrivateStore) -> None:
    patterns = sorted(find_patterns(json.loads((CONTRIB / "schema.json").read_text())))
    assert set(patterns) > LENIENT
    found = private_store.evaluate(
        f"map (pattern: map (import {CONTRIB}/module/pattern.nix pattern)"
        f" (builtins.fromJSON {quote(json.dumps(SAMPLES))})) (builtins.fromJSON {quote(json.dumps(patterns))})"
    )
    for pattern, matches in zip(patterns, found, strict=True):
        assert matches == [re.search(pattern, sample) is not None for sample in SAMPLES], pattern


def test_every_nix_file_can_be_read(private_store: PrivateStore) -> None:
    files = [path for folder in (CONTRIB, CONTRIB.parents[1] / "orchestrator/nix") for path in folder.rglob("*.nix")]
    assert len(files) > 10
    for path in sorted(files):
        private_store.run("nix-instantiate", "--parse", str(path))
