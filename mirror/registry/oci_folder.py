"""An OCI image layout in a folder: several images in one, their blobs shared.

Files appear under their names when they are whole, and ``index.json`` after what it
names, so that the folder is a valid layout at any moment.  A manifest is there if
the index leads to it; a file that nothing leads to is a blob.  OCI image
specification, image-layout.md.
"""

import fcntl
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.layout import MARKER, LayoutIndex
from mirror.image.manifest import ACCEPTED, OCI_INDEX, SIZE_LIMIT, Descriptor, Manifest

# A large index.json is not written for each name, but once in so many seconds.
_LARGE = 500
_INTERVAL = 1.0
# Seconds after which no process still writes to a file that is not whole.
_GIVEN_UP = 3600.0

_Change = Callable[[LayoutIndex], None]
_Place = TypeVar("_Place", Digest, Path)


class OciFolder:
    """A layout, which is made when something is put into it; `close` writes what is pending."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index: LayoutIndex | None = None
        """The index with all changes, written or not."""
        self._changes: list[_Change] = []
        """What is not written yet."""
        self._known: dict[Digest, str] = {}
        """The manifests that the index leads to, with their media types."""
        self._listed: set[Digest] = set()
        """What they list, whether it is there or not."""
        self._referrers: defaultdict[Digest, dict[Digest, dict[str, object]]] = defaultdict(dict)
        self._made = False
        self._written = 0.0

    @property
    def exists(self) -> bool:
        """Whether there is such a layout."""
        return (self._root / "index.json").exists()

    def names(self) -> tuple[str, ...]:
        """Return the names of its manifests."""
        return self._read().names

    def manifest(self, target: str) -> tuple[bytes, str] | None:
        """Return the manifest behind a name or digest, and its media type."""
        index = self._read()
        if ":" not in target:
            named = index.find(target)
            return self._content(named.digest, named.media_type) if named is not None else None
        digest = Digest.parse(target)
        media_type = self._known.get(digest)
        return self._content(digest, media_type) if media_type is not None else None

    def put(self, target: str, manifest: Manifest) -> None:
        """Store a manifest, under a name or none."""
        write(self.partial(), manifest.content, self.take, manifest.digest)
        self._read()
        for child in manifest.manifests:
            self._change(partial(_release, child))
        described = manifest.descriptor
        if ":" not in target:
            self._change(partial(_give_name, target, described))
        elif manifest.digest not in self._listed:
            self._change(partial(_keep, described))
        self._learn(described)
        small = len(self._read()) < _LARGE
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
        """Make a file a blob; it is not seen before it is whole."""
        path = self.blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        settle(partial, path)

    def referrers(self, subject: Digest, /) -> bytes | None:
        """Return an index of the referrers of a manifest."""
        self._read()
        listed = list(self._referrers.get(subject, {}).values())
        return msgspec.json.encode(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        )

    def close(self) -> None:
        """Write what is pending."""
        if self._changes:
            self._write()

    def _content(self, digest: Digest, media_type: str) -> tuple[bytes, str] | None:
        """Read a manifest; None if the file is none, or not there."""
        path = self.blob(digest)
        if not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return None
        content = path.read_bytes()
        try:
            stated = Manifest.parse(content, media_type, digest).media_type
        except MirrorError:
            # If it is damaged, its reader reports that; a blob in a list was never one.
            rotten = Digest.of(content, digest.algorithm) != digest
            return (content, media_type) if rotten else None
        return (content, stated) if stated in ACCEPTED or b'"schemaVersion"' in content else None

    def _read(self) -> LayoutIndex:
        """Return the index, and know what it leads to."""
        if self._index is None:
            self._index = self._read_file()
            for manifest in self._index.manifests:
                self._learn(manifest)
        return self._index

    def _read_file(self) -> LayoutIndex:
        path = self._root / "index.json"
        return LayoutIndex.parse(path.read_bytes()) if path.exists() else LayoutIndex()

    def _learn(self, described: Descriptor) -> None:
        """Remember a manifest, its children, and its subject."""
        if described.digest in self._known:
            return
        found = self._content(described.digest, described.media_type)
        if found is None:
            return
        content, media_type = found
        self._known[described.digest] = media_type
        try:
            manifest = Manifest.parse(content, media_type, described.digest)
        except MirrorError:
            return
        for child in manifest.manifests:
            self._listed.add(child.digest)
            self._learn(child)
        if manifest.subject is not None:
            self._referrers[manifest.subject][manifest.digest] = manifest.as_referrer.entry

    def _change(self, change: _Change) -> None:
        change(self._read())
        self._changes.append(change)

    def _write(self) -> None:
        """Make the changes to the index as it is by now, which others may have written."""
        with _alone(self._root):
            index = self._read_file()
            for change in self._changes:
                change(index)
            file = self._root / f".partial-{uuid.uuid4().hex}"
            write(file, index.encode(), settle, self._root / "index.json")
        self._index = index
        self._changes.clear()
        self._written = time.monotonic()

    def _make(self) -> None:
        """Make the folder a layout, if it is none, and remove what runs before left unfinished."""
        if self._made:
            return
        (self._root / "blobs").mkdir(parents=True, exist_ok=True)
        with _alone(self._root):
            for name, content in (("index.json", LayoutIndex().encode()), ("oci-layout", MARKER)):
                if not (self._root / name).exists():
                    file = self._root / f".partial-{uuid.uuid4().hex}"
                    write(file, content, settle, self._root / name)
        clean(self._root)
        clean(self._root / "blobs")
        self._made = True


def write(
    partial: Path, content: bytes, settle: Callable[[Path, _Place], None], place: _Place
) -> None:
    """Write a file and have it settled in its place; nothing stays if that fails."""
    with removed_if_it_fails(partial):
        partial.write_bytes(content)
        settle(partial, place)


@contextmanager
def removed_if_it_fails(partial: Path) -> Iterator[None]:
    """Remove a file that is not whole, if the block raises."""
    try:
        yield
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def settle(partial: Path, path: Path) -> None:
    """Give a file its name once the disk has it."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)


def clean(folder: Path) -> None:
    """Remove the files of a folder that were begun and given up."""
    for path in folder.glob(".partial-*"):
        with suppress(FileNotFoundError):  # it has its name by now
            if time.time() - path.stat().st_mtime > _GIVEN_UP:
                path.unlink()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other processes from writing the index meanwhile; the lock ends with the process."""
    folder = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _give_name(name: str, manifest: Descriptor, index: LayoutIndex) -> None:
    index.name(name, manifest)


def _keep(manifest: Descriptor, index: LayoutIndex) -> None:
    index.keep(manifest)


def _release(manifest: Descriptor, index: LayoutIndex) -> None:
    index.release(manifest)
