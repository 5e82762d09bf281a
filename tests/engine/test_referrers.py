"""Signatures and the like between registries of both kinds: with lists, and without."""

import json
from collections import Counter

import pytest

from mirror.demo.images import CONFIG, Blob, image, index, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.events import Status
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST
from mirror.image.platform import Platform
from mirror.image.referrers_index import fallback_tag
from tests.conftest import Copy

SBOM = "application/spdx+json"
PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


def referrer(registry: EmbeddedRegistry, subject: Digest, kind: str, text: str) -> Digest:
    """Attach something to a manifest, the way oras does it."""
    store = registry.store
    content, empty = Blob(text.encode(), kind), Blob(b"{}", "application/vnd.oci.empty.v1+json")
    for blob in (content, empty):
        store.add_blob("a", blob.content)
    named = store.manifest("a", str(subject))
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty.descriptor,
        "layers": [content.descriptor],
        "subject": {"mediaType": named.media_type, "digest": str(subject), "size": 9},
        "annotations": {"text": text},
    }
    body = json.dumps(document).encode()
    made = store.put_manifest("a", str(Digest.of(body)), body, OCI_MANIFEST)
    if not registry.referrers:
        _list_by_tag(registry, subject, made.descriptor.size, made.digest, kind)
    return made.digest


def _list_by_tag(
    registry: EmbeddedRegistry, subject: Digest, size: int, digest: Digest, kind: str
) -> None:
    tag = fallback_tag(subject)
    listed = []
    if tag in registry.store.tags("a"):
        listed = json.loads(registry.store.manifest("a", tag).content)["manifests"]
    entry = {"mediaType": OCI_MANIFEST, "digest": str(digest), "size": size, "artifactType": kind}
    index(registry.store, "a", tag, [*listed, entry])


def signed(registry: EmbeddedRegistry) -> dict[str, Digest]:
    """Fill a registry: an index of two, signed, one child with an SBOM that is signed too."""
    store = registry.store
    children = [image(store, "a", one, [layer(str(one), 3000)]) for one in PLATFORMS]
    top = index(store, "a", "1", children)
    child = Digest.parse(str(children[0]["digest"]))
    signature = referrer(registry, top, "application/vnd.example.signature", "signed")
    sbom = referrer(registry, child, SBOM, "parts")
    countersigned = referrer(registry, sbom, "application/vnd.example.signature", "parts signed")
    cosign = put(store, "a", Blob(b"{}", CONFIG), [Blob(b"payload", "application/x")],
                 fallback_tag(top) + ".sig")  # fmt: skip
    return {
        "index": top, "child": child, "signature": signature, "sbom": sbom,
        "countersigned": countersigned, "cosign": Digest.parse(str(cosign["digest"])),
    }  # fmt: skip


def listed(registry: EmbeddedRegistry, subject: Digest) -> list[Digest]:
    """What a registry says refers to a manifest, in its own way."""
    if registry.referrers:
        return [one.digest for one in registry.store.referrers("a", subject)]
    tag = fallback_tag(subject)
    if tag not in registry.store.tags("a"):
        return []
    return [one.digest for one in registry.store.manifest("a", tag).manifests]


def asked(registry: EmbeddedRegistry) -> Counter[str]:
    nouns = ("manifests", "uploads", "blobs", "tags", "referrers")
    found = Counter(
        f"{one.method} {noun}" for one in registry.log for noun in nouns if f"/{noun}/" in one.path
    )
    registry.log.clear()
    return found


@pytest.mark.parametrize("lists_there", [True, False])
@pytest.mark.parametrize("lists_here", [True, False])
async def test_everything_that_refers_to_an_image_arrives_and_stays(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    *,
    lists_here: bool,
    lists_there: bool,
) -> None:
    source.referrers, target.referrers = lists_here, lists_there
    made = signed(source)

    first = await mirrored("S/a:1=T/a", referrers=True)
    target.log.clear()
    again = await mirrored("S/a:1=T/a", referrers=True)

    assert first.statuses == {Status.COPIED: 1}
    assert again.statuses == {Status.UNCHANGED: 1}
    assert listed(target, made["index"]) == [made["signature"]]
    assert listed(target, made["child"]) == [made["sbom"]]
    assert listed(target, made["sbom"]) == [made["countersigned"]]
    sig = fallback_tag(made["index"]) + ".sig"
    assert target.store.manifest("a", sig).digest == made["cosign"]
    assert target.store.manifest("a", "1").digest == made["index"]
    assert not [one for one in target.log if one.method in ("PUT", "POST", "PATCH")]


