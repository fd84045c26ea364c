"""Which file defines which name."""

from orchestrator.core.listing import refuse_doubled, sort_sources
from orchestrator.model.source import Form, Source

WEB = Source("web", "/etc/orchestrator/web.toml", "")
WEB_JSON = Source("web", "/etc/orchestrator/web.json", "{}", form=Form.JSON)
DB = Source("db", "/etc/orchestrator/db.toml", "")


def test_one_file_a_name() -> None:
    found = sort_sources([DB, WEB])
    assert found.sources == {"db": DB, "web": WEB}
    assert not found.doubled
    assert not found.misnamed


def test_two_files_for_one_name_are_none_of_its_definition() -> None:
    found = sort_sources([DB, WEB, WEB_JSON])
    assert found.sources == {"db": DB}
    assert found.doubled == {"web": (WEB, WEB_JSON)}
    assert [str(problem) for problem in refuse_doubled(found.doubled["web"]).problems] == [
        '/etc/orchestrator/web.toml:1:1: a second definition of "web": also in web.json (remove or rename all but one)',
        '/etc/orchestrator/web.json:1:1: a second definition of "web": also in web.toml (remove or rename all but one)',
    ]


def test_a_file_that_cannot_be_read_claims_its_name_too() -> None:
    unreadable = Source("web", "web.json", None, "cannot read the file: permission denied", Form.JSON)
    assert sort_sources([WEB, unreadable]).doubled == {"web": (WEB, unreadable)}


def test_what_cannot_be_the_name_of_a_container() -> None:
    found = sort_sources([Source("Web Site", "Web Site.toml", "")])
    assert not found.sources
    (problem,) = found.misnamed
    assert (problem.file, problem.line, problem.column) == ("Web Site.toml", 1, 1)
    assert "Web Site" in problem.message


def test_of_a_misnamed_file_that_cannot_be_read_that_is_told() -> None:
    found = sort_sources([Source("Web", "Web.toml", None, "cannot read the file: permission denied")])
    assert [str(problem) for problem in found.misnamed] == ["Web.toml:1:1: cannot read the file: permission denied"]
