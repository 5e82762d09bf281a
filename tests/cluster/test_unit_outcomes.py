"""Each image is told once, however often its unit is run."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mirror.cluster.unit_tracker import UnitOutcomes
from mirror.errors import NotFound
from mirror.events import (
    AdmissionClosed,
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Event,
    HostThrottled,
    ImageSettled,
    ImagesFound,
    Landing,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.reference import Registry, Repository

HERE, DIGEST = Repository.parse("d.io/a"), Digest.of(b"x")
FAILURE = NotFound("404")
COPIED, FAILED, DEFERRED = Status.COPIED, Status.FAILED, Status.DEFERRED


def settled(name: str, status: Status = COPIED) -> ImageSettled:
    error = FAILURE if status is FAILED else None
    return ImageSettled(f"s.io/{name}", f"d.io/{name}", "f:1", status, error=error)


def told(outcomes: UnitOutcomes, *events: Event) -> list[Event]:
    """Return what is to be told of what an attempt tells."""
    return [one for event in events for one in outcomes.take(event)]


def told_again(outcomes: UnitOutcomes, *events: Event) -> list[Event]:
    """Return what is to be told of what another attempt tells."""
    return [*outcomes.begin_again(), *told(outcomes, *events)]


def test_good_news_is_told_at_once_and_bad_news_at_the_end() -> None:
    outcomes = UnitOutcomes()
    good, bad, late = settled("a:1"), settled("a:2", FAILED), settled("a:3", DEFERRED)

    assert told(outcomes, good, bad, late) == [good]
    assert list(outcomes.close()) == [bad, late]


def test_what_a_lost_worker_brought_is_not_told_again() -> None:
    outcomes = UnitOutcomes()
    told(outcomes, ImagesFound(3), settled("a:1"), settled("a:2", FAILED))
    again = told_again(outcomes, ImagesFound(3), settled("a:1", Status.UNCHANGED), settled("a:2"),
        settled("a:3", FAILED),
    )  # fmt: skip

    assert again == [settled("a:2")]
    assert [image.destination for image in outcomes.close() if isinstance(image, ImageSettled)] == [
        "d.io/a:3"
    ]


def test_more_images_are_told_of_if_the_second_run_finds_more() -> None:
    outcomes = UnitOutcomes()

    assert told(outcomes, ImagesFound(2), ImagesFound(1)) == [ImagesFound(2), ImagesFound(1)]
    assert told_again(outcomes, ImagesFound(2), ImagesFound(3)) == [ImagesFound(2)]


def test_what_a_lost_worker_had_under_way_has_stopped() -> None:
    outcomes = UnitOutcomes()
    other = Repository.parse("d.io/b")
    told(outcomes, BlobStarted(HERE, DIGEST, 5), BlobStarted(other, DIGEST, 5),
         BlobLanded(other, DIGEST, 5, Landing.COPIED))  # fmt: skip

    assert told_again(outcomes) == [BlobStopped(HERE, DIGEST)]
    assert told_again(outcomes) == []


def test_a_units_own_affairs_are_not_told() -> None:
    pushed = HostThrottled(Registry("d.io"), 3.0, 429)

    assert told(UnitOutcomes(), AdmissionClosed(3), pushed) == [pushed]


def test_of_a_unit_that_is_given_up_the_rest_is_told() -> None:
    outcomes = UnitOutcomes()
    told(outcomes, ImagesFound(3), settled("a:1"), settled("a:2", FAILED),
         BlobStarted(HERE, DIGEST, 5))  # fmt: skip
    rest = [settled(name, DEFERRED) for name in ("a:1", "a:2", "a:3")]

    assert list(outcomes.give_up(rest)) == [
        BlobStopped(HERE, DIGEST), settled("a:2", FAILED), settled("a:3", DEFERRED)
    ]  # fmt: skip


def test_of_a_unit_that_never_began_everything_is_told() -> None:
    rest = [settled("a:1", DEFERRED), settled("a:2", DEFERRED)]

    assert list(UnitOutcomes().give_up(rest)) == [ImagesFound(2), *rest]


IMAGES = ("a:1", "a:2", "a:3", "a:4")
ATTEMPT = st.dictionaries(st.sampled_from(IMAGES), st.sampled_from(list(Status)[:5]))


@given(st.lists(ATTEMPT, max_size=4), st.fixed_dictionaries(
    {name: st.sampled_from(list(Status)[:5]) for name in IMAGES}))  # fmt: skip
def test_every_image_is_told_exactly_once_and_never_worse_than_the_last_run_says(
    lost: list[dict[str, Status]], last: dict[str, Status]
) -> None:
    outcomes = UnitOutcomes()
    events: list[Event] = []
    for statuses in [*lost, last]:
        images = [settled(name, status) for name, status in statuses.items()]
        events += told_again(outcomes, ImagesFound(len(IMAGES)), *images)
    events += outcomes.close()
    images = [event for event in events if isinstance(event, ImageSettled)]

    assert Counter(image.source for image in images) == Counter(f"s.io/{n}" for n in IMAGES)
    assert sum(event.count for event in events if isinstance(event, ImagesFound)) == len(IMAGES)
    for image in images:
        final = last[str(image.source).removeprefix("s.io/")]
        assert image.status is final or image.status not in (FAILED, DEFERRED)
