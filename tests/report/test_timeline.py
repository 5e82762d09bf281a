"""When what happened, in a bounded number of bins."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.events import BlobLanded, BlobStarted, BlobStopped, Event, Landing, RequestSent
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.report.timeline import BINS, Timeline

THERE = Repository.parse("d.io/a")
BLOB = Digest.of(b"x")
ASKED = RequestSent("d.io", "GET")
BEGUN = BlobStarted(THERE, BLOB, 100)


def landed(landing: Landing = Landing.COPIED) -> BlobLanded:
    return BlobLanded(THERE, BLOB, 100, landing)


def told(*events: tuple[float, Event]) -> Timeline:
    timeline = Timeline(width=1.0)
    for at, event in events:
        timeline.take(event, at)
    return timeline


def test_requests_are_counted_where_and_when_they_were_sent() -> None:
    timeline = told((0.5, ASKED), (0.9, ASKED), (2.0, ASKED), (0.1, RequestSent("s.io", "HEAD")))

    assert msgspec.to_builtins(timeline.document()) == {
        "bin_seconds": 1.0,
        "registries": {
            "d.io": {"requests": [2, 0, 1], "bytes": []},
            "s.io": {"requests": [1], "bytes": []},
        },
    }


def test_several_requests_may_be_told_of_at_once() -> None:
    assert told((0.5, RequestSent("d.io", "HEAD", 7))).lanes["d.io"].requests == [7]


def test_a_blob_is_spread_over_the_time_that_it_took() -> None:
    assert told((1.0, BEGUN), (3.0, landed())).lanes["d.io"].bytes == [0, 50, 50, 0]
    assert told((0.5, BEGUN), (0.5, landed())).lanes["d.io"].bytes == [100]


@pytest.mark.parametrize("landing", [Landing.MOUNTED, Landing.PRESENT])
def test_only_what_was_copied_has_moved(landing: Landing) -> None:
    assert not told((0.0, BEGUN), (1.0, landed(landing))).lanes


def test_a_blob_that_stopped_begins_anew() -> None:
    timeline = told((0.0, BEGUN), (3.0, BlobStopped(THERE, BLOB)), (5.0, landed()))

    assert timeline.lanes["d.io"].bytes == [0, 0, 0, 0, 0, 100]


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_however_long_it_takes_nothing_is_lost_and_little_is_kept(moments: list[float]) -> None:
    timeline = told(*((at, ASKED) for at in moments))
    lanes = _lanes(timeline)

    assert sum(len(lane["requests"]) for lane in lanes) <= BINS
    assert sum(sum(lane["requests"]) for lane in lanes) == len(moments)


@given(st.floats(0, 900), st.floats(0, 900), st.integers(0, 10**12))
def test_all_bytes_of_a_blob_are_somewhere(since: float, took: float, size: int) -> None:
    timeline = told((since, BlobStarted(THERE, BLOB, size)))
    timeline.take(BlobLanded(THERE, BLOB, size, Landing.COPIED), since + took)
    (lane,) = _lanes(timeline)

    assert abs(sum(lane["bytes"]) - size) <= max(1, size // 10**9)


def _lanes(timeline: Timeline) -> list[dict[str, list[int]]]:
    registries = msgspec.to_builtins(timeline.document())["registries"]
    assert isinstance(registries, dict)
    return list(registries.values())
