"""A download as a conversation of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RegistryError, SizeMismatch
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.wire.download import Download
from mirror.wire.message import Reply

APP = Repository.parse("r.io/app")
DIGEST = Digest.of(b"x")
HERE = f"https://r.io/v2/app/blobs/{DIGEST}"


def download(first: int = 0, size: int = 100) -> Download:
    return Download(APP, DIGEST, size, first)


def part(text: str) -> Reply:
    return Reply(206, HERE, {"Content-Range": text})


def test_the_whole_is_asked_for_without_a_range() -> None:
    whole = download()
    assert "Range" not in whole.request().headers
    assert whole.answered(Reply(200, HERE, {"Content-Length": "100"})) == 0


def test_after_a_break_the_rest_is_asked_for() -> None:
    broken = download()
    broken.advance(40)
    assert broken.request().headers["Range"] == "bytes=40-"
    assert broken.answered(part("bytes 40-99/100")) == 0


@pytest.mark.parametrize(
    ("answer", "skip"),
    [("bytes 40-99/*", 0), ("40-99/100", 0), (" bytes 40-99/100 ", 0), ("bytes 30-99/100", 10)],
)
def test_dialects_of_a_part(answer: str, skip: int) -> None:
    assert download(40).answered(part(answer)) == skip


@pytest.mark.parametrize(
    "reply", [part("bytes 50-99/100"), part("what"), part(""), Reply(416, HERE)]
)
def test_a_part_of_no_use_is_followed_by_one_question_for_the_whole(reply: Reply) -> None:
    broken = download(40)

    assert broken.answered(reply) is None
    assert "Range" not in broken.request().headers
    assert broken.answered(Reply(200, HERE)) == 40
    with pytest.raises(RegistryError):
        download().answered(reply)


@pytest.mark.parametrize(
    "reply", [Reply(200, HERE, {"Content-Length": "99"}), part("bytes 40-98/99")]
)
def test_a_blob_of_another_size_is_refused(reply: Reply) -> None:
    with pytest.raises(SizeMismatch, match="expected 100 bytes, received 99"):
        download(40).answered(reply)


@given(
    st.binary(min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["part", "whole", "early", "none"]))),
)
def test_whatever_breaks_off_where_the_bytes_come_out_as_they_are(
    content: bytes, breaks: list[tuple[int, str]]
) -> None:
    wanted = Download(APP, DIGEST, len(content))
    received = b""
    for count, how in [*breaks, (40, "part"), (40, "part")]:
        if wanted.complete:
            break
        stated = wanted.request().headers.get("Range", "")
        first = int(stated[6:-1]) if stated else 0
        if how == "none":
            reply, body = Reply(416 if stated else 200, HERE), content
        elif not stated or how == "whole":
            reply, body = Reply(200, HERE), content
        else:
            first = max(0, first - 3) if how == "early" else first
            reply = part(f"bytes {first}-{len(content) - 1}/{len(content)}")
            body = content[first:]
        skip = wanted.answered(reply)
        if skip is None:
            continue
        taken = body[skip:][:count]
        wanted.advance(len(taken))
        received += taken

    assert content.startswith(received)
    assert wanted.complete == (received == content)


def elsewhere(*urls: str, here: str = HERE) -> list[str]:
    """The addresses that are asked when nobody has the blob."""
    wanted = Download(APP, DIGEST, 100, urls=urls)
    asked = []
    while wanted.wants_retry(Reply(404, here)):
        asked.append(wanted.request().url)
    return asked


def test_what_its_registry_does_not_have_is_looked_for_where_its_descriptor_says() -> None:
    urls = ("https://one.example.com/layer", "https://two.example.com/layer?x=1")
    assert elsewhere(*urls) == list(urls)
    assert elsewhere() == []


def test_only_what_is_not_there_is_looked_for_elsewhere() -> None:
    wanted = Download(APP, DIGEST, 100, urls=["https://one.example.com/layer"])
    assert not wanted.wants_retry(Reply(403, HERE))
    assert not wanted.wants_retry(Reply(200, HERE))
    assert wanted.request().url == f"/v2/app/blobs/{DIGEST}"


@pytest.mark.parametrize(
    "url", ["http://one.example.com/x", "https://127.0.0.1/x", "https://10.1.2.3/x", "ftp://a/x"]
)
def test_a_layer_is_not_fetched_from_where_a_registry_must_not_send_us(url: str) -> None:
    with pytest.raises(RegistryError):
        elsewhere(url)
