"""What a registry's answers teach about it, and the error that a refused upload ends with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import Denied, MirrorError, RegistryError, SessionLost, UploadCorrupted, WrongWay
from mirror.events import Event, QuotaSeen
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.registry.capabilities import Capabilities
from mirror.wire.error_response import failure
from mirror.wire.message import Reply
from mirror.wire.upload import Upload
from mirror.wire.upload_strategy import MIB, UploadStrategy

HERE = "https://r.io/v2/a/blobs/uploads/"
SIZE = 100 * MIB
WHOLE, CHUNKED = UploadStrategy(), UploadStrategy().after_break(SIZE)


def upload(strategy: UploadStrategy, chunks: int = 0) -> Upload:
    """Return an upload under way, of which so many chunks have been acknowledged."""
    made = Upload(Repository.parse("r.io/a"), Digest.of(b"x"), SIZE, strategy=strategy)
    made.opened(Reply(202, HERE, {"Location": "/u/1"}))
    for _ in range(chunks):
        made.sent(Reply(202, HERE))
    return made


def judged(known: Capabilities, status: int, refused: Upload, code: str = "") -> MirrorError:
    said = failure(Reply(status, HERE)).but(code=code)
    return known.judge_refusal(status, refused, said)


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [(413, "", WrongWay, False), (405, "", WrongWay, False), (404, "", SessionLost, True),
     (400, "BLOB_UPLOAD_UNKNOWN", SessionLost, True), (404, "NAME_UNKNOWN", RegistryError, False),
     (400, "DIGEST_INVALID", UploadCorrupted, False), (400, "SIZE_INVALID", UploadCorrupted, False),
     (403, "", Denied, False), (400, "", RegistryError, False), (503, "", RegistryError, True)],
)  # fmt: skip
def test_a_refused_upload_says_whether_and_how_to_try_again(
    status: int, code: str, kind: type[MirrorError], retryable: bool
) -> None:
    error = judged(Capabilities(), status, upload(WHOLE), code)

    assert isinstance(error, kind)
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("used", "first", "then"),
    [(WHOLE, 64 * MIB, 16 * MIB), (CHUNKED, 4 * MIB, MIB),
     (WHOLE.after_corruption(), 64 * MIB, 16 * MIB)],
)  # fmt: skip
def test_uploads_refused_together_teach_once(used: UploadStrategy, first: int, then: int) -> None:
    known = Capabilities()
    assert isinstance(judged(known, 413, upload(used)), WrongWay)
    assert known.strategy.whole_limit == first
    judged(known, 413, upload(known.strategy))
    assert isinstance(judged(known, 413, upload(used)), WrongWay)
    assert known.strategy.whole_limit == then


@pytest.mark.parametrize(
    ("strategy", "chunks", "kind", "takes_chunks"),
    [(WHOLE, 0, WrongWay, False), (WHOLE, 1, SessionLost, True), (CHUNKED, 0, SessionLost, True)],
)
def test_chunks_are_given_up_if_the_first_that_was_tried_is_refused(
    strategy: UploadStrategy, chunks: int, kind: type[MirrorError], takes_chunks: bool
) -> None:
    known = Capabilities(strategy)

    assert isinstance(judged(known, 404, upload(CHUNKED, chunks)), kind)
    assert known.strategy.chunks is takes_chunks


@given(st.lists(st.booleans()))
def test_lists_of_referrers_are_given_up_after_three_misses_in_a_row(answers: list[bool]) -> None:
    known = Capabilities()
    for listed in answers:
        known.see_referrers(listed=listed)

    assert known.lists_referrers is (answers[-3:] != [False] * 3)


def test_pulls_that_are_left_are_told_with_the_host_that_says_so() -> None:
    told: list[Event] = []
    known = Capabilities(emit=told.append)
    limit = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}
    known.see("r.io", Reply(200, HERE))
    known.see("r.io", Reply(200, HERE, limit))

    assert told == [QuotaSeen("r.io", 76, 100, 21600)]
