"""The list of a manifest's referrers: the tags that stand for it, and the index behind them.

Where a registry keeps no such lists, a tag that is made of the subject's digest names an
index that several add to.  Cosign's signatures have tags of the same kind.
Distribution specification 1.1, "Referrers Tag Schema".
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Descriptor

# What cosign adds to the tag that stands for a list, for its own manifests.
_COSIGN = (".sig", ".att", ".sbom")
_DIGEST_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64})(\.sig|\.att|\.sbom)?")


def fallback_tag(subject: Digest) -> str:
    """The tag that stands for the list of what refers to this."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def cosign_tags(subject: Digest) -> tuple[str, ...]:
    """The tags under which cosign keeps what it says of this."""
    return tuple(fallback_tag(subject) + ending for ending in _COSIGN)


def is_digest_tag(tag: str) -> bool:
    """Whether a tag is made of a digest, as those of what refers to it are."""
    return _DIGEST_TAG.fullmatch(tag) is not None


def subject_of(tag: str) -> Digest | None:
    """Return what a list is about for which this tag may stand; None if it does not tell."""
    found = _DIGEST_TAG.fullmatch(tag)
    # The tag cuts longer digests, so that they cannot be read back.
    return Digest(found[1], found[2]) if found and found[1] == "sha256" and not found[3] else None


def merged(content: bytes | None, referrers: Iterable[Descriptor]) -> bytes | None:
    """Return the index behind such a tag with these added to it; None if all are in it.

    Without ``content`` there is no such index yet.  What it says besides stays.
    """
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if content is not None:
        document = msgspec.json.decode(content)
    listed = list(document.get("manifests") or ())
    there = {entry["digest"] for entry in listed}
    more = {one.digest: one.entry for one in referrers if str(one.digest) not in there}
    if not more:
        return None
    return msgspec.json.encode({**document, "manifests": [*listed, *more.values()]})
