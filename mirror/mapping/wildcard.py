"""How ``*`` becomes repositories and tags: which names of a list it matches.

Rules for many images become rules for one, then pairs.  Pure: the catalog and the tag lists
are given, read by `mirror.engine.expansion`.  `mirror.mapping.grammar` has
checked that source and target fit each other.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from mirror.image.reference import Reference, Repository, is_tag
from mirror.mapping.grammar import Origin, Rule
from mirror.mapping.rule_options import RuleOptions


class Pair(Struct, frozen=True):
    """One image to copy: from here, to there, and where that was asked for."""

    source: Reference
    destination: Reference
    origin: Origin
    options: RuleOptions | None = None


def pair(rule: Rule) -> Pair:
    """Return the one pair of a rule without ``*``."""
    source = rule.source
    return Pair(
        Reference(source.repository, source.tag, source.digest),
        rule.target.reference(source),
        rule.origin,
        rule.options,
    )


def catalog_of(rule: Rule) -> str:
    """Return the name by which rules for single repositories refer to their catalog rule."""
    return f"{rule.source} ({rule.origin})"


def repositories(rule: Rule, catalog: Iterable[str]) -> Iterator[Rule]:
    """Give one rule for every path of the catalog that the source's ``*`` matches.

    What the ``*`` matched stands in place of the destination's.  Paths that no
    registry should list are passed over.
    """
    prefix = rule.source.path.removesuffix("*")
    for path in catalog:
        if not path.startswith(prefix) or path == prefix:
            continue
        put = rule.target.path.replace("*", path.removeprefix(prefix), 1)
        try:
            here = Repository.named(rule.source.registry, path)
            there = Repository.named(rule.target.registry, put)
        except ValueError:
            continue
        source = replace(rule.source, path=here.path)
        target = replace(rule.target, path=there.path)
        yield Rule(source, target, rule.origin, rule.options, catalog_of(rule))


def matching_tags(rule: Rule, tags: Iterable[str]) -> Iterator[str]:
    """Give every tag that the source's pattern matches, and the rule's choice covers.

    Names that cannot be tags are passed over: Artifactory lists digests, and
    Nexus empty names.
    """
    pattern = rule.source.tag or "*"
    covers = rule.options.tag_filter.covers if rule.options is not None else None
    for tag in tags:
        if is_tag(tag) and matches(pattern, tag) and (covers is None or covers(tag)):
            yield tag


def rules_per_tag(rule: Rule, tags: Iterable[str]) -> Iterator[Rule]:
    """Give one rule for each of these tags, and for each that is pinned to a digest."""
    for tag in tags:
        yield Rule(replace(rule.source, tag=tag), rule.target, rule.origin, rule.options)
    for pin in rule.options.tag_filter.pins if rule.options is not None else ():
        source = replace(rule.source, tag=pin.tag, digest=pin.digest)
        yield Rule(source, rule.target, rule.origin, rule.options)


def matches(pattern: str, text: str) -> bool:
    """Return whether a text is what a pattern says, in which ``*`` is any run of characters.

    Takes one pass over the text, however many ``*`` there are: each part between
    two of them is taken where it is found first, which leaves most to the parts after it.
    """
    first, *parts = pattern.split("*")
    if not parts:
        return text == pattern
    last = parts.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    position, end = len(first), len(text) - len(last)
    for part in parts:
        position = text.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True
