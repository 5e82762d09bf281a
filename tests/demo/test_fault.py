"""Misbehaviour that does exactly what was asked."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.demo.fault import Fault


def test_a_fault_strikes_what_it_is_for_and_no_more_often() -> None:
    fault = Fault("GET|HEAD", "/blobs/", times=2)

    assert not fault.strikes("PUT", "/v2/a/blobs/x")
    assert not fault.strikes("GET", "/v2/a/manifests/x")
    assert [fault.strikes("GET", "/v2/a/blobs/x") for _ in range(3)] == [True, True, False]


@given(st.binary(min_size=1), st.integers(0, 50))
def test_damage_is_one_byte_or_the_end(content: bytes, place: int) -> None:
    corrupted = Fault(corrupt=place).damage(content)
    different = sum(a != b for a, b in zip(content, corrupted, strict=True))

    assert different == (place < len(content))
    assert Fault(truncate=place).damage(content) == content[:place]
