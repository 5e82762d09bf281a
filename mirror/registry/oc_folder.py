"""The folder that ``oc image mirror --dir`` writes and reads: ``v2/REPOSITORY/...``.

blobs/DIGEST       a blob, or the bytes of a manifest
manifests/DIGEST   the same file, for a manifest
manifests/TAG      a link to the manifest of that digest
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.manifest import SIZE_LIMIT, Manifest
from mirror.registry.oci_folder import clean, settle, write


class OcFolder:
    """One repository of such a folder, which is made when something is put into it."""

    def __init__(self, base: Path, repository: str) -> None:
        self._root = base / "v2" / repository
        self._manifests = self._root / "manifests"
        self._made = False

    @property
    def exists(self) -> bool:
        """Whether there is such a repository."""
        return self._manifests.is_dir()

    def names(self) -> tuple[str, ...]:
        """Return its tags."""
        return tuple(sorted(path.name for path in self._manifests.iterdir() if path.is_symlink()))

    def manifest(self, target: str) -> tuple[bytes, str] | None:
        """Return the manifest behind a tag or digest, and its media type."""
        path = self._manifests / target
        if not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return None
        content = path.read_bytes()
        try:
            return content, Manifest.parse(content, "").media_type
        except MirrorError:
            return content, ""

    def put(self, target: str, manifest: Manifest) -> None:
        """Store a manifest, under a tag or none."""
        partial = self.partial()
        write(partial, manifest.content, self.take, manifest.digest)
        self._manifests.mkdir(parents=True, exist_ok=True)
        stored = self._manifests / str(manifest.digest)
        if not stored.exists() or not stored.samefile(self.blob(manifest.digest)):
            os.link(self.blob(manifest.digest), partial)
            partial.rename(stored)
        if target != str(manifest.digest):
            partial.symlink_to(str(manifest.digest))
            partial.rename(self._manifests / target)

    def blob(self, digest: Digest) -> Path:
        """Return where a blob is, if it is there."""
        return self._root / "blobs" / str(digest)

    def partial(self) -> Path:
        """Return the name of a new file for what will be a blob."""
        folder = self._root / "blobs"
        if not self._made:
            folder.mkdir(parents=True, exist_ok=True)
            clean(folder)
            self._made = True
        return folder / f".partial-{uuid.uuid4().hex}"

    def take(self, partial: Path, digest: Digest) -> None:
        """Make a file a blob; it is not seen before it is whole."""
        settle(partial, self.blob(digest))

    def referrers(self, _: Digest, /) -> bytes | None:
        """Return None: fallback tags hold the lists of referrers."""
        return None

    def close(self) -> None:
        """Do nothing: nothing is pending."""


def repositories(base: Path) -> Iterator[str]:
    """Give the repositories of such a folder, in lexical order."""
    root = base / "v2"
    # A folder of that name that holds only folders is a part of a repository's own path.
    yield from sorted(
        str(path.parent.relative_to(root))
        for path in root.rglob("manifests")
        if path.is_dir() and any(not entry.is_dir() for entry in path.iterdir())
    )
