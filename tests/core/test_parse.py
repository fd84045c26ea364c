"""Text to definition or faults: strict, everything at once, with the kinds of a registry."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.parse import Parser, parse_definition
from orchestrator.core.suggest import complete_hint
from orchestrator.model.definition import Definition
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.policy import ContainerType, OnExit
from orchestrator.model.problem import At, Fault
from orchestrator.model.rootfs import ClosureRootfs, DirectoryRootfs, HostRootfs
from orchestrator.model.source import Source
from orchestrator.model.types import AbsolutePath
from orchestrator.plugin import Duration
from orchestrator.testing import strategies
from tests.core.helpers_kinds import REGISTRY, Bare, BindLike, BridgeLike, Mode, Port, TmpfsLike

PARSER = Parser(REGISTRY)


def parse(text: str) -> Definition | tuple[Fault, ...]:
    return PARSER.parse(Source("web", "web.toml", text))


def read(text: str) -> Definition:
    result = parse(text)
    assert isinstance(result, Definition), result
    return result


def refuse(text: str) -> tuple[Fault, ...]:
    result = parse(text)
    assert isinstance(result, tuple), result
    assert result
    return tuple(evolve(fault, hint=complete_hint(fault)) for fault in result)


def refuse_once(text: str) -> Fault:
    (fault,) = refuse(f'args = ["/bin/true"]\n{text}')
    return fault


def test_the_smallest_definition() -> None:
    assert read('args = ["/bin/true"]') == Definition(args=("/bin/true",))


def test_a_whole_definition() -> None:
    definition = read(
        """
        args = ["/usr/bin/python3", ""]
        cwd = "/srv//www/"
        user = "www-data"
        hostname = "web"
        readonly = false
        type = "oneshot"
        rootfs = { type = "directory", path = "/srv/alpine" }
        network = "none"
        [env]
        LANG = "C.UTF-8"
        EMPTY = ""
        [mounts]
        "/data" = { source = "/srv/data", options = ["ro"] }
        "/tmp/" = "tmpfs"
        [resources]
        memory = "256M"
        [restart]
        on_success = "restart"
        delay = "1s500ms"
        factor = 3
        [stop]
        signal = "QUIT"
        timeout = "1m"
        """
    )
    assert definition.args == ("/usr/bin/python3", "")
    assert definition.cwd == "/srv/www"
    assert definition.type is ContainerType.ONESHOT
    assert isinstance(definition.rootfs, DirectoryRootfs)
    assert definition.network == Bare()
    assert definition.env == {"LANG": "C.UTF-8", "EMPTY": ""}
    data: Any = BindLike(source=AbsolutePath("/srv/data"), options=("ro",))
    temporary: Any = TmpfsLike()
    assert definition.mounts == {"/data": data, "/tmp": temporary}
    assert definition.resources.memory == 256 * 2**20
    assert definition.restart.on_success is OnExit.RESTART
    assert definition.restart.delay == 1.5
    assert isinstance(definition.restart.factor, float)
    assert (definition.stop.signal, definition.stop.timeout) == ("SIGQUIT", 60.0)


def test_the_same_by_the_thin_function() -> None:
    source = Source("web", "web.toml", 'args = ["/bin/true"]')
    assert parse_definition(source, REGISTRY) == PARSER.parse(source)


@pytest.mark.parametrize(("text", "kind"), [('"host"', HostRootfs), ('{ type = "closure" }', ClosureRootfs)])
def test_kinds_of_rootfs(text: str, kind: type) -> None:
    assert isinstance(read(f'args = ["true"]\nrootfs = {text}').rootfs, kind)


def test_a_kind_of_a_plugin_is_read_like_the_model() -> None:
    definition = read(
        """
        args = ["/bin/true"]
        [network]
        type = "bridge"
        name = "lan"
        mode = "safe"
        ratio = 1
        wait = "2s"
        strict = true
        labels = { a = 1 }
        [[network.ports]]
        host = 8080
        [[network.ports]]
        host = 8443
        container = 443
        """
    )
    assert definition.network == BridgeLike(
        name="lan",
        mode=Mode.SAFE,
        ratio=1.0,
        wait=Duration(2.0),
        strict=True,
        labels={"a": 1},
        ports=(Port(host=8080), Port(host=8443, container=443)),
    )


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ('readonly = "true"', ("readonly",), 'expected true or false, found the string "true"', "write true, without"),
        ("readonly = 1", ("readonly",), "found the integer 1", ""),
        ("hostname = true", ("hostname",), "expected a host name, found the boolean true", ""),
        ("user = 1000", ("user",), "expected a user, found the integer 1000", 'write "1000", in quotes'),
        ("cwd = 2020-01-01", ("cwd",), "found the date or time 2020-01-01", ""),
        ("env = []", ("env",), "expected a table, found a list", 'write { NAME = "value" }'),
        ("env.A = 1", ("env", "A"), "expected a string, found an integer", "write it in quotes"),
        ('env."A=B" = ""', ("env", "A=B"), "contains '=': \"A=B\"", ""),
        ("restart = 5", ("restart",), "expected a table, found the integer 5", ""),
        ("restart.delay = 5", ("restart", "delay"), "expected a duration, found the integer 5", 'write "5s"'),
        ("restart.delay = 0.5", ("restart", "delay"), "found the number 0.5", 'write "500ms"'),
        ("restart.delay = -1", ("restart", "delay"), "found the integer -1", 'write "10s"'),
        ('restart.delay = "5"', ("restart", "delay"), 'the duration "5" has no unit', 'write "5s"'),
        ('restart.delay = "2d"', ("restart", "delay"), '"2d" is above the maximum "1d"', 'write "0s" to "1d"'),
        ("restart.factor = 0.5", ("restart", "factor"), "0.5 is below the minimum 1", "write 1 to 100"),
        ("restart.factor = true", ("restart", "factor"), "expected a number, found the boolean true", ""),
        ("restart.factor = nan", ("restart", "factor"), "expected a finite number, found nan", ""),
        ('restart.factor = "2.5"', ("restart", "factor"), 'found the string "2.5"', "write 2.5, without quotes"),
        ("resources.memory = 5", ("resources", "memory"), '5 is below the minimum "6M"', 'write "6M" or more'),
        ('resources.memory = "5M"', ("resources", "memory"), '"5M" is below the minimum "6M"', ""),
        ("resources.memory = 1e9", ("resources", "memory"), "expected a size, found the number 1000000000.0", ""),
        ("resources.memory = -1", ("resources", "memory"), "the size -1 is negative", ""),
        (f"resources.memory = {2**63}", ("resources", "memory"), "the kernel's limit", ""),
        (f"resources.memory = 0x{'f' * 5000}", ("resources", "memory"), "the size of 20000 bits is above", ""),
        (f"restart.factor = 0x{'f' * 5000}", ("restart", "factor"), "found the integer of 20000 bits", ""),
        ("stop.signal = 15", ("stop", "signal"), "expected the name of a signal", 'write "SIGTERM"'),
        ('stop.signal = "TREM"', ("stop", "signal"), '"TREM" is not a signal', 'did you mean "SIGTERM"?'),
        ('type = "servce"', ("type",), 'expected "service" or "oneshot", found "servce"', 'did you mean "service"?'),
        ("type = 1", ("type",), 'expected "service" or "oneshot", found the integer 1', ""),
        ('cwd = "srv"', ("cwd",), 'the path "srv" is not absolute', 'write "/srv"'),
        ('cwd = "/a/../b"', ("cwd",), "the path \"/a/../b\" contains '..'", 'write "/b"'),
        ('cwd = "/a\\u0000"', ("cwd",), '"/a\\u0000" contains a NUL character', ""),
        ('env.A = "\\u0000"', ("env", "A"), "it contains a NUL character", ""),
        (
            'rootfs = "hots"',
            ("rootfs",),
            'unknown kind of root file system "hots": expected "host", "directory" or',
            "host",
        ),
        ('rootfs = "directory"', ("rootfs",), 'it needs "path"', 'write { type = "directory", path = "/srv/alpine" }'),
        ("rootfs = {}", ("rootfs",), 'missing key "type"', '"closure"'),
        ("rootfs.type = 1", ("rootfs", "type"), "expected a string, found the integer 1", ""),
        ('rootfs.type = "directory"', ("rootfs",), 'missing key "path"', 'write path = "/srv/alpine"'),
        ('rootfs = { type = "host", path = "/" }', ("rootfs", "path"), 'unknown key "path"', "it takes no keys"),
        (
            "network = 1",
            ("network",),
            "expected a table or the name of a kind of network",
            '"none", "host" or "bridge"',
        ),
        ('network = "hsot"', ("network",), 'unknown kind of network "hsot": expected "none",', 'did you mean "host"?'),
        ('mounts."/a" = "/srv"', ("mounts", "/a"), "expected a table", 'write { source = "/srv" }'),
        ('mounts."/a" = "bind"', ("mounts", "/a"), 'it needs "source"', 'source = "/srv/data" }'),
        ('mounts."/a".type = "tmp"', ("mounts", "/a", "type"), 'unknown kind of mount "tmp"', 'did you mean "tmpfs"?'),
        ('mounts."/a".source = "x"', ("mounts", "/a", "source"), "not absolute", ""),
        ('mounts."/proc/x" = "tmpfs"', ("mounts", "/proc/x"), "below /proc, one of the system's own mounts", ""),
        ('mounts."data" = "tmpfs"', ("mounts", "data"), "not absolute", 'write "/data"'),
        ('mounts = { "/a" = "tmpfs", "/a/" = "tmpfs" }', ("mounts", "/a/"), '"/a/" is the same as "/a" further up', ""),
        (
            'network = { type = "bridge", name = "x", ports = [{ host = 0 }] }',
            ("network", "ports", 0, "host"),
            "0 is below the minimum 1",
            "write 1 to 65535",
        ),
        ('network = { type = "bridge", name = "x", mode = "fsat" }', ("network", "mode"), 'found "fsat"', '"fast"?'),
        ('network = { type = "bridge", name = "x", strict = true }', ("network",), 'strict needs mode = "safe"', ""),
        (
            'network = { type = "bridge", name = "x", wait = "61s" }',
            ("network", "wait"),
            'maximum "1m"',
            '"1m" or less',
        ),
    ],
)
def test_what_is_said_of_a_bad_value(text: str, path: KeyPath, message: str, hint: str) -> None:
    fault = refuse_once(text)
    assert fault.path == path
    assert message in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ("", (), "there is nothing to run", "write args = ["),
        ("args = []", ("args",), "the list is empty", "write ["),
        ('args = [""]', ("args", 0), 'the command is empty: ""', ""),
        ('args = "nginx -g x"', ("args",), 'found the string "nginx -g x"', 'write ["nginx", "-g", "x"]'),
        ('args = ["a", 1]', ("args", 1), "found the integer 1", 'write "1", in quotes'),
        ('args = ["a\\u0000"]', ("args", 0), "contains a NUL character", ""),
    ],
)
def test_what_is_said_of_args(text: str, path: KeyPath, message: str, hint: str) -> None:
    (fault,) = refuse(text)
    assert fault.path == path
    assert message in fault.message
    assert hint in fault.hint


def many(count: int, form: str, separator: str = "\n") -> str:
    return separator.join(form.format(number) for number in range(count))


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ('cwd = "' + "/a" * 33 + '"', ("cwd",), "has 33 parts, 32 are the most inside a container"),
        ('cwd = "' + "/a" * 20000 + '"', ("cwd",), "has 40000 bytes, 4095 are the most"),
        ('mounts."' + "/a" * 20000 + '" = "tmpfs"', ("mounts", "/a" * 20000), "has 40000 bytes, 4095 are the most"),
        ("[mounts]\n" + many(257, '"/{}" = "tmpfs"'), ("mounts",), "there are 257 mounts, 256 are the most"),
        ("[env]\n" + many(1001, 'A{} = ""'), ("env",), "the table has 1001 entries, 1000 are the most"),
        (many(1001, "k{} = 1"), (), "the table has 1002 keys, 1000 are the most"),
        ("[restart]\n" + many(1001, "k{} = 1"), ("restart",), "the table has 1001 keys, 1000 are the most"),
        (
            'mounts."/a" = { source = "/b", options = [' + many(1001, '"ro"', ", ") + "] }",
            ("mounts", "/a", "options"),
            "the list has 1001 items, 1000 are the most",
        ),
    ],
)
def test_what_is_too_much_is_one_fault_that_names_the_limit(text: str, path: KeyPath, message: str) -> None:
    fault = refuse_once(text)
    assert fault.path == path
    assert message in fault.message


def test_as_much_as_is_allowed() -> None:
    args, env = many(1000, '"a"', ", "), many(1000, 'A{} = ""')
    definition = read(f"args = [{args}]\n[env]\n{env}\n[mounts]\n" + many(256, '"/{}" = "tmpfs"'))
    assert (len(definition.args or ()), len(definition.env), len(definition.mounts)) == (1000, 1000, 256)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("hostnam", 'did you mean "hostname"?'),
        ("Hostname", 'did you mean "hostname"?'),
        ("zzzzzz", "known keys: after, annotations, arch, args"),
        ("restart.on-failure", 'did you mean "on_failure"?'),
        ("stop.kill", "known keys: signal, timeout"),
    ],
)
def test_an_unknown_key_is_a_fault_of_the_key(key: str, hint: str) -> None:
    fault = refuse_once(f'{key} = "x"')
    assert fault.at is At.KEY
    assert fault.path == tuple(key.split("."))
    assert "unknown key" in fault.message
    assert hint in fault.hint


def test_a_misspelt_type_is_told_from_an_option() -> None:
    faults = refuse('args = ["a"]\nmounts."/a" = { typ = "tmpfs" }')
    assert [(fault.path, fault.hint) for fault in faults] == [
        (("mounts", "/a", "typ"), 'did you mean "type"?'),
        (("mounts", "/a"), 'write source = "/srv/data"'),
    ]


def test_everything_is_told_at_once() -> None:
    faults = refuse(
        """
        argz = 1
        user = 1
        [mounts."/dev/x"]
        source = 1
        extra = 1
        [env]
        "" = 1
        [restart]
        delay = 1
        factor = 1000
        """
    )
    assert {fault.path for fault in faults} == {
        (),
        ("argz",),
        ("user",),
        ("mounts", "/dev/x"),
        ("mounts", "/dev/x", "source"),
        ("mounts", "/dev/x", "extra"),
        ("env", ""),
        ("restart", "delay"),
        ("restart", "factor"),
    }
    assert len(faults) == 10


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("a = 1\nb = ", Place(2, 4), "invalid value", "quotes"),
        ("a = 1\nb = [1,\n\n", Place(2, 8), "invalid value", ""),
        ("user = www-data\n", Place(1, 8), "invalid value", "text stands in quotes"),
        ("a = 1\na = 2\n", Place(2, 6), "cannot overwrite a value", "a key is written twice"),
        ("[a]\nb=1\n[a]\n", Place(3, 3), "cannot declare a twice", "a table is written twice"),
        ('[a."x y".z]\n[a."x y".z]\n', Place(2, 11), 'cannot declare a."x y".z twice', ""),
        ("just words\n", Place(1, 6), "expected '='", "write key"),
        ('\ufeffargs = ["a"]', Place(1, 1), "invalid statement", "byte order mark"),
        ("[[[a]]]", Place(1, 3), "invalid initial character for a key part", ""),
        ("a = " + "9" * 5000, Place(1, 1), "exceeds the limit", ""),
    ],
)
def test_syntax_errors_have_their_own_place(text: str, place: Place, message: str, hint: str) -> None:
    (fault,) = refuse(text)
    assert fault.place == place
    assert fault.path == ()
    assert fault.message.startswith("not valid TOML: ")
    assert message in fault.message
    assert hint in fault.hint


def test_a_file_that_could_not_be_read() -> None:
    result = PARSER.parse(Source("web", "web.toml", None, "cannot read: permission denied"))
    assert result == (Fault((), "cannot read: permission denied"),)


@given(strategies.toml_texts(strategies.definition_tables()))
def test_good_texts_are_read_however_they_are_written(text: str) -> None:
    read(text)


@given(strategies.toml_texts())
@settings(max_examples=100)
def test_any_table_is_a_definition_or_faults(text: str) -> None:
    result = parse(text)
    if isinstance(result, tuple):
        assert result
        for fault in result:
            assert fault.place is None
            assert not fault.message.endswith(".")


@given(st.text())
def test_any_text_is_a_definition_or_faults(text: str) -> None:
    parse(text)
