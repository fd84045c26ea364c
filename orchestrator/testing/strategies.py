"""Hypothesis strategies for definitions and their values, for this project's tests and those of plugin authors.

The only module of the package that imports hypothesis, which is a dependency of tests. A new option of the model joins
`definition_tables`. Floor: testing.
"""

import json
from typing import Any

from hypothesis import strategies as st

from orchestrator.model.types import NAME_PATTERN

Table = dict[str, Any]
"""A table as tomllib reads it."""

_TABLES = ("capabilities", "mounts", "resources", "restart", "rlimits", "rootfs", "sockets", "stop")

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def names() -> st.SearchStrategy[str]:
    """What a container may be called."""
    return st.from_regex(NAME_PATTERN, fullmatch=True)


@st.composite
def duration_texts(draw: st.DrawFn) -> str:
    """Durations as a file has them, up to a day: ``"1m30s"``."""
    counts = {unit: draw(st.integers(0, 900)) for unit in draw(st.sets(st.sampled_from(["m", "s", "ms"]), min_size=1))}
    return "".join(f"{counts[unit]}{unit}" for unit in _UNITS if unit in counts)


def durations() -> st.SearchStrategy[float]:
    """Seconds, in whole milliseconds, up to ten years."""
    return st.integers(0, 10 * 366 * 86400 * 1000).map(lambda milliseconds: milliseconds / 1000)


def sizes() -> st.SearchStrategy[int]:
    """Bytes: any number, round ones often."""
    factors = st.sampled_from([1, 2**10, 2**20, 2**30, 2**40])
    return st.builds(lambda count, factor: count * factor, st.integers(0, 2**22), factors) | st.integers(0, 2**63 - 1)


