"""A rate that is not passed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.rate import Bucket


def test_bytes_wait_until_there_is_room_for_them() -> None:
    bucket = Bucket(rate=1000)

    assert bucket.take(1000, now=100) == pytest.approx(0.9)  # a tenth of a second is free
    assert bucket.take(500, now=100) == pytest.approx(1.4)
    assert bucket.take(500, now=103) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 3)), min_size=1))
def test_no_more_than_the_rate_goes_on_and_nobody_waits_without_need(
    chunks: list[tuple[int, float]],
) -> None:
    bucket, now, gone = Bucket(rate=1000), 50.0, 0
    for count, pause in chunks:
        now += pause
        wait = bucket.take(count, now)
        gone += count
        now += wait
        assert gone <= 1000 * (now - 50 + 0.1) + 1e-3
        assert wait <= gone / 1000
