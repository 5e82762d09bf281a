"""A window that finds its level."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.adaptive_limit import AdaptiveLimit


def test_it_begins_wide_and_leaves_a_quarter_to_small_requests() -> None:
    window = AdaptiveLimit(16)
    assert (window.size, window.bulk) == (16, 12)


def test_who_is_pushed_back_together_halves_it_once() -> None:
    window = AdaptiveLimit(16)
    for now in (5.0, 5.1, 5.9):
        window.push_back(now)
    assert window.size == 8
    window.push_back(6.1)
    assert window.size == 4


def test_it_grows_by_one_in_fifty_answers() -> None:
    window = AdaptiveLimit(16)
    window.push_back(0)
    for _ in range(49):
        window.answered(0.1)
    assert window.size == 8
    for _ in range(2):
        window.answered(None)
    assert window.size == 9


def test_a_host_that_queues_gets_less_but_keeps_busy() -> None:
    window = AdaptiveLimit(16)
    window.answered(0.05)
    for _ in range(5000):
        window.answered(3.0)
    assert window.size == 4


def test_a_distant_host_is_not_a_slow_one() -> None:
    window = AdaptiveLimit(16)
    for _ in range(500):
        window.answered(1.5)
    assert window.size == 16


moments = st.one_of(st.none(), st.floats(0, 100))


@given(st.integers(1, 64), st.lists(st.tuples(st.booleans(), moments), max_size=200))
def test_it_stays_within_its_bounds(limit: int, history: list[tuple[bool, float | None]]) -> None:
    window, now = AdaptiveLimit(limit), 0.0
    for pushed, seconds in history:
        now += 0.5
        if pushed:
            window.push_back(now)
        else:
            window.answered(seconds)
        assert 1 <= window.bulk <= window.size <= limit
