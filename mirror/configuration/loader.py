"""A configuration's text -> the rules to keep in step, and how registries are treated.

    text -place-> values -model-> sections -here-> rules, options of registries, logins

Every problem of the file, and of the mapping files that it names, is told at once,
as `FILE:LINE: where in the file: what was expected`.
"""

import difflib
import typing
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mirror.configuration.model import (
    Configuration,
    Credentials,
    Defaults,
    Pruning,
    RegistrySection,
    RuleSection,
    Tags,
)
from mirror.configuration.yaml_source import Path, Placed, read
from mirror.errors import ConfigurationError
from mirror.image.platform import Selection
from mirror.image.reference import Registry
from mirror.mapping import grammar
from mirror.mapping.grammar import Document, Mappings, Origin
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.mapping.tag_filter import ALL, Pin, TagFilter
from mirror.options import RegistryOptions

ReadFile = Callable[[str], bytes]
"""Gives the content of a file that the configuration names; raises OSError."""

_EXPECTED = {
    "model_type": "expected names with values below it",
    "dict_type": "expected names with values below it",
    "tuple_type": "expected a list",
    "string_type": "expected a string in quotes",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
}
# Problems of sections: a word in the place of a login may be the login itself.
_SECRETIVE = {"model_type", "dict_type"}
# Of a number that is shown.
_BITS = 200
# What pydantic says in its own way and we in ours.
_UNKNOWN, _MISSING, _OWN = "extra_forbidden", "missing", "value_error"


class Login(Struct, frozen=True):
    """Where to read who to be at a registry, and where that is said."""

    section: Credentials
    place: str


class Sync(Struct, frozen=True):
    """What is to be kept in step, and how."""

    rules: tuple[grammar.Rule, ...]
    registries: Mapping[str, RegistryOptions]
    logins: Mapping[str, Login]
    """Where to read who to be, by registry host."""


def parse(document: Document, environment: Mapping[str, str], read_file: ReadFile) -> Sync:
    """Read a configuration; raise ConfigurationError with all that is wrong with it."""
    placed = read(document.content, environment)
    mappings = Mappings()
    for line, words in placed.problems:
        mappings.problem(Origin(document.name, line), words)
    configuration = _checked(placed, document.name, mappings)
    if configuration is not None:
        _Rules(configuration, placed, document.name, mappings, read_file).read()
    if mappings.problems:
        raise ConfigurationError(tuple(dict.fromkeys(mappings.problems)))
    assert configuration is not None, "without a problem there is a configuration"
    return Sync(
        tuple(mappings.rules),
        {_host(name): _options(one) for name, one in configuration.registries.items()},
        dict(_logins(configuration, placed, document.name)),
    )


def _host(name: str) -> str:
    return Registry.parse(name).host


def _logins(configuration: Configuration, placed: Placed, name: str) -> Iterator[tuple[str, Login]]:
    for host, section in configuration.registries.items():
        if section.credentials is not None:
            line = placed.line(("registries", host, "credentials"))
            where = f"{name}:{line}: registries.{host}.credentials"
            yield _host(host), Login(section.credentials, where)


def _checked(placed: Placed, name: str, mappings: Mappings) -> Configuration | None:
    if placed.value is None and not placed.problems:
        mappings.problem(Origin(name, 1), "the file is empty; expected version: 1 and sync")
    if not isinstance(placed.value, dict):
        if placed.value is not None:
            mappings.problem(Origin(name, 1), "expected 'version: 1' and 'sync', found no names")
        return None
    try:
        return Configuration.model_validate(placed.value)
    except ValidationError as error:
        problems = [(_path(one), one) for one in error.errors(include_url=False)]
        for path, problem in sorted(problems, key=lambda each: placed.line(each[0])):
            where = ".".join(map(str, path))
            words = _words(problem, path)
            origin = Origin(name, placed.line(path))
            mappings.problem(origin, f"{where}: {words}" if where else words)
        return None


def _path(problem: ErrorDetails) -> Path:
    return tuple(part for part in problem["loc"] if part != "[key]")


def _words(problem: ErrorDetails, path: Path) -> str:
    """Say a problem in our own words, where the library's would not help."""
    kind, message, found = problem["type"], problem["msg"], problem["input"]
    if kind == _UNKNOWN:
        known = _known_at(path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, 1)
        guess = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
        return f"not known here; {guess}"
    if kind == _MISSING:
        return "is missing"
    if kind == _OWN:
        return message.removeprefix("Value error, ")
    message = _EXPECTED.get(kind) or message.replace("Input should be", "expected")
    # What is said of a login may be half a secret.
    shown = isinstance(found, str | int | float) and kind not in _SECRETIVE
    return message if "credentials" in path or not shown else f"{message}, found {_short(found)}"


def _short(found: object) -> str:
    """Show a value, unless it is longer than anybody would want to see."""
    if isinstance(found, int) and found.bit_length() > _BITS:
        return "a number of many digits"
    return repr(found)


def _known_at(path: Path) -> list[str]:
    """Return the names that may stand in a section."""
    section: type[BaseModel] = Configuration
    for part in path:
        if isinstance(part, str) and (found := _field(section, part)) is not None:
            section = found
    return [field.alias or name for name, field in section.model_fields.items()]


