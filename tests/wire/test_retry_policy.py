"""When to try again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.message import Reply
from mirror.wire.retry_policy import concerns_host, is_transient, retry_after, wait

NOON = "Sat, 31 Jan 2026 12:00:00 GMT"


def reply(status: int = 503, **headers: str) -> Reply:
    return Reply(status, "", {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522])
def test_what_passes_is_tried_again(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize(
    "status", [200, 201, 206, 307, 400, 401, 403, 404, 409, 413, 416, 501, 507]
)
def test_what_stays_is_not(status: int) -> None:
    assert not is_transient(status)


def test_a_host_that_pushes_back_speaks_for_all_its_requests() -> None:
    assert [status for status in range(400, 600) if concerns_host(status)] == [429, 503]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0), ("7", 7), ("1.5", 1.5), ("99999", 600), ("Sat, 31 Jan 2026 12:00:30 GMT", 30),
     ("Sat, 31 Jan 2026 11:59:00 GMT", 0), ("Sun, 31 Jan 2027 12:00:00 GMT", 600),
     ("", None), ("soon", None), ("-3", None), ("1e999", 600)],
)  # fmt: skip
def test_a_registry_may_say_how_long_by_its_own_clock(said: str, seconds: float | None) -> None:
    assert retry_after(reply(Retry_After=said, Date=NOON)) == seconds


@given(st.text(), st.text())
def test_no_header_fails(said: str, date: str) -> None:
    seconds = retry_after(reply(Retry_After=said, Date=date))

    assert seconds is None or 0 <= seconds <= 600


@given(st.integers(0, 60), st.integers(), st.sampled_from([None, 429, 503]))
def test_waits_double_up_to_a_limit_and_are_never_longer(
    attempt: int, seed: int, status: int | None
) -> None:
    seconds = wait(attempt, Random(seed), reply(status) if status else None)

    assert 0 <= seconds <= min(30, (2 if status == 429 else 0.5) * 2**attempt)


def test_what_is_told_is_waited_whatever_the_attempt() -> None:
    assert wait(4, Random(1), reply(429, Retry_After="3")) == 3
