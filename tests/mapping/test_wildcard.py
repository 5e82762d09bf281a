"""What ``*`` stands for, given the names there are."""

from re import fullmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mirror.image.reference import Reference
from mirror.mapping.grammar import Document, Rule, parse
from mirror.mapping.wildcard import matches, matching_tags, pair, repositories, rules_per_tag


def rule(line: str) -> Rule:
    (only,) = parse(documents=[Document("f", line.encode())])
    return only


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [("a.io/b", ["1.0", "1.0-rc1", "latest", "v1.0"]),
     ("a.io/b:*", ["1.0", "1.0-rc1", "latest", "v1.0"]),
     ("a.io/b:1.*", ["1.0", "1.0-rc1"]),
     ("a.io/b:*-rc*", ["1.0-rc1"]),
     ("a.io/b:*.0", ["1.0", "v1.0"]),
     ("a.io/b:v*0", ["v1.0"]),
     ("a.io/b:x*", [])],
)  # fmt: skip
def test_a_tag_pattern_is_anchored_at_both_ends(pattern: str, matching: list[str]) -> None:
    tags = ["1.0", "1.0-rc1", "latest", "v1.0"]
    asked = rule(f"{pattern}=c.io/d")
    found = list(matching_tags(asked, tags))

    assert found == matching
    places = [str(pair(one).destination) for one in rules_per_tag(asked, found)]
    assert places == [f"c.io/d:{tag}" for tag in matching]


def test_names_that_cannot_be_tags_are_passed_over() -> None:
    listed = ["ok", "", "sha256:abc", "-x", "a b"]

    assert list(matching_tags(rule("a.io/b=c.io/d"), listed)) == ["ok"]


def test_dots_in_a_pattern_are_dots() -> None:
    assert not list(matching_tags(rule("a.io/b:1.*=c.io/d"), ["1x0"]))


def test_a_pattern_of_many_stars_costs_no_more_than_one() -> None:
    many = rule(f"a.io/b:{'*' * 60}x=c.io/d")

    assert not list(matching_tags(many, ["a" * 128]))


def test_parts_between_stars_cost_no_more_than_one_pass() -> None:
    many = rule("a.io/b:a*-*-*-*-*-*-*-*-*-*-*-*c=d.io/e")

    assert not list(matching_tags(many, ["a" + "-" * 127]))


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_a_star_is_any_run_of_characters(pattern: str, text: str) -> None:
    assert matches(pattern, text) == (fullmatch(pattern.replace("*", ".*"), text) is not None)


@pytest.mark.parametrize(
    ("line", "found"),
    [("a.io/team/*=c.io/m/*", [("team/app", "m/app"), ("team/sub/x", "m/sub/x")]),
     ("a.io/team/a*=c.io/m/*", [("team/app", "m/pp")]),
     ("a.io/team*=c.io/m*", [("team/app", "m/app"), ("team/sub/x", "m/sub/x"), ("team2", "m2")]),
     ("a.io/*=c.io/x/*", [("other", "x/other"), ("team/app", "x/team/app"),
                          ("team/sub/x", "x/team/sub/x"), ("team2", "x/team2")]),
     ("a.io/none/*=c.io/*", [])],
)  # fmt: skip
def test_what_the_star_of_a_path_matched_stands_in_the_destination(
    line: str, found: list[tuple[str, str]]
) -> None:
    catalog = ["other", "team/app", "team/sub/x", "team2"]
    rules = list(repositories(rule(line), catalog))

    assert [(one.source.path, one.target.path) for one in rules] == found


def test_paths_that_cannot_be_repositories_are_passed_over() -> None:
    listed = ["team/", "team/Bad", "team/ok", "team/" + "x" * 260]

    assert [one.source.path for one in repositories(rule("a.io/team/*=c.io/*"), listed)] == [
        "team/ok"
    ]


def test_names_on_docker_hub_get_their_namespace() -> None:
    (one,) = repositories(rule("a.io/*=docker.io/*"), ["app"])
    reference = pair(Rule(replace(one.source, tag="1"), one.target, one.origin)).destination

    assert str(reference) == "docker.io/library/app:1"
    assert Reference.parse(str(reference)) == reference


def test_a_rule_over_repositories_keeps_its_tag_and_its_place() -> None:
    (one,) = repositories(rule("a.io/team/*:v1=c.io/m/*:v2"), ["team/app"])

    assert str(pair(one).source) == "a.io/team/app:v1"
    assert str(pair(one).destination) == "c.io/m/app:v2"
    assert str(one.origin) == "f:1"


@given(st.lists(st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)), st.text("ab*", max_size=6))
def test_every_match_is_one_a_shell_would_make(tags: list[str], glob: str) -> None:
    import fnmatch

    wanted = rule(f"a.io/b:{glob or '*'}*=c.io/d")

    assert list(matching_tags(wanted, tags)) == [
        tag for tag in tags if fnmatch.fnmatchcase(tag, f"{glob or '*'}*")
    ]
