"""A small made-up world for pure tests: what questions are answered with, and definitions that fit it."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from orchestrator_mounts.bind import OPTIONS, Bind
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork
from referencing import Registry as SchemaRegistry
from referencing.jsonschema import DRAFT4

from orchestrator.core.further import further_questions
from orchestrator.core.output import JOURNAL
from orchestrator.core.questions import ask_questions
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.confinement import Capabilities, Device, Rlimit
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.facts import (
    ClosureQuestion,
    ContentQuestion,
    DeviceAnswer,
    DeviceQuestion,
    DigestAnswer,
    DigestQuestion,
    EntriesQuestion,
    ExecAnswer,
    ExecQuestion,
    Facts,
    FolderAnswer,
    HostFacts,
    PathAnswer,
    PathKind,
    PathQuestion,
    PlaceQuestion,
    Question,
    TextQuestion,
    TextsAnswer,
    TextsQuestion,
)
from orchestrator.model.health import ExecHealth, HttpHealth, TcpHealth
from orchestrator.model.log import FileLog, JournalLog, NoLog
from orchestrator.model.policy import ContainerType, Ready
from orchestrator.model.resources import Resources
from orchestrator.model.rootfs import ClosureRootfs, DirectoryRootfs, HostRootfs
from orchestrator.model.sockets import Socket
from orchestrator.model.spec import SkeletonRoot, Spec
from orchestrator.model.store import ClosureAnswer
from orchestrator.model.types import (
    AbsolutePath,
    AnnotationName,
    Capability,
    ContainerName,
    DeviceAccess,
    Duration,
    EnvName,
    FileMode,
    GroupName,
    HostName,
    MountPath,
    RlimitName,
    RlimitValue,
    SeccompChoice,
    Size,
    SocketAddress,
    SocketName,
    Umask,
    UserName,
)
from orchestrator.testing.nix import FakeNixStore, FakePath
from tests.core.helpers_cdi import CDI_FILES
from tests.core.helpers_hooks import HOOK_FILES
from tests.core.helpers_program import answer_program
from tests.core.helpers_ready import READY_CONFIGS

SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema")

HOST = HostFacts(
    machine="x86_64",
    kernel=(6, 1),
    usr_links={"/bin": "usr/bin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/sbin": "usr/sbin"},
    etc_files=("/etc/group", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/etc/ssl/certs"),
    seccomp_profile=None,
)

FOLDERS = ("/", "/srv/data", "/srv/alpine", "/usr/share/doc", "/bin", "/usr/bin", *HOOK_FILES)
CNI_PLUGINS = ("bridge", "firewall", "host-local", "portmap")
FILES = (
    *(f"/usr/lib/cni/{name}" for name in CNI_PLUGINS),
    "/usr/sbin/iptables",
    "/usr/sbin/ip",
    "/run/netns/blue",
    "/srv/app.conf",
    "/srv/large.json",
    "/usr/bin/true",
    "/bin/true",
    "/etc/ssl/certs/ca.crt",
)
LINKS = {"/srv/current": "/srv/data", "/srv/bundles/current": "/srv/bundles/web"}
"""Beside those that lead into the store: see PLACES."""

DEVICES = {
    "/dev/fuse": DeviceAnswer("c", 10, 229, 0o666, 0, 0),
    "/dev/card0": DeviceAnswer("c", 226, 0, 0o660, 0, 44),
    "/dev/kvm": DeviceAnswer("c", 10, 232, 0o660, 0, 108),
    "/dev/null": DeviceAnswer("c", 1, 3, 0o666, 0, 0),
    "/dev/sda1": DeviceAnswer("b", 8, 1, 0o660, 0, 6),
    "/srv/dsp": DeviceAnswer("c", 14, 3, 0o600, 0, 0),
    "/srv/data": DeviceAnswer("", detail="not a device: a directory"),
}
PROFILES = {
    "/etc/allow.json": '{"defaultAction": "SCMP_ACT_ALLOW"}',
    "/etc/admin.json": '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["mount"], '
    '"action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}',
    "/etc/action.json": '{"defaultAction": "SCMP_ACT_NOTIFY"}',
    "/etc/list.json": "[]",
    "/etc/open.json": '{"defaultAction":',
}

DIGESTS = {
    "/etc/web.env": DigestAnswer("ab" * 32),
    "/etc/more.env": DigestAnswer("cd" * 32),
    "/etc/bad.env": DigestAnswer(None, 'line 3: there is no "=" in it'),
}

PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n"
GROUP = "root:x:0:\nwww-data:x:33:\nweb:x:1000:\nadm:x:4:web,root\nssl:x:101:web\n"

STORE = "/nix/store"
GLIBC = f"{STORE}/{'g' * 32}-glibc-2.38"
HELLO = f"{STORE}/{'a' * 32}-hello-2.12"
BASH = f"{STORE}/{'b' * 32}-bash-5.2"
BUSYBOX = f"{STORE}/{'d' * 32}-busybox-1.36"
CACERT = f"{STORE}/{'s' * 32}-nss-cacert-3.9"
CONF = f"{STORE}/{'f' * 32}-app.conf"
ALIAS = f"{STORE}/{'l' * 32}-hello"
PROFILE = f"{STORE}/{'p' * 32}-user-environment"
GONE = f"{STORE}/{'x' * 32}-gone-1.0"
"""Store paths of this world: all but the last are valid; CONF is a file, ALIAS a link to HELLO."""


def _named(path: str) -> str:
    return path.removeprefix(f"{STORE}/")


NIX = FakeNixStore(
    {
        _named(GLIBC): FakePath(),
        _named(HELLO): FakePath(needs=(_named(GLIBC),), programs=("hello",)),
        _named(BASH): FakePath(needs=(_named(GLIBC), _named(BASH)), programs=("bash", "sh")),
        _named(BUSYBOX): FakePath(programs=("busybox", "ls", "sh")),
        _named(CACERT): FakePath(certificates=("ca-bundle.crt",)),
        _named(CONF): FakePath(is_file=True),
        _named(ALIAS): FakePath(needs=(_named(HELLO),), leads_to=_named(HELLO)),
        _named(PROFILE): FakePath(needs=(_named(HELLO), _named(BASH)), programs=("bash", "hello", "sh")),
    }
)

PLACES = {
    "/run/current-system/sw/bin/hello": f"{HELLO}/bin/hello",
    "/run/current-system/sw/bin/sh": f"{BASH}/bin/sh",
    "/run/current-system/sw/bin": f"{PROFILE}/bin",
    "/home/me/result": HELLO,
    "/home/me/old": GONE,
    "/etc/static": f"{PROFILE}/etc",
    "/etc/app.conf": CONF,
    "/nix/var/nix/profiles/default": PROFILE,
    "/opt/profile": PROFILE,
}
"""Where paths of the host lead in the store, as /nix/store has it."""

SILENT = "/mnt/silent"
"""Where nothing below answers."""

DENIED = "/srv/denied"
"""The root of a store that cannot be asked."""


ENTRIES = {
    "/srv/bundles/web/rootfs": FolderAnswer(("bin", "dev", "nix", "proc", "sys"), ("init",), (("lib", "bin"),)),
    "/usr/lib/cni": FolderAnswer(files=CNI_PLUGINS),
}
"""What the roots of ready bundles have at their top, and where CNI's plugins are."""


