"""What becomes a generation and what does not, and its file's text."""

import json
from collections.abc import Callable, Iterable

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.encode import DamagedState
from orchestrator.core.generations import (
    choose_generation,
    choose_numbers_to_drop,
    collect_texts,
    compare_bundles,
    decode_accepted,
    decode_generation,
    decode_head,
    decode_pin,
    digest_text,
    encode_generation,
    encode_pin,
    make_generation,
    make_source,
)
from orchestrator.model.action import Broken, Target
from orchestrator.model.generation import Changed, Generation, Pin
from orchestrator.model.source import Form, Source
from tests.core.helpers_generations import PLUGINS, follow, make_broken, make_one, make_target, text_of

A, B = text_of("a"), text_of("b")


def make_next(newest: Generation | None, **desired: Target | Broken) -> Generation | None:
    return make_generation(desired, newest, PLUGINS, number=2, at=7.0)


def test_the_first_has_all_there_is() -> None:
    first = make_one(web=A, db=B)
    assert first.head.changed == Changed(added=("db", "web"))
    assert first.head.definitions == 2
    assert first.head.plugins == PLUGINS
    accepted = first.definitions["web"]
    assert (accepted.digest, accepted.since, accepted.file) == (digest_text(A), 1, "/c/web.toml")


def test_nothing_is_no_state_to_go_back_to_unless_there_was_another() -> None:
    assert make_next(None) is None
    assert make_next(None, web=make_broken()) is None
    emptied = make_next(make_one(web=A))
    assert emptied is not None
    assert emptied.head.changed == Changed(removed=("web",))


def test_the_same_is_no_generation() -> None:
    assert make_next(make_one(web=A), web=make_target("web", A)) is None


def test_a_file_that_is_written_anew_or_lies_elsewhere_is_the_same() -> None:
    target = make_target("web", A, modified_at=99.0)
    assert target.source is not None
    assert make_next(make_one(web=A), web=evolve(target, source=evolve(target.source, file="/d/web.toml"))) is None


def test_what_differs_makes_one() -> None:
    first = make_one(web=A, db=A, old=A)
    desired = {"web": make_target("web", B), "db": make_target("db", A, "other"), "new": make_target("new", A)}
    second = follow(first, desired, 2)
    assert second.head.changed == Changed(added=("new",), removed=("old",), changed=("db", "web"))
    # The host has made another bundle of the same text.
    assert second.definitions["db"].since == 1
    assert second.definitions["web"].since == 2


def test_another_form_makes_one() -> None:
    target = make_target("web", A)
    assert target.source is not None
    second = make_next(make_one(web=A), web=evolve(target, source=evolve(target.source, form=Form.JSON)))
    assert second is not None
    assert second.head.changed.changed == ("web",)


def test_another_version_of_a_plugin_makes_one() -> None:
    first = make_one(web=A)
    plugins = {"orchestrator.mounts/bind": "oci-orchestrator 2.0", "orchestrator.mounts/zfs": "zfs-mounts 1.0"}
    second = make_generation({"web": make_target("web", A)}, first, plugins, number=2, at=7.0)
    assert second is not None
    assert second.head.changed == Changed(plugins=("orchestrator.mounts/bind", "orchestrator.mounts/zfs"))


def test_a_broken_definition_stays_what_it_was() -> None:
    first = make_one(web=A, db=A)
    assert make_next(first, web=make_broken(), db=make_target("db", A)) is None
    assert make_next(first, web=make_broken(make_target("web", A)), db=make_target("db", A)) is None
    second = follow(first, {"web": make_broken(), "db": make_target("db", B)}, 2)
    assert second.definitions["web"] == first.definitions["web"]
    assert second.definitions["web"].since == 1


def test_a_definition_that_was_good_for_a_moment_is_kept() -> None:
    """Its edit and the one that broke it are told together."""
    second = follow(make_one(web=A), {"web": make_broken(make_target("web", B))}, 2)
    assert second.definitions["web"].digest == digest_text(B)


def test_what_was_never_good_is_none_of_it() -> None:
    first = make_one(web=A)
    assert make_next(first, web=make_target("web", A), bad=make_broken()) is None


def test_the_texts_that_it_has() -> None:
    desired: dict[str, Target | Broken] = {
        "web": make_target("web", A),
        "db": make_target("db", A),
        "bad": make_broken(),
        "good": make_broken(make_target("good", B)),
    }
    assert collect_texts(desired) == {digest_text(A): A, digest_text(B): B}


