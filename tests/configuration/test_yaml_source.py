"""YAML with the place of each value, and environment variables put in."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.configuration.yaml_source import Placed, read

_SCALAR = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab ${}:-$#'\"\n", max_size=6)
_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner),
    max_leaves=8,
)


def said(text: str, **environment: str) -> Placed:
    return read(text.encode(), environment)


def test_every_value_has_the_line_where_it_stands() -> None:
    placed = said("a: 1\nb:\n  - x\n  - c: 2\n")

    assert placed.value == {"a": 1, "b": ["x", {"c": 2}]}
    assert [placed.line(path) for path in [("a",), ("b",), ("b", 1), ("b", 1, "c")]] == [1, 2, 4, 4]
    assert placed.line(("b", 1, "nothing", 7)) == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${HOST}/app", {"a": "r.io/app"}),
        ("${HOST}: x", {"r.io": "x"}),
        ("a: ${NONE:-other}", {"a": "other"}),
        ("a: ${EMPTY:-other}", {"a": "other"}),
        ("a: ${EMPTY}", {"a": ""}),
        ("a: ${N}", {"a": "8"}),
        ("a: $${HOST}", {"a": "${HOST}"}),
        ("a: 'regex:^v$'", {"a": "regex:^v$"}),
        ("a: $HOST", {"a": "$HOST"}),
    ],
)
def test_variables_are_put_in(text: str, value: object) -> None:
    placed = said(text, HOST="r.io", EMPTY="", N="8")

    assert (placed.value, placed.problems) == (value, [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: ${NONE}", 2, "the environment variable NONE is not set"),
        ("a: ${", 1, "expected to be ${NAME}"),
        ("${A}: 1\n${B}: 2", 2, "the name of another"),
        ("a: ${1x}", 1, "expected to be ${NAME}"),
        ("a: 1\nb: 2\na: 3", 3, "'a' is there twice, first in line 1"),
        ("a: [", 1, "not valid YAML"),
        ("a: 1\n b: 2", 2, "not valid YAML"),
        ("--- 1\n--- 2", 2, "not valid YAML"),
        ("? [1]\n: 2", 1, "a name is expected before the colon"),
        ("a: &x [*x]", 1, "no end"),
        ("a: !!python/object:os.system x", 1, "cannot be read"),
        ("a: !!int x", 1, "cannot be read"),
        ("a: \x07", 1, "not valid YAML"),
        ("a: 1\n<<: 3", 1, "mapping"),
        ("a: [*]", 1, "put what begins with * in quotes"),
        ("a:\n\tb: 1", 2, "indent with blanks"),
        ("a: 1\n b: 2", 2, "is the line indented"),
        ("a: {b: ${C}}", 1, "put ${...} in quotes"),
    ],
)
def test_what_cannot_be_read_is_a_problem_at_its_line(text: str, line: int, words: str) -> None:
    (problem,) = said(text, A="x", B="x").problems

    assert problem[0] == line
    assert words in problem[1]


def test_a_file_that_is_no_text_is_a_problem() -> None:
    assert read(b"a: 1\nb: \xff", {}).problems == [(2, "not UTF-8")]


def test_what_is_merged_in_may_be_said_otherwise() -> None:
    placed = said("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")

    assert placed.problems == []
    assert placed.value == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_aliases_of_aliases_come_to_an_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    (problem,) = said("\n".join(lines)).problems
    assert "no end" in problem[1]


@given(_VALUE)
def test_without_variables_it_says_what_yaml_says(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)

    if "${" not in text:
        assert read(text.encode(), {}).value == yaml.safe_load(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_has_a_problem(text: str) -> None:
    read(text.encode(errors="replace"), {})
