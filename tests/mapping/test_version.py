"""Which tags are versions, and which versions a range has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from mirror.mapping.version import Range, version_of

_NUMBER = st.integers(0, 30)
_VERSION = st.builds("{}.{}.{}".format, _NUMBER, _NUMBER, _NUMBER)


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v2.40.1", "2.40.1"), ("2.40", "2.40.0"), ("3", "3.0.0"), ("1.2.3-alpine", "1.2.3-alpine"),
     ("v1.0.0-rc.1", "1.0.0-rc.1")],
)  # fmt: skip
def test_a_tag_may_be_a_version(tag: str, version: str) -> None:
    assert str(version_of(tag)) == version


@pytest.mark.parametrize(
    "tag", ["latest", "2024.01.05", "1.2.3.4", "vv1", "", "20240105", "sha256-ab", "1..2"]
)
def test_what_is_no_version_is_none(tag: str) -> None:
    assert version_of(tag) is None


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=2.40 <4", ["2.40", "3.99.9", "v2.41"], ["2.39.9", "4", "4.1"]),
        (">= 2.40  < 4", ["2.40"], ["4"]),
        (">=1,<2", ["1.9"], ["2"]),
        ("1.2.3", ["1.2.3"], ["1.2.4"]),
        ("=1.2", ["1.2.0"], ["1.2.1"]),
        ("!=1.2.3", ["1.2.4"], ["1.2.3"]),
        ("^1.2", ["1.2.0", "1.99"], ["1.1.9", "2.0"]),
        ("^0.3.1", ["0.3.1", "0.3.9"], ["0.4.0", "0.3.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3"]),
        ("~1", ["1.0", "1.9"], ["2"]),
        ("<1 || >=3", ["0.9", "3.1"], ["1", "2.9"]),
        (">1 <=2", ["2.0.0", "1.0.1"], ["1", "2.0.1"]),
    ],
)
def test_a_range_has_what_is_within_its_bounds(
    text: str, inside: list[str], outside: list[str]
) -> None:
    found = Range.parse(text)

    assert [tag for tag in inside + outside if found.has(_version(tag))] == inside
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "tag", "inside"),
    [(">=1", "2.0.0-rc.1", False), (">=2.0.0-beta", "2.0.0-rc.1", True),
     (">=2.0.0-beta", "2.1.0-rc.1", False), (">=1", "1.2.3-alpine", False)],
)  # fmt: skip
def test_a_pre_release_has_to_be_named(text: str, tag: str, inside: bool) -> None:
    assert Range.parse(text).has(_version(tag)) is inside


@pytest.mark.parametrize("text", ["", "  ", ">=", ">=x", "=>1", "1 ||", "latest", "*", "1.x"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bound|range"):
        Range.parse(text)


@given(_VERSION, _VERSION)
def test_a_version_is_on_one_side_of_another(one: str, other: str) -> None:
    sides = [Range.parse(f"{sign}{other}").has(_version(one)) for sign in ("<", "=", ">")]

    assert sides.count(True) == 1
    assert Range.parse(f">={other}").has(_version(one)) is not sides[0]
    assert Range.parse(f"!={other}").has(_version(one)) is not sides[1]


@given(_VERSION)
def test_what_a_caret_allows_a_tilde_allows_no_more(one: str) -> None:
    major, minor, patch = one.split(".")
    later = f"{major}.{minor}.{int(patch) + 1}"

    assert Range.parse(f"~{one}").has(_version(later))
    assert not Range.parse(f"~{one}").has(_version(f"{major}.{int(minor) + 1}.0"))
    assert not Range.parse(f"^{one}").has(_version(f"{int(major) + 1}.0.0"))


def _version(tag: str) -> Version:
    found = version_of(tag)
    assert found is not None
    return found
