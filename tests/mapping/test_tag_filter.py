"""Which tags are chosen by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mirror.image.digest import Digest
from mirror.image.platform import Platform, Selection
from mirror.mapping.rule_options import RuleOptions
from mirror.mapping.tag_filter import ALL, Age, Pattern, Pin, TagFilter
from mirror.mapping.version import Range
from mirror.options import Options

TAGS = ["v1.0", "v1.1", "v1.1-rc1", "v2.0", "latest", "nightly-7"]
_TAG = st.text(st.sampled_from("v12.-rcx"), min_size=1, max_size=8)


def patterns(*texts: str) -> tuple[Pattern, ...]:
    return tuple(Pattern.parse(text) for text in texts)


@pytest.mark.parametrize(
    ("tag_filter", "covered"),
    [
        (ALL, TAGS),
        (TagFilter(include=patterns("v*")), ["v1.0", "v1.1", "v1.1-rc1", "v2.0"]),
        (TagFilter(include=patterns("v1.?", "latest")), ["v1.0", "v1.1", "latest"]),
        (TagFilter(include=patterns("v[12].0")), ["v1.0", "v2.0"]),
        (TagFilter(include=patterns(r"regex:v\d\.\d")), ["v1.0", "v1.1", "v2.0"]),
        (TagFilter(exclude=patterns("*-rc*", "latest")), ["v1.0", "v1.1", "v2.0", "nightly-7"]),
        (TagFilter(include=patterns("v*"), exclude=patterns("*-rc*")), ["v1.0", "v1.1", "v2.0"]),
        (TagFilter(semver=Range.parse(">=1.1")), ["v1.1", "v2.0"]),
        (TagFilter(semver=Range.parse(">=1.1"), exclude=patterns("v2*")), ["v1.1"]),
    ],
)
def test_a_choice_covers_what_all_of_it_holds_for(
    tag_filter: TagFilter, covered: list[str]
) -> None:
    assert [tag for tag in TAGS if tag_filter.covers(tag)] == covered


def test_a_pinned_tag_is_not_looked_for_in_the_list() -> None:
    pin = Pin("v1.0", Digest.of(b"x"))

    assert not [tag for tag in TAGS if TagFilter(pins=(pin,)).covers(tag)]
    kept = TagFilter(pins=(pin,), include=patterns("v*.0"))
    assert [tag for tag in TAGS if kept.covers(tag)] == ["v2.0"]


def test_a_pattern_is_the_whole_name() -> None:
    assert not Pattern.parse("1").matches("v1.0")
    assert not Pattern.parse("regex:1").matches("v1.0")
    assert str(Pattern.parse("regex:1")) == "regex:1"


@pytest.mark.parametrize("text", ["", "regex:", "regex:(("])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|expression"):
        Pattern.parse(text)


def test_the_newest_are_by_version_and_not_by_letter() -> None:
    tags = ["v9.0", "v10.0", "v2.0", "latest", "v10.0-rc1"]

    assert TagFilter(newest=2).newest_versions(tags) == ["v10.0", "v10.0-rc1"]
    assert TagFilter(newest=3).newest_versions(tags) == ["v10.0", "v10.0-rc1", "v9.0"]


def test_two_names_of_one_version_are_one() -> None:
    assert TagFilter(newest=1).newest_versions(["1.0.0", "v1", "0.9"]) == ["v1", "1.0.0"]


@given(st.lists(_TAG), st.integers(1, 5))
def test_the_newest_are_no_older_than_any_left_out(tags: list[str], count: int) -> None:
    newest = TagFilter(newest=count).newest_versions(tags)

    assert set(newest) <= set(tags)
    assert set(TagFilter(newest=count + 1).newest_versions(tags)) >= set(newest)


def test_only_what_is_newest_by_creation_has_to_be_dated() -> None:
    assert TagFilter(newest=1, age=Age.CREATED).by_creation
    assert not TagFilter(newest=1).by_creation
    assert not TagFilter(age=Age.CREATED).by_creation


def test_two_wants_are_said_alike_only_if_they_are() -> None:
    one = Selection((Platform.parse("linux/amd64"), Platform.parse("linux/arm64")))
    other = Selection(tuple(reversed(one.platforms)))
    kept = replace(one, keep_index=True)

    assert RuleOptions(selection=one).wanted == RuleOptions(selection=other).wanted
    assert RuleOptions().wanted == ""
    said = {RuleOptions(selection=want, referrers=also).wanted
            for want in (None, one, kept) for also in (False, True)}  # fmt: skip
    assert len(said) == 6


def test_options_say_the_terms_of_mappings_that_say_nothing() -> None:
    options = Options(referrers=True, require_referrers=True)

    assert RuleOptions.of(options) == RuleOptions(referrers=True, require_referrers=True)
