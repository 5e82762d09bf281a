"""How many requests at once an image will lead to, guessed before its blobs are known."""

from mirror.image.manifest import Descriptor

# The blobs of an image are guessed from the size of its manifest: a descriptor takes about
# 200 bytes, and one in an index, 250 with its platform, stands for about four blobs.
_BYTES_PER_BLOB = 200
_BYTES_PER_BLOB_IN_INDEX = 60
# Before anything is known: the children of an index are read side by side.
AT_LEAST = 2


def foreseeable(manifest: Descriptor) -> int:
    """Guess how many blobs are behind a manifest, by its size."""
    per_blob = _BYTES_PER_BLOB_IN_INDEX if manifest.is_index else _BYTES_PER_BLOB
    return max(1, manifest.size // per_blob)
