"""Questions, each asked once for all who want to know."""

from mirror.errors import MirrorError
from mirror.events import Effort
from mirror.image.reference import Repository
from mirror.plan.inquiry import Asker, Inquiry
from mirror.plan.task import Answer, ListTags
from mirror.wire.listing import Names

TASK = ListTags(Repository.parse("s.io/a"))


class Somebody(Asker):
    def __init__(self) -> None:
        self.effort = Effort()
        self.gone = False

    @property
    def abandoned(self) -> bool:
        return self.gone


def test_a_task_asked_for_twice_is_carried_out_once() -> None:
    inquiry, told = Inquiry(), list[Answer | MirrorError]()
    inquiry.ask(Somebody(), TASK, told.append)
    inquiry.ask(Somebody(), TASK, told.append)
    assert inquiry.tasks == [TASK]

    inquiry.learn(TASK, Names(("1", "2")))
    assert told == [Names(("1", "2")), Names(("1", "2"))]


def test_a_task_asked_for_after_its_answer_is_carried_out_again() -> None:
    inquiry = Inquiry()
    inquiry.ask(Somebody(), TASK, print)
    inquiry.learn(TASK, MirrorError("x"))
    inquiry.ask(Somebody(), TASK, print)

    assert inquiry.tasks == [TASK, TASK]


def test_a_task_is_wanted_as_long_as_anybody_wants_it() -> None:
    inquiry, one, other = Inquiry(), Somebody(), Somebody()
    inquiry.ask(one, TASK, print)
    inquiry.ask(other, TASK, print)

    one.gone = True
    assert inquiry.wants(TASK)
    other.gone = True
    assert not inquiry.wants(TASK)


def test_all_who_asked_know_how_hard_it_was() -> None:
    inquiry, one, other = Inquiry(), Somebody(), Somebody()
    other.effort.note(5)
    inquiry.ask(one, TASK, print)
    inquiry.ask(other, TASK, print)
    inquiry.learn(TASK, Names(), attempts=3)

    assert (one.effort.attempts, other.effort.attempts) == (3, 5)
