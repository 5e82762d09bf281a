"""Tags that only a destination has: which are told of, and how."""

import pytest

from mirror.engine.destination_only_tags import ExtraTags
from mirror.engine.run_state import Run
from mirror.errors import Denied, MirrorError, NotFound
from mirror.events import ImageSettled, ImagesFound, Status
from mirror.image.digest import Digest
from mirror.image.reference import Reference
from mirror.image.referrers_index import fallback_tag
from mirror.mapping.grammar import Rule, parse
from mirror.options import Options
from tests.engine.world import World

SIGNATURE = f"{fallback_tag(Digest.of(b'x'))}.sig"


def compared(
    line: str, listed: str, there: str, claimed: str = "", error: MirrorError | None = None
) -> tuple[World, list[MirrorError]]:
    """Compare the tags that a source lists with those of d.io/a, of which some are claimed."""
    world, failed = World(), list[MirrorError]()
    world.there = {f"d.io/a:{tag}": Digest.of(tag.encode()) for tag in there.split()}
    world.breaks = lambda _: error

    def fail(_: Rule, error: MirrorError) -> None:
        failed.append(error)

    async def work(run: Run) -> None:
        extra, (rule,) = ExtraTags(), parse([line])
        extra.listed(rule, tuple(listed.split()))
        claims = {Reference.parse(f"d.io/a:{tag}") for tag in claimed.split()}
        await extra.emit(run, claims.__contains__, fail, run.emit)

    world.run(work, Options())
    return world, failed


@pytest.mark.parametrize(
    ("line", "listed", "there", "claimed", "extra"),
    [
        ("s.io/a=d.io/a", "1 2", "1", "", []),
        ("s.io/a=d.io/a", "1", "1 2 3", "", ["2", "3"]),
        ("s.io/a=d.io/a", "1", "1 2 3", "2", ["3"]),
        ("s.io/a=d.io/a", "", f"1 {SIGNATURE}", "", ["1"]),
        ("s.io/a:1*=d.io/a", "1.0", "1.0 1.1 2.0", "", ["1.1"]),
    ],
)
def test_extra_is_what_a_mapping_covers_and_no_source_lists_or_brings(
    line: str, listed: str, there: str, claimed: str, extra: list[str]
) -> None:
    world, _ = compared(line, listed, there, claimed)
    images = [event for event in world.events if isinstance(event, ImageSettled)]

    assert [one.name for image in images for one in image.differences] == extra
    assert [(image.source, image.status) for image in images] == [
        (line.partition("=")[0], Status.FAILED)
    ] * bool(extra), "all of them are one failure of the mapping"
    assert world.events[:-1] == [ImagesFound(1)] * bool(extra)


@pytest.mark.parametrize("error", [NotFound("404"), Denied("403")])
def test_a_destination_that_is_not_there_has_nothing_extra_and_another_error_is_told(
    error: MirrorError,
) -> None:
    world, failed = compared("s.io/a=d.io/a", "1", "1 2", error=error)

    assert (world.events, failed) == ([], [error] * isinstance(error, Denied))
