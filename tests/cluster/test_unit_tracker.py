"""The units of a run, as workers tell of them."""

from typing import Any

from mirror.cluster.claims import ClaimAnswer
from mirror.cluster.protocol import CoordinatorReply, UnitNews
from mirror.cluster.unit import Unit, cut
from mirror.cluster.unit_tracker import UnitTracker
from mirror.errors import Bug
from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Event,
    ImageSettled,
    Landing,
    RequestSent,
    Status,
    Traffic,
)
from mirror.image.digest import Digest
from mirror.image.reference import Registry, Repository
from mirror.mapping.grammar import Document, parse
from mirror.mapping.wildcard import pair
from mirror.options import Options

DIGEST = Digest.of(b"x")
BLOB = (Registry("d.io"), DIGEST)
HERE = Repository.parse("d.io/0")


class Run:
    """A tracker of four units, and what it tells."""

    def __init__(self) -> None:
        lines = "\n".join(f"s.io/{place}:{n}=d.io/{place}" for place in range(4) for n in range(20))
        self.events: list[Event] = []
        self.over: list[Unit] = []
        self.traffic = Traffic()
        units = cut(parse(documents=[Document("f", lines.encode())]), 2)
        self.tracker = UnitTracker(
            Options(), self.events.append, self.traffic, over=self.over.append
        )
        self.tracker.begin(units)

    def settled(self) -> list[tuple[str, Status]]:
        return [(str(one.destination), one.status) for one in self.events
                if isinstance(one, ImageSettled)]  # fmt: skip

    def hand_out(self) -> Unit:
        handed = self.tracker.hand_out(2)
        assert handed is not None
        return handed[0]


def news(unit: Unit, number: int, *events: Event, attempt: str = "x", **more: Any) -> UnitNews:
    return UnitNews(unit.number, attempt, f"tcp://{attempt}", number, events, **more)


def image(unit: Unit, number: int, status: Status = Status.COPIED) -> ImageSettled:
    rule = unit.rules[number]
    one = pair(rule)
    return ImageSettled(one.source, one.destination, "f:1", status)


def test_two_workers_have_two_units() -> None:
    run = Run()
    first, second = run.hand_out(), run.hand_out()

    assert first != second
    assert run.tracker.hand_out(2) is None
    assert (run.tracker.under_way, run.tracker.done) == (2, False)


def test_a_unit_is_over_once_all_its_news_have_come() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0))
    run.tracker.finished(unit, now=0.0)
    run.tracker.close(now=1.0)
    assert run.over == []
    run.tracker.hear(news(unit, 1, image(unit, 0, Status.FAILED), moved=7,
                       requests={("d.io", "HEAD"): 2}, last=True))  # fmt: skip
    run.tracker.close(now=1.0)

    assert run.over == [unit]
    assert run.settled() == [("d.io/0:0", Status.FAILED)]
    assert run.traffic.moved == 7
    assert RequestSent("d.io", "HEAD", 2) in run.events


def test_a_unit_whose_news_were_lost_is_done_again() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0, image(unit, 0)))
    run.tracker.hear(news(unit, 2, last=True))
    run.tracker.finished(unit, now=0.0)
    run.tracker.close(now=29.0)
    assert run.tracker.under_way == 1
    run.tracker.close(now=31.0)
    others = [run.hand_out() for _ in range(2)]
    for other in others:
        run.tracker.hear(news(other, 0, attempt=f"y{other.number}", last=True))
    run.tracker.close(now=31.0)

    assert unit in [run.hand_out(), run.hand_out()]
    assert run.settled() == [("d.io/0:0", Status.COPIED)]


def test_what_another_attempt_says_after_a_new_one_began_is_not_heard() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0))
    run.tracker.hear(news(unit, 0, attempt="y"))
    run.tracker.hear(news(unit, 1, image(unit, 0)))
    run.tracker.hear(news(unit, 1, image(unit, 1), attempt="y"))

    assert run.settled() == [("d.io/0:1", Status.COPIED)]


def test_a_unit_that_cannot_be_carried_out_has_failed() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0, image(unit, 0)))
    run.tracker.failed(unit, Bug("no"))

    assert run.settled()[0] == ("d.io/0:0", Status.COPIED)
    assert {status for _, status in run.settled()[1:]} == {Status.FAILED}
    assert len(run.settled()) == 20
    assert run.over == [unit]
    assert run.tracker.under_way == 0


def test_what_is_put_off_is_told_once() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0, image(unit, 0)))

    assert run.tracker.defer() == 60
    assert run.tracker.hand_out(2) is None
    run.tracker.give_up()
    assert len(run.settled()) == len(set(run.settled())) == 80
    assert run.tracker.done


