"""Containers made of store paths, with a real nix, real runtimes and real collections of garbage: what a container
sees, what follows a profile, what is kept and for how long."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition
from tests.host.host_stores import make_chroot_store
from tests.nix.private_store import PrivateStore, make_private_store

pytestmark = pytest.mark.real


@pytest.fixture
def store(tmp_path: Path) -> PrivateStore:
    """A store of the test's own: some collect its garbage."""
    return make_private_store(tmp_path / "nix")


@pytest.fixture
def agent(tmp_path: Path, store: PrivateStore, runtime: str) -> Iterator[AgentProcess]:
    """An agent, not started yet, of which that store is the host's."""
    with AgentProcess(tmp_path, runtime) as agent:
        agent.environ |= store.environment | {"PATH": os.environ["PATH"]}
        yield agent


def make_program(store: PrivateStore, name: str, script: str, *needs: str) -> str:
    """A package with the program ``bin/run``, which runs lines of busybox' shell."""
    lines = f"#!{store.busybox}/bin/sh\nexport PATH={store.busybox}/bin\n{script}\n"
    build = f"mkdir -p $out/bin\ncat > $out/bin/run <<'END'\n{lines}END\nchmod +x $out/bin/run"
    return store.derive(name, build, store.busybox, *needs)


STAYS = "trap 'exit 0' TERM; sleep 100000 & wait"


def closure(program: str, **fields: object) -> str:
    """A definition without a word about its root file system."""
    text = definition([program], **fields)
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("rootfs"))


def set_profile(store: PrivateStore, profile: Path, path: str) -> None:
    store.run("nix-env", "--profile", str(profile), "--set", path)


def names_of(paths: object) -> list[str]:
    assert isinstance(paths, list)
    return sorted(Path(path).name for path in paths)


def test_a_container_sees_its_closure_and_nothing_else_of_the_store(agent: AgentProcess, store: PrivateStore) -> None:
    data = store.derive("data", "echo hello from the data > $out")
    store.derive("other", "echo nobody needs this > $out")
    program = make_program(store, "program", f"ls {store.folder}; cat {data}; echo $HOME; ls /; {STAYS}", data)
    agent.define("web", closure(f"{program}/bin/run"))
    agent.start()
    agent.wait_state("web", "running")
    seen = agent.wait_log("web", "sys\n").splitlines()
    closed = names_of(store.requisites(program))
    assert seen[: len(closed)] == closed
    assert seen[len(closed) :][:2] == ["hello from the data", "/"]
    assert not os.access(f"{store.folder}/new", os.F_OK)


def test_a_container_may_not_write_to_the_store(agent: AgentProcess, store: PrivateStore) -> None:
    data = store.derive("data", "mkdir $out; echo as it was > $out/file")
    script = f"echo other > {data}/file; echo more > {data}/more; touch {store.folder}/new; echo done"
    program = make_program(store, "program", script, data)
    agent.define("web", closure(f"{program}/bin/run", type="oneshot"))
    agent.start()
    agent.wait_state("web", "completed")
    assert "done" in agent.log("web")
    assert sorted(os.listdir(data)) == ["file"]
    assert Path(data, "file").read_text() == "as it was\n"
    assert not Path(store.folder, "new").exists()


def test_packages_bring_their_programs(agent: AgentProcess, store: PrivateStore) -> None:
    tool = store.derive("tool", f"mkdir -p $out/bin; ln -s {store.busybox}/bin/echo $out/bin/say", store.busybox)
    agent.define(
        "job",
        f'packages = ["{tool}", "{store.busybox}"]\ncmd = "echo $PATH; ls /bin; id"\ntype = "oneshot"\nuser = "33"\n',
    )
    agent.start()
    agent.wait_state("job", "completed")
    lines = agent.log("job").splitlines()
    assert lines[0] == f"{tool}/bin:{store.busybox}/bin"
    assert {"say", "sh", "ls"} <= set(lines)
    assert lines[-1].startswith("uid=33(")


