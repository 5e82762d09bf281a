"""Platforms, as an index names them."""

import pytest

from mirror.image.platform import Platform


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64/v8", "windows/amd64"])
def test_parse_and_print_are_inverse(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/arm 64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a platform"):
        Platform.parse(text)


def test_an_unfinished_platform_prints_what_it_has() -> None:
    assert str(Platform("linux", "")) == "linux"


@pytest.mark.parametrize(
    ("wanted", "covered", "others"),
    [
        ("linux/arm64", "linux/arm64 linux/arm64/v8 linux/arm64/v9", "linux/arm linux/amd64"),
        ("linux/arm64/v8", "linux/arm64 linux/arm64/v8", "linux/arm64/v9"),
        ("linux/arm", "linux/arm linux/arm/v6 linux/arm/v7", "linux/arm64"),
        ("linux/arm/v7", "linux/arm linux/arm/v7", "linux/arm/v6"),
        ("linux/amd64", "linux/amd64 linux/amd64/v3", "linux/386 windows/amd64"),
        ("linux/x86_64", "linux/amd64", "linux/x86_64"),
        ("linux/aarch64", "linux/arm64/v8", "linux/amd64"),
        ("linux/ppc64le", "linux/ppc64le", "linux/ppc64"),
    ],
)
def test_without_a_variant_every_variant_is_meant(wanted: str, covered: str, others: str) -> None:
    platform = Platform.parse(wanted)

    def as_listed(text: str) -> Platform:
        return Platform(*text.split("/"))

    assert all(platform.covers(as_listed(text)) for text in covered.split())
    assert not any(platform.covers(as_listed(text)) for text in others.split())
