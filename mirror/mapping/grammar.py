"""The mapping language: what a line may say.

    file    = *line                                   UTF-8, a BOM and CRLF are fine
    line    = [ mapping *( blank mapping ) ] [ comment ]
    mapping = source "=" target | source 1*( blank target )     the second form is a whole line
    comment = "#" to the end of the line, at the start of a line or after a blank
    blank   = spaces and tabs
    source  = place [ ":" tag ] [ "@" digest ]
    target  = place [ ":" tag ]
    place   = [ host "/" ] path | "oci:" folder | "file://" path

A ``*`` may end the path of a source and be anywhere in its tag; the path of the
target has one exactly when the path of the source does.

Pure: text in, rules out, and every problem at once.  What ``*`` stands for is
for a registry to say, and `mirror.mapping.wildcard` puts it in.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from msgspec import Struct

from mirror.errors import MappingError
from mirror.image.digest import Digest
from mirror.image.reference import (
    Reference,
    Registry,
    Repository,
    is_path,
    is_tag,
    shared,
    split_host,
    split_reference,
)
from mirror.mapping.rule_options import RuleOptions

ARGUMENTS = "<arguments>"

_BLANK = re.compile("[ \t]+")
_COMMENT = re.compile("(?:^|[ \t])#.*", re.DOTALL)
# Addresses of other tools that would otherwise be read as a host or a name.
_ELSEWHERE = re.compile(
    "(?:oci-archive|dir|docker-archive|containers-storage):(?![0-9]+/)|(?!file:)[A-Za-z0-9]+://"
)


_Side = TypeVar("_Side")


class Origin(Struct, frozen=True):
    """Where a mapping was written: ``mappings.txt:3``."""

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}"


class SourcePattern(Struct, frozen=True):
    """What to copy: a path and a tag, either of which may hold ``*``.

    Neither tag nor digest means every tag.
    """

    registry: Registry
    path: str
    tag: str | None
    digest: Digest | None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{Repository(self.registry, self.path)}{tag}{digest}"

    @property
    def repository(self) -> Repository:
        """The repository; only where `many_repositories` is false."""
        return shared(self.registry, self.path)

    @property
    def many_repositories(self) -> bool:
        """Whether the registry's catalog has to say which repositories are meant."""
        return self.path.endswith("*")

    @property
    def many(self) -> bool:
        """Whether a registry has to say which images are meant."""
        return self.path.endswith("*") or self.many_tags

    @property
    def many_tags(self) -> bool:
        """Whether the repository's tag list has to say which tags are meant."""
        return self.digest is None and (self.tag is None or "*" in self.tag)


