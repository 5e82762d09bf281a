"""What goes over the wire comes out as it went in, and has no login in it."""

import re

import pytest
from distributed.protocol.pickle import dumps, loads

from mirror.cluster.protocol import WorkUnit
from mirror.engine.ledger import Remembered
from mirror.image.digest import Digest
from mirror.image.platform import Platform, Selection
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.mapping.tag_filter import Age, Pattern, Pin, TagFilter
from mirror.mapping.version import Range
from mirror.options import Options, RegistryOptions

DIGEST = Digest.of(b"x")
SELECTION = Selection((Platform("linux", "arm64", "v8"),), re.compile("linux/.*"), keep_index=True)
TERMS = RuleOptions(
    name="apps",
    tag_filter=TagFilter(
        include=(Pattern.parse("v*"),), semver=Range.parse(">=1.2"), newest=3, age=Age.CREATED,
        pins=(Pin("old", DIGEST),),
    ),
    prune=Prune(max_percent=3.0),
    selection=SELECTION,
    referrers=True,
)  # fmt: skip


def work_unit(rule_options: RuleOptions | None, options: Options) -> WorkUnit:
    mappings = Mappings()
    text = f"s.io/a:1=d.io/a:2\ns.io/b=d.io/b\ns.io/c@{DIGEST}=d.io/c\noci:x:1=d.io/d"
    mappings.document(Document("f", text.encode()), rule_options)
    assert not mappings.problems
    memory = {("d.io/a:2", ""): Remembered("s.io/a:1", DIGEST, DIGEST, True, False)}
    return WorkUnit("run", 3, tuple(mappings.rules), options, False, None, memory, None, True)


@pytest.mark.parametrize("rule_options", [None, TERMS])
@pytest.mark.parametrize(
    "options",
    [Options(), Options(selection=SELECTION, registries={"d.io": RegistryOptions(insecure=True)})],
)
def test_an_errand_arrives_as_it_was_sent(
    rule_options: RuleOptions | None, options: Options
) -> None:
    sent = work_unit(rule_options, options)
    arrived = loads(dumps(sent))

    assert arrived == sent
    assert [rule.origin for rule in arrived.rules] == [rule.origin for rule in sent.rules]
