"""YAML as plain values, with the line of each; environment variables are put in.

    ${NAME}          the variable, which must be set
    ${NAME:-text}    the variable, or this where it is not set or empty
    $${              what would otherwise begin a variable

Pure: text and environment in, values and problems out.  YAML 1.1, as PyYAML reads it.
"""

import re
from collections.abc import Mapping

import yaml
from msgspec import Struct, field

Path = tuple[str | int, ...]
"""The way to a value: keys, and places in lists."""

# Some keys may be there twice: what a merge brings is meant to be overridden.
_MERGE = "tag:yaml.org,2002:merge"
_STRING = "tag:yaml.org,2002:str"
_VARIABLE = re.compile(r"\$(\$(?=\{))|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")
# What people mostly did where the parser says this.
_ADVICE = (
    ("alphabetic or numeric character", "put what begins with * in quotes"),
    ("'\\t'", "indent with blanks, not with tabs"),
    ("mapping values are not allowed", "is the line indented as it should be?"),
    ("but got '{'", "put ${...} in quotes"),
)
# More than any configuration holds; aliases of aliases come there in a few lines.
_VALUES_LIMIT = 500_000


class Placed(Struct):
    """A document: its values, the line where each stands, and what is wrong with it."""

    value: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line and words."""

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest thing around it that is there."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(content: bytes, environment: Mapping[str, str]) -> Placed:
    """Read a document; what cannot be read is a problem of it."""
    placed = Placed()
    try:
        # Only nodes are made here, no objects, so nothing is run whatever tags say.
        loader = yaml.SafeLoader(content.decode("utf-8-sig"))
        root = loader.get_single_node()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        placed.problems.append((line, "not UTF-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        placed.problems.append(
            (
                mark.line + 1 if mark else 1,
                f"not valid YAML: {error.problem}{_advice(str(error.problem))}",
            )
        )
    except yaml.YAMLError as error:
        placed.problems.append((1, f"not valid YAML: {' '.join(str(error).split())}"))
    except RecursionError:
        placed.problems.append((1, "not valid YAML: too deep"))
    else:
        if root is not None:
            placed.value = _YamlReader(loader, placed, environment).value(root, ())
    return placed


def _advice(problem: str) -> str:
    return next((f"; {words}" for sign, words in _ADVICE if sign in problem), "")


class _YamlReader:
    """Turns nodes into values, and notes where they were."""

    def __init__(
        self, loader: yaml.SafeLoader, placed: Placed, environment: Mapping[str, str]
    ) -> None:
        self._loader = loader
        self._placed = placed
        self._environment = environment
        self._around: set[int] = set()
        self._values = 0

    def value(self, node: yaml.Node, path: Path) -> object:
        """Return what a node says."""
        self._placed.lines.setdefault(path, node.start_mark.line + 1)
        self._values += 1
        if id(node) in self._around or self._values > _VALUES_LIMIT:
            self._problem(node, "there is no end to what aliases make of this")
            return None
        self._around.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._around.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        self._report_twice(node)
        try:
            self._loader.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            self._problem(node, str(error.problem))
        found: dict[str, object] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, "a name is expected before the colon")
                continue
            name = self._expanded(key)
            if name in found and name != key.value:
                self._problem(key, "this is the name of another, once its variable is put in")
            self._placed.lines[*path, name] = key.start_mark.line + 1
            found[name] = self.value(child, (*path, name))
        return found

    def _report_twice(self, node: yaml.MappingNode) -> None:
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if (first := seen.setdefault(key.value, key)) is not key:
                line = first.start_mark.line + 1
                self._problem(key, f"{key.value!r} is there twice, first in line {line}")

    def _scalar(self, node: yaml.Node) -> object:
        text = self._expanded(node)
        if text != node.value or node.tag == _STRING:
            return text
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
            # Its constructors raise whatever they come across; what was written may be secret.
            kind = str(node.tag).rpartition(":")[2]
            self._problem(node, f"cannot be read as {kind}; put it in quotes if it is text")
            return None

    def _expanded(self, node: yaml.Node) -> str:
        def put_in(found: re.Match[str]) -> str:
            escaped, name, otherwise = found.groups()
            if escaped:
                return "$"
            if name is None:
                self._problem(node, "'${' is expected to be ${NAME} or ${NAME:-text}; or write $${")
                return ""
            if set_to := self._environment.get(name, ""):
                return set_to
            if otherwise is None and name not in self._environment:
                self._problem(node, f"the environment variable {name} is not set")
            return otherwise or ""

        return _VARIABLE.sub(put_in, str(node.value))

    def _problem(self, node: yaml.Node, words: str) -> None:
        if self._values > _VALUES_LIMIT + 1:
            return  # which was said
        self._placed.problems.append((node.start_mark.line + 1, words))
