"""A configuration as rules, and every problem of it at its place."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.configuration.loader import Sync, parse
from mirror.errors import ConfigurationError
from mirror.exit_code import ExitCode
from mirror.image.platform import Platform
from mirror.mapping.grammar import Document
from mirror.options import RegistryOptions

_FILES = {"extra.txt": b"q.io/x=r.io/x\nq.io/y:2=r.io/y:1\n", "bad.txt": b"q.io/x\n"}


def _read_file(path: str) -> bytes:
    if path not in _FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return _FILES[path]


def read(text: str, **environment: str) -> Sync:
    return parse(Document("c.yaml", text.encode()), environment, _read_file)


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        read(text, **environment)
    assert raised.value.exit_code is ExitCode.USAGE
    return list(raised.value.problems)


def rule(more: str, source: str = "q.io/a", destination: str = "r.io/a") -> str:
    return f"version: 1\nsync:\n  - source: {source}\n    destination: {destination}\n    {more}\n"


def test_the_example_of_the_contract_is_read() -> None:
    sync = read("""
version: 1
defaults: {referrers: true, platforms: [linux/amd64, linux/arm64]}
registries:
  registry.example.com: {max-per-registry: 8, requests-per-second: 50, insecure: false,
    chunk-size: 64MiB, credentials: {username-env: U, password-file: /run/secrets/p}}
