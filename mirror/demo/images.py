"""Images made up from a seed: small, different, and the same on every machine."""

import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mirror.demo.store import Store
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST
from mirror.image.platform import Platform

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64", "v8"))
_REPOSITORIES = (
    "library/base",
    "shop/cart",
    "shop/checkout",
    "shop/search",
    "web/front",
    "web/proxy",
    "data/ingest",
    "data/query",
    "data/report",
    "ops/agent",
    "ops/probe",
)
_ARTIFACT = "ops/settings"
_TAGS = ("1.0", "1.1", "latest")


class Blob(Struct, frozen=True):
    """Some content and what it is."""

    content: bytes
    media_type: str

    @property
    def descriptor(self) -> dict[str, object]:
        """How a manifest names it."""
        return {
            "mediaType": self.media_type,
            "digest": str(Digest.of(self.content)),
            "size": len(self.content),
        }


def layer(seed: str, size: int = 20_000) -> Blob:
    """Make up a layer: a gzipped tar of one file whose content is the seed's."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo(f"srv/{seed.replace('/', '-')}")
        member.size = size
        archive.addfile(member, io.BytesIO(random.Random(seed).randbytes(size)))
    return Blob(gzip.compress(raw.getvalue(), 1, mtime=0), LAYER)


def image(store: Store, name: str, platform: Platform, layers: Sequence[Blob]) -> dict[str, object]:
    """Put an image of these layers into a repository; return its descriptor."""
    diff_ids = [str(Digest.of(gzip.decompress(one.content))) for one in layers]
    described = {"os": platform.os, "architecture": platform.architecture}
    if platform.variant:
        described["variant"] = platform.variant
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = Blob(_json({**described, "rootfs": rootfs, "config": {}}), CONFIG)
    return {**put(store, name, config, layers), "platform": described}


def put(
    store: Store, name: str, config: Blob, layers: Iterable[Blob], tag: str | None = None
) -> dict[str, object]:
    """Put an OCI manifest with its blobs into a repository; return its descriptor."""
    layers = tuple(layers)
    for blob in (config, *layers):
        store.add_blob(name, blob.content)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [one.descriptor for one in layers],
    }
    content = _json(document)
    target = tag or str(Digest.of(content))
    store.put_manifest(name, target, content, OCI_MANIFEST)
    return Blob(content, OCI_MANIFEST).descriptor


def index(store: Store, name: str, tag: str, children: Iterable[dict[str, object]]) -> Digest:
    """Put an index of these manifests under a tag; return its digest."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children)}
    return store.put_manifest(name, tag, _json(document), OCI_INDEX).digest


def catalog(store: Store, layer_size: int = 400_000) -> None:
    """Fill a store: a dozen repositories, two platforms, shared base layers, one artifact."""
    for name in _REPOSITORIES:
        for tag in _TAGS:
            # `latest` is the newest version, as it is everywhere.
            version = "1.1" if tag == "latest" else tag
            children = [
                image(store, name, platform, _layers(name, version, platform, layer_size))
                for platform in PLATFORMS
            ]
            index(store, name, tag, children)
    settings = Blob(b'{"agents": 3}', "application/vnd.example.settings.v1+json")
    put(store, _ARTIFACT, Blob(b"{}", EMPTY), [settings], tag="1.0")


def _layers(name: str, version: str, platform: Platform, size: int) -> list[Blob]:
    base = layer(f"base-{platform}", size)
    return [
        base,
        layer(f"{name}-{platform}", size // 4),
        layer(f"{name}-{version}-{platform}", 3000),
    ]


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
