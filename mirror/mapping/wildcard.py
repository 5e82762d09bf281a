"""What ``*`` stands for: rules for many images become rules for one, then pairs.

Pure: the catalog and the tag lists are given.  `mirror.mapping.grammar` has
checked that source and target fit each other.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mirror.image.reference import Reference, Repository, is_tag
from mirror.mapping.grammar import Origin, Rule


@dataclass(frozen=True, slots=True)
class Pair:
    """One image to copy: from here, to there, and where that was asked for."""

    source: Reference
    destination: Reference
    origin: Origin


def pair(rule: Rule) -> Pair:
    """Return the one pair of a rule without ``*``."""
    source = rule.source
    return Pair(
        Reference(source.repository, source.tag, source.digest),
        rule.target.reference(source),
        rule.origin,
    )


def repositories(rule: Rule, catalog: Iterable[str]) -> Iterator[Rule]:
    """Give one rule for every path of the catalog that the source's ``*`` matches.

    What the ``*`` matched stands in place of the destination's.  Paths that no
    registry should list are passed over.
    """
    prefix = rule.source.path.removesuffix("*")
    for path in catalog:
        if not path.startswith(prefix) or path == prefix:
            continue
        target = rule.target.path.replace("*", path.removeprefix(prefix), 1)
        try:
            here = Repository.named(rule.source.registry, path)
            there = Repository.named(rule.target.registry, target)
        except ValueError:
            continue
        source = replace(rule.source, path=here.path)
        yield Rule(source, replace(rule.target, path=there.path), rule.origin)


def singles(rule: Rule, tags: Iterable[str]) -> Iterator[Rule]:
    """Give one rule for every tag that the source's pattern matches.

    Names that cannot be tags are passed over: Artifactory lists digests, and
    Nexus empty names.
    """
    matches = re.compile(_pattern(rule.source.tag or "*"), re.DOTALL).fullmatch
    for tag in tags:
        if is_tag(tag) and matches(tag):
            yield Rule(replace(rule.source, tag=tag), rule.target, rule.origin)


def _pattern(glob: str) -> str:
    """Turn ``v1.*`` into an expression; adjacent stars are one, or matching would explode."""
    return ".*".join(re.escape(part) for part in re.split(r"\*+", glob))
