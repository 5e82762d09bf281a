"""How many connections a blob is worth, on a clock that is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.download_parallelism import DownloadParallelism

MB = 1_000_000


def go(
    parallelism: DownloadParallelism, seconds: float, each: float, line: float, waits: float = 1.0
) -> list[int]:
    """Read at ``each`` per connection over a ``line``; return the connections wanted meanwhile."""
    wanted, step = [parallelism.wanted], 0.05
    for tick in range(1, round(seconds / step)):
        now = tick * step
        parallelism.advance(int(min(each * parallelism.wanted, line) * step))
        parallelism.waited(step * waits)
        parallelism.look(now, parallelism.wanted, 1)
        if parallelism.wanted != wanted[-1]:
            wanted.append(parallelism.wanted)
    return wanted


def test_a_source_that_throttles_each_connection_gets_more_of_them_and_more() -> None:
    assert go(DownloadParallelism(), 5, each=8 * MB, line=1000 * MB) == [1, 4, 8]


def test_a_line_that_is_full_gets_one_connection_again_and_another_trial_much_later() -> None:
    assert go(DownloadParallelism(), 20, each=8 * MB, line=10 * MB) == [1, 4, 1]
    assert go(DownloadParallelism(), 40, each=8 * MB, line=10 * MB) == [1, 4, 1, 4, 1]


def test_where_eight_bring_no_more_than_four_it_stays_with_four_for_a_while() -> None:
    assert go(DownloadParallelism(), 20, each=8 * MB, line=32 * MB) == [1, 4, 8, 4]


@pytest.mark.parametrize(
    ("each", "waits"),
    [pytest.param(100 * MB, 1.0, id="fast"), pytest.param(8 * MB, 0.3, id="slow destination")],
)
def test_where_the_source_is_not_what_is_waited_for_there_is_no_trial(
    each: float, waits: float
) -> None:
    assert go(DownloadParallelism(), 20, each=each, line=1000 * MB, waits=waits) == [1]


def test_where_pieces_cannot_be_had_there_is_one_connection_for_good() -> None:
    parallelism = DownloadParallelism()
    assert go(parallelism, 5, each=8 * MB, line=1000 * MB)[-1] == 8

    parallelism.fails()

    assert go(parallelism, 99, each=8 * MB, line=1000 * MB) == [1]


def test_readers_are_judged_together() -> None:
    parallelism = DownloadParallelism()
    for tick in range(1, 20):
        parallelism.advance(2 * MB)
        parallelism.waited(0.05)  # of two readers one waits: the other is held up elsewhere
        parallelism.look(tick * 0.05, 2, 2)

    assert parallelism.wanted == 1


@given(
    st.lists(
        st.tuples(
            st.floats(0, 40), st.integers(0, 10**9), st.floats(0, 40),
            st.integers(1, 99), st.integers(1, 9),
        )
    )
)  # fmt: skip
def test_whatever_comes_it_is_one_four_or_eight(
    looks: list[tuple[float, int, float, int, int]],
) -> None:
    parallelism, now = DownloadParallelism(), 0.0
    for elapsed, count, waited, connections, readers in looks:
        now += elapsed
        parallelism.advance(count)
        parallelism.waited(waited)
        parallelism.look(now, connections, readers)
        assert parallelism.wanted in (1, 4, 8)
