"""The index of an OCI image layout: which names its manifests have.

``index.json`` is an index whose entries may be named by an annotation; several may
have one name, or none.  What others wrote is kept as it is.  OCI image
specification, image-layout.md.
"""

from collections import defaultdict
from typing import Any, Self

import msgspec

from mirror.errors import InvalidManifest
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Descriptor

MARKER = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of the file ``oci-layout`` that says what a folder is."""

_NAME = "org.opencontainers.image.ref.name"


class LayoutIndex:
    """The entries of an ``index.json``, in their order; a change costs the same in a long one."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        new: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
        self._document = document if document is not None else new
        self._entries: dict[int, dict[str, Any]] = {}
        self._named: defaultdict[str, set[int]] = defaultdict(set)
        self._listed: defaultdict[str, set[int]] = defaultdict(set)
        self._count = 0
        for entry in self._document.get("manifests") or ():
            self._add(entry)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read an ``index.json``; raise InvalidManifest for anything else."""
        try:
            index = cls(msgspec.json.decode(content, type=dict[str, Any]))
            for entry in index._entries.values():
                _descriptor(entry)
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidManifest(f"index.json is not valid: {error}") from error
        return index

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its manifests, each once."""
        return tuple(self._named)

    @property
    def manifests(self) -> tuple[Descriptor, ...]:
        """The manifests that it lists, with a name or without."""
        return tuple(_descriptor(entry) for entry in self._entries.values())

    def find(self, name: str) -> Descriptor | None:
        """Return the first manifest of this name."""
        keys = self._named.get(name)
        return _descriptor(self._entries[min(keys)]) if keys else None

    def name(self, name: str, manifest: Descriptor) -> None:
        """Give a manifest a name, which no other has from now on."""
        for key in list(self._named.get(name, ())):
            self._remove(key)
        self.release(manifest)
        self._add({**_entry(manifest), "annotations": {_NAME: name}})

    def keep(self, manifest: Descriptor) -> None:
        """List a manifest that has no name, unless it is listed."""
        if not self._listed.get(str(manifest.digest)):
            self._add(_entry(manifest))

    def release(self, manifest: Descriptor) -> None:
        """List a manifest no more that was only kept, since another names it now."""
        bare = _entry(manifest)
        for key in list(self._listed.get(str(manifest.digest), ())):
            if self._entries[key] == bare:
                self._remove(key)

    def encode(self) -> bytes:
        """Return the file's content."""
        return msgspec.json.encode({**self._document, "manifests": list(self._entries.values())})

    def _add(self, entry: dict[str, Any]) -> None:
        self._count += 1
        self._entries[self._count] = entry
        self._listed[entry["digest"]].add(self._count)
        if (name := _name(entry)) is not None:
            self._named[name].add(self._count)

    def _remove(self, key: int) -> None:
        entry = self._entries.pop(key)
        self._listed[entry["digest"]].remove(key)
        if (name := _name(entry)) is not None:
            self._named[name].remove(key)
            if not self._named[name]:
                del self._named[name]


def _entry(manifest: Descriptor) -> dict[str, Any]:
    """Return the entry of a manifest of which nothing is said besides."""
    return Descriptor(manifest.digest, manifest.size, manifest.media_type).entry


def _name(entry: dict[str, Any]) -> str | None:
    name = (entry.get("annotations") or {}).get(_NAME)
    return str(name) if name is not None else None


def _descriptor(entry: dict[str, Any]) -> Descriptor:
    return Descriptor(
        Digest.parse(entry["digest"]), int(entry["size"]), str(entry.get("mediaType") or "")
    )
