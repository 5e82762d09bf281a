"""What is left of an index of which only some platforms are wanted.

Only a child that names a platform can be unwanted.  What names none, as nested
indexes and artifacts do, stays; an attestation stays with the child that it is for.
"""

import msgspec

from mirror.errors import NothingSelected
from mirror.image.manifest import LISTED_BLOBS, Descriptor, Manifest
from mirror.image.platform import Selection

# Platforms that a message names, at most.
_NAMED = 12


def apply_platform_filter(index: Manifest, selection: Selection) -> Manifest | Descriptor:
    """Return what is left of an index.

    That is the index itself where everything is wanted; the index with fewer children, if
    it is to be kept; the only child that is left; or another index, with another
    digest, that lists what is left and says everything else that the first one said.
    Raises NothingSelected if no platform of it is wanted.
    """
    left = _left(index, selection)
    if len(left) == len(index.manifests):
        return index
    if selection.keep_index:
        return index.with_children(left)
    listed_blobs = any(blob.media_type.startswith(LISTED_BLOBS) for blob in index.blobs)
    if len(left) == 1 and not listed_blobs:
        return left[0]
    return _rewritten(index, left)


def _left(index: Manifest, selection: Selection) -> tuple[Descriptor, ...]:
    named = [
        (one.digest, one.platform)
        for one in index.manifests
        if one.attests is None and one.platform is not None
    ]
    wanted = {digest for digest, platform in named if selection.wants(platform)}
    if named and not wanted:
        names = sorted({str(platform) for _, platform in named})
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise NothingSelected(
            "no platform of the index is wanted",
            hint=f"It has {', '.join(names[:_NAMED])}{more}.",
        )
    unwanted = {digest for digest, _ in named} - wanted
    # What is an attestation for none of these stays, as it may be for anything.
    return tuple(one for one in index.manifests if (one.attests or one.digest) not in unwanted)


def _rewritten(index: Manifest, left: tuple[Descriptor, ...]) -> Manifest:
    """Return an index that lists just these children, in the words in which they were listed."""
    document = msgspec.json.decode(index.content)
    children = iter(index.manifests)
    staying = list(left)
    entries = []
    for entry in document["manifests"]:
        if str(entry.get("mediaType", "")).startswith(LISTED_BLOBS):
            entries.append(entry)
        elif staying and next(children) is staying[0]:
            entries.append(entry)
            del staying[0]
    document["manifests"] = entries
    return Manifest.parse(msgspec.json.encode(document), index.media_type)