def test_a_switched_profile_brings_a_new_instance_and_the_same_again_none(
    agent: AgentProcess, store: PrivateStore, tmp_path: Path
) -> None:
    profile = tmp_path / "profiles" / "web"
    profile.parent.mkdir()
    first = make_program(store, "first", f"echo first; {STAYS}")
    second = make_program(store, "second", f"echo second; {STAYS}")
    set_profile(store, profile, first)
    agent.define("web", closure(f"{profile}/bin/run"))
    agent.start()
    before = agent.wait_state("web", "running")
    assert before["store_links"] == [{"path": f"{profile}/bin/run", "target": f"{first}/bin/run"}]

    set_profile(store, profile, first)  # another generation of the profile, the same path
    agent.let_it_look()
    assert agent.row("web")["pid"] == before["pid"]

    set_profile(store, profile, second)
    after = agent.wait_replaced("web", before)
    assert after["store_links"] == [{"path": f"{profile}/bin/run", "target": f"{second}/bin/run"}]
    agent.wait_log("web", "second")
    events = agent.call("events").stdout
    assert f"{profile}/bin/run: " in next(line for line in events.splitlines() if "web: replaced" in line)
    assert f"{profile}/bin/run → {second}/bin/run" in agent.call("status", "web").stdout


def test_what_runs_and_what_may_be_gone_back_to_outlives_collections(
    agent: AgentProcess, store: PrivateStore, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    first = make_program(store, "first", f"echo first; {STAYS}")
    second = make_program(store, "second", f"echo second; {STAYS}")
    left = make_program(store, "left", "true")
    profile.symlink_to(first)
    agent.exit_policy = "leave"
    agent.define("web", closure(f"{profile}/bin/run"))
    agent.start()
    before = agent.wait_state("web", "running")
    agent.wait_until(lambda: os.path.exists(agent.layout.generation(1)), "generation 1")
    profile.unlink()
    profile.symlink_to(second)
    after = agent.wait_replaced("web", before)
    agent.wait_until(lambda: os.path.exists(agent.layout.generation(2)), "generation 2")

    store.collect_garbage()
    assert [Path(path).exists() for path in (first, second, left)] == [True, True, False]
    assert agent.row("web")["pid"] == after["pid"]
    # Over the agent's end and the next one's start, too, and without a link that leads there.
    profile.unlink()
    assert agent.end() == 0
    store.collect_garbage()
    agent.start(settled=False)
    agent.wait_row("web", lambda row: row["problems"], "its problem")
    store.collect_garbage()
    assert [Path(path).exists() for path in (first, second)] == [True, True]
    assert agent.row("web")["pid"] == after["pid"]

    assert agent.call("rollback", "1").returncode == 0
    agent.wait_replaced("web", after)
    agent.wait_log("web", "first\nsecond\nfirst\n")


def test_what_nothing_needs_any_more_is_given_up(agent: AgentProcess, store: PrivateStore) -> None:
    program = make_program(store, "program", STAYS)
    agent.define("web", closure(f"{program}/bin/run"))
    agent.start()
    agent.wait_state("web", "running")
    roots = store.root / "state/gcroots/orchestrator"
    assert [link for link in roots.rglob("*") if link.is_symlink()] != []
    store.collect_garbage()
    assert Path(program).exists()
    agent.remove("web")
    # No generation has it either, as once enough have come after them.
    assert agent.end() == 0
    for file in Path(agent.layout.generations).glob("*.jsonl"):
        file.unlink()
    agent.start()
    agent.wait_until(lambda: not any(link.is_symlink() for link in roots.rglob("*")), "the roots to go")
    store.collect_garbage()
    assert not Path(program).exists()


def test_a_path_that_is_not_valid_is_a_problem_until_it_is(agent: AgentProcess, store: PrivateStore) -> None:
    program = make_program(store, "program", STAYS)
    copy = store.root / "copy.nar"
    copy.write_bytes(
        subprocess.run(("nix-store", "--export", program), env=store.environment, capture_output=True).stdout
    )
    store.run("nix-store", "--delete", program)
    agent.define("web", closure(f"{program}/bin/run"))
    agent.start()
    (problem,) = agent.wait_state("web", "invalid")["problems"]
    assert (problem["line"], problem["path"]) == (1, "args[0]")
    assert problem["message"] == f'"{program}" is not valid in the store {store.folder}'
    with copy.open("rb") as archive:
        subprocess.run(
            ("nix-store", "--import", "--option", "require-sigs", "false"),
            env=store.environment,
            stdin=archive,
            check=True,
            capture_output=True,
        )
    agent.wait_state("web", "running")


def test_a_chroot_store_lies_elsewhere_than_its_paths_say(agent: AgentProcess, tmp_path: Path) -> None:
    root = tmp_path / "chroot"
    plain = {name: agent.environ[name] for name in ("PATH", "HOME", "NIX_CONF_DIR")}
    path = make_chroot_store(root, tmp_path / "scratch", plain)
    assert path.startswith("/nix/store/")
    assert not Path(path).exists()
    (root / "nix/var/nix/profiles/web").symlink_to(path)  # as nix makes it: its target is as the store writes it
    for name in ("NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR"):
        del agent.environ[name]
    agent.define(
        "web",
        f'rootfs = {{ type = "closure", store = "{root}" }}\npackages = ["{root}/nix/var/nix/profiles/web"]\n'
        'cmd = "ls /nix/store; exec sleep 100000"\nstop = { signal = "KILL" }\n',
    )
    agent.start()
    agent.wait_state("web", "running")
    assert agent.wait_log("web", "\n") == f"{Path(path).name}\n"
    config = json.loads(agent.call("show", "web", "--config").stdout)
    assert [mount["source"] for mount in config["mounts"] if mount["destination"] == path] == [f"{root}{path}"]
    (kept,) = [link for link in (root / "nix/var/nix/gcroots/orchestrator").rglob("*") if link.is_symlink()]
    assert os.readlink(kept) == path


def test_a_ready_bundle_in_the_store_runs_and_is_kept(agent: AgentProcess, store: PrivateStore, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("mounted\n")
    config = {
        "ociVersion": "1.0.0",
        "platform": {"os": "linux", "arch": "x86_64"},
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "mount", "ipc", "uts")]},
        "root": {"path": "rootfs", "readonly": False},
        "process": {
            "args": ["/bin/sh", "-c", "cat /data/file; touch /new; exec sleep 100000"],
            "user": {"uid": 0, "gid": 0},
            "cwd": "/",
            "env": None,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": None},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    added = store.add(tmp_path / "config.json")
    bundle = store.derive(
        "bundle",
        f"mkdir -p $out/rootfs/proc $out/rootfs/dev $out/rootfs/sys\ncp {added} $out/config.json\n"
        f"cp -r {store.busybox}/bin $out/rootfs/bin",
        store.busybox,
        added,
    )
    agent.define(
        "web", f'bundle = "{bundle}"\nstop = {{ signal = "KILL" }}\nmounts."/data".source = "{tmp_path}/data"\n'
    )
    agent.start()
    agent.wait_state("web", "running")
    agent.wait_log("web", "mounted")
    assert not Path(bundle, "rootfs/new").exists()
    store.collect_garbage()
    assert Path(bundle).exists()
    assert sorted(os.listdir(f"{bundle}/rootfs")) == ["bin", "dev", "proc", "sys"]
    agent.define("web", f'bundle = "{bundle}"\nmounts."/bin/gone".source = "{tmp_path}/data"\n')
    (problem,) = agent.wait_row("web", lambda row: row["problems"], "its problem")["problems"]
    assert problem["message"].startswith('cannot mount on "/bin/gone": there is no such place')
