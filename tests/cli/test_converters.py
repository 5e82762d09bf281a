"""Times as people write them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.cli.converters import seconds_until

TWO = datetime(2026, 1, 31, 2, 0)  # noqa: DTZ001 - local time is meant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("06:00", 4 * 3600), ("6:00", 4 * 3600), ("02:00", 24 * 3600), ("01:30", 23.5 * 3600),
     ("4h", 4 * 3600), ("1h30m", 5400), ("90m", 5400), ("45s", 45), ("1d", 86400)],
)  # fmt: skip
def test_a_time_is_the_next_and_a_duration_from_now(text: str, seconds: float) -> None:
    assert seconds_until(text, TWO) == seconds


@pytest.mark.parametrize("text", ["", "0s", "24:00", "6", "06:60", "tomorrow", "-1h", "1h 30m"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        seconds_until(text, TWO)


@given(st.text(max_size=12), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_whatever_is_written_is_ahead_or_refused(text: str, now: datetime) -> None:
    try:
        assert seconds_until(text, now) > 0
    except ValueError as error:
        assert "is not a time" in str(error)
