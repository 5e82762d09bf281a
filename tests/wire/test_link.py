"""The Link header, as registries and the proxies before them write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.link import parse


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ("", []),
        ("nonsense", []),
        ("<a", []),
        ("<a>", [("a", set())]),
        ("<a>; rel=next", [("a", {"next"})]),
        ('<a>;rel = "next"', [("a", {"next"})]),
        ('<a>; REL="Next"', [("a", {"next"})]),
        ('<a>; rel="prefetch next"', [("a", {"prefetch", "next"})]),
        ('<a>; rel="up"; rel="next"', [("a", {"up"})]),
        ('<a>; rel=up, <b>; rel="next"', [("a", {"up"}), ("b", {"next"})]),
        ('<a,b;c>; rel="next"', [("a,b;c", {"next"})]),
        ('<a>; title="x, <y>; rel=next", <b>; rel="next"', [("a", set()), ("b", {"next"})]),
        (r'<a>; title="\"; rel=next"; rel=up', [("a", {"up"})]),
        ('<a>; rel="next', [("a", {"next"})]),
        ("<a>; rel", [("a", set())]),
        ("<a>; relx=next", [("a", set())]),
    ],
)
def test_a_header_holds(header: str, links: list[tuple[str, set[str]]]) -> None:
    assert [(address, set(relations)) for address, relations in parse(header)] == links


_ADDRESSES = st.text(st.characters(exclude_characters="<>", codec="ascii"), max_size=12)
_TEXTS = st.text(st.sampled_from('ab ,;=<>"\\'), max_size=8)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.lists(st.tuples(_ADDRESSES, _TEXTS, st.sampled_from(["next", "prev"])), max_size=5))
def test_what_was_written_is_read(links: list[tuple[str, str, str]]) -> None:
    header = ", ".join(
        f"<{address}>; title={_quoted(title)}; rel={relation}" for address, title, relation in links
    )
    assert list(parse(header)) == [
        (address, frozenset({relation})) for address, _, relation in links
    ]


@given(st.text(st.sampled_from('<>;,="\\rel next'), max_size=60))
def test_no_text_is_an_error(header: str) -> None:
    assert all(isinstance(address, str) for address, _ in parse(header))
