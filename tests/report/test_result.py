"""The run report, as scripts read it."""

import json
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from mirror.errors import Denied, MirrorError
from mirror.events import (
    BlobLanded,
    BlobStarted,
    Event,
    ImageSettled,
    ImagesFound,
    Landing,
    LevelReached,
    ManifestPushed,
    PruneSettled,
    PruneStatus,
    RequestSent,
    Status,
)
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Repository
from mirror.mapping.grammar import Document, parse
from mirror.place import Place, Side
from mirror.report.result import Result

DIGEST = Digest.of(b"x")
APP = Repository.parse("d.io/a")


def result(*events: Event) -> Result:
    folded = Result(datetime(2026, 1, 31, 2, tzinfo=UTC))
    for event in events:
        folded.take(event)
    return folded


def image(status: Status, error: MirrorError | None = None, tag: str = "1") -> ImageSettled:
    return ImageSettled(f"s.io/a:{tag}", f"d.io/a:{tag}", "f:3", status, DIGEST, 7, error=error)


def test_the_report_has_the_keys_that_scripts_rely_on() -> None:
    refused = Denied("401", hint="Log in.").at(Place(Side.SOURCE, "s.io/a:2", "reading"))
    folded = result(
        ImagesFound(2),
        RequestSent("s.io", "GET"),
        RequestSent("d.io", "PUT"),
        RequestSent("d.io", "PUT"),
        BlobStarted(APP, DIGEST, 100),
        BlobLanded(APP, DIGEST, 100, Landing.COPIED),
        BlobLanded(APP, DIGEST, 45, Landing.MOUNTED),
        BlobLanded(APP, DIGEST, 5, Landing.PRESENT),
        ManifestPushed(Reference(APP, "1"), DIGEST),
        image(Status.COPIED),
        image(Status.FAILED, refused, "2"),
    )

    assert json.loads(folded.json(12.5004)) == {
        "schema": "mirror.report/v1",
        "started": "2026-01-31T02:00:00Z",
        "duration_seconds": 12.5,
        "summary": {
            "images": 2, "copied": 1, "unchanged": 0, "skipped": 0, "deferred": 0, "failed": 1,
            "planned": 0, "bytes_copied": 100, "blobs_copied": 1, "bytes_mounted": 45,
            "blobs_mounted": 1, "blobs_present": 1, "manifests_pushed": 1,
            "tags_pruned": 0, "recalled": 0, "requests": {"d.io": 2, "s.io": 1},
        },
        "timeline": {
            "bin_seconds": 0.25,
            "registries": {"d.io": {"requests": [2], "bytes": [100]},
                           "s.io": {"requests": [1], "bytes": []}},
        },
        "images": [
            {"source": "s.io/a:1", "destination": "d.io/a:1", "origin": "f:3",
             "digest": str(DIGEST), "status": "copied", "bytes_copied": 7, "attempts": 1,
             "source_digest": None,
             "error": None},
            {"source": "s.io/a:2", "destination": "d.io/a:2", "origin": "f:3",
             "digest": str(DIGEST), "status": "failed", "bytes_copied": 7, "attempts": 1,
             "source_digest": None,
             "error": {"class": "auth", "side": "source",
                       "message": "source s.io/a:2: reading: 401", "hint": "Log in."}},
        ],
    }  # fmt: skip


def test_the_report_says_how_much_was_in_flight_to_each_host_and_why_not_more() -> None:
    folded = Result(datetime(2026, 1, 31, tzinfo=UTC))
    for size in (8, 64):
        folded.take(LevelReached("d.io", size, "the limit", 12, "nothing waited"))

    assert json.loads(folded.json(1.0))["levels"] == {
        "d.io": {"requests": 64, "requests_held_by": "the limit",
                 "bodies": 12, "bodies_held_by": "nothing waited"}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "code"),
    [([], ExitCode.DONE),
     ([Status.COPIED, Status.UNCHANGED, Status.SKIPPED, Status.PLANNED], ExitCode.DONE),
     ([Status.COPIED, Status.FAILED], ExitCode.FAILED),
     ([Status.COPIED, Status.DEFERRED], ExitCode.UNFINISHED),
     ([Status.DEFERRED, Status.FAILED], ExitCode.FAILED)],
)  # fmt: skip
def test_the_exit_code_follows_from_the_images(statuses: list[Status], code: ExitCode) -> None:
    assert result(*(image(status) for status in statuses)).exit_code is code


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(PruneStatus.PRUNED, ExitCode.DONE), (PruneStatus.PLANNED, ExitCode.DONE),
     (PruneStatus.KEPT, ExitCode.DONE), (PruneStatus.REFUSED, ExitCode.FAILED),
     (PruneStatus.FAILED, ExitCode.FAILED), (PruneStatus.DEFERRED, ExitCode.UNFINISHED)],
)  # fmt: skip
def test_what_became_of_a_prune_is_told_and_judged(outcome: PruneStatus, code: ExitCode) -> None:
    folded = result(image(Status.UNCHANGED), PruneSettled("d.io/a:0", "f:3", outcome, DIGEST))
    document = json.loads(folded.json(1))

    assert folded.exit_code is code
    assert document["summary"]["tags_pruned"] == (outcome is PruneStatus.PRUNED)
    assert document["pruned"] == [
        {"destination": "d.io/a:0", "origin": "f:3", "digest": str(DIGEST), "rule": "",
         "status": str(outcome), "error": None}
    ]  # fmt: skip


def test_an_image_says_which_rule_asked_for_it_and_whether_it_was_only_remembered() -> None:
    told = replace(image(Status.UNCHANGED), rule="a -> b", recalled=True)
    (entry,) = json.loads(result(told).json(1))["images"]

    assert (entry["rule"], entry["recalled"]) == ("a -> b", True)


def test_the_retry_file_is_a_mapping_file_of_what_is_left() -> None:
    settled = [
        image(Status.FAILED, MirrorError("x")),
        image(Status.COPIED, tag="2"),
        image(Status.DEFERRED, tag="3"),
        ImageSettled(f"s.io/b@{DIGEST}", f"d.io/b@{DIGEST}", "f:4", Status.FAILED),
        ImageSettled("s.io/team/*", "d.io/m/*", "f:5", Status.FAILED),
        ImageSettled("s.io/team/*", "d.io/m/*", "f:5", Status.FAILED),
    ]
    lines = result(*settled).retry_lines()
    rules = parse(documents=[Document("retry", lines.encode())])

    assert lines.count("\n") == 4
    assert [str(rule.source) for rule in rules] == [
        "s.io/a:1", "s.io/a:3", f"s.io/b@{DIGEST}", "s.io/team/*",
    ]  # fmt: skip


def test_a_retry_file_can_be_read_whatever_failed() -> None:
    settled = [ImageSettled(f"s.io/{name}:1", "d.io/x:1", "f:1", Status.FAILED) for name in "ab"]
    lines = result(*settled).retry_lines()

    assert [str(rule.source) for rule in parse(documents=[Document("r", lines.encode())])] == [
        "s.io/a:1"
    ]
    assert "s.io/b:1" in lines


def test_an_error_without_a_place_has_no_side() -> None:
    report = json.loads(result(image(Status.FAILED, MirrorError("odd"))).json(0))

    assert report["images"][0]["error"] == {
        "class": "registry", "side": None, "message": "odd", "hint": "",
    }  # fmt: skip
