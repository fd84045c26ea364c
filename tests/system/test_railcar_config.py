"""A config.json in railcar's words."""

from typing import Any

import pytest

from orchestrator.system.railcar_config import adapt_config, find_refusals

PLAIN: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {"args": ["true"], "user": {"uid": 7, "gid": 8}},
    "root": {"path": "/srv"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "cgroupsPath": "/a/b"},
}


def linux(**fields: object) -> dict[str, Any]:
    return {**PLAIN, "linux": {**PLAIN["linux"], **fields}}


def process(**fields: object) -> dict[str, Any]:
    return {**PLAIN, "process": {**PLAIN["process"], **fields}}


def adapt_seccomp(**fields: object) -> dict[str, Any]:
    seccomp: dict[str, Any] = adapt_config(linux(seccomp=fields))["linux"]["seccomp"]
    return seccomp


def test_the_rest_stays_and_what_was_given_is_not_changed() -> None:
    before = repr(PLAIN)
    adapted = adapt_config(PLAIN)
    assert repr(PLAIN) == before
    assert (adapted["root"], adapted["process"]["args"]) == (PLAIN["root"], ["true"])
    assert adapted["linux"]["cgroupsPath"] == "/a/b"


def test_the_pid_namespace_is_another_s_to_make() -> None:
    assert adapt_config(PLAIN)["linux"]["namespaces"] == [{"type": "mount"}]


def test_hooks_are_put_off() -> None:
    assert "hooks" not in adapt_config({**PLAIN, "hooks": {"prestart": []}})


def test_mounts_are_private() -> None:
    assert adapt_config(PLAIN)["linux"]["rootfsPropagation"] == "private"


@pytest.mark.parametrize(("given", "told"), [(None, [8]), ([], [8]), ([5, 6], [5, 6])])
def test_groups_are_always_told(given: list[int] | None, told: list[int]) -> None:
    user = {"uid": 7, "gid": 8} | ({} if given is None else {"additionalGids": given})
    assert adapt_config(process(user=user))["process"]["user"]["additionalGids"] == told


def test_its_own_devices_are_not_told() -> None:
    devices = [{"path": "/dev/null"}, {"path": "/dev/fuse"}]
    assert adapt_config(linux(devices=devices))["linux"]["devices"] == [{"path": "/dev/fuse"}]


def test_the_weight_of_disks_is_left_for_later() -> None:
    resources = {"blockIO": {"weight": 50, "leafWeight": 3}, "memory": {"limit": 1}}
    adapted = adapt_config(linux(resources=resources))["linux"]["resources"]
    assert adapted == {"blockIO": {"leafWeight": 3}, "memory": {"limit": 1}}


def test_the_score_of_the_oom_killer_stands_with_the_resources() -> None:
    assert adapt_config(process(oomScoreAdj=-5))["linux"]["resources"] == {"oomScoreAdj": -5}


def test_masked_folders_of_the_kernel_are_mounted_over() -> None:
    config = linux(maskedPaths=["/proc/kcore", "/proc/acpi", "/sys/firmware", "/srv/x"])
    adapted = adapt_config(config, {"/proc/acpi", "/sys/firmware", "/srv/x"})
    # Without a /sys there is nothing to cover in it.
    assert adapted["linux"]["maskedPaths"] == ["/proc/kcore", "/sys/firmware", "/srv/x"]
    (cover,) = adapted["mounts"][1:]
    assert (cover["destination"], cover["type"], "ro" in cover["options"]) == ("/proc/acpi", "tmpfs", True)


def test_nobody_writes_beside_the_control_groups() -> None:
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}
    config = {**linux(readonlyPaths=["/proc/sys"]), "mounts": [mount]}
    assert adapt_config(config)["linux"]["readonlyPaths"] == ["/proc/sys", "/sys/fs/cgroup"]


def test_enosys_stays_enosys_and_then_nobody_traces() -> None:
    rules = [
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["ptrace", "mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW"},
    ]
    assert adapt_seccomp(defaultAction="SCMP_ACT_ALLOW", syscalls=rules)["syscalls"] == [
        {"names": ["clone3"], "action": "SCMP_ACT_TRACE"},
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"},
    ]


def test_enosys_by_default() -> None:
    rules = [{"names": ["read", "ptrace"], "action": "SCMP_ACT_ALLOW"}]
    adapted = adapt_seccomp(defaultAction="SCMP_ACT_ERRNO", defaultErrnoRet=38, syscalls=rules)
    assert adapted["defaultAction"] == "SCMP_ACT_TRACE"
    assert [rule["names"] for rule in adapted["syscalls"]] == [["read"], ["ptrace"]]


def test_a_rule_that_says_what_is_so_anyway_is_left_out() -> None:
    rules = [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]
    adapted = adapt_seccomp(defaultAction="SCMP_ACT_ERRNO", defaultErrnoRet=1, syscalls=rules)
    assert [rule["names"] for rule in adapted["syscalls"]] == [["read"]]


@pytest.mark.parametrize(
    ("action", "known"),
    [("KILL_PROCESS", "KILL"), ("KILL_THREAD", "KILL"), ("LOG", "ALLOW"), ("NOTIFY", "ERRNO"), ("TRAP", "TRAP")],
)
def test_actions_that_it_does_not_know_are_never_taken_for_more(action: str, known: str) -> None:
    assert adapt_seccomp(defaultAction=f"SCMP_ACT_{action}")["defaultAction"] == f"SCMP_ACT_{known}"


def test_architectures_that_it_does_not_know_are_left_out() -> None:
    architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_RISCV64"]
    adapted = adapt_seccomp(defaultAction="SCMP_ACT_ALLOW", architectures=architectures)
    assert adapted["architectures"] == ["SCMP_ARCH_X86_64"]


def test_two_conditions_on_one_argument_are_two_rules() -> None:
    def rule(*indexes: int) -> dict[str, Any]:
        return {"names": ["socket"], "action": "SCMP_ACT_TRAP", "args": [{"index": index} for index in indexes]}

    adapted = adapt_seccomp(defaultAction="SCMP_ACT_ALLOW", syscalls=[rule(0, 0), rule(0, 1)])
    assert adapted["syscalls"] == [rule(0), rule(0), rule(0, 1)]


@pytest.mark.parametrize(
    ("config", "refusal"),
    [
        ({**PLAIN, "hooks": {"createRuntime": []}}, "no hooks of kind createRuntime"),
        (linux(namespaces=[{"type": "pid"}, {"type": "user"}]), "no namespaces of kind user"),
        (linux(namespaces=[{"type": "pid"}, {"type": "time"}]), "no namespaces of kind time"),
        (linux(namespaces=[{"type": "pid", "path": "/proc/1/ns/pid"}]), "cannot join a pid namespace"),
        (linux(namespaces=[{"type": "mount"}]), "needs a pid namespace"),
        (linux(rootfsPropagation="shared"), "a root that is shared"),
        (process(user={"umask": 0o077}), "umask 0077"),
        ({**PLAIN, "mounts": [{"destination": "/a/../b"}]}, r"mount on /a/\.\./b"),
    ],
    ids=str,
)
def test_what_it_would_drop_or_do_otherwise_is_refused(config: dict[str, Any], refusal: str) -> None:
    (said,) = find_refusals(config)
    with pytest.raises(AssertionError, match=refusal):
        raise AssertionError(said)


def test_hooks_that_it_has_and_a_private_root_are_taken() -> None:
    config = {**linux(rootfsPropagation="private"), "hooks": {"prestart": [], "poststart": [], "poststop": []}}
    assert list(find_refusals(config)) == []
