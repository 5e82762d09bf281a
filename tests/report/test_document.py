"""A report that is read back."""

import json
from datetime import UTC, datetime

import pytest

from mirror.errors import Denied, UsageError
from mirror.events import (
    Condition,
    Difference,
    ImageSettled,
    PruneSettled,
    PruneStatus,
    RequestSent,
    Status,
)
from mirror.image.digest import Digest
from mirror.place import Place, Side
from mirror.report.document import Failure, parse
from mirror.report.result import Result

_ERROR = Denied("401").at(Place(Side.SOURCE, "s.io/a:1", "looking"))


def written() -> bytes:
    result = Result(datetime(2026, 1, 31, 2, 0, tzinfo=UTC))
    digest = Digest.of(b"x")
    difference = Difference(Condition.MISSING, "blob", "sha256:1")
    for event in (
        RequestSent("s.io", "GET"),
        ImageSettled("s.io/a:1", "d.io/a:1", "f:1", Status.COPIED, digest, 12, 2, rule="a"),
        ImageSettled("s.io/a:2", "d.io/a:2", "f:2", Status.FAILED, error=_ERROR,
                     differences=(difference,)),
        PruneSettled("d.io/a:3", "f:1", PruneStatus.REFUSED, digest, _ERROR),
    ):  # fmt: skip
        result.take(event, 0.1)
    return result.json(12.5)


def test_what_was_written_is_read() -> None:
    report = parse(written(), "run.json")
    copied, failed = report.images

    assert (report.started, report.duration_seconds) == ("2026-01-31T02:00:00Z", 12.5)
    assert (report.summary.images, report.summary.copied, report.summary.failed) == (2, 1, 1)
    assert report.summary.requests == {"s.io": 1}
    assert (copied.destination, copied.status, copied.bytes_copied, copied.rule) == (
        "d.io/a:1", "copied", 12, "a",
    )  # fmt: skip
    assert failed.error == Failure("auth", "source", str(_ERROR), _ERROR.hint)
    assert [one.condition for one in failed.differences] == ["missing"]
    assert [(one.destination, one.status) for one in report.pruned] == [("d.io/a:3", "refused")]
    assert report.timeline.registries["s.io"].requests == [1]


def test_what_a_later_version_adds_is_passed_over() -> None:
    document = json.loads(written())
    document["weather"] = "fine"
    document["images"][0]["colour"] = "red"

    assert parse(json.dumps(document).encode(), "run.json") == parse(written(), "run.json")


def test_a_report_of_the_contract_is_read_though_it_says_less() -> None:
    least = {
        "schema": "mirror.report/v1", "started": "2026-01-31T02:00:00Z", "duration_seconds": 1,
        "summary": {"images": 1, "failed": 1, "requests": {}},
        "images": [{"source": "a", "destination": "b", "origin": "f:3", "digest": None,
                    "status": "failed", "bytes_copied": 0, "attempts": 1, "error": None}],
    }  # fmt: skip

    assert parse(json.dumps(least).encode(), "run.json").summary.failed == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b'{"schema": "other/v1"}', b'{"schema": "mirror.report/v1"}',
     b'{"schema": 1}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_report_is_a_usage_error(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"run\.json: "):
        parse(content, "run.json")
