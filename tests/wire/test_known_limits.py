"""What registries are known to take."""

import pytest

from mirror.options import Options, RegistryOptions
from mirror.wire.known_limits import KnownLimit, known_limit, limit_at


@pytest.mark.parametrize(
    ("host", "start", "most"),
    [
        ("docker.io", 4, 32),
        ("registry-1.docker.io", 4, 32),
        ("quay.io", 8, 32),
        ("ghcr.io:443", 6, 64),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", 8, 64),
        ("europe-docker.pkg.dev", 16, 128),
        ("example.azurecr.io", 4, 32),
        ("registry.example.com:5000", 8, 128),
        ("notquay.io", 8, 128),
    ],
)
def test_known_registries_have_limits_of_their_own(host: str, start: int, most: int) -> None:
    assert known_limit(host) == KnownLimit(start, most)


def test_what_the_options_say_counts_more() -> None:
    own = {"quay.io": RegistryOptions(max_per_registry=64)}

    assert limit_at("quay.io", Options()) == KnownLimit(8, 32)
    assert limit_at("quay.io", Options(max_per_registry=3)) == KnownLimit(3, 3)
    assert limit_at("quay.io", Options(max_per_registry=3, registries=own)) == KnownLimit(8, 64)
