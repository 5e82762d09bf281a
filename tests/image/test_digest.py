"""Digests: what is one, and what a stream must be to have one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import DigestMismatch, SizeMismatch
from mirror.image.digest import Digest, Verifier

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_parse_and_print_are_inverse(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)

    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.new(algorithm, content).hexdigest()


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "sha256:abc", EMPTY.upper(), EMPTY + "0", EMPTY + "\n",
     "sha512:" + "0" * 64, "md5:" + "0" * 32, "sha256:" + "g" * 64, " " + EMPTY],
)  # fmt: skip
def test_what_cannot_be_verified_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        Digest.parse(text)


def test_the_empty_content_has_the_well_known_digest() -> None:
    assert str(Digest.of(b"")) == EMPTY


@given(st.lists(st.binary()))
def test_a_stream_that_is_what_was_promised_passes(chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    verifier = Verifier(Digest.of(content), len(content))
    for chunk in chunks:
        verifier.update(chunk)
    verifier.finish()

    assert verifier.received == len(content)


@given(st.binary(min_size=1), st.data())
def test_one_changed_byte_fails_before_the_last_chunk_is_let_go(
    content: bytes, data: st.DataObject
) -> None:
    verifier = Verifier(Digest.of(content), len(content))
    place = data.draw(st.integers(0, len(content) - 1))
    altered = bytearray(content)
    altered[place] ^= 1

    with pytest.raises(DigestMismatch):
        verifier.update(bytes(altered))


def test_one_byte_too_many_fails_at_once() -> None:
    verifier = Verifier(Digest.of(b"ab"), 2)

    with pytest.raises(SizeMismatch, match="expected 2 bytes, received 3"):
        verifier.update(b"abc")


def test_one_byte_too_few_fails_at_the_end() -> None:
    verifier = Verifier(Digest.of(b"ab"), 2)
    verifier.update(b"a")

    with pytest.raises(SizeMismatch, match="expected 2 bytes, received 1"):
        verifier.finish()


def test_a_short_digest_is_what_people_recognise() -> None:
    assert Digest.parse(EMPTY).short == "e3b0c44298fc"
