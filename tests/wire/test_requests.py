"""Asking for manifests and blobs, and reading what a HEAD says."""

import pytest

from mirror.image.digest import Digest
from mirror.image.manifest import ACCEPTED, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Repository
from mirror.wire.message import Reply
from mirror.wire.requests import ask_blob, ask_manifest, ask_put_manifest, ask_repository, described

APP = Repository.parse("r.io/team/app")
DIGEST = Digest.of(b"x")
FULL = {
    "Docker-Content-Digest": str(DIGEST),
    "Content-Type": OCI_MANIFEST,
    "Content-Length": "7",
}


def test_a_manifest_is_asked_for_in_every_form_there_is() -> None:
    request = ask_manifest(APP, "v1", "HEAD")

    assert (request.method, request.url) == ("HEAD", "/v2/team/app/manifests/v1")
    assert request.headers["Accept"].split(", ") == list(ACCEPTED)
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_blob_is_asked_for_without_an_accept() -> None:
    request = ask_blob(APP, DIGEST)

    assert request.url == f"/v2/team/app/blobs/{DIGEST}"
    assert "Accept" not in request.headers


def test_a_repository_is_asked_for_by_one_tag() -> None:
    assert ask_repository(APP).url == "/v2/team/app/tags/list?n=1"


def test_a_manifest_is_put_byte_for_byte_with_its_own_type() -> None:
    manifest = Manifest(b'{ "x": 1 }', OCI_MANIFEST, DIGEST)
    request = ask_put_manifest(APP, "v1", manifest)

    assert (request.body, request.length) == (b'{ "x": 1 }', 10)
    assert request.headers == {"Content-Type": OCI_MANIFEST}


def test_a_full_head_describes_the_manifest() -> None:
    assert described(Reply(200, "", FULL)) == Descriptor(DIGEST, 7, OCI_MANIFEST)


@pytest.mark.parametrize("missing", FULL)
def test_a_head_that_leaves_something_out_is_not_relied_on(missing: str) -> None:
    assert described(Reply(200, "", {k: v for k, v in FULL.items() if k != missing})) is None


def test_a_digest_that_cannot_be_read_is_no_digest() -> None:
    assert described(Reply(200, "", {**FULL, "Docker-Content-Digest": "md5:x"})) is None
