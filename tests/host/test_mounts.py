"""The built-in kinds of mount on real runtimes: what is seen inside, and what is made and undone on the host."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent_process import STAYS, AgentProcess, Row, definition, to_toml
from tests.host.helpers_mounts import SECRET, mounts_of
from tests.host.host_view import read_mounts
from tests.nix.private_store import make_private_store

pytestmark = pytest.mark.real

# bind


def test_a_missing_source_is_made_and_stays(agent: AgentProcess, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    source = tmp_path / "link" / "web" / "data"
    mount = {"source": str(source), "create": True, "owner": "1234:5678", "mode": "0750"}
    command = f"stat -c '%a %u:%g' /data; echo hello >/data/file; echo done; {STAYS}"
    text = definition(command, mounts={"/data": mount})
    row = agent.start_container("made", text)
    assert agent.wait_log("made", "done\n") == "750 1234:5678\ndone\n"
    made = tmp_path / "disk" / "web" / "data"
    assert (made / "file").read_text() == "hello\n"
    # That it stands by now is no other container.
    agent.define("made", f"{text}\n# another text\n")
    agent.let_it_look()
    assert agent.row("made")["instance"] == row["instance"]
    agent.remove("made", "canary1")
    assert (made / "file").read_text() == "hello\n"


# tmpfs and file


def test_a_folder_in_memory(agent: AgentProcess) -> None:
    mount = {"type": "tmpfs", "size": "1M", "mode": "0750", "owner": "7:8", "options": ["noexec"]}
    command = "stat -c '%a %u:%g' /cache; stat -c %a /tmp; grep ' /cache ' /proc/self/mountinfo; df -k /cache | tail -1"
    said = agent.run_to_end("memory", command, mounts={"/cache": mount})
    assert said.startswith("750 7:8\n1777\n")
    assert "nosuid,nodev,noexec" in said
    assert " 1024 " in said


@pytest.mark.parametrize("root", ["host", "folder"])
def test_a_file_whose_text_is_in_the_definition(agent: AgentProcess, busybox_root: Path, root: str) -> None:
    rootfs = "host" if root == "host" else {"type": "directory", "path": str(busybox_root)}
    text = "größer\n$HOME\n"
    mounts = {
        "/etc/app/app.conf": {"type": "file", "text": text},
        "/etc/app": {"type": "tmpfs"},
        "/opt/run": {"type": "file", "text": "#!/bin/sh\necho it runs\n", "mode": "0555"},
    }
    command = "cat /etc/app/app.conf; stat -c %a /etc/app/app.conf; /opt/run; echo x >/opt/run || echo read-only"
    said = agent.run_to_end(f"inline-{root}", command, rootfs=rootfs, mounts=mounts)
    assert said.startswith(f"{text}444\nit runs\n")
    assert said.endswith("read-only\n")


# volume


def test_a_volume_outlives_its_containers(agent: AgentProcess) -> None:
    volume = agent.state / "kept" / "volumes" / "keeper+var+lib"
    command = f"stat -c '%a %u:%g' /var/lib; touch /var/lib/$NUMBER; ls /var/lib; echo done; {STAYS}"
    fields = {"user": "1000:1000", "mounts": {"/var/lib": {"type": "volume", "mode": "0700"}}}
    row = agent.start_container("keeper", definition(command, env={"NUMBER": "1"}, **fields))
    assert agent.wait_log("keeper", "done\n") == "700 1000:1000\n1\ndone\n"
    agent.define("keeper", definition(command, env={"NUMBER": "2"}, **fields))
    agent.wait_replaced("keeper", row)
    agent.wait_log("keeper", "1\n2\ndone\n")
    agent.remove("keeper")
    assert sorted(path.name for path in volume.iterdir()) == ["1", "2"]
    assert volume.parent.stat().st_mode & 0o777 == 0o700
    shared = {"/data": {"type": "volume", "name": "keeper+var+lib", "options": ["ro"]}}
    said = agent.run_to_end("reader", "ls /data; touch /data/3 2>/dev/null || echo read-only", mounts=shared)
    assert said == "1\n2\nread-only\n"


# overlay


def layers(tmp_path: Path) -> list[str]:
    """Two folders whose names have what overlayfs takes for the ends of a path and of an option."""
    for name, files in {"up:per,\\1": ("both", "upper"), "low": ("both", "lower")}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text(f"{name}\n")
    return [str(tmp_path / name) for name in ("up:per,\\1", "low")]


def test_an_overlay_is_fresh_for_each_instance(agent: AgentProcess, tmp_path: Path) -> None:
    lower = layers(tmp_path)
    mount = {"type": "overlay", "lower": lower, "mode": "0751"}
    command = (
        f"stat -c '%a %u:%g' /data; ls /data; cat /data/both; rm /data/lower; echo x >/data/new; echo done; {STAYS}"
    )
    row = agent.start_container(
        "fresh", definition(command, user="1000:0", mounts={"/data": {**mount, "owner": "1000:0"}})
    )
    expected = "751 1000:0\nboth\nlower\nupper\nup:per,\\1\ndone\n"
    assert agent.wait_log("fresh", "done\n") == expected
    scratch = agent.state / "scratch" / row["instance"]
    assert [path.name for path in scratch.glob("*/upper/new")] == ["new"]
    assert scratch.glob("*").__next__().stat().st_mode & 0o777 == 0o700
    os.kill(row["pid"], signal.SIGKILL)
    agent.wait_replaced("fresh", row)
    agent.wait_log("fresh", expected * 2)
    agent.wait_until(lambda: not scratch.exists(), "what was written to be gone")
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["both", "both", "lower", "upper"]
    agent.remove("fresh")
    agent.wait_until(lambda: not list((agent.state / "scratch").iterdir()), "nothing to be left")


def test_an_overlay_is_kept_and_used_by_one_at_a_time(agent: AgentProcess, tmp_path: Path) -> None:
    mount = {"type": "overlay", "lower": layers(tmp_path), "upper": "kept", "name": "over"}
    command = f"rm -f /data/lower; touch /data/$NUMBER; ls /data; echo done; {STAYS}"
    fields: dict[str, Any] = {"mounts": {"/data": mount}}
    row = agent.start_container("overlay", definition(command, env={"NUMBER": "1"}, **fields))
    assert agent.wait_log("overlay", "done\n") == "1\nboth\nupper\ndone\n"
    agent.define("overlay", definition(command, env={"NUMBER": "2"}, **fields))
    agent.wait_replaced("overlay", row)
    agent.wait_log("overlay", "1\n2\nboth\nupper\ndone\n")
    assert "overlay: start failed" not in agent.output()
    agent.define("other", definition(**fields))
    row = agent.wait_state("other", "backoff")
    assert row["message"].endswith("the container overlay uses the volume over")
    agent.remove("overlay")
    agent.wait_state("other", "running")
    agent.remove("other")
    assert sorted(path.name for path in (agent.state / "kept/volumes/over/upper").iterdir()) == ["1", "2", "lower"]


# An agent that is killed


KINDS: dict[str, Any] = {
    "/run/secret": {"type": "secret", "env": "WEB_KEY"},
    "/over": {"type": "overlay", "lower": ["/srv"], "upper": "kept"},
    "/fresh": {"type": "overlay", "lower": ["/srv"]},
    "/keep": {"type": "volume"},
    "/memory": {"type": "tmpfs"},
    "/etc/app.conf": {"type": "file", "text": "x\n"},
}


@pytest.fixture
def killed(own_agent: AgentProcess) -> AgentProcess:
    """An agent whose runtime kills it in the midst of a create, when what is to be prepared has been."""
    own_agent.environ["WEB_KEY"] = SECRET
    program = own_agent.base / "stand-in" / own_agent.runtime
    program.parent.mkdir()
    create = f'" $* " in *" create --bundle {own_agent.layout.instances}/"*'
    program.write_text(
        f'#!/bin/sh\ncase {create}) kill -9 $PPID; sleep 100000 ;; esac\nexec {own_agent.program} "$@"\n'
    )
    program.chmod(0o755)
    real, own_agent.program = own_agent.program, str(program)
    own_agent.define("web", definition(mounts=KINDS))
    own_agent.start(settled=False)
    assert own_agent.wait_end() == -signal.SIGKILL
    own_agent.program = real
    return own_agent


def left_of(agent: AgentProcess) -> list[str]:
    """What of mounts is left on the host: mounts, and files that are not to stay."""
    folders = (agent.run / "instances", agent.run / "shared", agent.state / "scratch", agent.run / "runtime")
    files = [str(path) for folder in folders if folder.exists() for path in folder.rglob("*") if not path.is_dir()]
    return [*files, *(mount for mount in read_mounts("self") if str(agent.base) in mount)]


def test_what_was_prepared_is_undone_after_a_kill_before_the_start(killed: AgentProcess) -> None:
    before = {path.name for path in (killed.run / "instances").glob("*.json")}
    assert len(before) == 1
    killed.start()
    row = killed.wait_state("web", "running")
    assert {path.name for path in (killed.run / "instances").glob("*.json")} == {f"{row['instance']}.json"}
    killed.remove("web")
    killed.wait_until(lambda: not mounts_of(killed), "nothing to be mounted")
    assert killed.end() == 0
    assert left_of(killed) == []
    assert sorted(path.name for path in (killed.state / "kept/volumes").iterdir()) == ["web+keep", "web+over"]


def test_what_was_prepared_is_undone_by_the_next_agent(leaving: AgentProcess) -> None:
    leaving.environ["WEB_KEY"] = SECRET
    leaving.start()
    command = f"cat /run/secret | sha256sum; touch /over/a /fresh/b /keep/c /memory/d; echo done; {STAYS}"
    row: Row = leaving.start_container("web", definition(command, mounts=KINDS))
    leaving.wait_log("web", "done\n")
    leaving.kill()
    leaving.start()
    assert leaving.wait_state("web", "running")["instance"] == row["instance"]
    leaving.define("web", definition(f"{command} ", mounts=KINDS))
    second = leaving.wait_replaced("web", row)
    leaving.kill()
    (leaving.config / "web.toml").unlink()
    os.kill(second["pid"], signal.SIGKILL)
    leaving.start()
    leaving.wait_until(lambda: not leaving.rows(), "nothing to be told of")
    assert leaving.end() == 0
    assert left_of(leaving) == []
    assert sorted(path.name for path in (leaving.state / "kept/volumes").iterdir()) == ["web+keep", "web+over"]


def test_a_secret_goes_also_where_nothing_tells_of_it(leaving: AgentProcess) -> None:
    """Neither the state file nor its copy can be read: nobody knows which kinds there were."""
    leaving.environ["WEB_KEY"] = SECRET
    row = leaving.start().start_container("web", definition(mounts=KINDS))
    leaving.kill()
    for path in (leaving.layout.instance_state(row["instance"]), leaving.layout.origin(row["instance"])):
        Path(path).write_text("{")
    (leaving.config / "web.toml").unlink()
    os.kill(row["pid"], signal.SIGKILL)
    leaving.start()
    leaving.wait_until(lambda: "/own" not in str(left_of(leaving)), "it to be gone")
    assert list((leaving.run / "instances").iterdir()) == []
    # The volume that it used is free again.
    leaving.start_container("web", definition(mounts=KINDS))
    leaving.remove("web")
    assert leaving.end() == 0
    assert left_of(leaving) == []


# Other root file systems


SHOW = "cat /run/secret /etc/app.conf; touch /over/a /fresh/b /keep/c /memory/d; ls /over /keep /memory"
SHOWN = f"{SECRET}x\n"


def test_all_kinds_in_a_closure_and_in_a_ready_bundle(
    own_agent: AgentProcess, busybox_root: Path, tmp_path: Path
) -> None:
    store = make_private_store(tmp_path / "nix")
    own_agent.environ |= store.environment | {"PATH": os.environ["PATH"], "WEB_KEY": SECRET}
    own_agent.start()
    lower = tmp_path / "lower"
    lower.mkdir()
    mounts = {path: {**kind, "lower": [str(lower)]} if "lower" in kind else kind for path, kind in KINDS.items()}
    said = own_agent.run_to_end(
        "closure", ["sh", "-c", SHOW], rootfs="closure", packages=[store.busybox], mounts=mounts
    )
    assert said.startswith(SHOWN)
    assert said.split()[1:] == ["/keep:", "c", "/memory:", "d", "/over:", "a"]
    said = own_agent.run_to_end("folder", SHOW, rootfs={"type": "directory", "path": str(busybox_root)}, mounts=mounts)
    assert said.startswith(SHOWN)
    (tmp_path / "ready.toml").write_text(
        definition(SHOW, rootfs={"type": "directory", "path": str(busybox_root)}, user="7:8")
    )
    built = own_agent.call("build", str(tmp_path / "ready.toml"), "-o", str(tmp_path / "ready"), "--copy")
    assert built.returncode == 0, built.stderr
    own_agent.define("ready", f'bundle = "{tmp_path}/ready"\ntype = "oneshot"\nmounts = {to_toml(mounts)}\n')
    own_agent.wait_state("ready", "completed")
    assert own_agent.log("ready").startswith(SHOWN), "its user may read the secret and write to the rest"
    own_agent.remove("closure", "folder", "ready")
    assert own_agent.end() == 0
    assert left_of(own_agent) == []
