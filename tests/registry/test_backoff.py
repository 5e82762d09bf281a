"""What everything that tries again is given: how long to wait, and how often."""

from random import Random

import pytest

from mirror.registry.backoff import Backoff
from mirror.wire.message import Reply


class Longest(Random):
    """Chance that always draws the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("attempt", "status", "told", "seconds"),
    [(0, None, "", 0.5), (1, None, "", 1), (3, None, "", 4), (20, None, "", 30),
     (0, 500, "", 0.5), (0, 429, "", 2), (1, 429, "", 4), (0, 503, "7", 7), (9, 503, "7", 7)],
)  # fmt: skip
def test_the_wait_doubles_unless_the_registry_says_how_long(
    attempt: int, status: int | None, told: str, seconds: float
) -> None:
    reply = Reply(status, "https://r.io/", {"Retry-After": told}) if status else None

    assert Backoff(5, Longest()).wait_after(attempt, reply) == seconds


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_each_download_may_break_off_as_often_as_there_are_retries(retries: int) -> None:
    backoff = Backoff(retries, Longest())
    for _ in range(2):
        budget = backoff.resume_budget()
        waits = [budget.after(0) for _ in range(retries + 1)]
        assert waits == [*(0.5, 1, 2)[:retries], None]


def test_nothing_is_tried_again_unless_retries_are_given() -> None:
    assert Backoff().resume_budget().after(0) is None
