"""The types of a configuration: what may stand where, in the words of the file.

`schema` is generated from them, so that editors complete and check a file as `mirror sync`
does.  What one value cannot know, such as two rules for one destination, is checked in
`mirror.configuration.loader`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mirror.image.digest import Digest
from mirror.image.platform import Platform
from mirror.image.reference import Registry, is_tag
from mirror.mapping.rule_options import DEFAULT_MAX_PERCENT
from mirror.mapping.tag_filter import Age, Pattern
from mirror.mapping.version import Range
from mirror.options import size

_T = TypeVar("_T")


def _text(parse: Callable[[str], _T]) -> BeforeValidator:
    """Read a string as something else; its ValueError is the problem that is told."""

    def read(value: object) -> _T:
        if not isinstance(value, str):
            raise PydanticCustomError("text", "expected a string in quotes")
        return parse(value)

    return BeforeValidator(read)


def _listed(value: object) -> object:
    """Take one string for a list of it."""
    return [value] if isinstance(value, str) else value


def _tag(text: str) -> str:
    if not is_tag(text):
        raise ValueError(f"{text!r} is not a tag")
    return text


def _host(text: str) -> str:
    Registry.parse(text)
    return text


_STRING = WithJsonSchema({"type": "string"})
_STRINGS = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
)
_Pattern = Annotated[Pattern, _text(Pattern.parse), _STRING]
_Patterns = Annotated[tuple[_Pattern, ...], BeforeValidator(_listed), _STRINGS]
_Digest = Annotated[Digest, _text(Digest.parse), _STRING]
_RANGE = WithJsonSchema({"type": "string", "examples": [">=2.40 <4"]})
_Range = Annotated[Range, _text(Range.parse), _RANGE]
_Platform = Annotated[Platform, _text(Platform.parse), _STRING]
_Platforms = Annotated[tuple[_Platform, ...], BeforeValidator(_listed), _STRINGS]
_Tag = Annotated[str, AfterValidator(_tag)]
_Host = Annotated[str, AfterValidator(_host)]
_Size = Annotated[int, _text(size), WithJsonSchema({"type": "string", "examples": ["64MiB"]})]
_Places = Annotated[tuple[str, ...], BeforeValidator(_listed), _STRINGS]


class Section(BaseModel):
    """A part of the file: nothing may stand in it that is not known."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


class Tags(Section):
    """Which tags of a repository are wanted; all that is said has to hold."""

    include: _Patterns = Field((), description="Globs, or expressions after 'regex:'; any.")
    exclude: _Patterns = Field((), description="Globs, or expressions after 'regex:'; none.")
    semver: _Range | None = Field(None, description="A range of versions, such as '>=2.40 <4'.")
    newest: Annotated[int, Field(ge=1)] | None = Field(
        None, description="At most so many of each repository, the newest."
    )
    newest_by: Age = Field(
        Age.VERSION, description="Whether the version or the date of creation says what is newest."
    )
    digest: dict[_Tag, _Digest] = Field(
        {}, description="Tags that are to name this digest, whatever their source says by now."
    )
    immutable: _Patterns = Field(
        (), description="Tags that never move: with a ledger, looked at by samples only."
    )

    @model_validator(mode="after")
    def _newest_by_what(self) -> Self:
        if self.newest is None and "newest_by" in self.model_fields_set:
            raise ValueError("'newest-by' says how 'newest: N' is counted, which is missing")
        return self


class Pruning(Section):
    """Whether what has left its source is deleted at the destination."""

    tags: bool = Field(False, description="Whether tags are deleted that the source has no more.")
    max_percent: Annotated[float, Field(gt=0, le=100)] = Field(
        DEFAULT_MAX_PERCENT,
        description="Percent of the destination's tags that one night may delete, at most.",
    )


class Defaults(Section):
    """How rules are carried out that do not say otherwise themselves."""

    platforms: _Platforms | None = Field(
        None, description="Keep only these platforms of an index, such as linux/arm64."
    )
    keep_manifest_list: bool | None = Field(
        None, description="Push an index as it is, with only these platforms behind it."
    )
    referrers: bool | None = Field(
        None, description="Copy what refers to an image too: signatures, attestations, SBOMs."
    )
    require_referrers: bool | None = Field(None, description="The same; an image without fails.")
    prune: Pruning | None = None
    allow_empty: bool | None = Field(None, description="Whether a rule may match nothing.")