NETWORK_FILES = {
    "/etc/cni/net.d": {
        "10-lan.conflist": '{"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "bridge", '
        '"ipam": {"type": "host-local"}}, {"type": "portmap", "capabilities": {"portMappings": true}}]}',
        "20-wan.conf": '{"cniVersion": "0.4.0", "name": "wan", "type": "macvlan"}',
        "30-none.conf": "{",
    },
}
FOLDER_TEXTS: dict[str, dict[str, str]] = {**CDI_FILES, **HOOK_FILES, **NETWORK_FILES}
"""What the files of folders say, by the folder's path and the file's name."""


def answer(questions: Iterable[Question], host: HostFacts = HOST) -> Facts:
    """What this world says."""
    paths: dict[str, PathAnswer] = {}
    texts: dict[TextQuestion, str | None] = {}
    digests: dict[str, DigestAnswer] = {}
    devices: dict[str, DeviceAnswer] = {}
    places: dict[PlaceQuestion, str | None] = {}
    closures: dict[ClosureQuestion, ClosureAnswer] = {}
    entries: dict[str, FolderAnswer | None] = {}
    folder_texts: dict[TextsQuestion, TextsAnswer | None] = {}
    programs: dict[ExecQuestion, ExecAnswer] = {}
    contents: dict[ContentQuestion, DigestAnswer] = {}
    unanswered: set[Question] = set()
    for question in questions:
        match question:
            case PathQuestion(path=path):
                paths[path] = _look_at(path)
            case TextQuestion(path=path, root=root):
                known = {"/etc/passwd": PASSWD, "/etc/group": GROUP} if root in ("/", "/srv/alpine") else {}
                texts[question] = known.get(path, PROFILES.get(path, READY_CONFIGS.get(path)))
            case DigestQuestion(path=path):
                digests[path] = DIGESTS.get(path, DigestAnswer(None, "no such file or directory"))
            case ContentQuestion(path=path):
                known_file = path in FILES
                contents[question] = DigestAnswer("ab" * 32) if known_file else DigestAnswer(None, "it is no file")
            case DeviceQuestion(path=path):
                devices[path] = DEVICES.get(path, DeviceAnswer("", detail="no such device"))
            case PlaceQuestion(store=store, path=path):
                target = PLACES.get(path)
                places[question] = None if target is None else store.folder + target.removeprefix(STORE)
                if path.startswith(f"{SILENT}/"):
                    unanswered.add(question)
            case ExecQuestion():
                programs[question] = answer_program(question)
            case TextsQuestion(path=path, suffixes=suffixes):
                files = FOLDER_TEXTS.get(path, {})
                folder_texts[question] = tuple(each for each in sorted(files.items()) if each[0].endswith(suffixes))
            case EntriesQuestion(path=path):
                entries[path] = ENTRIES.get(path)
            case ClosureQuestion(store=store) if store.root == DENIED:
                closures[question] = ClosureAnswer(detail="permission denied")
            case ClosureQuestion():
                closures[question] = NIX.answer(question)
    return Facts(
        host=host,
        paths=paths,
        texts=texts,
        digests=digests,
        devices=devices,
        places=places,
        closures=closures,
        entries=entries,
        folder_texts=folder_texts,
        programs=programs,
        contents=contents,
        unanswered=frozenset(unanswered),
    )