def texts() -> st.SearchStrategy[str]:
    """Strings without NUL, since no argument or variable may hold one."""
    return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def paths() -> st.SearchStrategy[str]:
    """Absolute paths that may be a mount's destination, normalised."""
    part = st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True)
    whole = st.lists(part, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
    return whole.filter(lambda path: path.split("/")[1] not in ("proc", "sys", "dev"))


def mount_tables() -> st.SearchStrategy[Table]:
    """Tables of the built-in kinds of mount."""
    modes = st.integers(0o100, 0o7777).map(lambda mode: f"{mode:04o}")
    made = {"owner": st.sampled_from(["root", "1000:1000", "nobody:nogroup"]), "mode": modes}
    kinds: dict[str, tuple[Table, Table]] = {
        "bind": ({"source": paths()}, {"create": st.booleans(), **made}),
        "file": ({"text": texts()}, {"mode": modes}),
        "tmpfs": ({}, {"size": st.integers(4096, 2**40), **made}),
        "volume": ({}, {"name": st.just("data"), **made}),
        "secret": ({"file": paths()}, {"watch": st.booleans(), **made}),
        "overlay": ({"lower": st.lists(paths(), max_size=2)}, {"upper": st.sampled_from(["fresh", "kept"]), **made}),
    }
    return st.one_of(
        *(
            st.fixed_dictionaries({"type": st.just(kind), **needed}, optional=optional)
            for kind, (needed, optional) in kinds.items()
        )
    )


def definition_tables(mounts: st.SearchStrategy[Table] | None = None) -> st.SearchStrategy[Table]:
    """Tables that are good definitions, with the kinds `bind`, `none` and `host`. mounts: those of other kinds, for a
    parser that knows them."""
    users = st.sampled_from(["root", "www-data", "0", "1000:1000", "nobody:nogroup"])
    signals = st.sampled_from(["SIGTERM", "TERM", "SIGQUIT", "SIGRTMIN+3"])
    on_exit = st.sampled_from(["restart", "stop"])
    directory = st.fixed_dictionaries({"type": st.just("directory"), "path": paths()})
    closure = st.fixed_dictionaries({"type": st.just("closure")}, optional={"store": paths()})
    mount = st.fixed_dictionaries({"source": paths()}, optional={"type": st.just("bind")})
    mount = mount if mounts is None else mount | mounts
    capabilities = st.lists(st.sampled_from(["NET_ADMIN", "CAP_CHOWN", "ALL"]), max_size=2)
    devices = st.fixed_dictionaries(
        {"path": paths()}, optional={"destination": paths(), "access": st.sampled_from(["r", "wr", "rwm"])}
    )
    limits = st.integers(0, 2**64 - 2) | st.just("unlimited")
    rlimits = st.fixed_dictionaries({"hard": limits}, optional={"soft": limits})
    restart = st.fixed_dictionaries(
        {},
        optional={
            "on_failure": on_exit,
            "on_success": on_exit,
            "delay": duration_texts(),
            "factor": st.floats(1.0, 100.0) | st.integers(1, 100),
            "max_delay": duration_texts(),
            "jitter": st.floats(0.0, 1.0),
            "reset_after": duration_texts(),
        },
    )
    args = st.builds(lambda command, rest: [command, *rest], paths(), st.lists(texts(), max_size=3))
    script = st.fixed_dictionaries({"cmd": texts().filter(str.strip)}, optional={"shell": paths()})
    env_file = st.fixed_dictionaries({"path": paths()}, optional={"watch": st.booleans()})
    file_log = st.fixed_dictionaries({"type": st.just("file")}, optional={"max_size": st.integers(2**16, 2**40)})
    probing = {"period": st.sampled_from(["1s", "1m30s"]), "failures": st.integers(1, 1000)}
    port = st.integers(1, 65535)
    asked = {**probing, "path": paths(), "host": st.sampled_from(["::1", "10.0.0.1"]), "tls": st.booleans()}
    health = (
        st.fixed_dictionaries({"type": st.just("tcp"), "port": port}, optional=probing)
        | st.fixed_dictionaries({"type": st.just("exec"), "args": args}, optional=probing)
        | st.fixed_dictionaries({"type": st.just("http"), "port": port}, optional=asked)
    )
    others = st.fixed_dictionaries(
        {},
        optional={
            "env_files": st.lists(env_file | paths(), max_size=2),
            "log": st.sampled_from(["file", "journal", "none"]) | file_log,
            "rootfs": st.sampled_from(["host", "closure"]) | directory | closure,
            "packages": st.lists(paths(), max_size=2),
            "env": st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), texts(), max_size=3),
            "cwd": paths(),
            "user": users,
            "groups": st.lists(st.sampled_from(["adm", "44"]), max_size=2),
            "umask": st.integers(0, 0o777).map(lambda mask: f"{mask:04o}"),
            "os": st.just("linux"),
            "arch": st.sampled_from(["amd64", "aarch64"]),
            "annotations": st.dictionaries(texts().filter(bool), texts(), max_size=2),
            "hostname": st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True),
            "readonly": st.booleans(),
            "type": st.sampled_from(["service", "oneshot"]),
            "mounts": st.dictionaries(paths(), mount, max_size=3),
            "network": st.sampled_from(["none", "host"]),
            "devices": st.lists(devices | paths() | st.just("vendor.com/class=a:0"), max_size=2),
            "hooks_dirs": st.lists(paths(), max_size=2),
            "capabilities": st.fixed_dictionaries({}, optional={"add": capabilities, "drop": capabilities}),
            "no_new_privileges": st.booleans(),
            "seccomp": st.sampled_from(["default", "unconfined"]) | paths(),
            "masked_paths": st.lists(paths(), max_size=2),
            "readonly_paths": st.lists(paths(), max_size=2),
            "rlimits": st.dictionaries(st.sampled_from(["core", "nofile", "stack"]), limits | rlimits, max_size=2),
            "resources": st.fixed_dictionaries({}, optional={"memory": st.integers(6 * 2**20, 2**50)}),
            "restart": restart,
            "stop": st.fixed_dictionaries({}, optional={"signal": signals, "timeout": duration_texts()}),
            "health": health,
            "ready": st.sampled_from(["started", "notify", "healthy"]),
            "start_timeout": st.sampled_from(["100ms", "90s"]),
            "watchdog": st.sampled_from(["1s", "1m"]),
            "after": st.lists(st.sampled_from(["db", "cache"]), max_size=2),
            "requires": st.lists(st.sampled_from(["db", "queue"]), max_size=2),
            "on_failed_update": st.sampled_from(["rollback", "retry"]),
            "sockets": socket_tables(),
        },
    ).map(_agree)
    return st.builds(lambda runs, rest: {**runs, **rest}, st.fixed_dictionaries({"args": args}) | script, others)


