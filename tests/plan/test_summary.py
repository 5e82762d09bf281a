"""The plan of a dry run, in numbers and words."""

from collections import Counter

from mirror.events import Landing
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.plan.summary import Share, Summary
from mirror.plan.task import CopyBlob, FindBlob, Landed, ListTags, PutManifest

S, D, E = (Repository.parse(name) for name in ("s.io/a", "d.io/a", "d.io/b"))
BLOB = Descriptor(Digest.of(b"x"), 100)


def test_a_plan_counts_what_each_registry_would_see() -> None:
    plan = Summary()

    assert plan.rehearse(CopyBlob(S, D, BLOB)) == Landed(Landing.COPIED)
    assert plan.rehearse(CopyBlob(S, E, BLOB, mount_from=D)) == Landed(Landing.MOUNTED)
    assert plan.rehearse(PutManifest(Reference(D, "1"), Manifest(b"{}", "", BLOB.digest))) is None
    assert plan.rehearse(ListTags(S)) is None
    assert plan.shares == {
        "s.io": Share(requests=1, bytes_read=100),
        "d.io": Share(requests=4, bytes_written=102, blobs_copied=1, blobs_mounted=1, manifests=1),
    }


def test_a_plan_is_a_table_with_what_finding_out_took() -> None:
    plan = Summary()
    plan.rehearse(CopyBlob(S, D, BLOB))

    assert plan.text(Counter({"s.io": 3, "x.io": 1})).splitlines() == [
        "registry  requests  read  written  blobs  mounts  manifests",
        "d.io             2     0      100      1       0          0",
        "s.io             4   100        0      0       0          0",
        "x.io             1     0        0      0       0          0",
    ]


def test_plans_of_different_images_add_up() -> None:
    whole, one, other = Summary(), Summary(), Summary()
    for number, plan in ((1, one), (2, other)):
        for _ in range(number):
            for task in (CopyBlob(S, D, BLOB), CopyBlob(S, E, BLOB, mount_from=D)):
                whole.rehearse(task)
                plan.rehearse(task)
            question = FindBlob(D, BLOB, True)
            whole.looked(question, found=False)
            plan.looked(question, found=False)
    together = Summary()
    together.add(one)
    together.add(other)

    assert (together.shares, together.spared) == (whole.shares, whole.spared)
    assert together.spared == {"d.io": 3}