def learn(name: str, definition: Definition, host: HostFacts = HOST) -> Facts:
    """What this world says of all that a definition asks, in the two rounds that it takes."""
    facts = answer(ask_questions(name, definition, host.store), host)
    return facts.join(answer(further_questions(definition, facts), host))


def _look_at(path: str) -> PathAnswer:
    resolved = LINKS.get(path, PLACES.get(path, path))
    if resolved.startswith(f"{STORE}/"):
        return _look_into_store(resolved)
    if resolved in FOLDERS or f"{resolved}/config.json" in READY_CONFIGS:
        return PathAnswer(PathKind.DIRECTORY, resolved)
    if resolved in FILES or resolved in READY_CONFIGS:
        return PathAnswer(PathKind.FILE, resolved)
    if path in ("/srv/socket", JOURNAL):
        return PathAnswer(PathKind.OTHER, path)
    if path.startswith("/root/"):
        return PathAnswer(PathKind.DENIED, path, "permission denied")
    return PathAnswer(PathKind.MISSING, path)


def _look_into_store(path: str) -> PathAnswer:
    known = NIX.paths.get(_named(path).split("/")[0])
    if known is None:
        return PathAnswer(PathKind.MISSING, path)
    return PathAnswer(PathKind.FILE if known.is_file else PathKind.DIRECTORY, path)


def bind(source: str, *options: str) -> Bind:
    """A bind mount."""
    return Bind(source=AbsolutePath(source), options=options)


def resolve(definition: Definition, name: str = "web", host: HostFacts = HOST) -> Spec:
    """The spec of a definition that has no faults."""
    spec = resolve_spec(name, definition, learn(name, definition, host))
    assert isinstance(spec, Spec), spec
    return spec


def instance_of(bundle: Bundle, resources: Resources | None = None) -> Instance:
    """One life of a bundle, at made-up paths."""
    return Instance(
        id="web-1",
        name="web",
        bundle=bundle,
        resources=resources or Resources(),
        folder="/run/orchestrator/instances/web-1",
        rootfs="/var/lib/orchestrator/bundles/x/rootfs" if isinstance(bundle.root, SkeletonRoot) else bundle.root.path,
        cgroups_path="/orchestrator/web-1",
        log="/var/lib/orchestrator/logs/web.log",
        notify="/run/orchestrator/notify/web-1" if bundle.notify else "",
        live="/run/orchestrator/instances/web-1/live",
        joins="/run/orchestrator/instances/web-1/netns",
    )


def config_of(definition: Definition, host: HostFacts = HOST) -> dict[str, Any]:
    """The config.json of an instance of a definition."""
    bundle = render_bundle(resolve(definition, host=host))
    config: dict[str, Any] = json.loads(render_instance(instance_of(bundle, definition.resources)))
    return config


@cache
def _validator() -> Draft4Validator:
    assert SCHEMAS.is_dir(), f"{SCHEMAS} is missing: apt-get install golang-github-opencontainers-specs-dev"
    schemas = {path.name: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}
    base = "http://schemas.invalid/"
    registry: SchemaRegistry[Any] = SchemaRegistry().with_resources(
        (base + name, DRAFT4.create_resource(schema)) for name, schema in schemas.items()
    )
    return Draft4Validator({"$ref": base + "config-schema.json"}, registry=registry)


