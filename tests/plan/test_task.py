"""What the schedule must know of each kind of task."""

import pytest

from mirror.errors import Side
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Registry, Repository
from mirror.plan import task as kinds

S, D = Repository.parse("s.io/a"), Repository.parse("d.io/a")
BLOB = Descriptor(Digest.of(b"x"), 7)
MANIFEST = Manifest(b"{}", "application/x", Digest.of(b"{}"))


@pytest.mark.parametrize(
    ("task", "hosts", "asks"),
    [(kinds.ListCatalog(Registry("s.io")), ["s.io"], True),
     (kinds.ListTags(S), ["s.io"], True),
     (kinds.Resolve(Side.SOURCE, Reference(S, "1")), ["s.io"], True),
     (kinds.ReadManifest(S, BLOB.digest), ["s.io"], True),
     (kinds.FindRepository(D), ["d.io"], True),
     (kinds.FindBlob(D, BLOB), ["d.io"], True),
     (kinds.CopyBlob(S, D, BLOB), ["s.io", "d.io"], False),
     (kinds.CopyBlob(S, S, BLOB), ["s.io", "s.io"], False),
     (kinds.PutManifest(Reference(D, "1"), MANIFEST), ["d.io"], False)],
)  # fmt: skip
def test_a_task_occupies_the_registries_it_talks_to(
    task: kinds.Task, hosts: list[str], asks: bool
) -> None:
    assert [registry.host for registry in task.registries] == hosts
    assert task.asks is asks


def test_only_bodies_have_weight_and_an_empty_body_is_one() -> None:
    assert kinds.CopyBlob(S, D, BLOB).weight == 7
    assert kinds.CopyBlob(S, D, Descriptor(Digest.of(b""), 0)).weight == 1
    assert kinds.ListTags(S).weight == 0


def test_a_blob_that_others_may_want_is_a_flight_to_their_registry() -> None:
    assert kinds.CopyBlob(S, D, BLOB).flight is None
    assert kinds.CopyBlob(S, D, BLOB, shared=True).flight == (D.registry, BLOB.digest)
    assert kinds.ListTags(S).flight is None


def test_what_finishes_goes_before_what_begins() -> None:
    ranks: list[type[kinds.Task]] = [
        kinds.PutManifest,
        kinds.CopyBlob,
        kinds.FindBlob,
        kinds.ReadManifest,
        kinds.Resolve,
        kinds.ListTags,
    ]
    assert [kind.rank for kind in ranks] == sorted(kind.rank for kind in ranks)
