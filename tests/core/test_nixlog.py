"""What nix says while it builds a definition: the words of nix 2.3, 2.8 and 2.24, as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.nixlog import LONGEST_MESSAGE, describe_progress, find_files, find_problem
from orchestrator.model.problem import Problem

FILE, LOG = "/etc/orchestrator/web.nix", "/var/lib/orchestrator/builds/web.log"
HINT = f"the log is {LOG}"
HASH = "0" * 32

READ = f"""evaluating file '/opt/lib/nix/build.nix'
evaluating file '/etc/orchestrator/web.nix'
evaluating file '/etc/orchestrator/lib/common.nix'
evaluating file '/etc/orchestrator/lib/common.nix'
copied source '/etc/orchestrator/site' -> '/nix/store/{HASH}-site'
instantiated 'web.json' -> '/nix/store/{HASH}-web.json.drv'
"""

UNDEFINED = """error: undefined variable 'foo'

       at /etc/orchestrator/lib/common.nix:3:12:

            2| {
            3|   args = [ foo ];
             |            ^
            4| }
(use '--show-trace' to show detailed location information)
"""
UNDEFINED_OLD = "error: undefined variable 'foo' at /etc/orchestrator/lib/common.nix:3:12\n"
CHAINED = """error:
       … while calling the 'toJSON' builtin
         at /opt/lib/nix/build.nix:12:10:
           11|
           12|   json = builtins.toJSON (import ./definition.nix value);
             |          ^

       … while evaluating attribute 'args'

       error: attribute 'pyhton3' missing
       at /etc/orchestrator/web.nix:2:14:
            1| { pkgs, ... }: {
            2|   args = [ "${pkgs.pyhton3}/bin/python3" ];
             |              ^
       Did you mean python3?
"""
FAILED = f"""building '/nix/store/{HASH}-boom-1.2.drv'...
starting
no such thing
error: builder for '/nix/store/{HASH}-boom-1.2.drv' failed with exit code 3
error: 1 dependencies of derivation '/nix/store/{HASH}-web.json.drv' failed to build
"""
FAILED_QUOTED = f"""building '/nix/store/{HASH}-boom-1.2.drv'...
error: builder for '/nix/store/{HASH}-boom-1.2.drv' failed with exit code 3;
       last 2 log lines:
       > starting
       > no such thing
       For full logs, run 'nix log /nix/store/{HASH}-boom-1.2.drv'.
"""
FAILED_OLD = f"""building '/nix/store/{HASH}-boom-1.2.drv'...
starting
no such thing
builder for '/nix/store/{HASH}-boom-1.2.drv' failed with exit code 3
cannot build derivation '/nix/store/{HASH}-web.json.drv': 1 dependencies couldn't be built
error: build of '/nix/store/{HASH}-web.json.drv' failed
"""
FAILED_NEW = f"""building '/nix/store/{HASH}-boom-1.2.drv'...
error: Cannot build '/nix/store/{HASH}-boom-1.2.drv'.
       Reason: builder failed with exit code 3.
       Output paths:
         /nix/store/{HASH}-boom-1.2
       Last 2 log lines:
       > starting
       > no such thing
error: Cannot build '/nix/store/{HASH}-web.json.drv'.
       Reason: 1 dependency failed.
       Output paths:
         /nix/store/{HASH}-web.json
"""
FAILED_EVALUATION = f"""building '/nix/store/{HASH}-boom-1.2.drv'...
error:
       … while calling the 'toJSON' builtin
         at /opt/lib/nix/build.nix:12:10:

       error: builder for '/nix/store/{HASH}-boom-1.2.drv' failed with exit code 3;
       last 2 log lines:
       > starting
       > no such thing
       For full logs, run 'nix log /nix/store/{HASH}-boom-1.2.drv'.
"""
OF_A_COMPILER = f"""building '/nix/store/{HASH}-rust-1.drv'...
error: cannot find value `x` in this scope
 --> src/main.rs:1:2
error: aborting due to 1 previous error
"""
"""What a builder says that is not the last one."""
MISMATCH = f"""error: hash mismatch in fixed-output derivation '/nix/store/{HASH}-source.drv':
         specified: sha256-AAAA
            got:    sha256-BBBB
error: 1 dependencies of derivation '/nix/store/{HASH}-web.json.drv' failed to build
"""


def test_the_files_that_it_is_made_from_are_told_once_in_order() -> None:
    assert find_files(READ) == (
        "/opt/lib/nix/build.nix",
        "/etc/orchestrator/web.nix",
        "/etc/orchestrator/lib/common.nix",
        "/etc/orchestrator/site",
    )


@pytest.mark.parametrize(
    "error",
    [
        "error: getting status of '/etc/orchestrator/gone.nix': No such file or directory",
        "error: opening file '/etc/orchestrator/gone.nix': No such file or directory",
        "error: path '/etc/orchestrator/gone.nix' does not exist",
    ],
)
def test_a_file_that_is_not_there_is_one_of_them(error: str) -> None:
    assert find_files(f"{READ}{error}\n")[-1] == "/etc/orchestrator/gone.nix"
    assert find_problem(f"{READ}{error}\n", FILE, LOG) == Problem(FILE, 1, 1, "", error.removeprefix("error: "), HINT)


@pytest.mark.parametrize("said", [UNDEFINED, UNDEFINED_OLD])
def test_an_error_has_the_place_that_nix_names(said: str) -> None:
    problem = find_problem(READ + said, FILE, LOG)
    assert problem == Problem("/etc/orchestrator/lib/common.nix", 3, 12, "", "undefined variable 'foo'", HINT)


def test_of_a_chain_of_errors_the_last_says_why_and_where() -> None:
    problem = find_problem(READ + CHAINED, FILE, LOG)
    assert problem == Problem(FILE, 2, 14, "", "attribute 'pyhton3' missing", HINT)


@pytest.mark.parametrize("other", ["", OF_A_COMPILER])
@pytest.mark.parametrize("said", [FAILED, FAILED_QUOTED, FAILED_OLD, FAILED_NEW, FAILED_EVALUATION])
def test_a_builder_that_fails_is_told_with_its_last_words(said: str, other: str) -> None:
    message = "the builder of boom-1.2 failed (exit code 3): no such thing"
    assert find_problem(READ + other + said, FILE, LOG) == Problem(FILE, 1, 1, "", message, HINT)


def test_what_a_builder_calls_an_error_is_its_last_word_only() -> None:
    said = f"{OF_A_COMPILER}error: builder for '/nix/store/{HASH}-rust-1.drv' failed with exit code 101\n"
    message = "the builder of rust-1 failed (exit code 101): error: aborting due to 1 previous error"
    assert find_problem(READ + said, FILE, LOG).message == message


def test_of_a_builder_that_runs_nix_the_outer_one_failed() -> None:
    inner = f"error: builder for '/nix/store/{HASH}-inner.drv' failed with exit code 1\n"
    assert "builder of boom-1.2 failed" in find_problem(READ + inner + FAILED, FILE, LOG).message


@pytest.mark.parametrize("other", ["", OF_A_COMPILER])
def test_what_nix_says_itself_comes_after_what_builders_say(other: str) -> None:
    assert find_problem(READ + other + UNDEFINED, FILE, LOG).message == "undefined variable 'foo'"
    assert find_problem(READ + other + CHAINED, FILE, LOG) == find_problem(READ + CHAINED, FILE, LOG)
    mismatch = find_problem(READ + other + MISMATCH, FILE, LOG).message
    assert mismatch.startswith("hash mismatch in fixed-output derivation")
    assert mismatch.endswith("got:    sha256-BBBB")


def test_where_it_is_only_known_that_a_build_failed() -> None:
    said = f"no luck\nerror: build of '/nix/store/{HASH}-web.json.drv' failed\n"
    assert find_problem(READ + said, FILE, LOG).message == "the builder of web.json failed: no luck"
    said = f"error: 1 dependencies of derivation '/nix/store/{HASH}-web.json.drv' failed to build\n"
    assert find_problem(READ + said, FILE, LOG).message == said.strip().removeprefix("error: ")


def test_a_place_may_have_words_behind_it() -> None:
    said = "error: attribute 'b' missing\n\n       at /etc/orchestrator/web.nix:1:15:Did you mean a?\n"
    assert find_problem(said, FILE, LOG) == Problem(FILE, 1, 15, "", "attribute 'b' missing", HINT)


def test_without_an_error_the_last_line_is_told() -> None:
    assert find_problem("Segmentation fault\n\n", FILE, LOG).message == "cannot be built: Segmentation fault"
    assert find_problem("", FILE, LOG).message == "cannot be built"


def test_colours_make_no_difference() -> None:
    red = (
        "\x1b[31;1merror:\x1b[0m undefined variable '\x1b[35;1mfoo\x1b[0m'\n\n       at \x1b[34;1m/x.nix:1:2\x1b[0m:\n"
    )
    assert find_problem(red, FILE, LOG) == Problem("/x.nix", 1, 2, "", "undefined variable 'foo'", HINT)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "nix evaluates it"),
        (READ, "nix evaluates it"),
        (f"these 3 paths will be fetched (1.20 MiB download, 5.00 MiB unpacked):\n  /nix/store/{HASH}-x\n", "fetching"),
        (f"this derivation will be built:\n  /nix/store/{HASH}-x.drv\n", "fetching"),
        (f"building '/nix/store/{HASH}-a-1.drv'...\nbuilding '/nix/store/{HASH}-boom-1.2.drv'...\nx\n", "boom-1.2"),
    ],
)
def test_progress(log: str, said: str) -> None:
    assert said in describe_progress(log)


@given(
    st.text(max_size=300)
    | st.sampled_from([UNDEFINED, FAILED, CHAINED, FAILED_OLD, FAILED_NEW, FAILED_EVALUATION, MISMATCH]).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda end: text[:end])
    )
)
def test_whatever_it_says_there_is_one_problem_in_one_line(log: str) -> None:
    problem = find_problem(log, FILE, LOG)
    assert problem.line >= 1
    assert "\n" not in problem.message
    assert 0 < len(problem.message) <= LONGEST_MESSAGE
    find_files(log)
    describe_progress(log)
