"""How much of a log goes, and when it is looked at again."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.trim import MAX_LOOK, bytes_to_drop, bytes_to_keep, next_look

SIZES = st.integers(min_value=0, max_value=2**40)
BLOCKS = st.sampled_from([1, 512, 4096, 65536, 2**20])


@given(size=SIZES, keep=SIZES, block=BLOCKS)
def test_whole_blocks_go_and_what_is_to_be_kept_remains(size: int, keep: int, block: int) -> None:
    dropped = bytes_to_drop(size, keep, block)
    assert dropped % block == 0
    assert dropped == 0 or size - dropped >= max(keep, 1)
    assert size - dropped < max(keep, 1) + block or dropped == 0


@given(size=SIZES, block=BLOCKS)
def test_never_the_last_byte(size: int, block: int) -> None:
    assert bytes_to_drop(size, 0, block) < max(size, 1)


@given(bound=st.integers(min_value=2 * 2**20, max_value=2**40), over=st.integers(min_value=1, max_value=2**40))
def test_a_cut_brings_a_log_below_its_bound(bound: int, over: int) -> None:
    size = bound + over
    assert size - bytes_to_drop(size, bytes_to_keep(bound), 2**20) <= bound


@given(size=SIZES, bound=SIZES, rate=st.floats(min_value=-1e12, max_value=1e12, allow_nan=False))
def test_the_next_look_is_bounded_and_not_later_than_the_bound_is_reached(size: int, bound: int, rate: float) -> None:
    delay = next_look(size, bound, rate)
    assert 0 <= delay <= MAX_LOOK
    if rate > 0 and size <= bound:
        assert size + delay * rate <= bound * (1 + 1e-9) + 1e-6


def test_next_look_by_example() -> None:
    assert next_look(0, 1000, 0.0) == MAX_LOOK
    assert next_look(900, 1000, 50.0) == 2.0
    assert next_look(1000, 1000, 50.0) == 0.0
    assert next_look(1001, 1000, 0.0) == 0.0
