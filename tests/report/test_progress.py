"""Progress, by a clock that is read out to it."""

import pytest

from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    ImageSettled,
    ImagesFound,
    Landing,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.report.progress import Progress, clock, size, summary

APP, X, Y = Repository.parse("d.io/a"), Digest.of(b"x"), Digest.of(b"y")


def settle(progress: Progress, status: Status = Status.COPIED) -> None:
    progress.take(ImageSettled("s", "d", "o", status))


def test_a_blob_is_in_flight_until_it_landed_or_stopped() -> None:
    progress = Progress()
    progress.take(BlobStarted(APP, X, 9))
    progress.take(BlobStarted(APP, Y, 9))
    assert len(progress.moving) == 2

    progress.take(BlobLanded(APP, X, 9, Landing.COPIED))
    progress.take(BlobStopped(APP, Y))
    assert progress.moving == {}


def test_rate_and_time_left_are_those_of_late() -> None:
    progress = Progress()
    progress.take(ImagesFound(10))
    progress.tick(0, 0)
    for second in range(1, 5):
        settle(progress)
        progress.tick(second, 1000 * second)

    assert progress.rate == 1000
    assert progress.seconds_left == 6

    progress.tick(100, 4000)
    progress.tick(101, 4000)
    assert progress.rate == 0
    assert progress.seconds_left is None


def test_while_no_image_ends_the_bytes_in_flight_say_how_long_it_takes() -> None:
    progress = Progress()
    progress.take(ImagesFound(1))
    progress.take(BlobStarted(APP, X, 1000))
    progress.take(BlobStarted(APP, Y, 500))
    progress.take(BlobLanded(APP, Y, 500, Landing.MOUNTED))
    progress.tick(0, 0)
    progress.tick(2, 200)

    assert progress.seconds_left == 8


def test_a_line_says_it_all() -> None:
    progress = Progress()
    progress.take(ImagesFound(4))
    progress.take(BlobStarted(APP, X, 9))
    progress.tick(0, 0)
    settle(progress)
    settle(progress, Status.FAILED)
    progress.tick(2, 4 * 1024 * 1024)

    assert progress.line() == (
        "2/4 images, 1 failed, 4.0 MiB, 2.0 MiB/s, 1 blobs in flight, about 0:02 left"
    )


def test_nothing_known_yet_is_said_without_guessing() -> None:
    assert Progress().line() == "0/0 images, 0 B, 0 B/s, 0 blobs in flight"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"),
     (3 << 50, "3072.0 TiB")],
)  # fmt: skip
def test_bytes_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (65, "1:05"), (7265, "2:01:05")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_summary_names_what_there_was() -> None:
    counts = {"copied": 2, "unchanged": 0, "failed": 1}

    assert summary(counts, 2048, 9, 1.25) == (
        "2 copied, 1 failed; 2.0 KiB moved with 9 requests in 1.2 s"
    )
    assert summary({}, 0, 0, 0).startswith("nothing to do")
