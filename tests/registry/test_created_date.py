"""When an image was created, as far as it says so."""

import json
from datetime import UTC, datetime

import pytest

from mirror.auth.keychain import Keychain
from mirror.demo.server import EmbeddedRegistry
from mirror.demo.store import Store
from mirror.errors import InvalidManifest, NotFound
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST
from mirror.image.reference import Reference, Registry, Repository
from mirror.options import Options
from mirror.place import Side
from mirror.registry.clients import RegistryClients
from mirror.registry.created_date import creation

WHEN = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
_KEY = "org.opencontainers.image.created"


def described(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def push(store: Store, config: bytes, tag: str = "1", **more: object) -> dict[str, object]:
    store.add_blob("a", config)
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": described(config, "application/vnd.oci.image.config.v1+json"), "layers": [],
        **more,
    }  # fmt: skip
    content = json.dumps(document).encode()
    store.put_manifest("a", tag or str(Digest.of(content)), content, OCI_MANIFEST)
    return described(content, OCI_MANIFEST)


def index(store: Store, *children: dict[str, object], **more: object) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **more}
    store.put_manifest("a", "1", json.dumps(document).encode(), OCI_INDEX)


async def asked(source: EmbeddedRegistry) -> float:
    repository = Repository(Registry(source.host), "a")
    options = Options(retries=0)
    async with RegistryClients(options, lambda _: None, Keychain()) as registries:
        source_client = registries.client(repository, Side.SOURCE)
        return await creation(source_client, Reference(repository, "1"))


@pytest.mark.parametrize("said", ["2026-01-31T02:00:00Z", "2026-01-31T03:00:00+01:00",
                                  "2026-01-31T02:00:00.000000000Z"])  # fmt: skip
async def test_the_configuration_says_it(source: EmbeddedRegistry, said: str) -> None:
    push(source.store, json.dumps({"created": said}).encode())

    assert await asked(source) == WHEN.timestamp()


async def test_an_annotation_spares_the_configuration(source: EmbeddedRegistry) -> None:
    push(source.store, b"{}", annotations={_KEY: "2026-01-31T02:00:00Z"})

    assert await asked(source) == WHEN.timestamp()
    assert not [entry for entry in source.log if "/blobs/" in entry.path]


async def test_an_index_is_as_old_as_its_first_image(source: EmbeddedRegistry) -> None:
    attestation = push(source.store, b"{}", "", annotations={_KEY: "2020-01-01T00:00:00Z"})
    marks = {"vnd.docker.reference.type": "attestation-manifest",
             "vnd.docker.reference.digest": f"sha256:{'0' * 64}"}  # fmt: skip
    image = push(source.store, json.dumps({"created": "2026-01-31T02:00:00Z"}).encode(), "")
    index(source.store, {**attestation, "annotations": marks}, image)

    assert await asked(source) == WHEN.timestamp()


@pytest.mark.parametrize("config", [b"{}", b"no JSON", b'{"created": "yesterday"}', b"[]", b""])
async def test_what_says_nothing_is_as_old_as_can_be(
    source: EmbeddedRegistry, config: bytes
) -> None:
    push(source.store, config)

    assert await asked(source) == 0


async def test_an_index_of_nothing_is_as_old_as_can_be(source: EmbeddedRegistry) -> None:
    index(source.store)

    assert await asked(source) == 0


async def test_what_is_not_there_is_an_error(source: EmbeddedRegistry) -> None:
    push(source.store, b"{}", "other")

    with pytest.raises(NotFound):
        await asked(source)


async def test_a_configuration_without_end_is_not_read(source: EmbeddedRegistry) -> None:
    huge = {**described(b"{}", "application/x"), "size": 2**40}
    source.store.add_blob("a", b"{}")
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": huge, "layers": []}
    source.store.put_manifest("a", "1", json.dumps(document).encode(), OCI_MANIFEST)

    with pytest.raises(InvalidManifest, match="larger than"):
        await asked(source)
