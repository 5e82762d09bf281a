"""Tags that are made of digests."""

import pytest

from mirror.image.digest import Digest
from mirror.image.referrers_index import cosign_tags, fallback_tag, is_digest_tag, subject_of

SUBJECT = Digest.of(b"subject")


def test_tags_stand_for_digests() -> None:
    long = Digest.of(b"x", "sha512")

    assert fallback_tag(SUBJECT) == f"sha256-{SUBJECT.hex}"
    assert fallback_tag(long) == f"sha512-{long.hex[:64]}"
    assert cosign_tags(SUBJECT) == tuple(
        f"sha256-{SUBJECT.hex}{ending}" for ending in (".sig", ".att", ".sbom")
    )


@pytest.mark.parametrize(
    ("tag", "made_of_digest", "list_of"),
    [
        (f"sha256-{SUBJECT.hex}", True, SUBJECT),
        (f"sha256-{SUBJECT.hex}.sig", True, None),
        (f"sha256-{SUBJECT.hex}.att", True, None),
        (f"sha256-{SUBJECT.hex}.sbom", True, None),
        (f"sha512-{SUBJECT.hex}", True, None),  # cut, so it cannot be read back
        (f"sha256-{SUBJECT.hex}.zip", False, None),
        (f"sha256-{SUBJECT.hex[:-1]}", False, None),
        ("v1", False, None),
    ],
)
def test_tags_made_of_digests_are_known(
    tag: str, made_of_digest: bool, list_of: Digest | None
) -> None:
    assert is_digest_tag(tag) is made_of_digest
    assert subject_of(tag) == list_of
