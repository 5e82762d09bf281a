"""An OCI image layout in a folder: several images in one, their blobs shared.

Files appear under their names when they are whole, and ``index.json`` last, so that
the folder is a valid layout at any moment.  OCI image specification, image-layout.md.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import msgspec

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.layout import MARKER, LayoutIndex
from mirror.image.manifest import OCI_INDEX, SIZE_LIMIT, Descriptor, Manifest

# A large index.json is not written for each name, but once in so many seconds.
_LARGE = 500
_INTERVAL = 1.0
_NONE: Mapping[Digest, Manifest] = MappingProxyType({})


class Layout:
    """A layout, which is made when something is put into it; `close` writes what is pending."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index: LayoutIndex | None = None
        self._names: dict[str, Descriptor] = {}
        """Names that are not written yet."""
        self._loose: dict[Digest, Manifest] = {}
        """Manifests without a name that nothing lists, so far."""
        self._written = 0.0

    @property
    def exists(self) -> bool:
        """Whether there is such a layout."""
        return (self._root / "index.json").exists() or bool(self._names or self._loose)

    def names(self) -> tuple[str, ...]:
        """Return the names of its manifests."""
        return tuple(dict.fromkeys([*self._read().names, *self._names]))

    def manifest(self, target: str) -> tuple[bytes, str] | None:
        """Return the manifest behind a name or digest, and its media type."""
        if ":" in target:
            return self._content(Digest.parse(target), "")
        named = self._names.get(target) or self._read().find(target)
        return self._content(named.digest, named.media_type) if named is not None else None

    def put(self, target: str, manifest: Manifest) -> None:
        """Store a manifest, under a name or none."""
        partial = self.partial()
        partial.write_bytes(manifest.content)
        self.take(partial, manifest.digest)
        for child in manifest.manifests:
            self._loose.pop(child.digest, None)
        if ":" in target:
            self._loose[manifest.digest] = manifest
            return
        self._loose.pop(manifest.digest, None)
        self._names[target] = manifest.descriptor
        small = len(self._read().names) < _LARGE
        if small or time.monotonic() - self._written > _INTERVAL:
            self._write()

    def blob(self, digest: Digest) -> Path:
        """Return where a blob is, if it is there."""
        return self._root / "blobs" / digest.algorithm / digest.hex

    def partial(self) -> Path:
        """Return the name of a new file for what will be a blob."""
        self._make()
        return self._root / "blobs" / f".partial-{uuid.uuid4().hex}"

    def take(self, partial: Path, digest: Digest) -> None:
        """Make a file a blob; nobody sees it before it is whole."""
        path = self.blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        _settle(partial, path)

    def referrers(self, subject: Digest, /) -> bytes | None:
        """Return an index of what refers to a manifest."""
        listed = []
        for one in (*self._read().unnamed(), *(loose.descriptor for loose in self._loose.values())):
            found = self._content(one.digest, one.media_type)
            if found is not None and (entry := _referring(*found, subject)) is not None:
                listed.append(entry)
        return msgspec.json.encode(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        )

    def close(self) -> None:
        """Write what is pending."""
        if self._names or self._loose:
            # Until now each of these could become part of another.
            self._write(self._loose)

    def _content(self, digest: Digest, media_type: str) -> tuple[bytes, str] | None:
        path = self.blob(digest)
        if not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return None
        content = path.read_bytes()
        try:
            return content, Manifest.parse(content, media_type, digest).media_type
        except MirrorError:
            return content, media_type

    def _read(self) -> LayoutIndex:
        """Return the index as it was written last, which others may have done."""
        if self._index is None:
            path = self._root / "index.json"
            known = path.exists()
            self._index = LayoutIndex.parse(path.read_bytes()) if known else LayoutIndex()
        return self._index

    def _write(self, unnamed: Mapping[Digest, Manifest] = _NONE) -> None:
        """Add what is pending to the index, beside what others may have added to it."""
        self._make()
        with _alone(self._root):
            self._index = None
            index = self._read()
            for name, descriptor in self._names.items():
                index.name(name, descriptor)
            index.keep(manifest.descriptor for manifest in unnamed.values())
            partial = self._root / f".index-{uuid.uuid4().hex}"
            partial.write_bytes(index.encode())
            _settle(partial, self._root / "index.json")
        self._names.clear()
        self._written = time.monotonic()

    def _make(self) -> None:
        marker = self._root / "oci-layout"
        (self._root / "blobs").mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            partial = self._root / f".layout-{uuid.uuid4().hex}"
            partial.write_bytes(MARKER)
            _settle(partial, marker)
            index = self._root / "index.json"
            if not index.exists():
                partial.write_bytes(LayoutIndex().encode())
                _settle(partial, index)


def _settle(partial: Path, path: Path) -> None:
    """Give a file its name once the disk has it."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other processes from writing the index meanwhile; the lock ends with the process."""
    folder = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _referring(content: bytes, media_type: str, subject: Digest) -> dict[str, object] | None:
    try:
        manifest = Manifest.parse(content, media_type)
    except MirrorError:
        return None
    if manifest.subject != subject:
        return None
    entry: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": len(content),
    }
    kind = manifest.artifact_type or (manifest.config.media_type if manifest.config else "")
    annotations = msgspec.json.decode(content).get("annotations")
    return {
        **entry,
        **({"artifactType": kind} if kind else {}),
        **({"annotations": annotations} if annotations else {}),
    }
