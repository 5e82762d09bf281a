"""Manifests: what they name, whatever they call it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InvalidManifest, RegistryError, Unsupported
from mirror.image.digest import Digest
from mirror.image.manifest import (
    DOCKER_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
)
from mirror.image.platform import Platform

A, B, C = (str(Digest.of(letter)) for letter in (b"a", b"b", b"c"))


def described(digest: str, **more: object) -> dict[str, object]:
    return {"mediaType": "application/x", "digest": digest, "size": 1, **more}


def parsed(document: object, media_type: str = OCI_MANIFEST) -> Manifest:
    return Manifest.parse(json.dumps(document).encode(), media_type)


def test_config_and_layers_are_blobs_in_their_order() -> None:
    manifest = parsed(
        {"schemaVersion": 2, "config": described(A), "layers": [described(B), described(C)]}
    )

    assert [str(blob.digest) for blob in manifest.blobs] == [A, B, C]
    assert manifest.manifests == ()
    assert not manifest.is_index


def test_the_blobs_of_the_withdrawn_artifact_manifest_are_blobs() -> None:
    manifest = parsed({"blobs": [described(A)], "subject": described(B)})

    assert [str(blob.digest) for blob in manifest.blobs] == [A]
    assert str(manifest.subject) == B


def test_the_manifests_of_an_index_are_children_whatever_their_type() -> None:
    platform = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    manifest = parsed({"manifests": [described(A, platform=platform)]}, OCI_INDEX)

    assert manifest.manifests == (
        Descriptor(Digest.parse(A), 1, "application/x", Platform("linux", "arm64", "v8")),
    )
    assert manifest.is_index


def test_an_index_without_children_is_an_index() -> None:
    assert parsed({"manifests": []}, DOCKER_LIST).is_index
    assert parsed({"manifests": []}, "text/plain").media_type == OCI_INDEX


@pytest.mark.parametrize(
    ("stated", "inside", "media_type"),
    [("application/x", None, "application/x"),
     ("application/x", "application/y", "application/y"),
     ("text/plain", None, OCI_MANIFEST),
     ("", None, OCI_MANIFEST),
     ("application/json", "application/y", "application/y")],
)  # fmt: skip
def test_the_document_knows_its_type_better_than_the_header(
    stated: str, inside: str | None, media_type: str
) -> None:
    document = {"layers": []} if inside is None else {"layers": [], "mediaType": inside}

    assert parsed(document, stated).media_type == media_type


@pytest.mark.parametrize(
    "bad",
    [
        "application/x\nfoo: bar",
        "x",
        "a/b c",
        "",
        "тип/x",
        "a/b" + ";a" * 60 + "\x01",
        "a/" + "b" * 254,
    ],
)
def test_a_media_type_that_no_header_could_say_is_refused_or_made_up_for(bad: str) -> None:
    if bad:
        with pytest.raises(InvalidManifest):
            parsed({"layers": [], "mediaType": bad})
    assert parsed({"layers": []}, bad).media_type == OCI_MANIFEST


def test_the_layers_that_buildkit_lists_in_an_index_are_blobs() -> None:
    layer = {**described(A), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}
    manifest = parsed({"manifests": [layer, described(B)]}, OCI_INDEX)

    assert [str(one.digest) for one in manifest.blobs] == [A]
    assert [str(one.digest) for one in manifest.manifests] == [B]
    assert manifest.is_index


def test_the_bytes_are_kept_as_they_are() -> None:
    content = b'{ "layers" : [ ] ,  "unknown": {"x": [1]} }\n'
    manifest = Manifest.parse(content, OCI_MANIFEST)

    assert manifest.content == content
    assert manifest.digest == Digest.of(content)
    assert manifest.descriptor == Descriptor(Digest.of(content), len(content), OCI_MANIFEST)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"null", b'{"layers": 3}', b'{"layers": [{}]}', b"<html>",
     b'{"layers": [{"digest": "sha256:x", "size": 1}]}',
     b'{"layers": [{"digest": "%s", "size": -1}]}' % A.encode(),
     b'{"layers": [{"digest": "%s"}]}' % A.encode(),
     b'{"subject": {"digest": "no", "size": 1}}', b"\xff\xfe", b"[" * 200_000],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidManifest, match="not valid"):
        Manifest.parse(content, OCI_MANIFEST)


@given(st.binary())
def test_no_bytes_fail_otherwise_than_with_our_own_error(content: bytes) -> None:
    try:
        Manifest.parse(content, "")
    except RegistryError:
        return


def test_schema_1_is_refused_with_what_to_do() -> None:
    with pytest.raises(Unsupported) as caught:
        parsed({"schemaVersion": 1, "fsLayers": []})
    assert "push it again" in caught.value.hint


@pytest.mark.parametrize(
    ("media_type", "urls", "foreign"),
    [("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", ["https://e.com/x"], True),
     ("application/vnd.oci.image.layer.nondistributable.v1.tar", ["https://e.com/x"], True),
     ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", [], False),
     ("application/vnd.oci.image.layer.v1.tar", ["https://e.com/x"], False)],
)  # fmt: skip
def test_a_foreign_layer_says_so_and_says_where(
    media_type: str, urls: list[str], foreign: bool
) -> None:
    layer = {"mediaType": media_type, "digest": A, "size": 1, "urls": urls}

    assert parsed({"layers": [layer]}).blobs[0].foreign is foreign
