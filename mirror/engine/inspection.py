"""Looking at one image: what it is, what it is for, how large, beside which tags."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct

from mirror.auth.keychain import Keychain
from mirror.errors import MirrorError, NotFound
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference
from mirror.image.referrers_index import cosign_tags
from mirror.options import Options
from mirror.place import Side
from mirror.registry.client import Client
from mirror.registry.clients import RegistryClients
from mirror.wire.proxy import Proxies


class Part(Struct, frozen=True):
    """One manifest that holds content: what it is for, and what it holds."""

    manifest: Manifest
    platform: str
    """Empty for what names none."""

    @property
    def size(self) -> int:
        """Bytes of all its blobs."""
        return sum(blob.size for blob in self.manifest.blobs)


class Inspection(Struct, frozen=True):
    """What a registry says of an image."""

    reference: Reference
    manifest: Manifest
    parts: tuple[Part, ...]
    annotations: dict[str, str]
    referrers: tuple[Descriptor, ...]
    signatures: tuple[str, ...]
    """Tags under which cosign keeps what it says of the image or of a part of it."""
    tags: tuple[str, ...]
    """All tags of the repository."""
    untold: dict[str, MirrorError]
    """Why the registry did not tell its ``referrers`` or ``tags``, which are empty then."""


async def inspect(
    reference: Reference,
    options: Options,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
) -> Inspection:
    """Read what there is to an image; raise MirrorError if it is not there."""
    async with _client(reference, options, keychain, proxies) as client:
        manifest = await client.manifest(reference.target, reference.digest)
        parts = tuple([part async for part in _parts(client, manifest, "", depth=0)])
        untold: dict[str, MirrorError] = {}
        referrers: tuple[Descriptor, ...] = ()
        tags: tuple[str, ...] = ()
        # The image is what was asked for, and not every login that may pull may list.
        try:
            referrers = (await client.referrers(manifest.digest)).referrers
        except MirrorError as error:
            untold["referrers"] = error
        try:
            tags = (await client.tags()).names
        except MirrorError as error:
            untold["tags"] = error
    there = set(tags)
    digests = dict.fromkeys([manifest.digest, *(part.manifest.digest for part in parts)])
    signatures = (tag for digest in digests for tag in cosign_tags(digest) if tag in there)
    return Inspection(
        reference,
        manifest,
        parts,
        _annotations(manifest),
        referrers,
        tuple(signatures),
        tuple(sorted(tags)),
        untold,
    )


async def read_raw(
    reference: Reference,
    options: Options,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
) -> bytes:
    """Return the manifest behind a reference, byte for byte."""
    async with _client(reference, options, keychain, proxies) as client:
        return (await client.manifest(reference.target, reference.digest)).content


async def list_tags(
    reference: Reference,
    options: Options,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
) -> tuple[str, ...]:
    """Return the tags of a repository, in order."""
    async with _client(reference, options, keychain, proxies) as client:
        return tuple(sorted((await client.tags()).names))


@asynccontextmanager
async def _client(
    reference: Reference, options: Options, keychain: Keychain | None, proxies: Proxies | None
) -> AsyncIterator[Client]:
    async with RegistryClients(
        options, lambda _: None, keychain or Keychain(), proxies
    ) as registries:
        yield registries.client(reference.repository, Side.SOURCE)


def _annotations(manifest: Manifest) -> dict[str, str]:
    document: dict[str, Any] = msgspec.json.decode(manifest.content)
    found = document.get("annotations")
    return {key: str(found[key]) for key in sorted(found)} if isinstance(found, dict) else {}


async def _parts(
    client: Client, manifest: Manifest, platform: str, *, depth: int
) -> AsyncIterator[Part]:
    """Give the manifests below an index that hold content, or the manifest itself."""
    if not manifest.is_index or depth >= DEPTH_LIMIT:
        yield Part(manifest, platform)
        return
    read: dict[Digest, Manifest] = {}
    for child in manifest.manifests:
        if (below := read.get(child.digest)) is None:
            below = read[child.digest] = await _child(client, child)
        name = str(child.platform) if child.platform is not None else platform
        if child.attests is not None:
            name = "attestation"
        if not below.content:
            name = f"{name} (not here)".strip()
        async for part in _parts(client, below, name, depth=depth + 1):
            yield part


async def _child(client: Client, child: Descriptor) -> Manifest:
    """Read a child of an index; one that is not there, as in a sparse index, is empty."""
    try:
        return await client.manifest(str(child.digest), child.digest)
    except NotFound:
        return Manifest(b"", OCI_MANIFEST, child.digest)
