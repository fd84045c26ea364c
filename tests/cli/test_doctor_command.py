"""`orchestrator doctor` as it is shown; what it finds is made up here."""

import json
import sys

import pytest
from attrs import evolve

from orchestrator.cli import doctor, main
from orchestrator.model.checkup import Checkup
from orchestrator.model.layout import Layout
from tests.core.test_doctor import GOOD, REFUSING, RUNC

DAMAGED = evolve(GOOD, trials=(REFUSING, RUNC), profile=None, profile_trouble="cannot use \x1b[31mit")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Layout, str, str]]:
    asked: list[tuple[Layout, str, str]] = []

    def look_around(*arguments: object) -> Checkup:
        layout, runtime, version = arguments
        assert isinstance(layout, Layout)
        asked.append((layout, str(runtime), str(version)))
        return DAMAGED if runtime == "auto" else evolve(GOOD, runtime=str(runtime))

    monkeypatch.setattr(doctor, "look_around", look_around)
    return asked


def test_elsewhere_it_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--run", "/r", "--state", "/s"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("rights\n  ok       this is root\nruntime\n  warning  crun: ")
    assert (
        "seccomp\n"
        "  error    cannot use \\x1b[31mit\n"
        "           the agent does not start: another filter in its place would be a surprise\n"
        "           mend: mend the file, or put that of the package golang-github-containers-common in its place\n"
    ) in out
    assert out.endswith("\n\n1 error, 1 warning\n")


def test_on_a_terminal_it_has_colours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["doctor", "--run", "/r", "--state", "/s"]) == 1
    out = capsys.readouterr().out
    assert "\x1b[1;31merror\x1b[0m    cannot use \\x1b[31mit\n" in out
    assert "\x1b[1mseccomp\x1b[0m\n" in out


def test_for_programs_it_is_a_list(capsys: pytest.CaptureFixture[str], asked: list[tuple[Layout, str, str]]) -> None:
    assert main(["doctor", "--json", "--run", "/r", "--state", "/s", "--runtime", "runc"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings[0] == {"subject": "rights", "level": "ok", "found": "this is root", "means": "", "mend": ""}
    ((layout, runtime, _),) = asked
    assert (layout, runtime) == (Layout(state="/s", run="/r"), "runc")
