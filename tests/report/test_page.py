"""What the page of a run says; how it looks is for a browser, see `tests/real/test_page.py`."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from mirror.report.document import (
    Failure,
    Image,
    Report,
    ReportedLane,
    ReportedPrune,
    ReportedTimeline,
    Summary,
)
from mirror.report.page import BARS, ROWS, render, repository_of, verdict

EVIL = "<script>alert(1)</script>\"'&"


def report(*images: Image, pruned: tuple[ReportedPrune, ...] = (), **summary: int) -> Report:
    counted = {status: sum(one.status == status for one in images)
               for status in ("copied", "unchanged", "failed", "deferred", "planned")}  # fmt: skip
    numbers = {**counted, "images": len(images), **summary}
    return Report(
        started="2026-01-31T02:00:00Z",
        duration_seconds=3725.0,
        summary=Summary(**numbers, requests={"d.io": 7}),
        images=images,
        pruned=pruned,
        timeline=ReportedTimeline(
            0.5, {"d.io": ReportedLane([4, 0, 2], [0, 100, 50]), "s.io": ReportedLane([1], [])}
        ),
    )


def prune(name: str, status: str, error: Failure | None = None) -> ReportedPrune:
    return ReportedPrune(destination=name, status=status, error=error)


def image(name: str, status: str = "copied", error: Failure | None = None, moved: int = 0) -> Image:
    return Image(source=f"s.io/{name}", destination=f"d.io/{name}", status=status,
                 digest=f"sha256:{'ab' * 32}", bytes_copied=moved, error=error)  # fmt: skip


@dataclass
class Seen(HTMLParser):
    """What a reader of the page comes across; every element it opens, it closes."""

    text: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    headings: list[int] = field(default_factory=list)
    unnamed: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("href", "src", "action")]
        assert not [key for key in named if key.startswith("on")]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg" and not (named.get("role") == "img" and named.get("aria-label")):
            self.unnamed += 1
        if tag not in ("meta", "path", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def seen(report: Report, before: Report | None = None) -> Seen:
    page = Seen()
    page.feed(render(report, "run.json", before))
    page.close()
    assert page.open == []
    return page


def words(page: Seen) -> str:
    return " ".join(" ".join(page.text).split())


def test_it_says_what_changed_and_what_failed_and_what_to_do() -> None:
    refused = Failure("auth", "destination", "destination d.io/b:1: pushing: 403", "Log in.")
    said = words(seen(report(
        image("a:1", moved=2**20), image("b:1", "failed", refused), image("c:1", "failed", refused),
        image("d:1", "deferred"), image("e:1", "unchanged"),
        pruned=(prune("d.io/f:1", "pruned"), prune("d.io/g:1", "kept", error=refused)),
    )))  # fmt: skip

    assert "2 failed and need attention." in said
    assert "Not allowed at the destination 2" in said
    assert said.count("Log in.") == 1
    assert "s.io/b:1 → d.io/b:1" in said
    assert "d.io/a:1 new abababababab 1.0 MiB" in said
    assert "d.io/f:1 pruned" in said
    assert "d.io/d:1 deferred" in said
    assert "1:02:05" in said
    assert "ended 2026-01-31T03:02:05Z" in said
    assert "e:1" not in said


@pytest.mark.parametrize(
    ("run", "mood", "said"),
    [
        (report(image("a:1")), "good", "Everything asked for is at its destination."),
        (report(image("a:1", "unchanged")), "good", "Everything was in step already."),
        (report(image("a:1", "planned")), "good", "1 would change; this run only looked."),
        (report(image("a:1", "deferred"), image("b:1")), "late",
         "1 left for the next run."),
        (report(image("a:1", "failed")), "bad", "1 failed and needs attention."),
        (report(image("a:1"), pruned=(prune("d.io/a", "refused"),)), "bad",
         "1 failed and needs attention."),
        (report(), "good", "Everything was in step already."),
        (report(pruned=(prune("d.io/a", "deferred"),)), "late", "1 left for the next run."),
        (report(pruned=(prune("d.io/a", "planned"),)), "good",
         "1 would change; this run only looked."),
    ],
)  # fmt: skip
def test_it_begins_with_how_it_went(run: Report, mood: str, said: str) -> None:
    assert verdict(run) == (mood, said)
    assert said in words(seen(run))


def test_it_is_whole_in_itself_and_runs_nothing() -> None:
    page = seen(report(image("a:1", moved=5), image("b:1", "failed")))

    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form"}
    assert page.addresses == []
    assert "default-src 'none'" in render(report(), "run.json")
    assert not re.search(r"url\(|@import|https?://", render(report(), "run.json"))


def test_whatever_a_registry_said_stays_text() -> None:
    failure = Failure(EVIL, EVIL, EVIL, EVIL)
    evil = Image(
        source=EVIL, destination=EVIL, status="failed", digest=EVIL, error=failure, bytes_copied=1
    )
    lanes = ReportedTimeline(1.0, {EVIL: ReportedLane([1], [1])})
    run = msgspec.structs.replace(report(evil, image(EVIL)), timeline=lanes, started=EVIL)
    page = seen(run, run)

    assert "script" not in page.tags
    assert EVIL in " ".join(page.text)


@pytest.mark.parametrize(
    "odd",
    [{"duration_seconds": 1e15}, {"duration_seconds": -1e12}, {"started": "9999-12-31T23:59:59Z"},
     {"started": "soon"}, {"timeline": ReportedTimeline(0.0, {"a": ReportedLane([1], [1])})},
     {"timeline": ReportedTimeline(1e-300, {"a": ReportedLane([1], [1])})},
     {"images": (image("a:1", moved=-1),)}],
)  # fmt: skip
def test_whatever_a_report_says_there_is_a_page(odd: dict[str, Any]) -> None:
    assert "<h1>" in render(msgspec.structs.replace(report(image("a:1")), **odd), "run.json")


def test_charts_have_names_and_headings_have_an_order() -> None:
    page = seen(report(image("a:1", moved=5), image("b:1", "failed")), report())

    assert page.unnamed == 0
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))


def test_a_large_run_is_shown_in_part_and_says_so() -> None:
    many = [image(f"r{number}:1", moved=number + 1) for number in range(ROWS + 5)]
    page = seen(report(*many, *(image(f"f{n}:1", "failed") for n in range(ROWS + 3))))
    said = words(page)

    assert "And 5 more, in the report itself." in said
    assert "And 3 more, in the report itself." in said
    assert f"{ROWS + 5 - BARS} others" in said


def test_a_run_is_compared_with_the_one_before() -> None:
    before = report(image("a:1", "failed"), image("b:1"), image("gone:1"))
    now = report(image("a:1"), image("b:1", "failed"), image("c:1", "failed"), image("d:1"))
    said = words(seen(now, before))

    assert "Compared with the run of 2026-01-31T02:00:00Z" in said
    assert "failing now, and not then d.io/b:1 d.io/c:1" in said
    assert "failed then, and not now d.io/a:1" in said
    assert "Destinations: 2 new, 1 not asked for any more." in said
    assert "Images 3 4 +1" in said
    assert "Failed 1 2 +1" in said


@pytest.mark.parametrize(
    ("reference", "repository"),
    [("d.io:5000/a/b:1", "d.io:5000/a/b"), ("d.io:5000/a", "d.io:5000/a"),
     ("d.io/a@sha256:12", "d.io/a"), ("oci:/x/y:1", "oci:/x/y"), ("d.io/a:1@sha256:1", "d.io/a")],
)  # fmt: skip
def test_a_repository_is_a_reference_without_its_tag(reference: str, repository: str) -> None:
    assert repository_of(reference) == repository


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [("ink", "card"), ("soft", "card"), ("soft", "paper"), ("good", "card"), ("bad", "card"),
     ("late", "card"), ("good", "good-wash"), ("bad", "bad-wash"), ("late", "late-wash"),
     ("ink", "late-wash")],
)  # fmt: skip
def test_what_is_written_can_be_read_in_light_and_dark(scheme: int, ink: str, paper: str) -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 to 1 for text."""
    template = files("mirror.report").joinpath("page.html.j2").read_text()
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))
                   for part in re.findall(r":root \{(.*?)\}", template, re.DOTALL))  # fmt: skip
    colours = (light, {**light, **dark})[scheme]

    lighter, darker = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
