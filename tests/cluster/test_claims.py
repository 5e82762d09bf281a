"""One brings a blob, the others mount it."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.cluster.claims import ClaimAnswer, Claims
from mirror.image.digest import Digest
from mirror.image.reference import Registry, Repository

HERE = Repository.parse("d.io/a")
DIGEST = Digest.of(b"x")
BLOB = (Registry("d.io"), DIGEST)


def test_the_first_brings_it_and_the_second_mounts_it() -> None:
    claims = Claims()

    assert claims.ask("one", BLOB) == [ClaimAnswer("one", BLOB, None)]
    assert claims.ask("two", BLOB) == []
    assert claims.landed(HERE, DIGEST) == [ClaimAnswer("two", BLOB, HERE)]
    assert claims.ask("three", BLOB) == [ClaimAnswer("three", BLOB, HERE)]


def test_of_another_registry_it_is_another_blob() -> None:
    claims = Claims()
    claims.ask("one", BLOB)
    elsewhere = (Registry("e.io"), DIGEST)

    assert claims.ask("two", elsewhere) == [ClaimAnswer("two", elsewhere, None)]


def test_if_it_did_not_land_the_next_brings_it() -> None:
    claims = Claims()
    claims.ask("one", BLOB)
    claims.ask("two", BLOB)
    claims.ask("three", BLOB)

    assert claims.stopped("two", *BLOB) == []  # who waits has not begun
    assert claims.stopped("one", *BLOB) == [ClaimAnswer("two", BLOB, None)]
    assert claims.gone("two") == [ClaimAnswer("three", BLOB, None)]
    assert claims.gone("three") == []
    assert claims.ask("four", BLOB) == [ClaimAnswer("four", BLOB, None)]


def test_who_brings_it_may_ask_again() -> None:
    claims = Claims()
    claims.ask("one", BLOB)

    assert claims.ask("one", BLOB) == [ClaimAnswer("one", BLOB, None)]


def test_who_is_gone_is_told_nothing() -> None:
    claims = Claims()
    claims.ask("one", BLOB)
    claims.ask("two", BLOB)
    claims.gone("two")

    assert claims.landed(HERE, DIGEST) == []


def test_what_nobody_asked_for_is_not_remembered() -> None:
    claims = Claims()
    claims.landed(HERE, DIGEST)

    assert claims.ask("one", BLOB) == [ClaimAnswer("one", BLOB, None)]


WHO = st.sampled_from(["a", "b", "c", "d"])
MOMENTS = st.one_of(
    st.tuples(st.just("ask"), WHO), st.tuples(st.just("gone"), WHO),
    st.tuples(st.just("stopped"), WHO), st.tuples(st.just("landed"), WHO),
)  # fmt: skip


@given(st.lists(MOMENTS, max_size=40))
def test_at_most_one_brings_it_at_a_time_and_nobody_waits_for_ever(
    moments: list[tuple[str, str]],
) -> None:
    claims = Claims()
    bringing: str | None = None
    waiting: set[str] = set()
    for what, who in moments:
        if what == "ask" and who not in waiting:
            waiting.add(who)
            answers = claims.ask(who, BLOB)
        elif what == "gone":
            waiting.discard(who)
            bringing = None if bringing == who else bringing
            answers = claims.gone(who)
        elif what == "stopped" and who == bringing:
            bringing = None
            answers = claims.stopped(who, *BLOB)
        elif what == "landed" and who == bringing:
            bringing = None
            answers = claims.landed(HERE, DIGEST)
        else:
            continue
        for answer in answers:
            waiting.remove(answer.asker)
            if answer.home is None:
                assert bringing in (None, answer.asker)
                bringing = answer.asker
        assert not waiting or bringing is not None
