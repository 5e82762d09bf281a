"""What waits, best first."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.lanes import SMALL, Priority, RequestLane, SlotRequest
from mirror.image.reference import Registry

A = (Registry("a"),)
MIB = 2**20


def body(size: int, missing: int = 0, priority: Priority = Priority.COPY) -> SlotRequest:
    return SlotRequest(priority, A, size * MIB, missing=missing * MIB)


def filled(*requests: SlotRequest) -> RequestLane:
    lane = RequestLane(A, bodies=True)
    for number, request in enumerate(requests):
        lane.add(request, number)
    return lane


def taken(lane: RequestLane) -> list[SlotRequest]:
    """Take everything out, as if nothing of it was ever over."""
    order = []
    while lane.waits:
        order.append(lane.pop())
        lane.running += 1
    return order


def test_a_blob_of_64_kibibytes_is_a_small_request() -> None:
    assert not SlotRequest(Priority.COPY, A, SMALL).is_body
    assert SlotRequest(Priority.COPY, A, SMALL + 1).is_body


def test_the_largest_body_goes_first() -> None:
    assert [one.size // MIB for one in taken(filled(body(1), body(9), body(5)))] == [9, 5, 1]


def test_one_body_in_four_is_of_what_lacks_the_least() -> None:
    large = [body(99 - number, missing=90) for number in range(6)]
    small = [body(2, missing=2) for _ in range(2)]

    order = taken(filled(*large, *small))

    assert [one in small for one in order] == [False, True, False, False, False, True, False, False]


def test_what_lacks_about_as_much_as_the_largest_is_not_preferred() -> None:
    large, other = body(9, missing=90), body(2, missing=40)

    assert taken(filled(other, large, body(9, missing=90)))[-1] is other


def test_what_is_over_makes_room_for_another_that_lacks_little() -> None:
    small = [body(2, missing=2) for _ in range(3)]
    lane = filled(*(body(99, missing=90) for _ in range(9)), *small)
    lane.pop()
    lane.running = 1
    assert lane.pop() is small[0]
    lane.running = 2
    assert lane.pop() not in small

    lane.near -= small[0].near  # it is over
    assert lane.pop() is small[1]


def test_what_was_withdrawn_is_passed_over() -> None:
    first, second = body(9), body(5)
    lane = filled(first, second)
    first.withdrawn = True

    assert lane.pop() is second
    assert not lane.waits


_bodies = st.builds(body, st.integers(1, 99), st.integers(0, 999), st.sampled_from(Priority))


@given(st.lists(_bodies, max_size=30), st.data())
def test_everything_comes_out_once_and_nothing_that_was_withdrawn(
    bodies: list[SlotRequest], data: st.DataObject
) -> None:
    lane = filled(*bodies)
    gone = data.draw(st.sets(st.sampled_from(range(len(bodies))))) if bodies else set()
    for number in gone:
        bodies[number].withdrawn = True

    order = taken(lane)

    assert {id(one) for one in order} == {
        id(one) for number, one in enumerate(bodies) if number not in gone
    }
    assert len(order) == len(bodies) - len(gone)
    assert all(one.started for one in order)
