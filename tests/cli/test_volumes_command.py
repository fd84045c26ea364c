"""`orchestrator volumes` where no agent runs: what is used by files, and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.core.generations import digest_text
from orchestrator.model.generation import Accepted, Changed, Generation, Head, Pin
from orchestrator.model.layout import Layout
from orchestrator.model.source import Form
from orchestrator.system.generations import HostGenerations

WEB = 'args = ["true"]\nrootfs = "host"\n'


def using(volume: str) -> str:
    return f'{WEB}mounts."/data" = {{ type = "volume", name = "{volume}" }}\n'


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    layout = Layout(f"{tmp_path}/state", f"{tmp_path}/run")
    (tmp_path / "config").mkdir()
    for name, path in (("STATE", layout.state), ("RUN", layout.run), ("CONFIG", f"{tmp_path}/config")):
        monkeypatch.setenv(f"ORCHESTRATOR_{name}", path)
    return layout


def make_volumes(layout: Layout, *names: str) -> None:
    for name in names:
        os.makedirs(f"{layout.volumes}/{name}")


def write(layout: Layout, name: str, text: str) -> Path:
    path = Path(layout.state).with_name("config") / name
    path.write_text(text)
    return path


def keep(layout: Layout, number: int, **texts: str) -> None:
    """A generation of these definitions."""
    accepted = {
        name: Accepted(
            name=name,
            form=Form.TOML,
            digest=digest_text(text),
            bundle="0" * 64,
            file=f"/etc/orchestrator/{name}.toml",
            modified_at=0.0,
            since=number,
        )
        for name, text in texts.items()
    }
    head = Head(number=number, at=0.0, definitions=len(accepted), changed=Changed(), plugins={})
    HostGenerations(layout).write_now(
        Generation(head, accepted), {each.digest: texts[name] for name, each in accepted.items()}
    )


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert main(["volumes", "--json"]) == 0
    return {each.pop("name"): each for each in json.loads(capsys.readouterr().out)}


def removed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    code = main(["volumes", "rm", *words])
    said = capsys.readouterr()
    return code, said.out.splitlines(), [line.removeprefix("orchestrator: ") for line in said.err.splitlines()]


def test_there_may_be_none(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == {}
    assert main(["volumes"]) == 0
    assert capsys.readouterr().out == "NAME  SIZE  USED BY\n"
    assert removed(capsys, "--unused") == (0, [], [])


def test_who_uses_one_is_told(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    make_volumes(layout, "data", "old", "free", "db+data")
    write(layout, "web.toml", using("data"))
    write(layout, "db.json", json.dumps({"args": ["true"], "rootfs": "host", "mounts": {"/data": "volume"}}))
    keep(layout, 1, web=using("old"), db=using("old"))
    keep(layout, 2, web=using("data"))
    users = {name: (each["definitions"], each["generations"]) for name, each in listed(capsys).items()}
    assert users == {"data": (["web"], []), "old": ([], [1]), "free": ([], []), "db+data": (["db"], [])}
    assert main(["volumes"]) == 0
    lines = [line.split(None, 2) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(line[0], line[2]) for line in lines] == [
        ("data", "web"),
        ("db+data", "db"),
        ("free", "nobody"),
        ("old", "1 earlier generation"),
    ]


def test_only_what_nobody_uses_is_removed(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    make_volumes(layout, "data", "old", "free", "more")
    write(layout, "web.toml", using("data"))
    keep(layout, 1, web=using("old"))
    keep(layout, 2, web=using("data"))
    code, out, err = removed(capsys, "free", "data", "old", "fre")
    assert (code, out) == (1, [])
    assert err == [
        'there is no volume "fre": did you mean "free"?',
        "cannot remove the volume data: it is in use by the definition of web",
        "cannot remove the volume old: a roll-back to generation 1 would want it "
        "(--ignore-generations removes it all the same)",
    ]
    assert removed(capsys, "free") == (0, ["free"], [])
    assert removed(capsys, "--unused") == (0, ["more"], [])
    assert removed(capsys, "old", "--ignore-generations") == (0, ["old"], [])
    assert os.listdir(layout.volumes) == ["data"]


def test_what_is_followed_counts_also_where_that_is_an_earlier_generation(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    make_volumes(layout, "data")
    keep(layout, 1, web=using("data"))
    keep(layout, 2, web=WEB)
    HostGenerations(layout).write_pin_now(Pin(number=1, at=0.0))
    code, _, err = removed(capsys, "data", "--ignore-generations")
    assert (code, err) == (1, ["cannot remove the volume data: it is in use by the definition of web"])


def test_of_a_broken_file_the_last_good_text_counts(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    make_volumes(layout, "data", "free")
    file = write(layout, "web.toml", f"{using('data')}args = [\n")
    code, _, err = removed(capsys, "free")
    assert code == 1
    assert err == [f"cannot remove a volume: which ones {file} uses is not known; mend it first"]
    keep(layout, 1, web=using("data"))
    assert listed(capsys)["data"]["definitions"] == ["web"]
    assert removed(capsys, "--unused") == (0, ["free"], [])


def test_nothing_is_removed_while_a_kind_is_not_there_that_may_keep_it(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    make_volumes(layout, "data")
    text = f'{WEB}mounts."/data" = {{ type = "disk" }}\n'
    file = write(layout, "web.toml", text)
    expected = f"cannot remove a volume: which ones {file} uses is not known; mend it first"
    assert removed(capsys, "--unused") == (1, [], [expected])
    keep(layout, 1, web=text)
    assert removed(capsys, "data")[:2] == (1, [])
    file.unlink()
    assert removed(capsys, "data")[:2] == (1, []), "the agent may be down, and what it followed counts still"
    keep(layout, 2)
    assert removed(capsys, "data") == (0, ["data"], [])


def test_a_state_file_that_is_damaged_keeps_all(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    make_volumes(layout, "data")
    os.makedirs(layout.instances)
    Path(layout.instance_state("web-1")).write_text("{")
    code, _, err = removed(capsys, "--unused")
    assert code == 1
    assert err[0].startswith(f"cannot tell which volumes are used: {layout.instance_state('web-1')}: ")
    assert os.listdir(layout.volumes) == ["data"]


def test_which_is_to_be_said(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = removed(capsys)
    assert code == 2
    assert err[0].startswith("say which: NAME... or --unused")


def test_the_directory_can_be_another(layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_volumes(layout, "data")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "web.toml").write_text(using("data"))
    code, _, err = removed(capsys, "data", "--config", f"{tmp_path}/other")
    assert (code, err) == (1, ["cannot remove the volume data: it is in use by the definition of web"])
    assert removed(capsys, "data") == (0, ["data"], [])
