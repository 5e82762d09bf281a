"""What Docker Hub says that it will still give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.message import Reply
from mirror.wire.pull_quota import PullQuota


def said(remaining: str, limit: str = "100;w=21600") -> Reply:
    return Reply(200, "", {"ratelimit-remaining": remaining, "ratelimit-limit": limit})


def test_the_figures_are_read_and_counted_down() -> None:
    quota = PullQuota()
    assert quota.see(said("2;w=21600"))
    assert (quota.remaining, quota.limit, quota.window) == (2, 100, 21600)

    assert [quota.take() for _ in range(3)] == [True, True, False]


def test_an_answer_that_was_overtaken_gives_nothing_back() -> None:
    quota = PullQuota()
    quota.see(said("5;w=21600"))
    quota.see(said("9;w=21600"))

    assert quota.remaining == 5


@pytest.mark.parametrize("text", ["", "x", ";w=1", "-1;w=21600", "\u00b2", "3", "3;w=60"])
def test_who_says_nothing_has_no_limit(text: str) -> None:
    quota = PullQuota()

    assert not quota.see(said(text))
    assert quota.take()


@given(st.text(), st.text())
def test_no_header_fails(remaining: str, limit: str) -> None:
    PullQuota().see(said(remaining, limit))