def assert_valid(config: Mapping[str, Any]) -> None:
    """The config keeps to the runtime-spec's JSON Schema and has no null in it."""
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in _validator().iter_errors(config)]
    assert errors == []
    assert find_nulls(config) == []


def find_nulls(value: object, path: str = "") -> list[str]:
    """Where in a JSON value a null is."""
    match value:
        case None:
            return [path]
        case dict():
            return [found for key, item in value.items() for found in find_nulls(item, f"{path}/{key}")]
        case list():
            return [found for index, item in enumerate(value) for found in find_nulls(item, f"{path}/{index}")]
    return []


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def binds() -> st.SearchStrategy[Bind]:
    """Bind mounts whose source is in this world and whose options do not contradict each other."""
    sources = st.sampled_from(["/srv/data", "/srv/app.conf", "/srv/current", "/srv/socket"])
    options = st.sampled_from(
        [(), ("ro",), ("rw", "noexec"), ("ro", "bind"), ("rslave",), ("shared", "ro"), OPTIONS[:1]]
    )
    return st.builds(lambda source, options: bind(source, *options), sources, options)


def resources() -> st.SearchStrategy[Resources]:
    """Limits without a fault."""
    weights = st.none() | st.integers(1, 10000)
    return st.builds(
        Resources,
        memory=st.none() | st.integers(6 * 2**20, 2**40).map(Size),
        cpus=st.none() | st.floats(0.01, 8192.0),
        cpu_weight=weights,
        pids=st.none() | st.integers(1, 4194304),
        io_weight=weights,
    )


def definitions() -> st.SearchStrategy[Definition]:
    """Definitions that this world can resolve."""
    run = st.builds(_with_cmd, _definitions() | _closures(), st.none() | _texts().filter(str.strip))
    return st.builds(
        lambda definition, files, log, health, ready, watchdog, sockets: attrs.evolve(
            definition,
            env_files=tuple(files),
            log=log,
            health=health,
            ready=ready,
            watchdog=watchdog,
            sockets={SocketName(name): _SOCKETS[name] for name in sockets},
        ),
        run,
        st.lists(st.sampled_from(_ENV_FILES), max_size=2),
        st.sampled_from([FileLog(), FileLog(max_size=Size(1 << 20)), JournalLog(), NoLog()]),
        st.sampled_from([None, TcpHealth(port=80), ExecHealth(args=("true",)), HttpHealth(port=80, tls=True)]),
        st.sampled_from(Ready),
        st.none() | st.sampled_from([1.5, 30.0]).map(Duration),
        st.sets(st.sampled_from(sorted(_SOCKETS)), max_size=2),
    )


_SOCKETS = {
    "http": Socket(stream=SocketAddress("*:80")),
    "dns": Socket(datagram=SocketAddress("[::1]:53"), reuse_port=True),
    "admin": Socket(stream=SocketAddress("/run/admin"), mode=FileMode(0o600), owner=UserName("web")),
}
_ENV_FILES = (
    EnvFile(path=AbsolutePath("/etc/web.env")),
    EnvFile(path=AbsolutePath("/etc/more.env")),
    EnvFile(path=AbsolutePath("/etc/web.env"), watch=False),
)


def _with_cmd(definition: Definition, cmd: str | None) -> Definition:
    return definition if cmd is None else attrs.evolve(definition, args=None, cmd=cmd)


