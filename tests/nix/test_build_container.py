"""contrib/nix's buildContainer: a bundle that runs, with the closure of what it names and the mounts it asks for."""

import json
import platform
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nix.helpers_nix import build_container, run_orchestrator
from tests.nix.private_store import NixFailed, PrivateStore, make_private_store, quote

HOST_FILES = ("/etc/hosts", "/etc/resolv.conf")
"""What the program binds in where the host has it, which a build cannot know."""


def config_of(bundle: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((Path(bundle) / "config.json").read_text())
    return config


def run(bundle: str) -> str:
    """What the container writes. Nothing is left of it."""
    with tempfile.TemporaryDirectory() as root:
        identity = f"nix-{uuid.uuid4().hex[:12]}"
        runc = ["runc", "--root", root]
        try:
            ran = subprocess.run(
                [*runc, "run", "--bundle", bundle, identity],
                capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            subprocess.run([*runc, "delete", "--force", identity], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def plain_store() -> Iterator[PrivateStore]:
    """A store that is not below /tmp, whose file system in memory would hide it inside."""
    place = Path(tempfile.mkdtemp(prefix="orchestrator-nix-", dir="/var/tmp"))
    yield make_private_store(place)
    shutil.rmtree(place)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host's to be mounted."""
    folder = tmp_path / "mydata"
    folder.mkdir()
    (folder / "file").write_text("of the host\n")
    yield folder
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.real
def test_the_call_of_oci_tools_runs(private_store: PrivateStore, folder: Path) -> None:
    script = private_store.derive("script", "echo 'cat /data/file; echo written > /data/new' > $out")
    unused = private_store.derive("unused", "echo unused > $out")
    bundle = build_container(
        private_store,
        f"""{{
          args = [ "${{busybox}}/bin/sh" (builtins.storePath "{script}") ];
          mounts = {{ "/data" = {{ type = "none"; source = "{folder}"; options = [ "bind" ]; }}; }};
          os = "linux";
          arch = "{platform.machine()}";
          readonly = true;
        }}""",
    )
    assert run(bundle) == "of the host\n"
    private_store.run("nix-store", "--verify-path", bundle)
    assert (folder / "new").read_text() == "written\n"
    sources = {mount["source"] for mount in config_of(bundle)["mounts"]}
    assert {script, private_store.busybox} <= sources
    assert unused not in sources
    assert sorted(private_store.requisites(bundle)) == sorted([bundle, script, private_store.busybox])


@pytest.mark.real
def test_the_program_runs_the_bundle(private_store: PrivateStore, folder: Path, tmp_path: Path) -> None:
    """Beside `bundle` stands what is the agent's."""
    bundle = build_container(
        private_store,
        f"""{{
          cmd = "echo hello > /data/new; exit 3";
          mounts."/data".source = "{folder}";
        }}""",
    )
    (tmp_path / "config").mkdir()
    definition = {"bundle": bundle, "type": "oneshot", "restart": {"on_failure": "stop"}, "resources": {"pids": 50}}
    (tmp_path / "config/web.json").write_text(json.dumps(definition))
    folders = [word for name in ("config", "state", "run") for word in (f"--{name}", str(tmp_path / name))]
    shown = run_orchestrator(private_store, "run", "--once", "--runtime", "runc", *folders, code=1)
    assert (folder / "new").read_text() == "hello\n"
    assert "exited with code 3" in shown
    private_store.run("nix-store", "--verify-path", bundle)


@pytest.mark.real
def test_the_root_and_the_store_inside_are_read_only(private_store: PrivateStore) -> None:
    bundle = build_container(
        private_store,
        """{
          cmd = "for f in /x /etc/x ${busybox}/x /tmp/x; do if (: > $f) 2>/dev/null; then echo $f; fi; done";
        }""",
    )
    assert run(bundle) == "/tmp/x\n"


@pytest.mark.real
def test_a_command_runs_as_a_script(private_store: PrivateStore) -> None:
    bundle = build_container(
        private_store, '{ cmd = "set -eu\\necho \'one two\'\\necho \\"$HOSTNAME\\""; name = "job"; }'
    )
    assert run(bundle) == "one two\njob\n"


@pytest.mark.real
def test_what_is_mounted_is_of_its_kind(private_store: PrivateStore, folder: Path) -> None:
    page = private_store.derive("page", "echo a page > $out")
    site = private_store.derive("site", "mkdir $out; echo index > $out/index.html")
    bundle = build_container(
        private_store,
        f"""{{
          args = [ "${{busybox}}/bin/sh" "-c" "cat /srv/page /srv/site/index.html /srv/file; ls /srv" ];
          mounts."/srv/page" = {{ source = "${{builtins.storePath "{page}"}}"; options = [ "ro" ]; }};
          mounts."/srv/site".source = "${{builtins.storePath "{site}"}}";
          mounts."/srv/file".source = "{folder}/file";
          fileMounts = [ "/srv/file" ];
          packages = [ busybox ];
        }}""",
    )
    assert run(bundle) == "a page\nindex\nof the host\nfile\npage\nsite\n"
    # The runtime had to make nothing in the store.
    private_store.run("nix-store", "--verify-path", bundle)


@pytest.mark.real
def test_programs_of_packages_are_found(private_store: PrivateStore) -> None:
    lines = "mkdir -p $out/bin; printf '#!/bin/sh\nexec echo tool\n' > $out/bin/tool; chmod +x $out/bin/tool"
    tool = private_store.derive("tool", lines)
    nothing = private_store.derive("nothing", "mkdir $out")
    packages = f'busybox (builtins.storePath "{tool}") (builtins.storePath "{nothing}")'
    bundle = build_container(
        private_store, f'{{ args = [ "sh" "-c" "tool; /bin/tool; /bin/echo done" ]; packages = [ {packages} ]; }}'
    )
    assert run(bundle) == "tool\ntool\ndone\n"


@pytest.mark.real
def test_a_mount_stands_before_a_program_of_a_package(private_store: PrivateStore) -> None:
    other = private_store.derive(
        "other", "echo '#!/bin/sh' > $out; echo '/bin/busybox echo other' >> $out; chmod +x $out"
    )
    bundle = build_container(
        private_store,
        f"""{{
          args = [ "/bin/sh" "-c" "/bin/ls /; /bin/touch" ];
          packages = [ busybox ];
          mounts."/bin/touch".source = "${{builtins.storePath "{other}"}}";
        }}""",
    )
    assert run(bundle).split()[-1] == "other"


def test_a_closure_larger_than_a_command_line(private_store: PrivateStore) -> None:
    """The ancestor gave the paths to `tar` by xargs, and kept only the first part from about 1,600 on."""
    count = 2000
    bundle = build_container(
        private_store,
        f"""{{
          args = [ "${{busybox}}/bin/sh" ];
          env.FILES = toString (builtins.genList (n: builtins.toFile "file-${{toString n}}" "${{toString n}}") {count});
        }}""",
    )
    config = config_of(bundle)
    stored = [mount["source"] for mount in config["mounts"] if mount["source"].startswith(str(private_store.folder))]
    assert len(stored) == count + 1
    assert all((Path(bundle) / "rootfs" / path.lstrip("/")).exists() for path in stored)


@pytest.mark.real
def test_a_copy_needs_no_store(plain_store: PrivateStore) -> None:
    data = plain_store.derive("data", "echo data > $out")
    text = f'{{ args = [ "${{busybox}}/bin/cat" (builtins.storePath "{data}") ]; copy = true; }}'
    bundle = build_container(plain_store, text)
    assert not [mount for mount in config_of(bundle)["mounts"] if mount["type"] == "bind"]
    assert run(bundle) == "data\n"


@pytest.mark.real
def test_a_store_path_that_is_a_link_is_one_inside(plain_store: PrivateStore) -> None:
    data = plain_store.derive("data", "echo data > $out")
    link = plain_store.derive("link", f"ln -s {data} $out", data)
    text = f'{{ args = [ "${{busybox}}/bin/sh" "-c" "readlink {link}; cat {link}" ]; packages = [ busybox ];'
    bundle = build_container(plain_store, f'{text} env.LINK = builtins.storePath "{link}"; }}')
    assert run(bundle) == f"{data}\ndata\n"
    sources = {mount["source"] for mount in config_of(bundle)["mounts"]}
    assert data in sources
    assert link not in sources


CONTAINERS: dict[str, dict[str, Any]] = {
    "nothing more": {},
    "process": {
        "env": {"A": "1", "PATH": "/x", "Z": 'two\nlines "quoted" \\'},
        "cwd": "/srv/work",
        "umask": "0137",
        "hostname": "box",
        "annotations": {"org.example": "x"},
        "no_new_privileges": False,
        "readonly": False,
    },
    "user": {"user": "4242:17", "groups": ["30", "9", "17", "100"]},
    "uid": {"user": "4242"},
    "user of a capability": {"user": "4242:17", "capabilities": {"add": ["NET_BIND_SERVICE"]}},
    "capabilities": {"capabilities": {"add": ["NET_ADMIN", "CAP_KILL"], "drop": ["CHOWN", "CAP_SETUID"]}},
    "no capabilities": {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
    "rlimits": {"rlimits": {"core": 0, "nofile": {"soft": 512, "hard": 1024}, "memlock": "unlimited"}},
    "paths": {"masked_paths": [], "readonly_paths": ["/proc/sys"]},
    "network": {"network": "host"},
    "network table": {"network": {"type": "none"}},
    "mounts": {
        "mounts": {
            "/data": {"source": "/usr", "options": ["ro"]},
            "/data/below": {"source": "/etc", "options": ["bind", "noexec"]},
            "/shared": {"source": "/usr", "options": ["rslave", "rw"]},
            "/run": {"source": "/usr"},
        }
    },
    "shared": {"mounts": {"/shared": {"source": "/usr", "options": ["rshared"]}}},
    "nobody": {"user": "65534:65534"},
    "platform": {"os": "linux"},
}


@pytest.mark.parametrize("what", CONTAINERS)
@pytest.mark.parametrize("packages", [False, True], ids=["plain", "packages"])
def test_the_program_makes_the_same(private_store: PrivateStore, tmp_path: Path, what: str, packages: bool) -> None:
    """Field by field, what buildContainer writes is what `orchestrator build` writes of the same definition."""
    container = {"args": [f"{private_store.busybox}/bin/sh", "-c", "true"], "mounts": {}, **CONTAINERS[what]}
    if packages:
        container["packages"] = [private_store.busybox]
    # What comes from a text refers to nothing: the paths are written again.
    rest = 'name = "web"; args = [ "${busybox}/bin/sh" "-c" "true" ];' + "packages = [ busybox ];" * packages
    ours = Path(build_container(private_store, f"builtins.fromJSON {quote(json.dumps(container))} // {{ {rest} }}"))
    file = tmp_path / "web.json"
    file.write_text(json.dumps({**container, "seccomp": "unconfined", "rootfs": "closure"}))
    theirs = tmp_path / "bundle"
    run_orchestrator(private_store, "build", "--output", str(theirs), str(file))
    assert comparable(config_of(str(ours))) == comparable(config_of(str(theirs)))
    # The store of the tests is below /tmp, which has its own file system in memory.
    hidden = tuple(f"{path}/" for path in ("/tmp", *CONTAINERS[what].get("mounts", ())))
    assert list_root(ours / "rootfs", hidden) == list_root(theirs / "rootfs", hidden)


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    # Not the order: ours has the closure before all mounts that are asked for.
    shown = [json.dumps(mount, sort_keys=True) for mount in config["mounts"] if mount["destination"] not in HOST_FILES]
    mounts = sorted(shown)
    return {**config, "mounts": mounts, "root": {"readonly": config["root"]["readonly"]}}


def list_root(root: Path, hidden: tuple[str, ...]) -> dict[str, str | None]:
    """What is in a root, with the texts of files and the targets of links; without what is hidden by mounts."""
    listed: dict[str, str | None] = {}
    for path in root.rglob("*"):
        inside = f"/{path.relative_to(root)}"
        if inside in HOST_FILES or inside.startswith(hidden):
            continue
        listed[inside] = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else None
    return listed


MISTAKES = {
    'restart.delay = "1s";': "buildContainer: restart: not of a bundle.",
    'seccomp = "unconfined";': "buildContainer: seccomp: not of a bundle.",
    'resources.memory = "1G"; health = { };': "buildContainer: health, resources: not of a bundle.",
    'cmd = "true";': "buildContainer: write args or cmd, one of them",
    'os = "plan9";': "buildContainer: os: a bundle is for linux, and made there: not for plan9 on linux",
    'arch = "sparc";': "buildContainer: arch: it is built for ",
    'user = "www-data";': "buildContainer: user: write numbers, uid or uid:gid: a bundle has no names",
    'groups = [ "video" ];': "buildContainer: groups: write numbers: a bundle has no names",
    'network = "bridge";': 'buildContainer: network: write "none" or "host": others are the agent\'s',
    'capabilities.add = [ "ALL" ];': 'buildContainer: capabilities.add: "ALL" depends on the host: write their names',
    'rlimits.core = "none";': 'buildContainer: rlimits.core: write a number or "unlimited"',
    'mounts."/x" = { type = "overlay"; };': 'buildContainer: mounts."/x".type: a bundle can have binds only',
    'mounts."/x" = { };': 'buildContainer: mounts."/x": it has no source',
    'mounts."/x" = { source = "/x"; options = [ "rx" ]; };': 'buildContainer: mounts."/x".options: unknown: rx',
    'mounts."/x" = [ ];': 'mounts."/x": it is a list: write { source = "/srv/data"; }',
}


@pytest.mark.parametrize("written", MISTAKES)
def test_what_a_bundle_cannot_say_is_a_mistake(private_store: PrivateStore, written: str) -> None:
    with pytest.raises(NixFailed) as failure:
        build_container(private_store, f'{{ args = [ "${{busybox}}/bin/sh" ]; {written} }}')
    assert failure.value.stderr.splitlines()[0].startswith(f"error: {MISTAKES[written]}")
