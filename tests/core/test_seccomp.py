"""A profile of the host, made into what the runtime-spec has."""

import errno
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import defaults
from orchestrator.core.seccomp import BUILT_IN, ProfileError, compile_profile
from tests.core.helpers_world import HOST, assert_valid, config_of, host_definition

SHIPPED = Path("/usr/share/containers/seccomp.json")


def shipped() -> dict[str, Any]:
    assert SHIPPED.exists(), f"{SHIPPED} is missing: apt-get install golang-github-containers-common"
    profile: dict[str, Any] = json.loads(SHIPPED.read_text())
    return profile


def profile_of(*rules: dict[str, Any], **rest: Any) -> dict[str, Any]:  # noqa: ANN401 - the rest of a profile
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **rest}


def names_of(
    profile: dict[str, Any], machine: str = "x86_64", kernel: tuple[int, int] = (6, 1), *caps: str
) -> set[str]:
    rules = compile_profile(profile, machine, kernel, caps).get("syscalls", [])
    return {name for rule in rules for name in rule["names"]}


def actions_on(name: str, seccomp: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [rule["action"] for rule in seccomp["syscalls"] if name in rule["names"]]


def allow(*names: str, **rest: Any) -> dict[str, Any]:  # noqa: ANN401 - the rest of a rule
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **rest}


@given(
    st.sampled_from(["x86_64", "aarch64", "s390x", "riscv64", "ppc64le", "i686", "unheard-of"]),
    st.tuples(st.integers(3, 7), st.integers(0, 20)),
    st.sets(st.sampled_from([*defaults.ROOT_CAPABILITIES, "CAP_SYS_ADMIN", "CAP_AUDIT_WRITE", "CAP_SYS_TIME"])),
    st.booleans(),
)
def test_both_profiles_are_valid_everywhere(
    machine: str, kernel: tuple[int, int], capabilities: set[str], built_in: bool
) -> None:
    seccomp = compile_profile(None if built_in else shipped(), machine, kernel, capabilities)
    assert_valid({"ociVersion": "1.0.2", "linux": {"seccomp": seccomp}})