def socket_addresses() -> st.SearchStrategy[str]:
    """Where a socket may listen, as a definition keeps it: ``HOST:PORT``, or a path."""
    hosts = st.just("*") | st.ip_addresses(v=4).map(str)
    sixes = st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:"))
    hosts |= sixes.map(lambda text: f"[{text}]")
    return st.builds(lambda host, port: f"{host}:{port}", hosts, st.integers(1, 65535)) | paths()


@st.composite
def socket_tables(draw: st.DrawFn) -> Table:
    """Good sockets, each at an address of its own."""
    sockets: Table = {}
    for address in draw(st.lists(socket_addresses(), unique=True, max_size=3)):
        kind = draw(st.sampled_from(["stream", "datagram"]))
        options: dict[str, st.SearchStrategy[Any]] = {"nonblocking": st.booleans(), "backlog": st.integers(1, 65535)}
        if address.startswith("/"):
            mode = st.integers(0, 0o777).map(lambda mode: f"{mode:04o}")
            options |= {"mode": mode, "owner": st.sampled_from(["root", "0", "33:33"])}
        else:
            options |= {"reuse_port": st.booleans()}
        table = draw(st.fixed_dictionaries({kind: st.just(address)}, optional=options))
        bare = table == {"stream": address} and draw(st.booleans())
        sockets[draw(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", fullmatch=True))] = address if bare else table
    return sockets


def _agree(table: Table) -> Table:
    """A table whose `ready` and `packages` stand with the rest of it."""
    lacks = table.get("ready") == "healthy" and "health" not in table
    rootfs = table.get("rootfs", "closure")
    unfit = {"ready": lacks or table.get("type") == "oneshot"}
    unfit["packages"] = (rootfs if isinstance(rootfs, str) else rootfs["type"]) != "closure"
    return {key: value for key, value in table.items() if not unfit.get(key)}


def toml_values() -> st.SearchStrategy[Any]:
    """Any value that TOML has, tables and lists included."""
    keys = st.sampled_from(["args", "env", "mounts", "type", "source", "/data", "restart", "delay"]) | st.text(
        max_size=6
    )
    scalars = (
        st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=12)
        | st.sampled_from(["host", "bind", "/srv", "..", "1m30s", "256M", "restart"])
        | st.dates()
        | st.times()
        | st.datetimes()
    )
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@st.composite
def toml_tables(draw: st.DrawFn) -> Table:
    """Tables that mostly are no good definitions: known keys, strange values; strange keys too."""
    table: Table = dict(draw(definition_tables()))
    for _ in range(draw(st.integers(0, 4))):
        place = table
        for key in draw(st.lists(st.sampled_from(_TABLES), max_size=1)):
            place = place[key] if isinstance(place.get(key), dict) else place
        place[draw(st.sampled_from([*table, *place]) | st.text(max_size=6))] = draw(toml_values())
    return table


def toml_texts(tables: st.SearchStrategy[Table] | None = None) -> st.SearchStrategy[str]:
    """Definition files: each table written in one of the many ways that TOML has for it."""
    return st.builds(_write_toml, toml_tables() if tables is None else tables, st.randoms(use_true_random=False))


def dump_toml(value: object) -> str:
    """A value as TOML, on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_dump_key(key)} = {dump_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(dump_toml, value)) + "]"
        case str():
            return _dump_key(value)
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case _:
            return str(value)


def _dump_key(key: str) -> str:
    # JSON's escapes are TOML's too, save for DEL, which TOML wants escaped.
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write_toml(table: Table, random: Any) -> str:  # noqa: ANN401 - random.Random, which this floor must not import
    """Every table at the top as inline table, by dotted keys or under a header, with comments and empty lines between;
    headers come last, since they claim what follows."""
    ways = ("inline", "dotted", "header")
    chosen = {key: random.choice(ways) if isinstance(item, dict) and item else "inline" for key, item in table.items()}
    lines: list[str] = []
    for key, item in sorted(table.items(), key=lambda pair: chosen[pair[0]] == "header"):
        lines += random.choice(([], [""], ["# größer"]))
        if chosen[key] == "header":
            lines.append(f"[{_dump_key(key)}]")
            lines += [f"{_dump_key(inner)} = {dump_toml(below)}" for inner, below in item.items()]
        elif chosen[key] == "dotted":
            lines += [f"{_dump_key(key)}.{_dump_key(inner)} = {dump_toml(below)}" for inner, below in item.items()]
        else:
            lines.append(f"{_dump_key(key)} = {dump_toml(item)}")
    return "\n".join(lines) + "\n"
