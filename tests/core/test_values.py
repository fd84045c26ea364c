"""The small languages inside strings: what is read, what is said of the rest."""

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import values
from orchestrator.model.problem import Fault
from orchestrator.testing import strategies


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0.0), ("100ms", 0.1), ("10s", 10.0), ("1m30s", 90.0), ("1d2h3m4s5ms", 93784.005), ("90m", 5400.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "1m30s"),
        ("5", 'write "5s"'),
        ("1.5", 'write "1s500ms"'),
        ("1.5s", 'write "1s500ms"'),
        ("0.5m", 'write "30s"'),
        ("30s1m", "the largest first"),
        ("1m 30s", "units are"),
        ("-1s", "units are"),
        ("1S", "units are"),
        ("1m1m", "units are"),
        ("٣s", "units are"),
        ("9" * 5000 + "s", "units are"),
        ("9" * 5000, "units are"),
    ],
)
def test_bad_durations_have_a_hint(text: str, hint: str) -> None:
    fault = values.parse_duration(text)
    assert isinstance(fault, Fault)
    assert hint in fault.hint
    assert len(fault.message) < 120


@given(strategies.durations())
def test_durations_round_trip(seconds: float) -> None:
    assert values.parse_duration(values.format_duration(seconds)) == seconds


@given(strategies.duration_texts())
def test_duration_texts_are_stable_once_formatted(text: str) -> None:
    seconds = values.parse_duration(text)
    assert isinstance(seconds, float)
    assert values.parse_duration(values.format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "count"), [("0K", 0), ("1K", 1024), ("256M", 256 * 2**20), ("256MiB", 256 * 2**20), ("3T", 3 * 2**40)]
)
def test_sizes(text: str, count: int) -> None:
    assert values.parse_size(text) == count


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("256", "write 256 without quotes"),
        ("256m", 'did you mean "256M"?'),
        ("256MB", 'did you mean "256M"?'),
        ("256 Mi", 'did you mean "256M"?'),
        ("1.5G", "units are"),
        ("M", "units are"),
        ("", "units are"),
        ("-1M", "units are"),
    ],
)
def test_bad_sizes_have_a_hint(text: str, hint: str) -> None:
    fault = values.parse_size(text)
    assert isinstance(fault, Fault)
    assert hint in fault.hint


def test_a_size_beyond_the_kernels_is_a_fault() -> None:
    fault = values.parse_size("9999999999T")
    assert isinstance(fault, Fault)
    assert "9223372036854775807" in fault.message


@given(strategies.sizes())
def test_sizes_round_trip(count: int) -> None:
    text = values.format_size(count)
    assert (values.parse_size(text.strip('"')) if text.startswith('"') else int(text)) == count


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("SIGTERM", "SIGTERM", signal.SIGTERM),
        ("TERM", "SIGTERM", signal.SIGTERM),
        ("QUIT", "SIGQUIT", signal.SIGQUIT),
        ("SIGRTMIN", "SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", "SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", "SIGRTMAX-1", signal.SIGRTMAX - 1),
    ],
)
def test_signals(text: str, name: str, number: int) -> None:
    read = values.parse_signal(text)
    assert not isinstance(read, Fault)
    assert read == name
    assert values.signal_number(read) == number


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("SIGTREM", 'did you mean "SIGTERM"?'),
        ("quit", 'did you mean "SIGQUIT"?'),
        ("15", 'write "SIGTERM"'),
        ("99", "kill -l"),
        ("SIGRTMIN+99", "SIGRTMIN"),
        ("", "kill -l"),
    ],
)
def test_bad_signals_have_a_hint(text: str, hint: str) -> None:
    fault = values.parse_signal(text)
    assert isinstance(fault, Fault)
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("text", "path"), [("/", "/"), ("//", "/"), ("/a/", "/a"), ("//a//b/./c", "/a/b/c"), ("/..a/b..", "/..a/b..")]
)
def test_absolute_paths_are_normalised(text: str, path: str) -> None:
    assert values.parse_absolute_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a", "./a", "..", "/a/../b", "/..", "~/x"])
def test_other_paths_are_faults(text: str) -> None:
    assert isinstance(values.parse_absolute_path(text), Fault)


@pytest.mark.parametrize("part", ["a" * 255, "é" * 127, "." * 255])
def test_the_longest_names_and_paths(part: str) -> None:
    assert values.parse_absolute_path(f"/{part}") == f"/{part}"
    assert values.parse_absolute_path("/a" * 2047 + "b") == "/a" * 2047 + "b"
    assert values.parse_absolute_path("/." * 5000 + "/a") == "/a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/a/" + "a" * 256, "has 256 bytes, 255 are the most"),
        ("/" + "é" * 128, "has 256 bytes, 255 are the most"),
        ("/a" * 2048, "has 4096 bytes, 4095 are the most"),
        ("/a" * 20000, "has 40000 bytes, 4095 are the most"),
    ],
)
def test_longer_ones_are_faults_that_name_the_limit(text: str, message: str) -> None:
    fault = values.parse_absolute_path(text)
    assert isinstance(fault, Fault)
    assert message in fault.message
    assert len(fault.message) < 200