def test_a_kept_definition_is_a_source_again() -> None:
    accepted = make_one(web=A).definitions["web"]
    source = make_source(accepted, A, 1)
    assert source == Source("web", "/c/web.toml", A)
    assert (source.generation, source.modified_at) == (1, 5.0)


def test_bundles_that_come_out_otherwise() -> None:
    generation = make_one(web=A, db=A, bad=A)
    desired: dict[str, Target | Broken] = {
        "web": make_target("web", A),
        "db": make_target("db", A, "other"),
        "bad": make_broken(),
    }
    assert compare_bundles(generation, desired) == ("db",)


@pytest.mark.parametrize(
    ("number", "kept", "pinned", "chosen"),
    [
        (None, [1, 2, 3], None, 2),
        (None, [1, 2, 3], 2, 1),
        (None, [5, 9], None, 5),
        (3, [1, 2, 3], None, 3),
        (None, [1, 2, 3], 1, "there is no generation before 1, which is live"),
        (None, [4], None, "there is no generation before 4, which is live"),
        (None, [], None, "there is no generation yet"),
        (7, [], None, "there is no generation yet"),
        (7, [1, 2, 3], None, "there is no generation 7 (there is 1 to 3)"),
        (7, [4], None, "there is no generation 7 (there is 4 only)"),
    ],
)
def test_which_generation_is_meant(number: int | None, kept: list[int], pinned: int | None, chosen: int | str) -> None:
    assert choose_generation(number, kept, pinned) == chosen


@given(st.sets(st.integers(1, 300)), st.integers(1, 50), st.none() | st.integers(1, 300))
def test_the_newest_and_the_pinned_are_kept(numbers: set[int], keep: int, pinned: int | None) -> None:
    dropped = set(choose_numbers_to_drop(numbers, keep=keep, pinned=pinned))
    left = numbers - dropped
    assert len(left - {pinned}) <= keep
    assert len(left) >= min(len(numbers), keep)
    assert pinned not in dropped
    assert all(max(dropped) < number for number in sorted(left - {pinned})) if dropped else left == numbers


NAMES = st.sampled_from(["a", "b", "c", "d"])
DESIRED = st.builds(make_target, st.just("x"), st.text(max_size=20), st.sampled_from(["1", "2"])) | st.just(
    make_broken()
)


@given(st.lists(st.dictionaries(NAMES, DESIRED), max_size=6))
def test_a_text_says_what_it_was_made_from(states: Iterable[dict[str, Target | Broken]]) -> None:
    newest: Generation | None = None
    for number, desired in enumerate(states, 1):
        generation = make_generation(desired, newest, PLUGINS, number=number, at=1.5)
        if generation is None:
            continue
        read = decode_generation(encode_generation(generation))
        assert read == generation
        assert [each.since for each in read.definitions.values()] == [
            each.since for each in generation.definitions.values()
        ]
        assert decode_head(encode_generation(generation).partition("\n")[0]) == generation.head
        assert make_generation(desired, read, PLUGINS, number=number + 1, at=1.5) is None
        newest = read


def test_a_pin_says_what_it_was_made_from() -> None:
    pin = Pin(number=7, at=1.5)
    assert decode_pin(encode_pin(pin)) == pin


TEXT = encode_generation(make_one(web=A, db=A))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: "", "it is not JSON"),
        (lambda text: "null\n", "its schema version is None, known is 1"),
        (lambda text: text.partition("\n")[0], "it has 0 definitions instead of 2"),
        (lambda text: text[:-3], "it is not JSON"),
        (lambda text: text + text.splitlines()[1], "it has 3 definitions instead of 2"),
        (lambda text: text.replace('"schema":1', '"schema":2'), "its schema version is 2, known is 1"),
        (lambda text: text.replace('"bundle"', '"bungle"', 1), "bundle: the key is missing"),
        (lambda text: text.replace('"number":1', '"number":"1"'), "number: expected int"),
    ],
)
def test_a_damaged_text_is_refused(damage: Callable[[str], str], why: str) -> None:
    with pytest.raises(DamagedState, match=why):
        decode_generation(damage(TEXT))


def test_a_line_that_is_no_definition() -> None:
    with pytest.raises(DamagedState, match="the key is missing"):
        decode_accepted(json.dumps({"name": "web"}))
