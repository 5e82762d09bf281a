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
