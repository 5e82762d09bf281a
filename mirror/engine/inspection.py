"""Looking at one image: what it is, what it is for, how large, beside which tags."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from mirror.auth.keychain import Keychain
from mirror.errors import MirrorError, Side
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Manifest
from mirror.image.reference import Reference
from mirror.options import Options
from mirror.registry.client import Client
from mirror.registry.registries import Registries
from mirror.wire.proxy import Proxies


@dataclass(frozen=True, slots=True)
class Part:
    """One manifest that holds content: what it is for, and how large it is."""

    digest: Digest
    platform: str
    media_type: str
    size: int
    """Bytes of all its blobs."""
    blobs: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a registry says of an image."""

    reference: Reference
    digest: Digest
    media_type: str
    artifact_type: str
    parts: tuple[Part, ...]
    tags: tuple[str, ...]
    """All tags of the repository; none where it does not tell them."""


async def inspect(
    reference: Reference,
    options: Options,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
) -> Inspection:
    """Read an image's manifests and its repository's tags; raise MirrorError if it is not there."""
    async with Registries(options, lambda _: None, keychain or Keychain(), proxies) as registries:
        client = registries.client(reference.repository, Side.SOURCE)
        manifest = await client.manifest(reference.target, reference.digest)
        parts = [part async for part in _parts(client, manifest, "", depth=0)]
        try:
            tags = await client.tags()
        except MirrorError:
            tags = ()  # not every login that may pull may list
    return Inspection(
        reference,
        manifest.digest,
        manifest.media_type,
        manifest.artifact_type,
        tuple(parts),
        tuple(sorted(tags)),
    )


async def _parts(
    client: Client, manifest: Manifest, platform: str, *, depth: int
) -> AsyncIterator[Part]:
    """Give the manifests below an index that hold content, or the manifest itself."""
    if not manifest.is_index or depth >= DEPTH_LIMIT:
        total = sum(blob.size for blob in manifest.blobs)
        yield Part(manifest.digest, platform, manifest.media_type, total, len(manifest.blobs))
        return
    read: dict[Digest, Manifest] = {}
    for child in manifest.manifests:
        if (below := read.get(child.digest)) is None:
            below = read[child.digest] = await client.manifest(str(child.digest), child.digest)
        name = str(child.platform) if child.platform is not None else platform
        async for part in _parts(client, below, name, depth=depth + 1):
            yield part
