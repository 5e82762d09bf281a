"""The types, and the schema that is made of them and shipped."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from mirror.configuration.loader import parse
from mirror.configuration.model import schema
from mirror.errors import ConfigurationError
from mirror.mapping.grammar import Document

_EXAMPLE = (Path(__file__).parent.parent.parent / "mapping-examples" / "sync.yaml").read_text()


def _valid(text: str) -> bool:
    try:
        parse(Document("c", text.encode()), {}, lambda _: b"")
    except ConfigurationError:
        return False
    return True


def test_the_schema_that_is_shipped_is_that_of_the_types() -> None:
    shipped = files("mirror").joinpath("sync.schema.json").read_text()

    assert json.loads(shipped) == schema(), "write it anew: mirror sync --schema"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


_RULE = "{source: quay.io/a/*, destination: r.io/a/*"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (_EXAMPLE, True),
        (f"version: 1\nsync: [{_RULE}}}]", True),
        (f"version: 1\nsync: [{_RULE}, tags: {{newest: 5, newest-by: created}}}}]", True),
        (f"version: 1\nsync: [{_RULE}, platforms: linux/amd64}}]", True),
        (f"version: 1\nsync: [{_RULE}, prune: {{tags: true, max-percent: 50}}}}]", True),
        ("version: 1\nsync: [{mapping: a.txt}]", True),
        ("version: 1\nsync: []", False),
        ("version: 2\nsync: [{mapping: a.txt}]", False),
        ("version: 1\nsync: [{mapping: a.txt, source: b.io/c}]", False),
        ("version: 1\nsync: [{source: b.io/c}]", False),
        (f"version: 1\nsync: [{_RULE}, tag: x}}]", False),
        (f"version: 1\nsync: [{_RULE}, mapping: x}}]", False),
        (f"version: 1\nsync: [{_RULE}, tags: {{newest: 0}}}}]", False),
        (f"version: 1\nsync: [{_RULE}, tags: {{newest-by: size}}}}]", False),
        (f"version: 1\nsync: [{_RULE}, tags: {{semver: 2}}}}]", False),
        (f"version: 1\nsync: [{_RULE}, prune: {{max-percent: 101}}}}]", False),
        (f"version: 1\nsync: [{_RULE}}}]\nregistries: {{r.io: {{max-per-registry: 0}}}}", False),
    ],
)
def test_the_schema_takes_what_the_command_takes(text: str, valid: bool) -> None:
    judged = Draft202012Validator(schema()).is_valid(yaml.safe_load(text))

    assert (judged, _valid(text)) == (valid, valid)
