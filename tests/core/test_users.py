"""Who an application runs as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.users import Account, find_account, join_groups
from orchestrator.model.oci import User
from orchestrator.model.problem import Fault
from orchestrator.model.types import GroupName
from tests.core.helpers_world import GROUP, PASSWD


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("root", Account(User(0, 0, (4,)), "/root", "root")),
        ("web", Account(User(1000, 1000, (4, 101)), "/home/web", "web")),
        ("web:adm", Account(User(1000, 4), "/home/web", "web")),
        ("web:7", Account(User(1000, 7), "/home/web", "web")),
        ("1000", Account(User(1000, 1000, (4, 101)), "/home/web", "web")),
        ("1000:7", Account(User(1000, 7), "/home/web", "web")),
        ("0:0", Account(User(0, 0), "/root", "root")),
        ("77", Account(User(77, 0), "/")),
        ("77:adm", Account(User(77, 4), "/")),
        ("4294967294:4294967294", Account(User(4294967294, 4294967294), "/")),
    ],
)
def test_an_account_that_is_there(text: str, account: Account) -> None:
    assert find_account(text, PASSWD, GROUP) == account


def test_numbers_need_no_files() -> None:
    assert find_account("0:0", None, None) == Account(User(0, 0), "/")
    assert find_account("5", None, None) == Account(User(5, 0), "/")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("wbe", 'no user "wbe" in the /etc/passwd of the root file system', 'did you mean "web"?'),
        ("web:amd", 'no group "amd" in the /etc/group of the root file system', 'did you mean "adm"?'),
        ("4294967295", 'the uid "4294967295" is above 4294967294, the largest there is', ""),
        ("0:4294967295", 'the gid "4294967295" is above 4294967294, the largest there is', ""),
    ],
)
def test_an_account_that_is_not(text: str, message: str, hint: str) -> None:
    assert find_account(text, PASSWD, GROUP) == Fault(("user",), message, hint)


def test_a_root_without_passwd_has_no_names() -> None:
    fault = find_account("web", None, None)
    assert isinstance(fault, Fault)
    assert fault.message == 'cannot look up the user "web": the root file system has no readable /etc/passwd'
    assert "numbers" in fault.hint


def test_a_home_that_is_no_path_is_none() -> None:
    assert find_account("x", "x:*:5:6::home:/bin/sh\n", "") == Account(User(5, 6), "/", "x")


WEB = Account(User(1000, 1000, (4, 101)), "/home/web")


def groups(words: str) -> tuple[GroupName, ...]:
    return tuple(map(GroupName, words.split()))


@pytest.mark.parametrize(
    ("wanted", "gids"),
    [
        ("", (4, 101)),
        ("ssl", (4, 101)),
        ("www-data 44", (4, 33, 44, 101)),
        ("web 1000", (4, 101)),
        ("44 44", (4, 44, 101)),
    ],
)
def test_further_groups_join_those_that_are_there(wanted: str, gids: tuple[int, ...]) -> None:
    assert join_groups(WEB, groups(wanted), GROUP) == (Account(User(1000, 1000, gids), "/home/web"), ())


def test_each_group_that_is_not_there_is_a_fault() -> None:
    message = 'no group "{}" in the /etc/group of the root file system'
    assert join_groups(WEB, groups("amd adm zzz"), GROUP)[1] == (
        Fault(("groups", 0), message.format("amd"), 'did you mean "adm"?'),
        Fault(("groups", 2), message.format("zzz"), "write a name of the root file system, or its number"),
    )


def test_numbers_of_groups_need_no_file() -> None:
    account, faults = join_groups(WEB, groups("44 video"), None)
    assert account.user.additional_gids == (4, 44, 101)
    message = 'cannot look up the group "video": the root file system has no readable /etc/group'
    assert faults == (Fault(("groups", 1), message, "write its number"),)


@given(st.text(), st.text())
def test_whatever_the_files_hold(passwd: str, group: str) -> None:
    odd = "#x\n+::::::\nshort:x\nbad:x:one:2::/:\nbig:x:9999999999999:1::/:\n"
    assert find_account("web", f"{odd}{PASSWD}{passwd}", f"{odd}{GROUP}\n")
    assert find_account("root", passwd + "\n" + PASSWD, group)
