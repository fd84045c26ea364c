"""contrib/nix's NixOS module: its containers become definitions that the program takes, its unit is that of contrib.

It is evaluated with as much of nixpkgs' lib as it needs (lib/, of the tests' own); with the lib that is in the folder
ORCHESTRATOR_TEST_NIXPKGS_LIB, if that is set.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from tests.nix.helpers_nix import CONTRIB, run_orchestrator, shorten, tables_of_nix
from tests.nix.private_store import NixFailed, PrivateStore, quote

HERE = Path(__file__).parent
REPOSITORY = CONTRIB.parents[1]
LIB = os.environ.get("ORCHESTRATOR_TEST_NIXPKGS_LIB", str(HERE / "lib"))


def evaluate(store: PrivateStore, settings: str) -> dict[str, Any]:
    """What NixOS gets from ``services.orchestrator = settings``."""
    nixos = f"import {HERE}/nixos.nix {{ inherit busybox; lib = import {LIB}; settings = {settings}; }}"
    evaluated: dict[str, Any] = store.evaluate(nixos)
    return evaluated


def define(store: PrivateStore, container: str) -> dict[str, Any]:
    """The definition that the options of a container become; nothing may be wrong with them."""
    evaluated = evaluate(store, f"{{ enable = true; containers.web = {container}; }}")
    assert evaluated["failed"] == []
    definition: dict[str, Any] = json.loads(evaluated["files"]["orchestrator/web.json"])
    return definition


def test_it_does_nothing_unless_it_is_enabled(private_store: PrivateStore) -> None:
    evaluated = evaluate(private_store, '{ containers.web.args = [ "true" ]; }')
    assert evaluated == {"files": {}, "failed": [], "services": {}, "packages": []}


def test_a_container_is_a_file_that_the_program_takes(private_store: PrivateStore, tmp_path: Path) -> None:
    evaluated = evaluate(
        private_store,
        """{
          enable = true;
          containers = {
            web = {
              args = [ "${busybox}/bin/httpd" "-f" "-p" "8080" ];
              mounts."/srv" = { source = "/usr"; options = [ "ro" ]; };
              network = "host";
              health = { type = "http"; port = 8080; };
              restart.delay = "1s";
              resources.memory = 67108864;
              log = { type = "file"; max_size = "64M"; };
            };
            job = { cmd = "echo hello"; runType = "oneshot"; requires = [ "web" ]; };
          };
        }""",
    )
    assert evaluated["failed"] == []
    assert sorted(evaluated["files"]) == ["orchestrator/job.json", "orchestrator/web.json"]
    for name, text in evaluated["files"].items():
        (tmp_path / Path(name).name).write_text(text)
    assert "2 definitions, 0 problems" in run_orchestrator(private_store, "check", str(tmp_path))
    # Nothing is there that was not written: what is null is left out.
    assert json.loads(evaluated["files"]["orchestrator/web.json"]).keys() == {
        "args", "mounts", "network", "health", "restart", "resources", "log",
    }  # fmt: skip


@pytest.mark.real
def test_its_containers_run(private_store: PrivateStore, tmp_path: Path) -> None:
    """As services.railcar ran them: lines of a script, in the closure of what they name."""
    (tmp_path / "data").mkdir()
    written = """{
      enable = true;
      containers.job = {
        cmd = "echo hello > /data/file; ${busybox}/bin/cp /data/file /data/copy";
        mounts."/data" = { type = "none"; source = "DATA"; options = [ "bind" ]; };
        runType = "oneshot";
      };
    }""".replace("DATA", str(tmp_path / "data"))
    evaluated = evaluate(private_store, written)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/job.json").write_text(evaluated["files"]["orchestrator/job.json"])
    folders = [word for name in ("config", "state", "run") for word in (f"--{name}", str(tmp_path / name))]
    run_orchestrator(private_store, "run", "--once", "--runtime", "runc", *folders)
    assert (tmp_path / "data/copy").read_text() == "hello\n"
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_what_railcar_had(private_store: PrivateStore) -> None:
    mounts = '"/data" = { type = "none"; source = "/var/lib/mydata"; options = [ "bind" ]; };'
    written = f'{{ cmd = "exec x\\n"; mounts = {{ {mounts} }}; runType = "oneshot"; os = "linux"; arch = "x86_64"; }}'
    assert define(private_store, written) == {
        "cmd": "exec x\n",
        "shell": f"{private_store.busybox}/bin/sh",
        "mounts": {"/data": {"type": "bind", "source": "/var/lib/mydata", "options": ["bind"]}},
        "type": "oneshot",
        "os": "linux",
        "arch": "x86_64",
    }


def test_a_shell_of_its_own_or_of_its_root_runs_cmd(private_store: PrivateStore) -> None:
    assert define(private_store, '{ cmd = "x"; rootfs = "host"; }') == {"cmd": "x", "rootfs": "host"}
    assert define(private_store, '{ cmd = "x"; shell = "/bin/x"; }') == {"cmd": "x", "shell": "/bin/x"}


def test_what_oci_containers_have(private_store: PrivateStore) -> None:
    written = """{
      entrypoint = "/bin/serve";
      cmd = [ "--port" "80" ];
      environment.LANG = "C";
      environmentFiles = [ "/etc/web.env" ];
      volumes = [ "/srv/web:/srv" "/etc/web:/etc/web:ro,noexec" ];
      user = "1000:100";
      workdir = "/srv";
      dependsOn = [ "db" ];
      hostname = "web";
      autoStart = true;
      privileged = false;
      log-driver = "journald";
      capabilities = { NET_ADMIN = true; CHOWN = false; };
      devices = [ "/dev/fuse" "/dev/ttyUSB0:/dev/modem:rw" ];
      networks = [ "host" ];
      ports = [ ];
      extraOptions = [ ];
      labels = { };
    }"""
    assert define(private_store, written) == {
        "args": ["/bin/serve", "--port", "80"],
        "env": {"LANG": "C"},
        "env_files": ["/etc/web.env"],
        "mounts": {"/srv": {"source": "/srv/web"}, "/etc/web": {"source": "/etc/web", "options": ["ro", "noexec"]}},
        "user": "1000:100",
        "cwd": "/srv",
        "requires": ["db"],
        "hostname": "web",
        "log": "journal",
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["CHOWN"]},
        "devices": ["/dev/fuse", {"path": "/dev/ttyUSB0", "destination": "/dev/modem", "access": "rw"}],
        "network": "host",
    }


IMPOSSIBLE = {
    'image = "nginx";': "image: there are no images: name the program by its store path in args",
    'imageFile = "/x";': "imageFile: there are no images: name the program by its store path in args",
    'ports = [ "80:80" ];': 'ports: no port is published: with network = "host" the program listens on the host\'s own',
    'extraOptions = [ "--x" ];': (
        "extraOptions: there is no command line of a container engine: look for the field that says the same"
    ),
    'labels.x = "y";': "labels: there are no labels: write annotations",
    'login.registry = "x";': "login: there is no registry to log in to",
    'serviceName = "x";': (
        "serviceName: a container is no unit: orchestrator status and orchestrator logs know it by its name"
    ),
    "autoStart = false;": "autoStart: all containers are started; orchestrator stop keeps one stopped",
    "privileged = true;": "privileged: no container is; write capabilities, devices and mounts",
    'log-driver = "syslog";': "log-driver: write journald, local or none, not syslog",
    'networks = [ "bridge" ];': "networks: write one of host and none",
    'volumes = [ "data:/data" ];': "volumes: write SOURCE:DESTINATION with two absolute paths, not data:/data",
    'volumes = [ "/data" ];': "volumes: write SOURCE:DESTINATION with two absolute paths, not /data",
    'volumes = [ "/a:/x" ]; mounts."/x".source = "/b";': "volumes and mounts both say /x",
    'env.A = "1"; environment.A = "1";': "env and environment are the same: write one of them",
    'type = "oneshot"; runType = "oneshot";': "type and runType are the same: write one of them",
    'cwd = "/"; workdir = "/";': "cwd and workdir are the same: write one of them",
    'cmd = "true";': "write one of args, cmd",
    'cmd = [ "true" ];': "write one of args, entrypoint or a list cmd",
    'bundle = "/x";': "write one of args, bundle",
    "args = null;": "write one of args, cmd and bundle",
}


@pytest.mark.parametrize("written", IMPOSSIBLE)
def test_what_cannot_be_kept_is_a_failed_assertion(private_store: PrivateStore, written: str) -> None:
    args = "" if "args" in written else 'args = [ "true" ];'
    evaluated = evaluate(private_store, f"{{ enable = true; containers.web = {{ {args} {written} }}; }}")
    assert evaluated["failed"] == [f"services.orchestrator.containers.web: {IMPOSSIBLE[written]}"]


def test_a_name_that_no_file_may_have_is_a_failed_assertion(private_store: PrivateStore) -> None:
    evaluated = evaluate(private_store, '{ enable = true; containers."Web 1".args = [ "true" ]; }')
    (message,) = evaluated["failed"]
    assert message == (
        "services.orchestrator.containers.Web 1: its name is made of a-z, 0-9, '.', '_' and '-', 63 at most"
    )


WRONG = {
    'restrat.delay = "1s";': "The option `services.orchestrator.containers.web.restrat' does not exist",
    'restart.dealy = "1s";': "The option `services.orchestrator.containers.web.restart.dealy' does not exist",
    'restart.delay = "1";': "restart.delay' is not of type `null or a duration'",
    'restart.on_failure = "x";': "restart.on_failure' is not of type",
    "restart.max_restarts = 1001;": "restart.max_restarts' is not of type",
    'resources.memory = "12X";': "resources.memory' is not of type",
    "resources.cpus = 0.001;": "resources.cpus' is not of type",
    'mounts."data".source = "/x";': "mounts' is not of type",
    'mounts."/proc/x".source = "/x";': "mounts' is not of type",
    'mounts."/data" = { };': 'The option `services.orchestrator.containers.web.mounts."/data"\' lacks source',
    'mounts."/data".source = "/a/../b";': "source' is not of type `null or an absolute path'",
    'mounts."/data" = { type = "overly"; source = "/x"; };': "type' is not of type",
    "health.port = 80;": "The option `services.orchestrator.containers.web.health' has no type: one of exec, http, tcp",
    'health = { type = "tcp"; port = 80; path = "/"; };': (
        "The option `services.orchestrator.containers.web.health' has path, which type tcp has not"
    ),
    'health = { type = "exec"; args = [ ]; };': "args' is not of type",
    'user = "www data";': "user' is not of type",
    'capabilities.add = [ "NET" ];': "capabilities.add",
    'capabilities.NET_ADMIN = "yes";': "NET_ADMIN' is not of type",
    "rlimits.files = 3;": "rlimits' is not of type",
    'log = "syslog";': "log' is not of type",
    'stop.signal = "SIGFOO";': "stop.signal' is not of type",
    'hostname = "-x";': "hostname' is not of type",
}


@pytest.mark.parametrize("written", WRONG)
def test_a_wrong_value_is_told_with_its_option(private_store: PrivateStore, written: str) -> None:
    with pytest.raises(NixFailed) as failure:
        define(private_store, f'{{ args = [ "true" ]; {written} }}')
    assert WRONG[written] in re.sub(r"\s+", " ", failure.value.stderr)


# Each is of many definitions, and Nix is started for each try: so it is not made smaller when it fails.
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(tables_of_nix())
def test_any_definition_can_be_written_as_options(private_store: PrivateStore, tables: list[dict[str, Any]]) -> None:
    named = {f"c{index}": table for index, table in enumerate(tables)}
    containers = f"builtins.fromJSON {quote(json.dumps(named))}"
    evaluated = evaluate(private_store, f"{{ enable = true; containers = {containers}; }}")
    assert evaluated["failed"] == []
    for table in tables:
        # On NixOS there is no /bin/sh in a closure unless it is asked for.
        if "cmd" in table and table.get("rootfs", "closure") in ("closure", {"type": "closure"}):
            table.setdefault("shell", f"{private_store.busybox}/bin/sh")
    files = {f"orchestrator/{name}.json": shorten(table) for name, table in named.items()}
    assert {name: json.loads(text) for name, text in evaluated["files"].items()} == files


def test_the_files_depend_on_what_the_containers_run(private_store: PrivateStore) -> None:
    settings = '{ enable = true; containers.web.args = [ "${busybox}/bin/httpd" ]; }'
    nixos = f"import {HERE}/nixos.nix {{ inherit busybox; lib = import {LIB}; settings = {settings}; }}"
    text = f'({nixos}).files."orchestrator/web.json"'
    assert private_store.evaluate(f"builtins.attrNames (builtins.getContext {text})") == [private_store.busybox]


def read_unit() -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in (REPOSITORY / "contrib/orchestrator.service").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections.setdefault(section, {}).setdefault(key, []).append(value)
    return sections


def test_its_unit_is_that_of_contrib(private_store: PrivateStore) -> None:
    service = evaluate(private_store, "{ enable = true; }")["services"]["orchestrator"]
    unit = read_unit()
    asked = {key: value if isinstance(value, list) else [value] for key, value in service["serviceConfig"].items()}
    assert asked.keys() == unit["Service"].keys()
    differing = {key for key, value in unit["Service"].items() if asked[key] != value}
    assert differing == {"Type", "ExecStart"}
    assert asked["Type"] == unit["Service"]["Type"][-1:]
    (theirs,) = unit["Service"]["ExecStart"]
    options = theirs.partition(" ")[2]
    assert asked["ExecStart"] == [
        f"/packages/orchestrator/bin/orchestrator {options} --runtime /packages/crun/bin/crun"
    ]
    named = {
        "Description": service["description"],
        "Wants": " ".join(service["wants"]),
        "After": " ".join(service["after"]),
    }
    assert {key: [value] for key, value in {**service["unitConfig"], **named}.items()} == unit["Unit"]
    assert service["wantedBy"] == unit["Install"]["WantedBy"]
    # A switch to another agent: one restart, in which containers go on; not a stop and a start.
    assert service["stopIfChanged"] is False
    assert service.get("restartIfChanged", True)


def test_its_command_line_is_understood(private_store: PrivateStore) -> None:
    service = evaluate(private_store, "{ enable = true; }")["services"]["orchestrator"]
    _, verb, *options = service["serviceConfig"]["ExecStart"].split()
    shown = run_orchestrator(private_store, verb, "--help")
    assert all(option in shown for option in options[::2])


def test_another_directory_and_runtime(private_store: PrivateStore) -> None:
    written = '{ enable = true; configDir = "/etc/containers.d"; runtime = "youki"; containers.web.args = [ "true" ]; }'
    evaluated = evaluate(private_store, written)
    assert list(evaluated["files"]) == ["containers.d/web.json"]
    service = evaluated["services"]["orchestrator"]
    assert " --config /etc/containers.d " in service["serviceConfig"]["ExecStart"]
    assert service["serviceConfig"]["ExecStart"].endswith(" --runtime youki")
    assert service["unitConfig"]["RequiresMountsFor"].startswith("/etc/containers.d ")


def test_containers_are_written_below_etc_only(private_store: PrivateStore) -> None:
    evaluated = evaluate(private_store, '{ enable = true; configDir = "/srv/x"; containers.web.args = [ "true" ]; }')
    assert evaluated["failed"] == [
        "services.orchestrator.configDir: containers are written to a folder below /etc, not to /srv/x"
    ]
    assert evaluate(private_store, '{ enable = true; configDir = "/srv/x"; }')["failed"] == []