class Target(Struct, frozen=True):
    """Where to put it: a path that holds one ``*`` when the source's does."""

    registry: Registry
    path: str
    tag: str | None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{Repository(self.registry, self.path)}{tag}"

    def reference(self, source: SourcePattern) -> Reference:
        """The destination of a source that holds no ``*``."""
        tag = self.tag if self.tag is not None else source.tag
        return Reference(
            shared(self.registry, self.path), tag, source.digest if tag is None else None
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One mapping: copy this source to this target."""

    source: SourcePattern
    target: Target
    origin: Origin
    options: RuleOptions | None = None
    """How it is carried out; None is as the run's options say."""
    catalog: str = field(default="", compare=False)
    """The mapping for many repositories of which it is for one, if it is."""


class Document(Struct, frozen=True):
    """A text to read mappings from, with the name that problems are told under."""

    name: str
    content: bytes


def parse(arguments: Iterable[str] = (), documents: Iterable[Document] = ()) -> tuple[Rule, ...]:
    """Read all mappings: those of the command line first, then each document's.

    The same mapping twice is one rule.  Raises MappingError with every problem
    of every argument and document, in their order.
    """
    mappings = Mappings()
    mappings.arguments(list(arguments))
    for document in documents:
        mappings.document(document)
    if mappings.problems:
        raise MappingError(tuple(mappings.problems))
    return tuple(mappings.rules)


class Mappings:
    """Rules and problems as they are read; knows which destinations are taken."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.problems: list[str] = []
        # By their parts, since a file may have a hundred thousand, and those hash quickly.
        self._known: set[tuple[object, ...]] = set()
        self._taken: dict[tuple[str, ...], Rule] = {}

    def arguments(self, words: list[str]) -> None:
        """Read the words of a command line."""
        if any("=" in word for word in words):
            for number, word in enumerate(words, start=1):
                self._word(word, Origin(ARGUMENTS, number))
        elif words:
            self._line(words, Origin(ARGUMENTS, 1))

    def document(self, document: Document, options: RuleOptions | None = None) -> None:
        """Read a mapping file, line by line; its rules are carried out on these terms."""
        name = document.name
        for number, line in enumerate(self._lines(document), start=1):
            self.line(line, Origin(name, number), options)

    def line(self, line: str, origin: Origin, options: RuleOptions | None = None) -> None:
        """Read one line of a mapping file."""
        if "#" in line:
            line = _COMMENT.sub("", line)
        if text := line.strip(" \t"):
            self._line(_BLANK.split(text), origin, options)

    def _lines(self, document: Document) -> Iterator[str]:
        """Decode a document; a line that cannot be read is a problem, and empty."""
        for number, raw in enumerate(document.content.split(b"\n"), start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                origin = Origin(document.name, number)
                self.problem(origin, f"not UTF-8 at byte {error.start + 1} of the line")
                line = ""
            yield line.removesuffix("\r")

    def _line(self, words: list[str], origin: Origin, options: RuleOptions | None = None) -> None:
        if any("=" in word for word in words):
            for word in words:
                self._word(word, origin, options)
            return
        source, *targets = words
        if not targets:
            self.problem(origin, f"{source!r} has no destination; write SOURCE=DESTINATION")
        for target in targets:
            self.add(source, target, origin, options)

    def _word(self, word: str, origin: Origin, options: RuleOptions | None = None) -> None:
        source, equals, target = word.partition("=")
        if not equals:
            self.problem(origin, f"stray word {word!r} beside a mapping with '='")
        elif not source or not target:
            self.problem(origin, f"{word!r} lacks a side; write SOURCE=DESTINATION without blanks")
        else:
            self.add(source, target, origin, options)

    def add(
        self, source: str, target: str, origin: Origin, options: RuleOptions | None = None
    ) -> None:
        """Read one mapping; what is wrong with it is a problem."""
        try:
            here, there = _read("source", source, _source), _read("destination", target, _target)
            rule = Rule(here, there, origin, options)
            _check(rule)
            if self._is_new(rule):
                self.rules.append(rule)
        except ValueError as problem:
            self.problem(origin, str(problem))

    def _is_new(self, rule: Rule) -> bool:
        """Whether the same was not asked for before.

        Raises ValueError if another source was promised this rule's destination.
        """
        source, target = rule.source, rule.target
        tag = None if source.many else target.tag if target.tag is not None else source.tag
        if tag is None:
            parts = (source.registry.host, source.path, source.tag, source.digest)
            count = len(self._known)
            self._known.add((*parts, target.registry.host, target.path, target.tag, rule.options))
            return len(self._known) > count
        other = self._taken.setdefault((target.registry.host, target.path, tag), rule)
        if other is not rule and other.source == source and other.options != rule.options:
            raise ValueError(f"{source} is brought there already, on other terms ({other.origin})")
        if other is not rule and other.source != source:
            raise ValueError(
                f"{target.reference(source)} is the destination of two sources, "
                f"{other.source} ({other.origin}) and {source}"
            )
        return other is rule

    def problem(self, origin: Origin, text: str) -> None:
        """Note what is wrong at a place."""
        self.problems.append(f"{origin}: {text}")


def _read(role: str, text: str, read: Callable[[str], _Side]) -> _Side:
    try:
        return read(text)
    except ValueError as problem:
        raise ValueError(f"{role} {text!r}: {problem}") from problem


def _source(text: str) -> SourcePattern:
    name, tag, digest = _parts(text)
    registry, path = _source_name(name)
    if tag is not None and not is_tag(tag.replace("*", "x")):
        raise ValueError(f"{tag!r} is not a tag")
    source = SourcePattern(
        registry, path, tag, Digest.parse(digest) if digest is not None else None
    )
    if source.digest is not None and (source.many_repositories or "*" in (tag or "")):
        raise ValueError("a digest names one image, '*' names many")
    return source


def _target(text: str) -> Target:
    name, tag, digest = _parts(text)
    if digest is not None:
        raise ValueError("a destination cannot have a digest")
    if tag is not None and not is_tag(tag):
        star = "; leave it out, each tag keeps its name" if "*" in tag else ""
        raise ValueError(f"{tag!r} is not a tag{star}")
    registry, path = _target_name(name)
    return Target(registry, path, tag)


# A file names few repositories and many tags.
@lru_cache(maxsize=10_000)
def _source_name(name: str) -> tuple[Registry, str]:
    registry, path = split_host(name)
    _check_name(registry, path, path[:-1] + "x" if path.endswith("*") else path)
    return registry, path


@lru_cache(maxsize=10_000)
def _target_name(name: str) -> tuple[Registry, str]:
    registry, path = split_host(name)
    _check_name(registry, path, path.replace("*", "x", 1))
    return registry, path


def _parts(text: str) -> tuple[str, str | None, str | None]:
    text = text.removeprefix("docker://")
    if elsewhere := _ELSEWHERE.match(text):
        raise ValueError(f"{elsewhere[0]!r} is not a registry; write HOST/PATH")
    return split_reference(text)


def _check_name(registry: Registry, path: str, sample: str) -> None:
    """Raise ValueError unless the path could name a repository; ``sample`` has no '*'."""
    if not registry.is_layout and not is_path(sample):
        raise ValueError(f"{path!r} is not a repository path")
    Repository.named(registry, sample)  # which also knows how long a name may be


def _check(rule: Rule) -> None:
    """Raise ValueError if source and target do not fit each other."""
    source, target = rule.source, rule.target
    if source.many_repositories and "*" not in target.path:
        raise ValueError(
            f"{source} names many repositories; the destination {target} needs a '*' too"
        )
    if "*" in target.path and not source.many_repositories:
        raise ValueError(
            f"the destination {target} has a '*', the path of its source {source} has none"
        )
    if source.many_tags and target.tag is not None:
        raise ValueError(f"{source} names many tags; the destination {target} cannot have one")
    if _same(source, target):
        raise ValueError(f"source and destination are the same: {source}")


def _same(source: SourcePattern, target: Target) -> bool:
    if (source.registry, source.path) != (target.registry, target.path):
        return False
    if source.many_repositories or source.many_tags:
        return target.tag in (None, source.tag)
    return target.reference(source) == Reference(source.repository, source.tag, source.digest)
