"""What goes over the wire comes out as it went in, and has no login in it."""

import re

import pytest
from distributed.protocol.pickle import dumps, loads

from mirror.cluster.message import Errand
from mirror.engine.ledger import Remembered
from mirror.image.digest import Digest
from mirror.image.platform import Platform
from mirror.image.selection import Selection
from mirror.mapping.choice import Age, Choice, Pattern, Pin
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.terms import Prune, Terms
from mirror.mapping.version import Range
from mirror.options import Options, RegistryOptions

DIGEST = Digest.of(b"x")
SELECTION = Selection((Platform("linux", "arm64", "v8"),), re.compile("linux/.*"), keep_index=True)
TERMS = Terms(
    name="apps",
    choice=Choice(
        include=(Pattern.parse("v*"),), semver=Range.parse(">=1.2"), newest=3, age=Age.CREATED,
        pins=(Pin("old", DIGEST),),
    ),
    prune=Prune(max_percent=3.0),
    selection=SELECTION,
    referrers=True,
)  # fmt: skip


def errand(terms: Terms | None, options: Options) -> Errand:
    mappings = Mappings()
    text = f"s.io/a:1=d.io/a:2\ns.io/b=d.io/b\ns.io/c@{DIGEST}=d.io/c\noci:x:1=d.io/d"
    mappings.document(Document("f", text.encode()), terms)
    assert not mappings.problems
    memory = {("d.io/a:2", ""): Remembered("s.io/a:1", DIGEST, DIGEST, True, False)}
    return Errand("run", 3, tuple(mappings.rules), options, False, None, memory, None, True)


@pytest.mark.parametrize("terms", [None, TERMS])
@pytest.mark.parametrize(
    "options",
    [Options(), Options(selection=SELECTION, registries={"d.io": RegistryOptions(insecure=True)})],
)
def test_an_errand_arrives_as_it_was_sent(terms: Terms | None, options: Options) -> None:
    sent = errand(terms, options)
    arrived = loads(dumps(sent))

    assert arrived == sent
    assert [rule.origin for rule in arrived.rules] == [rule.origin for rule in sent.rules]
