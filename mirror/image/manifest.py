"""Manifests and indexes: the nodes of the graph that an image is.

The position in the document decides what a descriptor names: ``config``,
``layers`` and ``blobs`` are blobs, ``manifests`` are manifests, whatever their
media types say; only the layers that BuildKit lists in the index of a cache are
blobs there too.  The bytes are kept and never encoded again.  OCI image
specification, manifest.md and image-index.md.
"""

import re
from collections.abc import Sequence
from typing import Any, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mirror.errors import InvalidManifest, Unsupported
from mirror.image.digest import Digest
from mirror.image.platform import Platform

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

# Every type a registry may hold.  One that is not asked for is answered with
# 404 by some registries and converted, with another digest, by others.
ACCEPTED = (
    OCI_INDEX,
    OCI_MANIFEST,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    SCHEMA1_SIGNED,
    SCHEMA1,
)

# What registries agree to take at least: distribution, Harbor and ACR say 4 MiB.
# Nexus takes ten, and reading a little more costs nothing.
SIZE_LIMIT = 10 * 1024 * 1024

# Indexes within indexes; real ones have two levels.
DEPTH_LIMIT = 8

# RFC 6838, section 4.2, allows 127 characters on each side of the slash.  Quantifiers are
# possessive, and a parameter holds no semicolon, so that no text takes more than one pass.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]++/[A-Za-z0-9!#$&^_.+-]++(?:; ?[!-:<-~]++)*+")
_MEDIA_TYPE_LIMIT = 255
# What registries answer when they know of no type at all.
_VAGUE = frozenset({"text/plain", "application/json", "application/octet-stream"})

# What BuildKit lists in an index although it is not a manifest.
LISTED_BLOBS = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.buildkit.cacheconfig.",
)

_REFERENCE_TYPE = "vnd.docker.reference.type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"

_FOREIGN = ("nondistributable", "foreign")


class Descriptor(Struct, frozen=True):
    """What some content is called, how long it is and what it claims to be."""

    digest: Digest
    size: int
    media_type: str = "application/octet-stream"
    platform: Platform | None = None
    urls: tuple[str, ...] = ()
    artifact_type: str = ""
    attests: Digest | None = None
    """The manifest beside it in an index that it is an attestation for."""
    annotations: tuple[tuple[str, str], ...] = ()
    """What the index that lists it says of it."""

    @property
    def entry(self) -> dict[str, object]:
        """How an index lists it, but for its platform."""
        found: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        return found

    @property
    def foreign(self) -> bool:
        """Whether it is a layer that its publisher keeps elsewhere, and registries do not."""
        return bool(self.urls) and any(word in self.media_type for word in _FOREIGN)

    @property
    def may_be_blob(self) -> bool:
        """Whether its type is none of a manifest, so that only its registry knows what it is."""
        return self.media_type not in ACCEPTED

    @property
    def is_index(self) -> bool:
        """Whether it claims to list other manifests."""
        return self.media_type in (OCI_INDEX, DOCKER_LIST)

    @property
    def may_be_index(self) -> bool:
        """Whether it does not claim to be a single manifest; registries may be vague."""
        return self.media_type not in (OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT)


