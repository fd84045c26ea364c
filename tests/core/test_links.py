"""Whom definitions name: names that there are not, names that wait for each other, at once and in linear time."""

from collections.abc import Mapping, Set

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.links import MOST_GUESSED, Links, find_link_faults
from orchestrator.model.problem import Fault

NAMES = "abcdef"
graphs = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(
        Links,
        after=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
        requires=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    ),
)


def find(links: Mapping[str, Links], **more: Set[str]) -> dict[str, tuple[Fault, ...]]:
    return find_link_faults(links, links.keys() | more.get("known", set()), standing={})


def messages(faults: dict[str, tuple[Fault, ...]]) -> dict[str, list[str]]:
    return {name: [fault.message for fault in each] for name, each in faults.items()}


def waits_for_itself(edges: Mapping[str, Set[str]], name: str) -> bool:
    seen: set[str] = set()
    left = set(edges.get(name, ()))
    while left:
        other = left.pop()
        seen.add(other)
        left |= set(edges.get(other, ())) - seen
    return name in seen


def written(links: Mapping[str, Links]) -> dict[str, set[str]]:
    return {name: {other for _, other in each.list_items()} for name, each in links.items()}


@given(graphs)
def test_a_fault_where_something_is_wrong_and_only_there(links: Mapping[str, Links]) -> None:
    faults = find(links)
    edges = written(links)
    for name, each in links.items():
        wrong = waits_for_itself(edges, name) or any(other not in links for other in edges[name])
        assert (name in faults) == wrong
        for fault in faults.get(name, ()):
            key, index = fault.path
            named = getattr(each, str(key))[index]
            assert named == name or named not in links or waits_for_itself(edges, named)


@given(graphs, graphs)
def test_what_is_left_waits_for_nothing_that_goes_on_and_waits_for_it(
    links: Mapping[str, Links], before: Mapping[str, Links]
) -> None:
    """Whatever went on before without a circle: what is valid now makes none with it."""
    standing = {name: others - {name} for name, others in written(before).items()}
    for name in [name for name in standing if waits_for_itself(standing, name)]:
        standing[name] = set()
    known = links.keys() | standing.keys() | {"z"}
    faults = find_link_faults(links, known, broken={"a"} & links.keys(), standing=standing)
    refused = {*faults, *(known - links.keys()), *({"a"} & links.keys())}
    live = {name: standing.get(name, set()) if name in refused else written(links)[name] for name in known}
    assert not any(waits_for_itself(live, name) for name in known)


def test_a_circle_is_told_from_each_of_its_names_on() -> None:
    links = {"web": Links(after=("db",)), "db": Links(requires=("api", "log")), "api": Links(after=("web",))}
    assert messages(find({**links, "log": Links()})) == {
        "web": ["they wait for each other: web → db → api → web"],
        "db": ["they wait for each other: db → api → web → db"],
        "api": ["they wait for each other: api → web → db → api"],
    }


def test_a_long_circle_is_cut_short() -> None:
    links = {f"n{number}": Links(after=(f"n{(number + 1) % 20}",)) for number in range(20)}
    (message,) = messages(find(links))["n3"]
    assert message == "they wait for each other: n3 → n4 → n5 → n6 → n7 → n8 → n9 → … 13 more … → n3"


def test_a_circle_with_what_goes_on_is_told_where_it_can_be_mended() -> None:
    """b cannot be read, and goes on as it was."""
    links = {"a": Links(after=("b",))}
    faults = find_link_faults(links, {"a", "b"}, standing={"b": ("a",), "a": ()})
    assert messages(faults) == {"a": ["they wait for each other: a → b → a"]}
    assert find_link_faults(links, {"a", "b"}, standing={"b": ("c",)}) == {}


def test_a_name_that_is_broken_or_not_read_is_known() -> None:
    assert find({"a": Links(after=("b",))}, known={"b"}) == {}


def test_what_was_meant_is_looked_up_for_some_only() -> None:
    links = {"cache": Links(after=tuple(f"cach{number}" for number in range(100, 200)))}
    faults = find(links)["cache"]
    assert len(faults) == 100
    assert sum(bool(fault.hint) for fault in faults) == MOST_GUESSED
    assert faults[0].hint == 'did you mean "cache"?'


def test_very_many_definitions_are_looked_through_in_linear_time() -> None:
    """With time that grew by the square of their number this would hardly end."""
    count = 20_000
    chain = {f"n{number}": Links(after=(f"n{number + 1}",)) for number in range(count)}
    assert find(chain).keys() == {f"n{count - 1}"}
    ring = {**chain, f"n{count - 1}": Links(requires=("n0",))}
    assert len(find(ring)) == count
    star = {**{f"n{number}": Links(after=("hub",)) for number in range(count)}, "hub": Links()}
    assert find(star) == {}
