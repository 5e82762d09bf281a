"""What is known of destinations, and where that says to mount from."""

from typing import Any

from mirror.engine.destination_state import DestinationState
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.options import Options

A, B = Repository.parse("d.io/a"), Repository.parse("d.io/b")
SOURCE, NEAR = Repository.parse("s.io/a"), Repository.parse("d.io/origin")
BLOB = Digest.of(b"x")


def state(*, writes: bool = True, **options: Any) -> DestinationState:
    return DestinationState(Options(**options), writes=writes)


def origin(
    known: DestinationState, source: Repository, destination: Repository, *, may_exist: bool = False
) -> Repository | None:
    return known.mount_source(source, destination, BLOB, may_exist=may_exist)


def test_a_blob_is_mounted_from_where_it_was_seen_first() -> None:
    known = state()
    known.add_blob(A, BLOB)
    known.add_blob(B, BLOB)

    assert origin(known, SOURCE, B) == A
    assert known.has_blob(A, BLOB)


def test_a_source_in_the_same_registry_is_a_place_to_mount_from() -> None:
    assert origin(state(), NEAR, A) == NEAR


def test_nobody_having_looked_the_mount_is_the_look() -> None:
    assert origin(state(), SOURCE, A, may_exist=True) == A
    assert origin(state(), SOURCE, A) is None


def test_a_registry_that_keeps_refusing_is_not_asked_again() -> None:
    known = state()
    known.add_blob(A, BLOB)
    for _ in range(4):
        known.mount_refused(B, A)
    assert origin(known, SOURCE, B) == A

    known.mount_refused(B, A)
    assert origin(known, SOURCE, B) is None


def test_a_registry_that_refuses_to_look_by_mounting_still_mounts() -> None:
    known = state()
    for _ in range(5):
        known.mount_refused(A, A)
    assert origin(known, SOURCE, A, may_exist=True) is None
    assert known.needs_look(A)

    known.add_blob(A, BLOB)
    assert origin(known, SOURCE, B) == A


def test_a_look_is_needed_where_a_mount_cannot_be_one() -> None:
    assert not state().needs_look(A)
    assert state(skip_mount=True).needs_look(A)
    assert state(writes=False).needs_look(A)
    assert not state(force=True, writes=False).needs_look(A)

    known = state(skip_mount=True)
    known.missed_repository(A)
    assert not known.needs_look(A)
