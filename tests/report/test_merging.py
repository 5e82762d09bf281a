"""Several runs, told as one."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import NotFound, UsageError
from mirror.events import (
    BlobLanded,
    BlobStarted,
    Event,
    ImageSettled,
    Landing,
    ManifestPushed,
    PruneSettled,
    PruneStatus,
    RepositoriesFound,
    RequestSent,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Repository
from mirror.report.document import Report, ReportedTimeline, parse, text
from mirror.report.merging import merge, missing
from mirror.report.page import verdict
from mirror.report.result import Result
from mirror.shard import Shard

BEGAN = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
DIGEST = Digest.of(b"x")


def settled(name: str, status: Status = Status.COPIED) -> ImageSettled:
    error = NotFound("404") if status is Status.FAILED else None
    return ImageSettled(f"s.io/{name}", f"d.io/{name}", "f:1", status, DIGEST, 10, error=error)


def of_image(name: str, status: Status) -> list[Event]:
    """What a run tells of one image."""
    repository = Repository.parse(f"d.io/{name.partition(':')[0]}")
    moved: list[Event] = [
        BlobStarted(repository, DIGEST, 10),
        BlobLanded(repository, DIGEST, 10, Landing.COPIED),
        ManifestPushed(Reference.parse(f"d.io/{name}"), DIGEST),
    ]
    asked: list[Event] = [RequestSent("s.io", "HEAD"), RequestSent("d.io", "HEAD")]
    return [*asked, *(moved if status is Status.COPIED else []), settled(name, status)]


def told(
    *events: Event, shard: Shard | None = None, later: float = 0.0, seconds: float = 10.0
) -> Report:
    result = Result(BEGAN + timedelta(seconds=later), shard=shard)
    for event in events:
        result.take(event, 1.0)
    return parse(result.json(seconds), "run.json")


@given(
    st.dictionaries(
        st.from_regex("[a-z]{1,3}:[1-3]", fullmatch=True), st.sampled_from(list(Status)[:5])
    ),
    st.integers(1, 4),
)
def test_shares_merged_are_the_whole_but_for_times(images: dict[str, Status], count: int) -> None:
    whole = told(*(event for name in images for event in of_image(name, images[name])))
    shares: list[list[Event]] = [[] for _ in range(count)]
    for number, (name, status) in enumerate(images.items()):
        shares[number % count] += of_image(name, status)
    merged = merge([told(*share, later=index) for index, share in enumerate(shares)])

    assert merged.summary == whole.summary
    assert sorted(merged.images, key=str) == sorted(whole.images, key=str)
    assert merged.timeline.registries.keys() == whole.timeline.registries.keys()


def test_a_mapping_that_no_share_could_list_has_failed_once() -> None:
    merged = merge([told(settled("team/*", Status.FAILED), settled("a:1")),
                    told(settled("team/*", Status.FAILED), settled("b:1"))])  # fmt: skip

    assert [image.source for image in merged.images] == ["s.io/team/*", "s.io/a:1", "s.io/b:1"]
    assert (merged.summary.images, merged.summary.failed) == (3, 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_run_that_began_last_has_the_word(swapped: bool) -> None:
    reports = [told(settled("a:1", Status.FAILED), settled("b:1")),
               told(settled("a:1"), later=60.0)]  # fmt: skip
    merged = merge(reports[::-1] if swapped else reports)

    assert {image.source: image.status for image in merged.images} == {
        "s.io/a:1": "copied", "s.io/b:1": "copied",
    }  # fmt: skip
    assert (merged.summary.copied, merged.summary.failed) == (2, 0)


def test_it_lasts_from_the_first_beginning_to_the_last_end() -> None:
    merged = merge([told(later=30.0, seconds=5.0), told(seconds=20.0), told(later=3.0)])

    assert (merged.started, merged.duration_seconds) == ("2026-01-31T02:00:00Z", 35.0)


def test_what_happened_is_where_it_was_in_time() -> None:
    asked = RequestSent("d.io", "HEAD")
    merged = merge([told(asked), told(asked, asked, later=8.0)])
    requests = merged.timeline.registries["d.io"].requests

    assert sum(requests) == 3
    assert requests.index(1) * merged.timeline.bin_seconds == 1.0
    assert requests.index(2) * merged.timeline.bin_seconds == 9.0


def test_tags_that_were_deleted_are_told_of_together() -> None:
    gone = PruneSettled("d.io/a:3", "f:1", PruneStatus.PRUNED, DIGEST)
    refused = PruneSettled("d.io/*", "f:1", PruneStatus.REFUSED)
    merged = merge([told(gone, refused), told(refused)])

    assert [(one.destination, one.status) for one in merged.pruned] == [
        ("d.io/a:3", "pruned"), ("d.io/*", "refused"),
    ]  # fmt: skip
    assert merged.summary.tags_pruned == 1


def test_shares_are_named_and_so_is_the_one_that_is_missing() -> None:
    merged = merge([told(RepositoriesFound(2, 3), shard=Shard(3, 3)),
                    told(RepositoriesFound(1, 4), shard=Shard(1, 3))])  # fmt: skip

    assert [share.text() for share in merged.shards] == [
        "share 1 of 3: 1 of 5 repositories", "share 3 of 3: 2 of 5 repositories",
    ]  # fmt: skip
    assert missing(merged) == ["2/3"]
    assert verdict(merged) == ("bad", "There is no report of share 2/3.")


@pytest.mark.parametrize("shard", [None, Shard(1, 3)])
def test_a_run_by_itself_lacks_nothing(shard: Shard | None) -> None:
    assert missing(told(settled("a:1"), shard=shard)) == []


def test_a_merged_report_is_a_report() -> None:
    merged = merge([told(settled("a:1"), shard=Shard(1, 2)), told(settled("b:1"))])

    assert parse(b"".join(text(merged, merged.images)), "merged.json") == merged
    assert json.loads(b"".join(text(merged, merged.images)))["shards"] == [
        {"index": 1, "count": 2, "repositories": 0, "of": 0}
    ]


def test_one_report_is_what_it_is() -> None:
    report = told(settled("a:1"), settled("a:1"))

    assert merge([report]) is report


def test_the_same_report_twice_is_one_and_no_whole() -> None:
    share = told(*of_image("a:1", Status.COPIED), shard=Shard(1, 2))
    merged = merge([share, share])

    assert merged.summary.bytes_copied == 10
    assert missing(merged) == ["2/2"]


def test_a_share_by_itself_says_that_it_is_one() -> None:
    assert verdict(told(settled("a:1"), shard=Shard(1, 3)))[1].startswith("Share 1 of 3: everyth")
    assert verdict(told(settled("a:1")))[1].startswith("Everything")


def test_what_became_of_a_tag_that_has_left_is_as_the_last_run_says() -> None:
    failed = PruneSettled("d.io/a:9", "f:1", PruneStatus.FAILED)
    gone = PruneSettled("d.io/a:9", "f:1", PruneStatus.PRUNED)
    merged = merge([told(gone, later=60.0), told(failed)])

    assert [one.status for one in merged.pruned] == ["pruned"]


def test_when_a_run_began_is_a_moment_and_no_text() -> None:
    earlier = msgspec.structs.replace(
        told(settled("a:1", Status.FAILED)), started="2026-01-31T03:00:00+02:00"
    )

    assert merge([earlier, told(settled("a:1"))]).summary.failed == 0


def test_a_status_of_a_later_version_is_no_success() -> None:
    report = told(settled("a:1"), settled("b:1"))
    odd = msgspec.structs.replace(report.images[0], status="exploded")
    merged = merge([msgspec.structs.replace(report, images=(odd, report.images[1])), told()])

    assert verdict(merged)[0] == "bad"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"shards": [{"index": 5, "count": 2}]}, "5/2 is not a share"),
     ({"shards": [{"index": 1, "count": 99999999}]}, "is not a share"),
     ({"images": []}, "tells of 1 images and names 0")],
)  # fmt: skip
def test_what_no_run_could_have_written_is_refused(change: dict[str, object], said: str) -> None:
    result = Result(BEGAN)
    result.take(settled("a:1"))
    with pytest.raises(UsageError, match=said):
        parse(json.dumps({**json.loads(result.json(1.0)), **change}).encode(), "run.json")


@pytest.mark.parametrize("odd", [{"started": "soon"}, {"started": "2026-01-31"},
                                 {"timeline": ReportedTimeline(0.0, {})},
                                 {"started": "9999-12-31T23:59:59Z"}])  # fmt: skip
def test_a_report_that_somebody_else_wrote_is_merged_as_far_as_it_goes(
    odd: dict[str, object],
) -> None:
    merged = merge([told(settled("a:1")), msgspec.structs.replace(told(settled("b:1")), **odd)])

    assert merged.summary.images == 2
