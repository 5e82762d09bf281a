"""Tags that are made of a digest: of lists of what refers to it, and of cosign's signatures.

Distribution specification 1.1, "Referrers Tag Schema".
"""

import re

from mirror.image.digest import Digest

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