class Manifest(Struct, frozen=True):
    """A manifest or an index: its bytes, and the content it needs beside it."""

    content: bytes
    media_type: str
    digest: Digest
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    artifact_type: str = ""
    subject: Digest | None = None
    sparse: bool = False
    """Whether it names children that are not needed beside it."""

    @property
    def descriptor(self) -> Descriptor:
        """How a parent would name it."""
        return Descriptor(self.digest, len(self.content), self.media_type)

    @property
    def as_referrer(self) -> Descriptor:
        """How the list of what refers to its subject names it."""
        kind = self.artifact_type or (self.config.media_type if self.config else "")
        said = _said(msgspec.json.decode(self.content).get("annotations"))
        return replace(self.descriptor, artifact_type=kind, annotations=said)

    def needed_blobs(self, *, foreign: bool) -> dict[Digest, Descriptor]:
        """Return the blobs that must be beside it; those kept elsewhere only if ``foreign``."""
        return {blob.digest: blob for blob in self.blobs if foreign or not blob.foreign}

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return bool(self.manifests) or self.media_type in (OCI_INDEX, DOCKER_LIST)

    def may_be_list_of(self, subject: Digest) -> bool:
        """Whether it can be the list of what refers to a manifest, and is not that itself."""
        itself = Digest.of(self.content, subject.algorithm) == subject
        return self.media_type == OCI_INDEX and not itself

    def with_children(self, manifests: tuple[Descriptor, ...]) -> Self:
        """Return the same index, byte for byte, of whose children only these are needed."""
        return replace(self, manifests=manifests, sparse=True)

    @classmethod
    def parse(cls, content: bytes, media_type: str, digest: Digest | None = None) -> Self:
        """Read a manifest of any kind.

        ``digest`` is its name when that is known already, which the caller has
        verified.  Raises InvalidManifest, or Unsupported for the signed
        manifests of schema 1, whose digest does not cover their bytes.
        """
        try:
            document = _DECODER.decode(content)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidManifest(f"the manifest is not valid: {error}") from error
        if document.schema_version == 1:
            raise Unsupported(
                "the manifest has schema version 1, which registries no longer take",
                hint="Pull the image and push it again with a current client, which converts it.",
            )
        try:
            config = _descriptor(document.config) if document.config else None
            layers = _descriptors((document.layers or []) + (document.blobs or []))
            children = _descriptors(document.manifests or [])
            listed = tuple(one for one in children if one.media_type.startswith(LISTED_BLOBS))
            blobs = (config, *layers, *listed) if config else (*layers, *listed)
            return cls(
                content,
                _type_of(document, media_type),
                digest or Digest.of(content),
                blobs,
                tuple(one for one in children if one not in listed),
                config,
                document.artifact_type or "",
                Digest.parse(document.subject.digest) if document.subject else None,
            )
        except ValueError as error:
            raise InvalidManifest(f"the manifest is not valid: {error}") from error


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str | None = None


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str | None = None
    platform: _Platform | None = None
    urls: list[str] | None = None
    artifact_type: str | None = None
    annotations: Any = None


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None


_DECODER = msgspec.json.Decoder(_Document)


def _type_of(document: _Document, stated: str) -> str:
    """Decide on a media type: what the document says, what came with it, what it looks like.

    Raises ValueError for one that could not be said in a header.
    """
    if document.media_type is not None and not _is_media_type(document.media_type):
        raise ValueError(f"{document.media_type[:100]!r} is not a media type")
    if document.media_type:
        return document.media_type
    if stated not in _VAGUE and _is_media_type(stated):
        return stated
    return OCI_INDEX if document.manifests is not None else OCI_MANIFEST


def _is_media_type(text: str) -> bool:
    return len(text) <= _MEDIA_TYPE_LIMIT and _MEDIA_TYPE.fullmatch(text) is not None


def _descriptors(found: Sequence[_Descriptor]) -> tuple[Descriptor, ...]:
    return tuple(_descriptor(one) for one in found)


def _descriptor(found: _Descriptor) -> Descriptor:
    if found.size < 0:
        raise ValueError(f"{found.digest} has the size {found.size}")
    return Descriptor(
        Digest.parse(found.digest),
        found.size,
        found.media_type or "application/octet-stream",
        _platform(found.platform),
        tuple(found.urls or ()),
        found.artifact_type or "",
        _attested(found.annotations),
        _said(found.annotations),
    )


def _said(annotations: Any) -> tuple[tuple[str, str], ...]:
    found = annotations if isinstance(annotations, dict) else {}
    return tuple((key, one) for key, one in found.items() if isinstance(one, str))


def _attested(annotations: Any) -> Digest | None:
    """Read what BuildKit writes beside the attestations that it lists as children."""
    found = annotations if isinstance(annotations, dict) else {}
    if found.get(_REFERENCE_TYPE) != "attestation-manifest":
        return None
    try:
        return Digest.parse(str(found.get(_REFERENCE_DIGEST)))
    except ValueError:
        return None


def _platform(found: _Platform | None) -> Platform | None:
    if found is None or not (found.os or found.architecture):
        return None
    if (found.os, found.architecture) == ("unknown", "unknown"):
        return None  # as BuildKit says of what runs nowhere
    return Platform(found.os, found.architecture, found.variant or "")
