"""How often one blob may be begun again."""

import pytest

from mirror.engine.blob_attempts import BlobAttempts
from mirror.errors import (
    DigestMismatch,
    MirrorError,
    NetworkError,
    NotFound,
    SessionLost,
    StaleLogin,
    UploadCorrupted,
    WrongWay,
)
from mirror.place import Place, Side
from mirror.registry.backoff import Backoff

THERE = Place(Side.DESTINATION, "d.io/a", "writing the blob")
WRONG = DigestMismatch(expected="a", actual="b")


def granted(error: MirrorError, retries: int) -> int:
    """How many further attempts an error gets that repeats for ever."""
    attempts = BlobAttempts(Backoff(retries))
    while attempts.wait_after(error) is not None:
        assert attempts.number < 99
    return attempts.number - 1


@pytest.mark.parametrize(
    ("error", "retries", "more"),
    [(NetworkError("reset"), 3, 3), (NetworkError("reset"), 0, 0), (SessionLost("gone"), 2, 2),
     (NotFound("404"), 5, 0), (WRONG, 5, 1), (WRONG, 0, 0), (UploadCorrupted("other"), 5, 1),
     (StaleLogin("401"), 0, 2), (WrongWay("413"), 0, 6)],
)  # fmt: skip
def test_each_error_has_its_number(error: MirrorError, retries: int, more: int) -> None:
    assert granted(error, retries) == more


def test_only_what_the_destination_did_not_answer_may_have_arrived() -> None:
    attempts = BlobAttempts(Backoff(9))

    attempts.wait_after(NetworkError("reset").at(THERE))
    assert attempts.uncertain
    assert attempts.broken
    attempts.wait_after(SessionLost("gone").at(THERE))
    assert not attempts.uncertain
    attempts.wait_after(NetworkError("reset").at(Place(Side.SOURCE, "s.io/a", "reading")))
    assert not attempts.uncertain
