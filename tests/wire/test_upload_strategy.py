"""How registries like their blobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.upload_strategy import MIB, Method, UploadStrategy, seed


@pytest.mark.parametrize(
    ("host", "size", "method", "mounts"),
    [("registry.example.com", 9 * 1024 * MIB, Method.WHOLE, True),
     ("docker.io", MIB, Method.WHOLE, True), ("quay.io", MIB, Method.WHOLE, True),
     ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", 99 * MIB, Method.WHOLE, False),
     ("team.azurecr.io", 16 * MIB, Method.WHOLE, True),
     ("team.azurecr.io", 17 * MIB, Method.CHUNKED, True),
     ("ghcr.io", 99 * MIB, Method.WHOLE, True),
     ("europe-docker.pkg.dev", 99 * MIB, Method.WHOLE, True),
     ("eu.gcr.io", MIB, Method.WHOLE, True),
     ("team.jfrog.io", MIB, Method.STREAMED, True),
     ("artifactory.example.com:8443", MIB, Method.STREAMED, True)],
)  # fmt: skip
def test_known_registries_are_known_by_name(
    host: str, size: int, method: Method, mounts: bool
) -> None:
    assert seed(host).for_size(size).method is method
    assert seed(host).mounts is mounts


def test_a_body_that_is_too_large_leads_to_chunks_that_grow_smaller() -> None:
    strategy: UploadStrategy | None = UploadStrategy()
    chunks = []
    while strategy is not None:
        strategy = strategy.after_refusal(413, 100 * MIB)
        if strategy is not None:
            assert strategy.for_size(100 * MIB).method is Method.CHUNKED
            chunks.append(strategy.chunk)

    assert chunks == [64 * MIB, 16 * MIB, 4 * MIB, MIB, MIB // 4]


def test_a_small_blob_still_goes_whole_where_a_large_one_did_not() -> None:
    strategy = UploadStrategy().after_refusal(413, 100 * MIB)

    assert strategy is not None
    assert strategy.for_size(MIB).method is Method.WHOLE


def test_who_takes_no_chunks_is_not_offered_any() -> None:
    assert seed("europe-docker.pkg.dev").after_refusal(413, 100 * MIB) is None


@pytest.mark.parametrize("status", [405, 415, 501])
def test_a_refused_way_leads_to_another_once(status: int) -> None:
    other = UploadStrategy().after_refusal(status, MIB)

    assert other == UploadStrategy(Method.STREAMED)
    assert other.after_refusal(status, MIB) is None


@given(st.sampled_from([400, 404, 405, 413, 415, 500, 501]), st.integers(1, 2**40))
def test_learning_ends(status: int, size: int) -> None:
    strategy: UploadStrategy | None = UploadStrategy()
    steps = 0
    while strategy is not None:
        strategy = strategy.after_refusal(status, size)
        steps += 1

    assert steps <= 6