def test_the_shipped_profile_as_root_has_it() -> None:
    seccomp = compile_profile(shipped(), "x86_64", (6, 1), defaults.ROOT_CAPABILITIES)
    assert seccomp["defaultAction"] == "SCMP_ACT_ERRNO"
    assert seccomp["defaultErrnoRet"] == errno.ENOSYS
    assert seccomp["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert actions_on("chroot", seccomp) == ["SCMP_ACT_ALLOW"]
    assert actions_on("bpf", seccomp) == ["SCMP_ACT_ERRNO"]
    assert actions_on("arch_prctl", seccomp) == ["SCMP_ACT_ALLOW"]
    assert actions_on("s390_runtime_instr", seccomp) == []


def test_the_config_carries_the_profile_for_its_own_capabilities() -> None:
    host = attrs.evolve(HOST, seccomp_profile=shipped())
    root, other = (config_of(host_definition(user=user), host)["linux"]["seccomp"] for user in ("0", "web"))
    assert actions_on("chroot", root) == ["SCMP_ACT_ALLOW"]
    assert actions_on("chroot", other) == ["SCMP_ACT_ERRNO"]


def test_the_built_in_list_denies_what_reaches_the_kernel() -> None:
    seccomp = compile_profile(None, "x86_64", (6, 1), ())
    assert seccomp["defaultAction"] == "SCMP_ACT_ALLOW"
    for name in ("bpf", "mount", "unshare", "kexec_load", "keyctl", "init_module", "ioctl", "clone"):
        assert set(actions_on(name, seccomp)) == {"SCMP_ACT_ERRNO"}, name
    assert actions_on("read", seccomp) == []
    (clone3,) = [rule for rule in seccomp["syscalls"] if rule["names"] == ["clone3"]]
    assert clone3["errnoRet"] == errno.ENOSYS


def test_the_built_in_list_leaves_to_a_capability_what_needs_it() -> None:
    seccomp = compile_profile(None, "x86_64", (6, 1), ["CAP_SYS_ADMIN"])
    assert actions_on("mount", seccomp) == actions_on("clone", seccomp) == actions_on("clone3", seccomp) == []
    assert actions_on("keyctl", seccomp) == ["SCMP_ACT_ERRNO"]
    assert len(BUILT_IN["syscalls"]) > len(seccomp["syscalls"])


@pytest.mark.parametrize(("machine", "index"), [("x86_64", 0), ("aarch64", 0), ("s390x", 1)])
def test_the_flags_of_clone_are_where_the_architecture_has_them(machine: str, index: int) -> None:
    rules = [rule for rule in compile_profile(None, machine, (6, 1), ())["syscalls"] if rule["names"] == ["clone"]]
    assert {condition["index"] for rule in rules for condition in rule["args"]} == {index}
    assert {condition["value"] for rule in rules for condition in rule["args"]} >= {0x10000000}


def test_rules_are_for_an_architecture() -> None:
    profile = profile_of(allow("a", includes={"arches": ["amd64"]}), allow("b", excludes={"arches": ["amd64"]}))
    assert names_of(profile) == {"a"}
    assert names_of(profile, "aarch64") == {"b"}


def test_rules_are_for_a_kernel() -> None:
    profile = profile_of(allow("a", includes={"minKernel": "5.10"}), allow("b", excludes={"minKernel": "5.10"}))
    assert names_of(profile, "x86_64", (5, 9)) == {"b"}
    assert names_of(profile, "x86_64", (5, 10)) == {"a"}


def test_rules_are_for_all_of_their_capabilities() -> None:
    both = ["CAP_SYS_ADMIN", "CAP_BPF"]
    profile = profile_of(allow("a", includes={"caps": both}), allow("b", excludes={"caps": both}))
    assert names_of(profile, "x86_64", (6, 1), *both) == {"a"}
    assert names_of(profile, "x86_64", (6, 1), "CAP_BPF") == set()
    assert names_of(profile) == {"b"}


def test_the_same_rule_twice_is_written_once() -> None:
    assert len(compile_profile(profile_of(allow("a"), allow("a")), "x86_64", (6, 1), ())["syscalls"]) == 1


def test_an_error_by_name_counts_more_than_its_number() -> None:
    rule = {"names": ["a"], "action": "SCMP_ACT_ERRNO", "errno": "EINVAL", "errnoRet": 1}
    (compiled,) = compile_profile(profile_of(rule), "x86_64", (6, 1), ())["syscalls"]
    assert compiled == {"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EINVAL}


def test_docker_names_one_call_a_rule_and_lists_architectures() -> None:
    old = profile_of({"name": "a", "action": "SCMP_ACT_ALLOW", "args": None}, architectures=["SCMP_ARCH_X86_64"])
    assert compile_profile(old, "x86_64", (6, 1), ()) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW"}],
    }


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({}, 'unknown action "None"'),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, 'unknown action "SCMP_ACT_NOTIFY"'),
        (profile_of({"action": "SCMP_ACT_ALLOW"}), "a rule of syscalls names no system call"),
        (profile_of({"names": "read", "action": "SCMP_ACT_ALLOW"}), 'names is "read", not a list'),
        (profile_of({"names": [1], "action": "SCMP_ACT_ALLOW"}), 'names is "1", not a string'),
        (profile_of(allow("a", args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])), "value of a rule's args"),
        (profile_of(allow("a", args=[{"index": 6, "op": "SCMP_CMP_EQ"}])), 'index of a rule\'s args is "6"'),
        (profile_of(allow("a", args=[{"index": 0, "value": 1, "op": "EQ"}])), 'unknown operator "EQ"'),
        (profile_of(allow("a", includes={"minKernel": "new"})), 'minKernel is "new"'),
        (profile_of(allow("a", errno="EFOO")), 'unknown errno "EFOO"'),
        (profile_of(defaultErrnoRet="1"), 'defaultErrnoRet is "1", not an error number'),
        (profile_of(allow("a", includes=["x"])), "includes is"),
        (profile_of(architectures=["SCMP_ARCH_AMD64"]), 'unknown architecture "SCMP_ARCH_AMD64"'),
        (
            profile_of(archMap=[{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["x86"]}]),
            'unknown architecture "x86"',
        ),
        ({"defaultAction": "two\nlines"}, 'unknown action "two\\nlines"'),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}, "archMap": 5}, "archMap is not a list of objects"),
    ],
)
def test_a_profile_that_cannot_be_used_says_why(profile: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        compile_profile(profile, "x86_64", (6, 1), ())
    assert message in str(caught.value)


def _near_profiles() -> st.SearchStrategy[dict[str, Any]]:
    """Profiles in which one thing or another is not what is to stand there."""
    numbers = st.sampled_from([0, 1, -1, 2**32, 2**64 - 1, 2**64, True, 0.5])
    texts = st.sampled_from(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "amd64", "CAP_KILL", "EPERM", "4.8", "", "a\nb"])
    anything = st.none() | numbers | texts | st.lists(texts, max_size=2) | st.dictionaries(texts, numbers, max_size=2)

    def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.integers(0, 24).flatmap(lambda drawn: anything if drawn == 13 else good)

    def some(**keys: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
        return {key: mostly(good) for key, good in keys.items()}

    actions = st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"])
    capabilities = st.lists(st.just("CAP_KILL"), max_size=1)
    condition = st.fixed_dictionaries(
        some(op=st.sampled_from(["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"]), index=st.integers(0, 5)),
        optional=some(value=numbers, valueTwo=numbers),
    )
    holds = st.fixed_dictionaries({}, optional=some(caps=capabilities, minKernel=st.sampled_from(["4.8", "9.1"])))
    rule = st.fixed_dictionaries(
        some(names=st.lists(st.sampled_from(["read", "write"]), min_size=1, max_size=2), action=actions),
        optional=some(
            args=st.lists(mostly(condition), max_size=2),
            includes=holds,
            excludes=holds,
            errno=st.just("EPERM"),
            errnoRet=st.just(38),
            name=st.just("read"),
        ),
    )
    names = st.sampled_from(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    maps = st.fixed_dictionaries(some(architecture=names), optional=some(subArchitectures=st.lists(names, max_size=2)))
    return st.fixed_dictionaries(
        some(defaultAction=actions),
        optional=some(
            syscalls=st.lists(mostly(rule), max_size=2),
            archMap=st.lists(mostly(maps), max_size=2),
            architectures=st.lists(names, max_size=2),
            defaultErrno=st.just("EPERM"),
            defaultErrnoRet=st.just(1),
        ),
    )


@given(_near_profiles())
def test_whatever_a_profile_holds_is_compiled_or_refused_in_one_line(profile: dict[str, Any]) -> None:
    assert "\n" not in _try(profile)


def _try(profile: dict[str, Any]) -> str:
    """Why a profile is refused; nothing if what it becomes is valid."""
    try:
        seccomp = compile_profile(profile, "x86_64", (6, 1), ())
    except ProfileError as error:
        return str(error)
    assert_valid({"ociVersion": "1.0.2", "linux": {"seccomp": seccomp}})
    return ""