def test_how_deep_a_mount_may_be() -> None:
    assert values.parse_mount_path("/a" * 32) == "/a" * 32
    fault = values.parse_mount_path("/a" * 33)
    assert isinstance(fault, Fault)
    assert "has 33 parts, 32 are the most inside a container" in fault.message


@pytest.mark.parametrize(
    "text", ["/", "//.", "/proc", "/proc/", "/sys/fs/cgroup", "/dev/shm", "//dev//mqueue", "/a/.."]
)
def test_the_systems_own_mounts_stay_free(text: str) -> None:
    assert isinstance(values.parse_mount_path(text), Fault)


@pytest.mark.parametrize("text", ["/process", "/devices", "/data/proc", "/etc/resolv.conf"])
def test_mounts_elsewhere(text: str) -> None:
    assert values.parse_mount_path(text) == text


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("root", "root"),
        ("www-data:adm", "www-data:adm"),
        ("0", "0"),
        ("007:08", "7:8"),
        ("www-data:33", "www-data:33"),
        ("machine$", "machine$"),
        ("4294967294", "4294967294"),
    ],
)
def test_users(text: str, user: str) -> None:
    assert values.parse_user(text) == user


@pytest.mark.parametrize("text", ["", ":", "a:", ":a", "a:b:c", "a b", "1a", "-1", "4294967295", "9" * 5000, "root\n"])
def test_bad_users(text: str) -> None:
    assert isinstance(values.parse_user(text), Fault)


@pytest.mark.parametrize(
    ("text", "group"), [("video", "video"), ("44", "44"), ("044", "44"), ("4294967294", "4294967294")]
)
def test_groups(text: str, group: str) -> None:
    assert values.parse_group(text) == group


@pytest.mark.parametrize("text", ["", "a:b", "a b", "-1", "4294967295", "9" * 5000])
def test_bad_groups(text: str) -> None:
    assert isinstance(values.parse_group(text), Fault)


@pytest.mark.parametrize(("text", "umask"), [("0027", 0o27), ("027", 0o27), ("22", 0o22), ("0", 0), ("0777", 0o777)])
def test_umasks(text: str, umask: int) -> None:
    assert values.parse_umask(text) == umask


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("0o27", 'write "0027"'),
        ("0o1777", 'write "0027"'),
        ("1777", 'write "0027"'),
        ("0088", 'write "0027"'),
        ("u=rwx,g=rx,o=", 'write "0027"'),
        ("", 'write "0027"'),
        ("0" * 5000, 'write "0027"'),
    ],
)
def test_bad_umasks_have_a_hint(text: str, hint: str) -> None:
    fault = values.parse_umask(text)
    assert isinstance(fault, Fault)
    assert fault.hint == hint


def test_names_of_annotations() -> None:
    assert values.parse_annotation_name("org.example/é ") == "org.example/é "
    assert isinstance(values.parse_annotation_name(""), Fault)


@pytest.mark.parametrize("text", ["web", "web-1.example", "A", "0", "a" * 63])
def test_host_names(text: str) -> None:
    assert values.parse_hostname(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a-", "a_b", "a..b", "a.", "a" * 64, "a." * 33, "ä", "a\n"])
def test_bad_host_names(text: str) -> None:
    assert isinstance(values.parse_hostname(text), Fault)


@pytest.mark.parametrize("text", ["", "=", "A=B"])
def test_bad_names_of_variables(text: str) -> None:
    assert isinstance(values.parse_env_name(text), Fault)


@given(strategies.names())
def test_good_names(name: str) -> None:
    assert values.check_name(name) is None


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("Web", "only", 'did you mean "web"?'),
        ("my app", "only", 'did you mean "my-app"?'),
        ("_web", "begin with", 'did you mean "web"?'),
        ("a" * 64, "64 characters, 63", "did you mean"),
        ("", "begin with", "a-z"),
        ("web\n", "only", 'did you mean "web"?'),
        ("äöü", "only", "a-z"),
    ],
)
def test_bad_names(name: str, message: str, hint: str) -> None:
    fault = values.check_name(name)
    assert fault is not None
    assert message in fault.message
    assert hint in fault.hint


@given(st.text())
def test_a_name_that_is_suggested_is_good(name: str) -> None:
    fault = values.check_name(name)
    if fault is not None and fault.hint.startswith("did you mean"):
        assert values.check_name(fault.hint.split('"')[1]) is None


@given(st.text())
def test_any_text_is_a_value_or_a_fault(text: str) -> None:
    for parse in (
        values.parse_duration,
        values.parse_size,
        values.parse_signal,
        values.parse_absolute_path,
        values.parse_mount_path,
        values.parse_user,
        values.parse_group,
        values.parse_umask,
        values.parse_hostname,
        values.parse_env_name,
        values.parse_annotation_name,
    ):
        result = parse(text)
        if isinstance(result, Fault):
            assert result.path == ()
            assert result.message
            assert not result.message.endswith(".")
        elif isinstance(result, float):
            assert math.isfinite(result)


@given(st.text())
def test_what_is_read_is_read_again_as_the_same(text: str) -> None:
    for parse in (
        values.parse_absolute_path,
        values.parse_mount_path,
        values.parse_user,
        values.parse_group,
        values.parse_signal,
    ):
        result = parse(text)
        if isinstance(result, str):
            assert parse(result) == result
