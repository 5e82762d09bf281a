"""When an image was created: as its annotations or its configuration say.

Image specification 1.1, "Annotations" and "Image Configuration".
"""

from datetime import UTC, datetime

import msgspec

from mirror.errors import InvalidManifest, placed
from mirror.image.digest import Verifier
from mirror.image.manifest import DEPTH_LIMIT, SIZE_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference
from mirror.place import Place, Side
from mirror.registry.client import Client

_ANNOTATION = "org.opencontainers.image.created"


class _Dated(msgspec.Struct):
    created: str | None = None
    annotations: dict[str, str] = {}


_DECODER = msgspec.json.Decoder(_Dated)


async def creation(client: Client, reference: Reference) -> float:
    """Return the seconds since 1970 at which what a reference names was created.

    Of an index without a date of its own, its first child counts; what says nothing
    at all was created in 1970.  Raises MirrorError if it cannot be read.
    """
    manifest = await client.manifest(reference.target, reference.digest)
    for _ in range(DEPTH_LIMIT):
        if (annotated := _dated(manifest.content).annotations.get(_ANNOTATION)) is not None:
            return _seconds(annotated)
        children = [child for child in manifest.manifests if child.attests is None]
        if not children:
            break
        manifest = await client.manifest(str(children[0].digest), children[0].digest)
    return _seconds(await _configured(client, reference, manifest))


async def _configured(client: Client, reference: Reference, manifest: Manifest) -> str | None:
    config = manifest.config
    if config is None or not config.size:
        return None
    with placed(Place(Side.SOURCE, str(reference), "reading when it was created")):
        if config.size > SIZE_LIMIT:
            raise InvalidManifest(f"the configuration is larger than {SIZE_LIMIT >> 20} MiB")
        return _dated(await _read(client, config)).created


async def _read(client: Client, blob: Descriptor) -> bytes:
    content, verifier, chunks = b"", Verifier(blob.digest, blob.size), client.read(blob)
    try:
        with client.reading(blob):
            async for chunk in chunks:
                verifier.update(chunk)
                content += chunk
            verifier.finish()
    finally:
        await chunks.aclose()
    return content


def _dated(content: bytes) -> _Dated:
    try:
        return _DECODER.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return _Dated()  # the configuration of an artifact may be anything


def _seconds(text: str | None) -> float:
    """Read a date as RFC 3339 has it; anything else is as old as can be."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return 0.0
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
