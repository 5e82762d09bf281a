"""The upload as a conversation of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.wire.message import Reply
from mirror.wire.upload import State, Upload, resolve_location
from mirror.wire.upload_strategy import Method, UploadStrategy

APP, BASE = Repository.parse("r.io/app"), Repository.parse("r.io/team/base")
DIGEST = Digest.of(b"x")
HERE = "https://r.io/v2/app/blobs/uploads/"


def session(location: str = "/v2/app/blobs/uploads/1") -> Reply:
    return Reply(202, HERE, {"Location": location})


def test_an_upload_is_a_post_then_a_put() -> None:
    upload = Upload(APP, DIGEST, 1)
    assert (upload.opening().method, upload.opening().url) == ("POST", "/v2/app/blobs/uploads/")

    assert upload.opened(session())
    commit = upload.sending(b"x")
    assert (commit.method, commit.url, commit.length) == (
        "PUT",
        f"https://r.io/v2/app/blobs/uploads/1?digest={DIGEST}",
        1,
    )

    assert upload.sent(Reply(201, HERE))
    assert upload.state is State.STORED
    assert upload.cancel() is None


def test_a_mount_that_is_done_needs_nothing_more() -> None:
    upload = Upload(APP, DIGEST, 1, BASE)
    assert upload.opening().url == f"/v2/app/blobs/uploads/?mount={DIGEST}&from=team/base"

    assert upload.opened(Reply(201, HERE))
    assert upload.state is State.MOUNTED
    assert upload.refused is None


def test_a_mount_that_is_not_done_has_opened_a_session() -> None:
    upload = Upload(APP, DIGEST, 1, BASE)

    assert upload.opened(session())
    assert upload.state is State.SENDING
    assert upload.refused == BASE


def test_a_mount_from_the_repository_itself_asks_whether_the_blob_is_there() -> None:
    upload = Upload(APP, DIGEST, 1, APP)

    assert upload.opened(session())
    assert upload.refused is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_a_mount_refused_in_any_way_is_followed_by_one_plain_post(status: int) -> None:
    upload = Upload(APP, DIGEST, 1, BASE)

    assert upload.opened(Reply(status, HERE))
    assert upload.state is State.OPENING
    assert upload.opening().url == "/v2/app/blobs/uploads/"
    assert upload.refused == BASE
    assert not upload.opened(Reply(status, HERE))


def test_a_mount_of_something_else_is_none() -> None:
    upload = Upload(APP, DIGEST, 1, BASE)
    other = {"Docker-Content-Digest": str(Digest.of(b"other"))}

    assert upload.opened(Reply(201, HERE, other))
    assert upload.state is State.OPENING
    assert upload.refused == BASE


@pytest.mark.parametrize("reply", [Reply(201, HERE), Reply(202, HERE), Reply(200, HERE)])
def test_an_opening_that_makes_no_sense_is_not_taken(reply: Reply) -> None:
    upload = Upload(APP, DIGEST, 1)

    assert not upload.opened(reply)
    assert upload.state is State.OPENING


def test_a_refused_commit_leaves_a_session_to_cancel() -> None:
    upload = Upload(APP, DIGEST, 1)
    upload.opened(session())

    assert not upload.sent(Reply(500, HERE))
    cancel = upload.cancel()
    assert cancel is not None
    assert (cancel.method, cancel.url) == ("DELETE", "https://r.io/v2/app/blobs/uploads/1")


@pytest.mark.parametrize(
    ("location", "resolved"),
    [("https://up.io/x?_state=a%2Fb==&c", "https://up.io/x?_state=a%2Fb==&c"),
     ("/v2/x/1?a=b", "https://r.io:443/v2/x/1?a=b"),
     ("1", "https://r.io:443/v2/app/blobs/uploads/1"),
     ("//up.io/x", "https://up.io/x"),
     ("http://r.io/x?q=1", "https://r.io:443/x?q=1"),
     ("https://r.io/x", "https://r.io:443/x")],
)  # fmt: skip
def test_a_location_is_resolved_and_otherwise_left_alone(location: str, resolved: str) -> None:
    here = "https://r.io:443/v2/app/blobs/uploads/"

    assert resolve_location(Reply(202, here, {"Location": location})) == resolved


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1/x",
        "https://r.io:99999/x",
        "ftp://r.io/x",
        "http://up.io/x",
        "https://u:p@r.io/x",
    ],
)
def test_a_location_that_is_no_address_is_an_error(location: str) -> None:
    with pytest.raises(RegistryError):
        Upload(APP, DIGEST, 1).opened(session(location))


def test_the_query_of_a_location_is_kept_and_added_to() -> None:
    upload = Upload(APP, DIGEST, 1)
    upload.opened(session("/u/1?_state=x%3D%3D"))

    assert upload.sending(b"x").url == f"https://r.io/u/1?_state=x%3D%3D&digest={DIGEST}"


replies = st.builds(
    Reply,
    st.sampled_from([200, 201, 202, 204, 301, 400, 401, 404, 416, 500]),
    st.just(HERE),
    st.sampled_from([{}, {"Location": "/u/1"}, {"Location": ""}]),
)


@given(st.sampled_from([None, APP, BASE]), st.lists(replies, max_size=6))
def test_no_sequence_of_answers_stores_without_a_commit(
    mount: Repository | None, answers: list[Reply]
) -> None:
    upload = Upload(APP, DIGEST, 1, mount)
    opened = 0
    for reply in answers:
        if upload.state is not State.OPENING:
            break
        opened += 1
        if not upload.opened(reply):
            break

    assert opened <= 2
    assert upload.state is not State.STORED
    assert (upload.cancel() is not None) is (upload.state is State.SENDING)


def test_a_stream_is_a_patch_and_an_empty_put() -> None:
    upload = Upload(APP, DIGEST, 5, strategy=UploadStrategy(Method.STREAMED))
    upload.opened(session())
    patch = upload.sending(b"abcde")
    assert (patch.method, patch.length, "Content-Range" in patch.headers) == ("PATCH", 5, False)

    assert upload.sent(Reply(202, HERE, {"Location": "/u/2?_state=y"}))
    put = upload.sending(b"")
    assert (put.method, put.length) == ("PUT", 0)
    assert put.url == f"https://r.io/u/2?_state=y&digest={DIGEST}"
    assert upload.sent(Reply(201, HERE))
    assert upload.state is State.STORED


def test_chunks_come_in_order_and_say_where_they_belong() -> None:
    upload = Upload(APP, DIGEST, 10, strategy=UploadStrategy(Method.CHUNKED, chunk=4))
    upload.opened(session())
    ranges = []
    while upload.piece:
        ranges.append(upload.sending(b"x" * upload.piece).headers["Content-Range"])
        assert upload.sent(Reply(202, HERE))

    assert ranges == ["0-3", "4-7", "8-9"]
    assert upload.sending(b"").method == "PUT"


def test_a_registry_may_ask_for_larger_chunks() -> None:
    upload = Upload(APP, DIGEST, 10, strategy=UploadStrategy(Method.CHUNKED, chunk=4))
    upload.opened(Reply(202, HERE, {"Location": "/u/1", "OCI-Chunk-Min-Length": "6"}))

    assert upload.piece == 6


strategies = st.builds(
    UploadStrategy, st.sampled_from(Method), st.integers(1, 5), st.none() | st.integers(1, 5)
)


@given(
    st.integers(0, 12),
    strategies,
    st.lists(st.sampled_from([201, 202, 204, 404, 500]), max_size=30),
)
def test_whatever_is_answered_every_byte_is_sent_once_before_the_commit(
    size: int, strategy: UploadStrategy, statuses: list[int]
) -> None:
    upload = Upload(APP, DIGEST, size, strategy=strategy)
    upload.opened(session())
    sent = 0
    for status in statuses:
        if upload.state is not State.SENDING:
            break
        request = upload.sending(b"x" * upload.piece)
        carried = len(request.body) if isinstance(request.body, bytes) else 0
        if upload.sent(Reply(status, HERE)):
            sent += carried

    assert sent <= size
    assert upload.state is State.SENDING or sent == size
