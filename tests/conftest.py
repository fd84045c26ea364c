"""What all tests share: that tests on real runtimes are never left out without a word.

A test marked ``real`` needs root and an OCI runtime. Without root it is skipped, and the skip says so. With
``ORCHESTRATOR_TEST_REAL=1``, as contrib/test sets it, leaving one out is a failure of the whole session: for want of
root, by a skip of its own, with a module that skipped itself whole, or because no real test was there at all.
"""

import ctypes
import os
import signal

import pytest

VARIABLE = "ORCHESTRATOR_TEST_REAL"
SIDE_BY_SIDE = "not alone"
"""The marks by which contrib/test chooses nearly everything."""


class RealGate:
    """Watches over the tests marked ``real`` of one session."""

    def __init__(self) -> None:
        self.ran: set[str] = set()
        self.left_out: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.left_out.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "real" not in report.keywords:
            return
        # An expected failure is reported as a skip too, but it ran.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.left_out.append(report.nodeid)
        elif report.when == "call":
            self.ran.add(report.nodeid)

    def complaint(self, config: pytest.Config) -> str:
        """Why the session is not good enough, or the empty string."""
        if self.left_out:
            return f"{VARIABLE} is set, and these were left out: {', '.join(self.left_out)}"
        asked_for_all = config.args_source is not config.ArgsSource.ARGS
        narrowed = any(config.getoption(name, None) for name in ("keyword", "deselect", "ignore", "lf"))
        narrowed = narrowed or config.option.markexpr not in ("", SIDE_BY_SIDE)
        if asked_for_all and not narrowed and not config.option.collectonly and not self.ran:
            return f"{VARIABLE} is set, and no test marked `real` ran"
        return ""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        good = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if good and self.complaint(session.config):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
    ) -> None:
        complaint = self.complaint(config)
        if complaint:
            terminalreporter.write_line(f"ERROR: {complaint}", red=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") is not None and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: run contrib/test"))


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background of a shell. What the tests start would ignore it too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Where tests run side by side, it is the process that hears of all of them that judges.
    if os.environ.get(VARIABLE) == "1" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(RealGate())


@pytest.fixture(autouse=True)
def orphans_go_to_the_host() -> None:
    """A command that another test ran in this process may have made it a child subreaper, which reaps nobody: a zombie
    that was exec'd into a container would keep it from ending. prctl(2), PR_SET_CHILD_SUBREAPER."""
    ctypes.CDLL(None).prctl(36, *(ctypes.c_ulong(0) for _ in range(4)))