def _definitions() -> st.SearchStrategy[Definition]:
    roots = st.sampled_from([HostRootfs(), DirectoryRootfs(path=AbsolutePath("/srv/alpine"))])
    places = st.sampled_from(["/data", "/data/in", "/etc/x", "/etc", "/run/x", "/tmp", "/srv", "/bin", "/opt/a/b"])
    return st.builds(
        Definition,
        args=st.lists(_texts(), min_size=1, max_size=3).map(lambda args: ("sh", *args)),
        rootfs=roots,
        env=st.dictionaries(st.sampled_from(["LANG", "PATH", "HOME", "A"]).map(EnvName), _texts()),
        cwd=st.sampled_from(["/", "/srv", "/usr/bin", "/bin", "/data/x", "/tmp/x"]).map(AbsolutePath),
        user=st.sampled_from(["0:0", "0", "web", "web:adm", "7", "7:8", "www-data"]).map(UserName),
        hostname=st.none() | st.just(HostName("h.example")),
        readonly=st.none() | st.booleans(),
        type=st.sampled_from(ContainerType),
        mounts=st.dictionaries(places.map(MountPath), binds(), max_size=4),
        network=st.none() | st.sampled_from([NoNetwork(), HostNetwork(), ContainerNetwork(name=ContainerName("db"))]),
        resources=resources(),
        groups=st.lists(st.sampled_from(["adm", "44", "ssl"]).map(GroupName), max_size=3).map(tuple),
        umask=st.integers(0, 0o777).map(Umask),
        arch=st.sampled_from([None, "amd64", "x86_64"]),
        annotations=st.dictionaries(st.sampled_from(["org.example.a", "é"]).map(AnnotationName), _texts(), max_size=2),
        devices=st.lists(devices(), max_size=2, unique_by=lambda device: device.path).map(tuple),
        capabilities=st.builds(Capabilities, add=_capabilities("CAP_NET_RAW", "ALL"), drop=_capabilities("CAP_CHOWN")),
        no_new_privileges=st.booleans(),
        seccomp=st.sampled_from(["default", "unconfined", "/etc/allow.json", "/etc/admin.json"]).map(SeccompChoice),
        masked_paths=st.none() | st.lists(st.just(AbsolutePath("/proc/kcore")), max_size=1).map(tuple),
        readonly_paths=st.none() | st.lists(st.just(AbsolutePath("/proc/sys")), max_size=1).map(tuple),
        rlimits=st.dictionaries(st.sampled_from(["core", "nofile"]).map(RlimitName), rlimits(), max_size=2),
    )


@st.composite
def _closures(draw: st.DrawFn) -> Definition:
    """Those with a closure, which has a shell; without a `rootfs` too."""
    shells = [f"{BASH}/bin/sh", f"{BUSYBOX}/bin/sh", "/run/current-system/sw/bin/sh"]
    packages = st.sampled_from([BASH, BUSYBOX, CACERT, ALIAS, PROFILE, "/opt/profile", "/home/me/result", HELLO])
    words = st.sampled_from(["/home/me/result", CONF, GLIBC, "/etc/static", "/etc/none"])
    lists = st.lists(words, min_size=1, max_size=3)
    chosen = tuple(draw(st.lists(packages, max_size=3)))
    shell = draw(st.sampled_from([*shells, "sh", "/bin/sh"] if {BASH, BUSYBOX, PROFILE} & {*chosen} else shells))
    mounts = {MountPath("/etc/app"): bind("/home/me/result", "ro"), MountPath("/app.conf"): bind("/etc/app.conf")}
    plain = draw(_definitions())
    return attrs.evolve(
        plain,
        rootfs=draw(st.sampled_from([None, ClosureRootfs(), ClosureRootfs(store=AbsolutePath("/srv/chroot"))])),
        packages=tuple(map(AbsolutePath, chosen)),
        args=(shell, *(plain.args or ())[1:], *draw(lists)),
        shell=AbsolutePath(shell if shell.startswith("/") else shells[0]),
        env={**plain.env, EnvName("PATH_OF_ALL"): ":".join(draw(lists))},
        mounts={**_without_programs(plain.mounts), **draw(st.sampled_from([{}, mounts]))},
    )


def _without_programs(mounts: Mapping[MountPath, Any]) -> Mapping[MountPath, Any]:
    return {path: kind for path, kind in mounts.items() if path != "/bin"}


def devices() -> st.SearchStrategy[Device]:
    """Devices that this world has, at places that do not meet."""
    return st.builds(
        Device,
        path=st.sampled_from(["/dev/fuse", "/dev/kvm", "/dev/sda1"]).map(AbsolutePath),
        access=st.sampled_from(["r", "rw", "rwm"]).map(DeviceAccess),
    )


def rlimits() -> st.SearchStrategy[Rlimit]:
    """Limits that every process may have, soft and hard in any order that there can be."""
    pairs = st.lists(st.integers(0, 2**20).map(RlimitValue), min_size=2, max_size=2).map(sorted)
    return pairs.map(lambda pair: Rlimit(soft=pair[0], hard=pair[1])) | pairs.map(lambda pair: Rlimit(hard=pair[1]))


def _capabilities(*names: str) -> st.SearchStrategy[tuple[Capability, ...]]:
    return st.lists(st.sampled_from(names).map(Capability), max_size=2).map(tuple)


def host_definition(**changes: Any) -> Definition:  # noqa: ANN401 - the fields of a definition
    """A definition with the host's /usr, changed as said."""
    return attrs.evolve(Definition(args=("true",), rootfs=HostRootfs()), **changes)
