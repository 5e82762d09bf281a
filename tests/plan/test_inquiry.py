"""Questions, each asked once for all who want to know."""

from mirror.errors import MirrorError
from mirror.image.reference import Repository
from mirror.plan.inquiry import Inquiry
from mirror.plan.task import Answer, ListTags

TASK = ListTags(Repository.parse("s.io/a"))


def test_a_task_asked_for_twice_is_carried_out_once() -> None:
    inquiry, told = Inquiry(), list[Answer | MirrorError]()
    inquiry.ask(TASK, told.append)
    inquiry.ask(TASK, told.append)
    assert inquiry.tasks == [TASK]

    inquiry.learn(TASK, ("1", "2"))
    assert told == [("1", "2"), ("1", "2")]


def test_a_task_asked_for_after_its_answer_is_carried_out_again() -> None:
    inquiry = Inquiry()
    inquiry.ask(TASK, print)
    inquiry.learn(TASK, MirrorError("x"))
    inquiry.ask(TASK, print)

    assert inquiry.tasks == [TASK, TASK]