class RuleSection(Defaults):
    """What is kept in step: a source with its destination, or a file of mappings."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["source", "destination"], "properties": {"mapping": False}},
                {
                    "required": ["mapping"],
                    "properties": {"source": False, "destination": False, "tags": False},
                },
            ]
        }
    )

    source: str | None = Field(
        None, description="[HOST/]PATH[:TAG]; a * may end the path and be in the tag."
    )
    destination: _Places | None = Field(
        None, description="HOST/PATH, or several; a * stands for what that of the source matched."
    )
    mapping: str | None = Field(None, description="A file of SRC=DST lines, seen from this one.")
    tags: Tags | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.mapping is None and self.source is None and self.destination is None:
            raise ValueError("expected 'source' and 'destination', or 'mapping'")
        if self.mapping is not None and (self.source or self.destination):
            raise ValueError("expected 'source' and 'destination' or 'mapping', not both")
        if self.mapping is not None and self.tags is not None:
            raise ValueError("'tags' is for a 'source'; the lines of a mapping name their own")
        for name, given in (("source", self.source), ("destination", self.destination)):
            if self.mapping is None and not given:
                raise ValueError(f"{name!r} is missing")
        return self


def _variable(text: str) -> str:
    if not text.isascii() or not text.isidentifier():
        raise ValueError("expected the name of an environment variable, not what it holds")
    return text


_Variable = Annotated[str, AfterValidator(_variable)]


class Credentials(Section):
    """The login at a registry: where to read it, so that no secret is in this file."""

    username: str | None = None
    username_env: _Variable | None = Field(
        None, description="The environment variable that holds it."
    )
    password_env: _Variable | None = Field(
        None, description="The environment variable that holds it."
    )
    password_file: str | None = Field(None, description="The file that holds it, and nothing else.")
    token_env: _Variable | None = Field(None, description="A registry token, sent as it is.")
    token_file: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        user = [self.username, self.username_env]
        password = [self.password_env, self.password_file]
        token = [self.token_env, self.token_file]
        if any(_both(pair) for pair in (user, password, token)):
            raise ValueError("each of username, password and token is from one place only")
        if _any(token) and _any(user + password):
            raise ValueError("expected a token, or a username and a password, not both")
        if not _any(token) and not (_any(user) and _any(password)):
            raise ValueError("expected a username and a password, or a token")
        return self


def _any(places: list[str | None]) -> bool:
    return any(one is not None for one in places)


def _both(pair: list[str | None]) -> bool:
    return all(one is not None for one in pair)


class RegistrySection(Section):
    """How one registry host is treated, whichever side it is on."""

    max_per_registry: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Requests in flight, at most; without, the registry's level is found."
    )
    requests_per_second: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Requests begun in a second, at most."
    )
    insecure: bool | None = Field(None, description="Accept any certificate, and plain http.")
    chunk_size: _Size | None = Field(None, description="Upload in chunks of this size.")
    credentials: Credentials | None = None


class Configuration(Section):
    """What `mirror sync` keeps in step, and how."""

    version: Literal[1] = Field(description="The version of this format.")
    defaults: Defaults = Defaults.model_construct()
    registries: dict[_Host, RegistrySection] = {}
    sync: tuple[RuleSection, ...] = Field(json_schema_extra={"minItems": 1})

    @field_validator("sync")
    @classmethod
    def _some(cls, rules: tuple[RuleSection, ...]) -> tuple[RuleSection, ...]:
        # A length that the library checks would be told of whenever a rule is wrong.
        if not rules:
            raise ValueError("expected at least one rule")
        return rules

    @field_validator("registries")
    @classmethod
    def _hosts(cls, sections: dict[str, RegistrySection]) -> dict[str, RegistrySection]:
        hosts: set[str] = set()
        for name in sections:
            host = Registry.parse(name).host
            if host in hosts:
                raise ValueError(f"{name!r} is {host}, which is there twice")
            hosts.add(host)
        return sections


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration."""
    made = _plain(Configuration.model_json_schema(by_alias=True))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **made, "title": "mirror sync"}


def _plain(part: Any) -> Any:
    """Leave out that what may be missing may be null, which would hide what is wrong with it."""
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    left = {key: _plain(value) for key, value in part.items() if value is not None}
    choices = [one for one in left.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        del left["anyOf"]
        return {**choices[0], **left}
    return left
