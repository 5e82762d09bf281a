"""Manifests that were read, kept for the next image that has them."""

from collections import OrderedDict

from mirror.image.digest import Digest
from mirror.image.manifest import Manifest

# In bytes; enough for the tags of a repository that name the same image.
_LIMIT = 16 * 1024 * 1024


class Shelf:
    """Manifests by their digests, as many as there is room for."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Digest, Manifest] = OrderedDict()
        self._bytes = 0

    def find(self, digest: Digest) -> Manifest | None:
        """Return a manifest, if it is still kept."""
        return self._kept.get(digest)

    def keep(self, manifest: Manifest) -> None:
        """Keep a manifest, and forget the oldest for it if there is no room."""
        if self._kept.pop(manifest.digest, None) is None:
            self._bytes += len(manifest.content)
        self._kept[manifest.digest] = manifest
        while self._bytes > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.content)