def _field(section: type[BaseModel], alias: str) -> type[BaseModel] | None:
    for name, field in section.model_fields.items():
        if (field.alias or name) == alias:
            return next(_models_in(field.annotation), None)
    return None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


class _Rules:
    """The rules of a configuration, as mappings."""

    def __init__(
        self,
        configuration: Configuration,
        placed: Placed,
        name: str,
        mappings: Mappings,
        read_file: ReadFile,
    ) -> None:
        self._configuration = configuration
        self._placed = placed
        self._name = name
        self._mappings = mappings
        self._read_file = read_file

    def read(self) -> None:
        """Add all to the mappings."""
        for number, rule in enumerate(self._configuration.sync):
            origin = Origin(self._name, self._placed.line(("sync", number)))
            if rule.mapping is not None:
                self._read_mapping(rule, rule.mapping, origin)
            for destination in rule.destination or ():
                self._add(rule, destination, number, origin)
        if not self._mappings.problems:
            self._check_hosts()

    def _check_hosts(self) -> None:
        """Note registries of which no rule has any use: their names may be mistyped."""
        sides = {side.registry.host for rule in self._mappings.rules
                 for side in (rule.source, rule.target)}  # fmt: skip
        for name in self._configuration.registries:
            if _host(name) not in sides:
                close = difflib.get_close_matches(_host(name), sides, 1)
                guess = f"did you mean {close[0]!r}?" if close else "is it needed?"
                line = self._placed.line(("registries", name))
                self._mappings.problem(
                    Origin(self._name, line), f"registries.{name}: no rule goes there; {guess}"
                )

    def _add(self, rule: RuleSection, destination: str, number: int, origin: Origin) -> None:
        assert rule.source is not None, "the model sees to it"
        rule_options = _rule_options(
            rule, self._configuration.defaults, f"{rule.source} -> {destination}"
        )
        before = len(self._mappings.rules)
        self._mappings.add(rule.source, destination, origin, rule_options)
        for added in self._mappings.rules[before:]:
            for part, words in _misfits(added, rule):
                line = self._placed.line(("sync", number, part))
                self._mappings.problem(Origin(self._name, line), f"sync.{number}.{part}: {words}")

    def _read_mapping(self, rule: RuleSection, path: str, origin: Origin) -> None:
        try:
            content = self._read_file(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            self._mappings.problem(origin, f"mapping {path!r}: {reason}")
            return
        rule_options = _rule_options(rule, self._configuration.defaults, path)
        self._mappings.document(Document(path, content), rule_options)


def _misfits(rule: grammar.Rule, section: RuleSection) -> Iterator[tuple[str, str]]:
    """Give the fields of a rule that make no sense with its source, and why."""
    source, target = rule.source, rule.target
    assert rule.options is not None, "rules of a configuration have terms"
    if section.tags is not None and not source.many_tags:
        yield "tags", f"{source} names one image; leave out its tag, or 'tags'"
    if rule.options.tag_filter.pins and source.many_repositories:
        yield "tags", "a digest is of one repository; name it in 'source' without a '*'"
    if section.prune is not None and section.prune.tags and not source.many_tags:
        yield "prune", f"{source} names one image, so nothing can have left it"
    if rule.options.prune is not None and target.registry.is_local and section.prune is not None:
        yield "prune", "nothing is ever deleted in a folder"


def _rule_options(rule: RuleSection, defaults: Defaults, name: str) -> RuleOptions:
    """Put together what a rule says, and the defaults where it says nothing."""
    prune = rule.prune if rule.prune is not None else defaults.prune
    platforms = _first(rule.platforms, defaults.platforms)
    keep = _first(rule.keep_manifest_list, defaults.keep_manifest_list)
    required = bool(_first(rule.require_referrers, defaults.require_referrers))
    return RuleOptions(
        name=name,
        tag_filter=_choice(rule.tags) if rule.tags is not None else ALL,
        prune=_prune(prune) if prune is not None else None,
        allow_empty=bool(_first(rule.allow_empty, defaults.allow_empty)),
        selection=Selection(platforms, keep_index=bool(keep)) if platforms else None,
        referrers=bool(_first(rule.referrers, defaults.referrers)) or required,
        require_referrers=required,
    )


_T = typing.TypeVar("_T")


def _first(own: _T | None, default: _T | None) -> _T | None:
    return own if own is not None else default


def _choice(tags: Tags) -> TagFilter:
    return TagFilter(
        include=tags.include,
        exclude=tags.exclude,
        semver=tags.semver,
        newest=tags.newest,
        age=tags.newest_by,
        pins=tuple(Pin(tag, digest) for tag, digest in tags.digest.items()),
        immutable=tags.immutable,
    )


def _prune(section: Pruning) -> Prune | None:
    return Prune(max_percent=section.max_percent) if section.tags else None


def _options(section: RegistrySection) -> RegistryOptions:
    return RegistryOptions(
        max_per_registry=section.max_per_registry,
        requests_per_second=section.requests_per_second,
        insecure=section.insecure,
        chunk_size=section.chunk_size,
    )
