"""The index of an OCI image layout: which names its manifests have.

``index.json`` is an index whose entries may be named by an annotation.  What an
entry says besides is kept as it is.  OCI image specification, image-layout.md.
"""

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from mirror.errors import InvalidManifest
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Descriptor

MARKER = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of the file ``oci-layout`` that says what a folder is."""

_NAME = "org.opencontainers.image.ref.name"


class LayoutIndex:
    """The entries of an ``index.json``; a value that changes only by `name` and `keep`."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        new: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
        self._document = document if document is not None else new
        self._named: dict[str, dict[str, Any]] = {}
        self._unnamed: dict[str, dict[str, Any]] = {}
        for entry in self._document.get("manifests") or ():
            name = (entry.get("annotations") or {}).get(_NAME)
            if name is None:
                self._unnamed[entry["digest"]] = entry
            else:
                self._named[name] = entry

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read an ``index.json``; raise InvalidManifest for anything else."""
        try:
            document = msgspec.json.decode(content)
            index = cls(document)
            for entry in (*index._named.values(), *index._unnamed.values()):
                _descriptor(entry)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidManifest(f"index.json is not valid: {error}") from error
        return index

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its manifests."""
        return tuple(self._named)

    def find(self, name: str) -> Descriptor | None:
        """Return the manifest of this name."""
        entry = self._named.get(name)
        return _descriptor(entry) if entry is not None else None

    def unnamed(self) -> tuple[Descriptor, ...]:
        """Return the manifests that have no name."""
        return tuple(_descriptor(entry) for entry in self._unnamed.values())

    def name(self, name: str, manifest: Descriptor) -> None:
        """Give a manifest a name, which no other has from now on."""
        self._named[name] = {**_entry(manifest), "annotations": {_NAME: name}}

    def keep(self, manifests: Iterable[Descriptor]) -> None:
        """List manifests that have no name, unless they are listed."""
        listed = {entry["digest"] for entry in (*self._named.values(), *self._unnamed.values())}
        for manifest in manifests:
            if str(manifest.digest) not in listed:
                self._unnamed[str(manifest.digest)] = _entry(manifest)

    def encode(self) -> bytes:
        """Return the file's content."""
        entries = [*self._named.values(), *self._unnamed.values()]
        return msgspec.json.encode({**self._document, "manifests": entries})


def _entry(manifest: Descriptor) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": manifest.size,
    }
    if manifest.artifact_type:
        entry["artifactType"] = manifest.artifact_type
    return entry


def _descriptor(entry: dict[str, Any]) -> Descriptor:
    return Descriptor(
        Digest.parse(entry["digest"]),
        int(entry["size"]),
        str(entry.get("mediaType") or ""),
        artifact_type=str(entry.get("artifactType") or ""),
    )