def test_a_blob_that_one_brings_is_for_the_other_to_mount() -> None:
    run = Run()
    one, other = run.hand_out(), run.hand_out()
    run.tracker.hear(news(one, 0, asks=(BLOB,)))
    run.tracker.hear(news(other, 0, asks=(BLOB,), attempt="y"))
    assert run.tracker.replies == {
        "tcp://x": {"x": CoordinatorReply("x", (ClaimAnswer("x", BLOB, None),))}
    }
    run.tracker.replies.clear()
    run.tracker.hear(news(one, 1, BlobStarted(HERE, DIGEST, 5),
                       BlobLanded(HERE, DIGEST, 5, Landing.COPIED)))  # fmt: skip

    assert run.tracker.replies == {
        "tcp://y": {"y": CoordinatorReply("y", (ClaimAnswer("y", BLOB, HERE),))}
    }


def test_a_blob_that_a_lost_worker_was_bringing_is_for_the_next() -> None:
    run = Run()
    one, other = run.hand_out(), run.hand_out()
    run.tracker.hear(news(one, 0, asks=(BLOB,)))
    run.tracker.hear(news(other, 0, asks=(BLOB,), attempt="y"))
    run.tracker.replies.clear()
    run.tracker.hear(news(one, 0, attempt="z"))

    assert run.tracker.replies == {
        "tcp://y": {"y": CoordinatorReply("y", (ClaimAnswer("y", BLOB, None),))}
    }


def test_a_worker_that_needs_logins_is_noted() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0, needs_logins=True))

    assert run.tracker.wants_logins == [("tcp://x", "x")]


def test_an_errand_that_failed_is_told_after_what_it_did() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0, image(unit, 0)))
    run.tracker.hear(news(unit, 1, last=True, failure=Bug("no")))

    assert run.tracker.close(now=0.0) is True
    assert run.settled()[0] == ("d.io/0:0", Status.COPIED)
    assert [status for _, status in run.settled()[1:]] == [Status.FAILED] * 19


def test_a_unit_is_not_closed_by_the_news_of_who_ran_it_before() -> None:
    run = Run()
    unit = run.hand_out()
    for number in range(5):
        run.tracker.hear(news(unit, number))
    run.tracker.hear(news(unit, 0, attempt="y"))
    run.tracker.hear(news(unit, 2, attempt="y", last=True))

    assert run.tracker.close(now=0.0) is False
    assert run.tracker.under_way == 1


def test_who_was_lost_cannot_come_back() -> None:
    run = Run()
    unit = run.hand_out()
    run.tracker.hear(news(unit, 0))
    run.tracker.hear(news(unit, 0, attempt="y"))
    run.tracker.hear(news(unit, 0, image(unit, 0)))
    run.tracker.hear(news(unit, 1, image(unit, 1), attempt="y"))

    assert run.settled() == [("d.io/0:1", Status.COPIED)]


def waiting(run: Run) -> tuple[Unit, Unit]:
    """One brings a blob, the other waits for it."""
    one, other = run.hand_out(), run.hand_out()
    run.tracker.hear(news(one, 0, asks=(BLOB,)))
    run.tracker.hear(news(other, 0, asks=(BLOB,), attempt="y"))
    run.tracker.replies.clear()
    return one, other


def test_a_blob_of_a_unit_that_failed_is_for_the_next() -> None:
    run = Run()
    one, _ = waiting(run)
    run.tracker.failed(one, Bug("no"))

    assert run.tracker.replies == {
        "tcp://y": {"y": CoordinatorReply("y", (ClaimAnswer("y", BLOB, None),))}
    }


def test_a_blob_that_did_not_arrive_is_for_the_next() -> None:
    run = Run()
    one, _ = waiting(run)
    run.tracker.hear(news(one, 1, BlobStarted(HERE, DIGEST, 5), BlobStopped(HERE, DIGEST)))

    assert run.tracker.replies == {
        "tcp://y": {"y": CoordinatorReply("y", (ClaimAnswer("y", BLOB, None),))}
    }


def test_several_answers_to_one_worker_go_together() -> None:
    run = Run()
    other = (Registry("d.io"), Digest.of(b"y"))
    run.tracker.hear(news(run.hand_out(), 0, asks=(BLOB, other)))

    answers = (ClaimAnswer("x", BLOB, None), ClaimAnswer("x", other, None))
    assert run.tracker.replies == {"tcp://x": {"x": CoordinatorReply("x", answers)}}


def test_a_unit_for_which_there_is_no_room_lets_others_pass() -> None:
    lines = "a.io/a:1=d.io/a\nb.io/b:1=d.io/b\na.io/c:1=d.io/c"
    units = [Unit(n, (rule,)) for n, rule in enumerate(
        parse(documents=[Document("f", lines.encode())]))]  # fmt: skip
    tracker = UnitTracker(Options(max_registry=2), print, Traffic(), over=print)
    tracker.begin(units)
    handed = [tracker.hand_out(3) for _ in range(3)]

    assert [one[0].number for one in handed if one is not None] == [0, 2]


def test_a_blob_of_a_worker_that_is_gone_is_for_the_next_at_once() -> None:
    run = Run()
    waiting(run)
    run.tracker.present({"tcp://x", "tcp://y"})
    assert run.tracker.replies == {}
    run.tracker.present({"tcp://y"})

    assert run.tracker.replies == {
        "tcp://y": {"y": CoordinatorReply("y", (ClaimAnswer("y", BLOB, None),))}
    }
