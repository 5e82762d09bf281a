"""One repository as one side of a copy sees it: each answer is checked, and means one thing."""

import json
from collections.abc import Awaitable

import pytest

from mirror import errors
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.place import Side
from mirror.registry.client import Client
from mirror.registry.fanout import FanOut
from mirror.registry.spare_connections import ConnectionBudget, SlotLender
from mirror.wire.message import Reply
from tests.registry.scripted import Scripted, answer

APP = Repository.parse("r.io/app")
CONTENT = json.dumps({"schemaVersion": 2, "layers": []}).encode()
IMAGE, SHA512 = Manifest.parse(CONTENT, OCI_MANIFEST), Digest.of(CONTENT, "sha512")
BLOB, OTHER = Descriptor(Digest.of(b"blob"), 4), Descriptor(Digest.of(b"other"), 5, OCI_MANIFEST)
STATED: dict[str, object] = {
    "docker_content_digest": IMAGE.digest, "content_type": OCI_MANIFEST,
    "content_length": len(CONTENT),
}  # fmt: skip
TAG, BY_DIGEST = Reference(APP, "v1"), Reference(APP, digest=IMAGE.digest)


class Asking(Scripted):
    """A client of a repository that gives these answers."""

    def __init__(self, *answers: Reply) -> None:
        super().__init__(*answers)
        lender = SlotLender(None, lambda *_: None, lambda: 0.0)
        self.budget = ConnectionBudget(APP.registry, lender)
        self.client = Client(self.send, APP, Side.SOURCE, fan_out=FanOut(), budget=self.budget)


async def outcome(call: Awaitable[object]) -> object:
    """Return what a call gives, or the kind of error that it raises."""
    try:
        return await call
    except errors.MirrorError as error:
        return type(error)


def listing(*listed: Descriptor) -> bytes:
    entries = [one.entry for one in listed]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


@pytest.mark.parametrize(
    ("said", "found"),
    [(answer(200, content_length=4), True), (answer(200), True), (answer(404), False),
     (answer(200, content_length=0), errors.SizeMismatch), (answer(403), errors.Denied)],
)  # fmt: skip
async def test_a_blob_is_there_if_it_has_its_length(said: Reply, found: object) -> None:
    assert await outcome(Asking(said).client.check_blob(BLOB)) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [(answer(201), None), (answer(202, docker_content_digest=SHA512), None),
     (answer(201, docker_content_digest=OTHER.digest), errors.DigestMismatch),
     (answer(404, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}'), errors.Incomplete),
     (answer(404), errors.NotFound)],
)  # fmt: skip
async def test_a_manifest_is_stored_as_it_was_sent(said: Reply, found: object) -> None:
    assert await outcome(Asking(said).client.put(IMAGE, "v1")) == found


@pytest.mark.parametrize(
    ("reference", "answers", "deleted"),
    [(TAG, [202], True), (BY_DIGEST, [204], True), (TAG, [405], False), (TAG, [400], False),
     (BY_DIGEST, [405], errors.Unsupported), (BY_DIGEST, [400], errors.RegistryError),
     (TAG, [404, 404], True), (BY_DIGEST, [404, 404], True),
     (TAG, [404, 200], False), (BY_DIGEST, [404, 200], errors.Unsupported)],
)  # fmt: skip
async def test_what_was_deleted_is_not_there_afterwards(
    reference: Reference, answers: list[int], deleted: object
) -> None:
    registry = Asking(*(answer(status, **STATED) for status in answers))

    assert await outcome(registry.client.delete(reference)) == deleted


@pytest.mark.parametrize(
    ("there", "written"),
    [(answer(404), 1), (answer(200, listing(OTHER)), 2),
     (answer(200, listing(IMAGE.descriptor)), None), (answer(200, CONTENT), errors.Refused)],
)  # fmt: skip
async def test_only_a_list_of_referrers_is_added_to(there: Reply, written: object) -> None:
    registry = Asking(there, answer(201))
    index = await outcome(registry.client.merge_referrers(BLOB.digest, [IMAGE.descriptor]))

    assert (len(index.manifests) if isinstance(index, Manifest) else index) == written
    assert registry.methods == ("GET PUT" if isinstance(index, Manifest) else "GET")


async def test_a_blob_that_turned_out_wrong_is_read_again_and_in_one_piece() -> None:
    registry = Asking(answer(200, b"blob"), answer(200, b"blob"))
    for _ in range(2):
        assert [chunk async for chunk in registry.client.read(BLOB)] == [b"blob"]
    assert registry.methods == "GET"

    with pytest.raises(errors.IntegrityError), registry.client.reading(BLOB):
        raise errors.IntegrityError("wrong")
    assert [chunk async for chunk in registry.client.read(BLOB)] == [b"blob"]
    assert registry.methods == "GET GET"
    assert not registry.budget.parallelism.useful