sync:
  - source: quay.io/prometheus/*
    destination: registry.example.com/mirror/prometheus/*
    tags: {include: ["v*"], exclude: ["*-rc*"], semver: ">=2.40 <4", newest: 5}
    prune: {tags: true, max-percent: 10}
  - mapping: extra.txt
""")
    first, second, third = sync.rules
    rule_options = first.options
    assert rule_options is not None

    assert str(first.source) == "quay.io/prometheus/*"
    assert str(first.target) == "registry.example.com/mirror/prometheus/*"
    assert str(first.origin) == "c.yaml:8"
    assert [str(one) for one in rule_options.tag_filter.include] == ["v*"]
    assert (str(rule_options.tag_filter.semver), rule_options.tag_filter.newest) == (">=2.40 <4", 5)
    assert rule_options.prune is not None
    assert rule_options.prune.max_percent == 10
    assert rule_options.referrers
    assert rule_options.selection is not None
    assert rule_options.selection.platforms == (
        Platform("linux", "amd64"),
        Platform("linux", "arm64"),
    )
    assert [str(one.origin) for one in (second, third)] == ["extra.txt:1", "extra.txt:2"]
    assert third.options is not None
    assert third.options.referrers
    assert third.options.name == "extra.txt"
    assert sync.registries == {
        "registry.example.com": RegistryOptions(
            max_per_registry=8, requests_per_second=50, insecure=False, chunk_size=64 * 2**20
        )
    }
    login = sync.logins["registry.example.com"]
    assert login.section.username_env == "U"
    assert login.place == "c.yaml:6: registries.registry.example.com.credentials"


def test_a_rule_says_otherwise_than_the_defaults() -> None:
    (one,) = read(
        "version: 1\ndefaults: {referrers: true, platforms: linux/arm64, allow-empty: true}\n"
        "sync: [{source: q.io/a, destination: r.io/a, referrers: false, platforms: []}]"
    ).rules

    assert one.options is not None
    assert (
        one.options.referrers,
        one.options.selection,
        one.options.allow_empty,
    ) == (False, None, True)


@pytest.mark.parametrize(
    ("default", "own", "prunes"),
    [("{tags: true}", None, True), ("{tags: true}", "{tags: false}", False),
     ("{tags: false}", None, False), ("{tags: true}", "{tags: true, max-percent: 3}", True)],
)  # fmt: skip
def test_a_rule_prunes_by_default_or_by_itself(default: str, own: str | None, prunes: bool) -> None:
    more = f", prune: {own}" if own else ""
    (one,) = read(
        f"version: 1\ndefaults: {{prune: {default}}}\n"
        f"sync: [{{source: q.io/a, destination: r.io/a{more}}}]"
    ).rules

    assert one.options is not None
    assert (one.options.prune is not None) is prunes


def test_one_source_may_lead_to_several_places() -> None:
    sync = read(rule("allow-empty: true", destination="[r.io/a, s.io/b]"))

    assert [str(one.target) for one in sync.rules] == ["r.io/a", "s.io/b"]


def test_two_choices_of_one_repository_are_two_rules() -> None:
    both = rule("tags: {include: a*}") + rule("tags: {include: b*}").partition("sync:\n")[2]

    assert len(read(both).rules) == 2


def test_what_is_required_comes_along() -> None:
    (one,) = read(rule("require-referrers: true")).rules

    assert one.options is not None
    assert one.options.referrers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["c.yaml:1: the file is empty; expected version: 1 and sync"]),
        ("- a", ["c.yaml:1: expected 'version: 1' and 'sync', found no names"]),
        ("sync: [{mapping: extra.txt}]", ["c.yaml:1: version: is missing"]),
        ("version: 1\n\nsync: []", ["c.yaml:3: sync: expected at least one rule"]),
        (
            "version: 3\nsyncs: []\nsync: [{mapping: extra.txt}]",
            ["c.yaml:1: version: expected 1, found 3",
             "c.yaml:2: syncs: not known here; did you mean 'sync'?"],
        ),
        (rule("colour: red"),
         [("c.yaml:5: sync.0.colour: not known here; expected one of platforms, "
          "keep-manifest-list, referrers, require-referrers, prune, allow-empty, source, "
          "destination, mapping, tags")]),
        (rule("tags: {includes: x}"),
         ["c.yaml:5: sync.0.tags.includes: not known here; did you mean 'include'?"]),
        (rule("tags: {include: [1.10]}"),
         ["c.yaml:5: sync.0.tags.include.0: expected a string in quotes, found 1.1"]),
        (rule("tags: {include: ['regex:((']}"),
         [("c.yaml:5: sync.0.tags.include.0: 'regex:((' is not a regular expression: "
          "missing ), unterminated subpattern at position 1")]),
        (rule("prune: true"),
         ["c.yaml:5: sync.0.prune: expected names with values below it"]),
        (rule("tags: {immutable: 1.0}"),
         ["c.yaml:5: sync.0.tags.immutable: expected a list, found 1.0"]),
        (rule("tags: {newest-by: created}"),
         ["c.yaml:5: sync.0.tags: 'newest-by' says how 'newest: N' is counted, which is missing"]),
        ("version: 1\nsync: {source: a}",
         ["c.yaml:2: sync: expected a list"]),
        (rule("tags: {semver: '>=x'}"),
         [("c.yaml:5: sync.0.tags.semver: '>=x' is not a bound; write one such as '>=2.40', '<4' "
          "or '^1.2'")]),
        (rule("tags: {digest: {v1: sha256:12, '.': sha256:12}}"),
         ["c.yaml:5: sync.0.tags.digest.v1: malformed sha256 digest 'sha256:12'",
          "c.yaml:5: sync.0.tags.digest..: '.' is not a tag",
          "c.yaml:5: sync.0.tags.digest..: malformed sha256 digest 'sha256:12'"]),
        (rule("prune: {tags: true, max-percent: 0}"),
         ["c.yaml:5: sync.0.prune.max-percent: expected greater than 0, found 0"]),
        (rule("referrers: perhaps"),
         [("c.yaml:5: sync.0.referrers: expected true or false, found 'perhaps'")]),
        (rule("mapping: extra.txt"),
         ["c.yaml:3: sync.0: expected 'source' and 'destination' or 'mapping', not both"]),
        ("version: 1\nsync: [{mapping: extra.txt, tags: {}}]",
         ["c.yaml:2: sync.0: 'tags' is for a 'source'; the lines of a mapping name their own"]),
        ("version: 1\nsync: [{source: q.io/a}]", ["c.yaml:2: sync.0: 'destination' is missing"]),
        ("version: 1\nsync: [{destination: q.io/a}]", ["c.yaml:2: sync.0: 'source' is missing"]),
        ("version: 1\nsync: [{}]",
         ["c.yaml:2: sync.0: expected 'source' and 'destination', or 'mapping'"]),
        ("version: 1\nsync: [{mapping: none.txt}]",
         ["c.yaml:2: mapping 'none.txt': No such file or directory"]),
        ("version: 1\nsync: [{mapping: bad.txt}]",
         ["bad.txt:1: 'q.io/x' has no destination; write SOURCE=DESTINATION"]),
        (rule("tags: {newest: 1}", source="q.io/a:1"),
         ["c.yaml:5: sync.0.tags: q.io/a:1 names one image; leave out its tag, or 'tags'"]),
        (rule("prune: {tags: true}", source="q.io/a:1"),
         ["c.yaml:5: sync.0.prune: q.io/a:1 names one image, so nothing can have left it"]),
        (rule("prune: {tags: true}", destination="oci:out"),
         ["c.yaml:5: sync.0.prune: nothing is ever deleted in a folder"]),
        (rule(f"tags: {{digest: {{a: sha256:{'0' * 64}}}}}", "q.io/a/*", "r.io/a/*"),
         [("c.yaml:5: sync.0.tags: a digest is of one repository; name it in 'source' without "
          "a '*'")]),
        (rule("", source="q.io/A"),
         ["c.yaml:3: source 'q.io/A': 'A' is not a repository path"]),
        (rule("", source="q.io/a/*"),
         ["c.yaml:3: q.io/a/* names many repositories; the destination r.io/a needs a '*' too"]),
        ("version: 1\nregistries: {'a b': {}}\nsync: [{mapping: extra.txt}]",
         ["c.yaml:2: registries.a b: 'a b' is not a registry host"]),
        (("version: 1\nregistries: {docker.io: {}, index.docker.io: {}}\n"
         "sync: [{mapping: extra.txt}]"),
         ["c.yaml:2: registries: 'index.docker.io' is docker.io, which is there twice"]),
        ("version: 1\nregistries: {a.io: {chunk-size: 1TB}}\nsync: [{mapping: extra.txt}]",
         ["c.yaml:2: registries.a.io.chunk-size: '1TB' is not a size: write 64MiB or 50MB"]),
    ],
)  # fmt: skip
def test_every_problem_is_told_at_its_place(text: str, said: list[str]) -> None:
    assert problems(text) == said


_LOGINS = "version: 1\nregistries: {r.io: {credentials: %s}}\nsync: [{mapping: extra.txt}]"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{}", "expected a username and a password, or a token"),
        ("{username: u}", "expected a username and a password, or a token"),
        ("{token-env: T, username: u}", "expected a token, or a username and a password, not both"),
        ("{username: u, password-env: P, password-file: f}",
         "each of username, password and token is from one place only"),
    ],
)  # fmt: skip
def test_a_login_is_whole_and_from_one_place(section: str, said: str) -> None:
    assert problems(_LOGINS % section) == [f"c.yaml:2: registries.r.io.credentials: {said}"]


def test_a_registry_that_no_rule_goes_to_may_be_mistyped() -> None:
    sections = "registries: {r.oi: {max-per-registry: 2}, q.io: {}, z.example.com: {}}"

    assert problems(f"{sections}\n{rule('allow-empty: true')}") == [
        "c.yaml:1: registries.r.oi: no rule goes there; did you mean 'r.io'?",
        "c.yaml:1: registries.z.example.com: no rule goes there; is it needed?",
    ]


def test_a_variable_that_is_not_set_is_one_problem() -> None:
    text = _LOGINS % "{username: '${NOBODY}', password-env: P}"

    assert problems(text.replace("r.io", "q.io")) == [
        "c.yaml:2: the environment variable NOBODY is not set"
    ]


@pytest.mark.parametrize(
    "section",
    [
        "{username: u, password-file: !!int hunter2}",
        "{username: u, password-env: hunter 2}",
        "hunter2",
    ],
)
def test_nothing_of_a_login_is_shown(section: str) -> None:
    assert not [words for words in problems(_LOGINS % section) if "hunter" in words]


@pytest.mark.parametrize(
    "odd",
    ["!!int ''", "!!int '_'", "!!float ''", "!!bool foo", "!!timestamp foo", "0x" + "f" * 9000,
     '"a\\0b"', "'regex:a{99999999999}'", "'regex:" + "(?:" * 5000 + "'"],
)  # fmt: skip
def test_odd_values_are_read_or_problems_at_their_line(odd: str) -> None:
    for text in (
        rule(f"tags: {{include: [{odd}]}}"),
        rule(f"prune: {{max-percent: {odd}}}"),
        f"version: {odd}\nsync: []",
        f"version: 1\nsync: [{{mapping: {odd}}}]",
    ):
        try:
            read(text)
        except ConfigurationError as error:
            assert all(words.startswith("c.yaml:") for words in error.problems)


def test_a_problem_of_a_login_does_not_show_what_was_written() -> None:
    told = problems(_LOGINS % "{username: 5, password-env: [hunter2], password: hunter2}")

    assert not [words for words in told if "hunter2" in words]


def test_problems_of_several_parts_are_told_at_once() -> None:
    assert len(problems(rule("tags: {newest: x}\n    prune: {max-percent: y}\n    z: ${Q}"))) == 4


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["q.io/a/*", "r.io/b/*", "v*", "extra.txt", "linux/amd64", ">=1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["version", "sync", "source", "destination", "tags", "mapping", "prune",
                         "include", "newest", "registries", "defaults", "platforms"]), inner,
        max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_whatever_is_written_is_read_or_told_of(document: object) -> None:
    text = yaml.safe_dump({"version": 1, "sync": [document], "defaults": document})
    try:
        read(text)
    except ConfigurationError as error:
        assert all(":" in words for words in error.problems)
