"""A rate that is not passed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.rate_limit import TokenBucket


def test_bytes_wait_until_there_is_room_for_them() -> None:
    bucket = TokenBucket(rate=1000)

    assert bucket.take(1000, now=100) == pytest.approx(0.9)  # a tenth of a second is free
    assert bucket.take(500, now=100) == pytest.approx(1.4)
    assert bucket.take(500, now=103) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 3)), min_size=1))
def test_no_more_than_the_rate_goes_on_and_nobody_waits_without_need(
    chunks: list[tuple[int, float]],
) -> None:
    bucket, now, gone = TokenBucket(rate=1000), 50.0, 0
    for count, pause in chunks:
        now += pause
        wait = bucket.take(count, now)
        gone += count
        now += wait
        assert gone <= 1000 * (now - 50 + 0.1) + 1e-3
        assert wait <= gone / 1000


def test_requests_go_out_one_after_the_other() -> None:
    bucket = TokenBucket(rate=50)
    waits = [bucket.turn(now=100) for _ in range(8)]

    # A tenth of a second of the rate is free, the first of it at once.
    assert waits[:6] == [pytest.approx(0.0)] * 6
    assert waits[6:] == [pytest.approx(0.02), pytest.approx(0.04)]
    assert bucket.turn(now=103) == 0


@given(st.lists(st.floats(0, 2), min_size=1), st.floats(0.5, 200))
def test_no_more_requests_than_the_rate_go_out(pauses: list[float], rate: float) -> None:
    bucket, now, sent = TokenBucket(rate), 50.0, list[float]()
    for pause in pauses:
        now += pause
        sent.append(now + bucket.turn(now))

    for first, begin in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first <= rate * (sent[last] - begin + 0.1) + 1e-6
