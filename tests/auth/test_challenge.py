"""WWW-Authenticate, as registries really write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.auth.challenge import Challenge, choose, parse

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/app:pull,push"'
)


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="harbor"', [("basic", {"realm": "harbor"})]),
        (HUB, [("bearer", {"realm": "https://auth.docker.io/token",
                           "service": "registry.docker.io",
                           "scope": "repository:library/app:pull,push"})]),
        ("Bearer realm=https://a.io/t,service=x",
         [("bearer", {"realm": "https://a.io/t", "service": "x"})]),
        ('Basic realm=openshift,error="access denied"',
         [("basic", {"realm": "openshift", "error": "access denied"})]),
        ('Negotiate, Basic realm="x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('Basic realm="x", Bearer realm="y",service="z"',
         [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})]),
        ('BEARER Realm="x" , SERVICE = "y"', [("bearer", {"realm": "x", "service": "y"})]),
        (r'Basic realm="a \"quoted\" \\ one"', [("basic", {"realm": r'a "quoted" \ one'})]),
        ('Bearer realm="unfinished', [("bearer", {"realm": "unfinished"})]),
        ('Bearer realm="a",realm="b"', [("bearer", {"realm": "a"})]),
        (' , ,Basic realm="x",', [("basic", {"realm": "x"})]),
        ("=,=", []),
    ],
)  # fmt: skip
def test_a_header_holds(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.scheme, one.parameters) for one in parse(header)] == challenges


def test_the_scopes_of_a_challenge_are_its_words() -> None:
    (challenge,) = parse('Bearer realm="r",scope="repository:a:pull repository:b:push"')

    assert challenge.scopes == ("repository:a:pull", "repository:b:push")
    assert (challenge.realm, challenge.service) == ("r", "")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [('Basic realm="x", Bearer realm="y"', "bearer"), ('Negotiate, Basic realm="x"', "basic"),
     ("Bearer", None), ("Negotiate", None), ("", None), ('Bearer, Basic realm="x"', "basic")],
)  # fmt: skip
def test_a_token_is_preferred_where_there_is_a_place_to_get_one(
    header: str, chosen: str | None
) -> None:
    found = choose(parse(header))

    assert (found.scheme if found else None) == chosen


@given(st.text() | st.text('Bearer aslm="\\,= ', max_size=60))
def test_no_header_fails(header: str) -> None:
    for challenge in parse(header):
        assert challenge.scheme == challenge.scheme.lower() != ""


names = st.from_regex("[a-z]{1,8}", fullmatch=True)


@given(st.lists(st.tuples(names, st.dictionaries(names, st.text(), min_size=1)), min_size=1))
def test_whatever_is_written_by_the_rules_is_read(
    written: list[tuple[str, dict[str, str]]],
) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ",".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in written
    )

    assert parse(header) == tuple(Challenge(*one) for one in written)


def test_headers_without_an_end_are_read_as_far_as_real_ones_go() -> None:
    header = ", ".join(['Bearer realm="' + "x" * 60_000] * 100)

    (challenge,) = parse(header)

    assert len(challenge.realm) < 16 * 1024
