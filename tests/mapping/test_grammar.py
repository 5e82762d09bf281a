"""The mapping language: the table of what a line may say and what it then means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import MappingError
from mirror.mapping.grammar import ARGUMENTS, Document, parse

HEX = "a" * 64
SHA = f"sha256:{HEX}"
HUB = "docker.io/library"

# A line, and the source and target that each of its mappings means.
VALID = [
    # nothing
    ("", []),
    ("   \t ", []),
    ("# a comment", []),
    ("  # a comment after blanks", []),
    ("#a.io/b:1=c.io/d", []),
    # the two forms
    ("a.io/b:1=c.io/d:2", [("a.io/b:1", "c.io/d:2")]),
    ("a.io/b:1 c.io/d:2", [("a.io/b:1", "c.io/d:2")]),
    ("a.io/b:1\tc.io/d:2", [("a.io/b:1", "c.io/d:2")]),
    ("a.io/b:1 c.io/d e.io/f", [("a.io/b:1", "c.io/d"), ("a.io/b:1", "e.io/f")]),
    ("a.io/b:1=c.io/d e.io/f:1=g.io/h", [("a.io/b:1", "c.io/d"), ("e.io/f:1", "g.io/h")]),
    ("  a.io/b:1=c.io/d  ", [("a.io/b:1", "c.io/d")]),
    # comments
    ("a.io/b:1=c.io/d # why", [("a.io/b:1", "c.io/d")]),
    ("a.io/b:1=c.io/d\t#why", [("a.io/b:1", "c.io/d")]),
    ("a.io/b:1 c.io/d # why=not", [("a.io/b:1", "c.io/d")]),
    # hosts
    ("busybox:1=c.io/d", [(f"{HUB}/busybox:1", "c.io/d")]),
    ("team/app:1=c.io/d", [("docker.io/team/app:1", "c.io/d")]),
    ("index.docker.io/busybox:1=c.io/d", [(f"{HUB}/busybox:1", "c.io/d")]),
    ("a.io/b:1=team/app", [("a.io/b:1", "docker.io/team/app")]),
    ("docker://a.io/b:1=docker://c.io/d", [("a.io/b:1", "c.io/d")]),
    ("localhost/b:1=localhost:5000/b", [("localhost/b:1", "localhost:5000/b")]),
    ("[::1]:5000/b:1=127.0.0.1:5000/b", [("[::1]:5000/b:1", "127.0.0.1:5000/b")]),
    ("A.IO/b:1=C.io/d", [("a.io/b:1", "c.io/d")]),
    ("oci:5000/b:1=file:5000/d", [("oci:5000/b:1", "file:5000/d")]),
    # tags and their wildcards
    ("a.io/b=c.io/d", [("a.io/b", "c.io/d")]),
    ("a.io/b:*=c.io/d", [("a.io/b:*", "c.io/d")]),
    ("a.io/b:v1.*=c.io/d", [("a.io/b:v1.*", "c.io/d")]),
    ("a.io/b:*-rc*=c.io/d", [("a.io/b:*-rc*", "c.io/d")]),
    ("a.io/b:1=a.io/b:2", [("a.io/b:1", "a.io/b:2")]),
    # paths and their wildcards
    ("a.io/team/*=c.io/m/*", [("a.io/team/*", "c.io/m/*")]),
    ("a.io/team/app*=c.io/m/*", [("a.io/team/app*", "c.io/m/*")]),
    ("a.io/*=c.io/*", [("a.io/*", "c.io/*")]),
    ("a.io/*=c.io/x-*-y", [("a.io/*", "c.io/x-*-y")]),
    ("a.io/team/*:v*=c.io/m/*", [("a.io/team/*:v*", "c.io/m/*")]),
    ("a.io/team/*:1=c.io/m/*:2", [("a.io/team/*:1", "c.io/m/*:2")]),
    # digests
    (f"a.io/b@{SHA}=c.io/d:1", [(f"a.io/b@{SHA}", "c.io/d:1")]),
    (f"a.io/b@{SHA}=c.io/d", [(f"a.io/b@{SHA}", "c.io/d")]),
    (f"a.io/b:1@{SHA}=c.io/d", [(f"a.io/b:1@{SHA}", "c.io/d")]),
    (f"a.io/b:1@{SHA}=a.io/b", [(f"a.io/b:1@{SHA}", "a.io/b")]),
    # the same mapping twice
    ("a.io/b:1=c.io/d a.io/b:1=c.io/d", [("a.io/b:1", "c.io/d")]),
    ("busybox:1=c.io/d docker.io/busybox:1=c.io/d", [(f"{HUB}/busybox:1", "c.io/d")]),
]  # fmt: skip

# A line, and a word of what is wrong with it.
INVALID = [
    ("a.io/b:1", "no destination"),
    ("a.io/b:1=", "lacks a side"),
    ("=c.io/d", "lacks a side"),
    ("=", "lacks a side"),
    ("a.io/b:1 = c.io/d", "stray word"),
    ("a.io/b:1= c.io/d", "lacks a side"),
    ("a.io/b:1=c.io/d e.io/f", "stray word 'e.io/f'"),
    ("e.io/f a.io/b:1=c.io/d", "stray word 'e.io/f'"),
    ("a.io/b:1=c.io/d=e.io/f", "not a repository path"),
    ("a.io/b:1=c.io/d#why", "not a repository path"),
    ("a.io/B:1=c.io/d", "not a repository path"),
    ("a.io/b:1=c.io/D", "not a repository path"),
    ("a.io//b:1=c.io/d", "not a repository path"),
    ("a.io/b:=c.io/d", "not a tag"),
    ("a.io/b:1=c.io/d:", "not a tag"),
    ("a.io/b:-1=c.io/d", "not a tag"),
    ("a.io/b:1=c.io/d:*", "each tag keeps its name"),
    ("a.io/b:1:2=c.io/d", "not a tag"),
    ("a.io:99999/b:1=c.io/d", "not a registry host"),
    ("-a.io/b:1=c.io/d", "not a registry host"),
    ("[::zz]/b:1=c.io/d", "not a registry host"),
    (f"a.io/b:1=c.io/d@{SHA}", "cannot have a digest"),
    ("a.io/b@sha256:abc=c.io/d", "malformed sha256 digest"),
    ("a.io/b@md5:abc=c.io/d", "unknown digest algorithm"),
    (f"a.io/b:*@{SHA}=c.io/d", "'*' names many"),
    (f"a.io/*@{SHA}=c.io/*", "'*' names many"),
    ("a.io/t*m/b:1=c.io/d", "not a repository path"),
    ("a.io/*/b:1=c.io/*", "not a repository path"),
    ("a.io/**=c.io/*", "not a repository path"),
    ("a.io/team/*=c.io/m", "needs a '*' too"),
    ("a.io/team/b=c.io/m/*", "has none"),
    ("a.io/team/*=c.io/*/*", "not a repository path"),
    ("a.io/b=c.io/d:1", "names many tags"),
    ("a.io/b:v*=c.io/d:1", "names many tags"),
    ("a.io/*=c.io/*:1", "names many tags"),
    ("a.io/b:1=a.io/b:1", "are the same"),
    ("a.io/b:1=a.io/b", "are the same"),
    ("a.io/b=a.io/b", "are the same"),
    ("a.io/*=a.io/*", "are the same"),
    ("a.io/b:v*=a.io/b", "are the same"),
    ("busybox:1=docker.io/library/busybox:1", "are the same"),
    (f"a.io/b@{SHA}=a.io/b", "are the same"),
    ("a.io/b:1=c.io/d:1 a.io/x:1=c.io/d", "two sources, a.io/b:1 (test:1) and a.io/x:1"),
    (f"a.io/b:1@{SHA}=c.io/d a.io/b:1=c.io/d", "two sources"),
    ("https://a.io/b:1=c.io/d", "not a registry"),
    ("oci-archive:/tmp/x=c.io/d", "not a registry"),
    ("dir:x=c.io/d", "not a registry"),
    ("a.io/b:1=file:///tmp/x", "not a repository path"),
    ("a.io/b:1=oci:", "cannot be the folder of a layout"),
    ("a.io/b:1=oci:/tmp/a?b:1", "cannot be the folder of a layout"),
    ("oci:x/*=a.io/b", "needs a '*' too"),
    ("oci:x:1=oci:./x:1", "source and destination are the same"),
    ("a.io/" + "b" * 252 + ":1=c.io/d", "at most 255"),
    ("a.io/b:1=c.io/d\x00", "not a repository path"),
    ("a.io/b:1\u00a0c.io/d", "no destination"),
    ("a.io/кот:1=c.io/d", "not a repository path"),
]  # fmt: skip


def meant(text: str) -> list[tuple[str, str]]:
    rules = parse(documents=[Document("test", text.encode())])
    return [(str(rule.source), str(rule.target)) for rule in rules]


def problems(*documents: tuple[str, bytes], arguments: tuple[str, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(MappingError) as caught:
        parse(arguments, [Document(*document) for document in documents])
    return caught.value.problems


@pytest.mark.parametrize(("line", "mappings"), VALID)
def test_a_line_means(line: str, mappings: list[tuple[str, str]]) -> None:
    assert meant(line) == mappings


@pytest.mark.parametrize(("line", "reason"), INVALID)
def test_a_line_is_refused(line: str, reason: str) -> None:
    found = problems(("test", line.encode()))

    assert all(problem.startswith("test:1: ") for problem in found)
    assert any(reason in problem for problem in found)


def test_the_table_is_large_enough_to_be_trusted() -> None:
    assert len(VALID) + len(INVALID) >= 60


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_marks_and_line_endings_do_not_matter(mark: str, ending: str) -> None:
    text = mark + ending.join(["a.io/b:1=c.io/b", "", "a.io/d:1=c.io/d", ""])

    assert meant(text) == [("a.io/b:1", "c.io/b"), ("a.io/d:1", "c.io/d")]


def test_every_problem_of_every_file_and_argument_comes_at_once() -> None:
    found = problems(
        ("one.txt", b"a.io/b:1\nx.io/ok:1=y.io/ok\n\xff\xfe\n"),
        ("two.txt", b"# fine\n\n=\n"),
        arguments=("a.io/B:1=c.io/d", "stray"),
    )

    assert [problem.split(": ")[0] for problem in found] == [
        f"{ARGUMENTS}:1",
        f"{ARGUMENTS}:2",
        "one.txt:1",
        "one.txt:3",
        "two.txt:3",
    ]
    assert found[3].endswith("not UTF-8 at byte 1 of the line")


def test_every_problem_of_a_line_comes_at_once() -> None:
    assert len(problems(("f", b"A=b C=d e"))) == 3


def test_forty_wrong_lines_are_forty_problems() -> None:
    assert len(problems(("f", b"wrong\n" * 40))) == 40


def test_arguments_are_one_source_and_its_destinations_when_none_has_an_equals_sign() -> None:
    rules = parse(["a.io/b:1", "c.io/d", "e.io/f"])

    assert [str(rule.target) for rule in rules] == ["c.io/d", "e.io/f"]
    assert {str(rule.origin) for rule in rules} == {f"{ARGUMENTS}:1"}


def test_arguments_come_before_files_and_know_their_place() -> None:
    rules = parse(["a.io/a:1=b.io/a", "a.io/b:1=b.io/b"], [Document("f", b"\na.io/c:1=b.io/c")])

    assert [str(rule.origin) for rule in rules] == [f"{ARGUMENTS}:1", f"{ARGUMENTS}:2", "f:2"]


def test_a_mapping_named_by_two_files_is_one() -> None:
    line = b"a.io/a:1=b.io/a"

    assert len(parse(documents=[Document("f", line), Document("g", line)])) == 1


def test_digests_without_a_tag_may_share_a_repository() -> None:
    lines = f"a.io/b@sha256:{'a' * 64}=c.io/d\na.io/b@sha256:{'b' * 64}=c.io/d"

    assert len(meant(lines)) == 2


@pytest.mark.parametrize(
    ("line", "destination"),
    [("a.io/b:1=c.io/d", "c.io/d:1"),
     ("a.io/b:1=c.io/d:2", "c.io/d:2"),
     (f"a.io/b@{SHA}=c.io/d:2", "c.io/d:2"),
     (f"a.io/b:1@{SHA}=c.io/d", "c.io/d:1"),
     (f"a.io/b@{SHA}=c.io/d", f"c.io/d@{SHA}")],
)  # fmt: skip
def test_a_destination_without_a_tag_takes_the_sources(line: str, destination: str) -> None:
    (rule,) = parse(documents=[Document("f", line.encode())])

    assert str(rule.target.reference(rule.source)) == destination


@given(st.text() | st.from_regex(r"[ab./:=*@# \t\r\n-]*", fullmatch=True))
def test_no_text_fails_otherwise_than_with_the_parsers_own_error(text: str) -> None:
    try:
        rules = parse(documents=[Document("f", text.encode(errors="surrogatepass"))])
    except MappingError as error:
        assert error.problems
        return
    again = "\n".join(f"{rule.source}={rule.target}" for rule in rules)
    assert [(r.source, r.target) for r in parse(documents=[Document("f", again.encode())])] == [
        (r.source, r.target) for r in rules
    ]


@given(st.lists(st.text()))
def test_no_arguments_fail_otherwise_either(words: list[str]) -> None:
    try:
        parse(words)
    except MappingError as error:
        assert error.problems


def test_rules_for_many_repositories_that_differ_by_their_target_tag_are_two() -> None:
    rules = parse(["s.io/team/*:v1=d.io/m/*:a", "s.io/team/*:v1=d.io/m/*:b"])

    assert [rule.target.tag for rule in rules] == ["a", "b"]
    assert len(parse(["s.io/team/*:v1=d.io/m/*:a", "s.io/team/*:v1=d.io/m/*:a"])) == 1