async def test_the_tag_is_the_last_that_is_put(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    made = signed(source)

    await mirrored("S/a:1=T/a", referrers=True)

    puts = [one.path.rpartition("/")[2] for one in target.log if "PUT" in one.method]
    manifests = [name for name in puts if name.startswith("sha256") or name == "1"]
    assert manifests[-1] == "1"
    assert manifests.index(str(made["index"])) < manifests.index(str(made["signature"]))


async def test_what_it_costs_to_look_again(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    signed(source)
    await mirrored("S/a:1=T/a", referrers=True)
    source.log.clear()
    target.log.clear()

    await mirrored("S/a:1=T/a", referrers=True)

    # Seven manifests that something could refer to; three to which something does, one tag.
    assert asked(source) == {
        "HEAD manifests": 2, "GET manifests": 1, "GET tags": 1, "GET referrers": 7,
    }  # fmt: skip
    assert asked(target) == {"HEAD manifests": 2, "GET referrers": 3}


async def test_a_list_at_the_destination_keeps_what_others_put_there(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    source.referrers = target.referrers = False
    made = signed(source)
    await mirrored("S/a:1=T/a")
    own = referrer(target, made["index"], SBOM, "ours")

    await mirrored("S/a:1=T/a", referrers=True)
    wild = await mirrored("S/a=T/a", referrers=True)

    assert listed(target, made["index"]) == [own, made["signature"]]
    assert not wild.statuses[Status.FAILED]


async def test_many_writers_of_one_list_lose_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    target.referrers = False
    children = [image(source.store, "a", PLATFORMS[0], [layer("shared", 3000)])]
    child = Digest.parse(str(children[0]["digest"]))
    for number in range(12):
        document = {
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children,
            "annotations": {"number": str(number)},
        }  # fmt: skip
        source.store.put_manifest("a", f"v{number}", json.dumps(document).encode(), OCI_INDEX)
    made = [referrer(source, child, SBOM, f"part {number}") for number in range(5)]

    result = await mirrored("S/a=T/a", referrers=True)

    assert result.statuses == {Status.COPIED: 12}
    assert listed(target, child) == made


async def test_a_signature_that_is_missing_leaves_the_old_tag(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    source.referrers = False
    made = signed(source)
    source.store.delete_manifest("a", str(made["signature"]))

    result = await mirrored("S/a:1=T/a", referrers=True)

    (failed,) = result.failures
    assert failed.error is not None
    assert failed.error.category == "not_found"
    assert "1" not in target.store.tags("a")


async def test_an_image_behind_the_tag_of_a_list_is_never_overwritten(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    target.referrers = False
    made = signed(source)
    foreign = put(target.store, "a", Blob(b'{"x": 1}', CONFIG), [], fallback_tag(made["index"]))

    result = await mirrored("S/a:1=T/a", referrers=True)

    (failed,) = result.failures
    assert failed.error is not None
    assert failed.error.category == "policy"
    assert str(target.store.manifest("a", fallback_tag(made["index"])).digest) == foreign["digest"]


@pytest.mark.parametrize("lists_there", [True, False])
async def test_a_dry_run_looks_for_referrers_and_writes_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, *, lists_there: bool
) -> None:
    target.referrers = lists_there
    signed(source)

    result = await mirrored("S/a:1=T/a", referrers=True, dry_run=True)

    assert result.statuses == {Status.PLANNED: 1}
    assert asked(source)["GET referrers"] == 7
    assert {one.method for one in target.log} <= {"GET", "HEAD"}
    assert target.store.names() == []


@pytest.mark.parametrize("limit", [1, 16])
async def test_a_signature_that_is_a_tag_of_the_mapping_too_is_put_once(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, limit: int
) -> None:
    for number in range(8):
        signed_twice(source, f"r{number}")
    result = await mirrored("S/*=T/*", referrers=True, max_per_registry=limit)

    assert not result.failures
    written = [one.path for one in target.log if one.method == "PUT" and "/sha256-" in one.path]
    assert len(set(written)) == len(written) == 32


def signed_twice(registry: EmbeddedRegistry, repository: str) -> None:
    """Put two indexes that share children, each with two manifests by cosign."""
    store = registry.store
    children = [image(store, repository, one, [layer(str(one), 3000)]) for one in PLATFORMS]
    for tag in ("1", "2"):
        own = image(store, repository, Platform("linux", "s390x"), [layer(tag, 3000)])
        top = index(store, repository, tag, [*children, own])
        for ending in (".sig", ".att"):
            content = Blob(f"{tag}{ending}".encode(), "application/x")
            put(store, repository, Blob(b"{}", CONFIG), [content], fallback_tag(top) + ending)
