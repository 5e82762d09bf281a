"""What is known of destinations, and where that says to mount from."""

from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.options import Options
from mirror.plan.knowledge import Knowledge
from mirror.plan.task import CopyBlob

A, B = Repository.parse("d.io/a"), Repository.parse("d.io/b")
SOURCE, NEAR = Repository.parse("s.io/a"), Repository.parse("d.io/origin")
BLOB = Descriptor(Digest.of(b"x"), 1)


def knowledge(**options: bool) -> Knowledge:
    return Knowledge(Options(**options))  # type: ignore[arg-type]


def test_a_blob_is_mounted_from_where_it_was_seen_first() -> None:
    known = knowledge()
    known.add_blob(A, BLOB.digest)
    known.add_blob(B, BLOB.digest)

    assert known.mount_source(CopyBlob(SOURCE, B, BLOB)) == A
    assert known.has_blob(A, BLOB.digest)


def test_a_source_in_the_same_registry_is_a_place_to_mount_from() -> None:
    assert knowledge().mount_source(CopyBlob(NEAR, A, BLOB)) == NEAR


def test_nobody_having_looked_the_mount_is_the_look() -> None:
    assert knowledge().mount_source(CopyBlob(SOURCE, A, BLOB, look=True)) == A
    assert knowledge().mount_source(CopyBlob(SOURCE, A, BLOB)) is None


def test_a_registry_that_keeps_refusing_is_not_asked_again() -> None:
    known = knowledge()
    known.add_blob(A, BLOB.digest)
    for _ in range(4):
        known.mount_refused(B, A)
    assert known.mount_source(CopyBlob(SOURCE, B, BLOB)) == A

    known.mount_refused(B, A)
    assert known.mount_source(CopyBlob(SOURCE, B, BLOB)) is None


def test_a_registry_that_refuses_to_look_by_mounting_still_mounts() -> None:
    known = knowledge()
    for _ in range(5):
        known.mount_refused(A, A)
    assert known.mount_source(CopyBlob(SOURCE, A, BLOB, look=True)) is None
    assert known.needs_look(A)

    known.add_blob(A, BLOB.digest)
    assert known.mount_source(CopyBlob(SOURCE, B, BLOB)) == A


def test_a_look_is_needed_where_a_mount_cannot_be_one() -> None:
    assert not knowledge().needs_look(A)
    assert knowledge(skip_mount=True).needs_look(A)
    assert knowledge(dry_run=True).needs_look(A)
    assert not knowledge(force=True, dry_run=True).needs_look(A)

    known = knowledge(skip_mount=True)
    known.missed_repository(A)
    assert not known.needs_look(A)
