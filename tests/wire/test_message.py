"""Requests and replies, the two values of the one verb."""

from collections.abc import AsyncIterator

import pytest

from mirror.wire.message import Reply, Request


def test_a_request_is_shown_without_its_query() -> None:
    request = Request("PUT", "https://r.io/v2/a/blobs/uploads/1?_state=secret")

    assert str(request) == "PUT https://r.io/v2/a/blobs/uploads/1"


def test_a_request_knows_the_length_of_its_bytes() -> None:
    assert Request("PUT", "/x", {}, b"abc").length == 3
    assert Request("GET", "/x").length is None
    with pytest.raises(ValueError, match="length"):
        Request("PUT", "/x", {}, _stream())


async def _stream() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize(
    ("stated", "media_type"),
    [("text/html; charset=utf-8", "text/html"), ("Application/JSON", "application/json"), ("", "")],
)
def test_the_media_type_is_the_content_type_without_parameters(
    stated: str, media_type: str
) -> None:
    assert Reply(200, "", {"Content-Type": stated}).media_type == media_type


@pytest.mark.parametrize(("stated", "length"), [("12", 12), ("", None), ("x", None), ("²", None)])
def test_a_length_is_a_number_or_unknown(stated: str, length: int | None) -> None:
    assert Reply(200, "", {"Content-Length": stated}).length == length
