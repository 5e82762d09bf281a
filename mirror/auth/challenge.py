"""What a registry asks for when it answers 401: the WWW-Authenticate header.

    header    = challenge *( "," challenge )
    challenge = scheme [ 1*blank ( token68 | parameter *( "," parameter ) ) ]
    parameter = name "=" ( word | quoted )

One header may hold several challenges, and commas separate both these and the
parameters, so it is read character by character.  Registries leave quotes out
(OpenShift), put commas into scopes, and send schemes that this program does not speak.
RFC 9110, section 11.6.1.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto

from msgspec import Struct, field

# Characters that are read, and parameters that are kept of one challenge: real ones have
# a few hundred and three.
_HEADER_LIMIT = 16 * 1024
_PARAMETER_LIMIT = 64


class Challenge(Struct, frozen=True):
    """One way to log in that a registry offers; names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        """Where tokens are given out, or what the login is for."""
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        """Whom a token is for."""
        return self.parameters.get("service", "")

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the registry says a token must allow."""
        return tuple(self.parameters.get("scope", "").split())


def parse(header: str) -> tuple[Challenge, ...]:
    """Read every challenge; what cannot be read is passed over, never an error.

    What is beyond 16 KiB is not read.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for name, value in _items(header):
        if value is None:
            found.append((name, {}))
        elif found and len(found[-1][1]) < _PARAMETER_LIMIT:
            found[-1][1].setdefault(name, value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Return the one to answer: a token if there is a place to get one, else a password."""
    for challenge in challenges:
        if challenge.scheme == "bearer" and challenge.realm:
            return challenge
    return next((one for one in challenges if one.scheme == "basic"), None)


class _ParserState(Enum):
    BETWEEN = auto()
    WORD = auto()
    AFTER_WORD = auto()
    VALUE = auto()
    QUOTED = auto()
    ESCAPED = auto()


class _ChallengeReader:
    """The header as a machine: fed character by character, it gives schemes and parameters."""

    def __init__(self) -> None:
        self._state = _ParserState.BETWEEN
        self._name: list[str] = []
        self._value: list[str] = []

    def feed(self, character: str) -> Iterator[tuple[str, str | None]]:  # noqa: C901 - a table
        """Take the next character; give each scheme (without a value) or parameter it ends."""
        match self._state, character:
            case _ParserState.ESCAPED, _:
                self._value.append(character)
                self._state = _ParserState.QUOTED
            case _ParserState.QUOTED, "\\":
                self._state = _ParserState.ESCAPED
            case _ParserState.QUOTED, '"':
                yield from self._end()
            case _ParserState.QUOTED, _:
                self._value.append(character)
            case _ParserState.VALUE, '"' if not self._value:
                self._state = _ParserState.QUOTED
            case _ParserState.VALUE, " " | "\t" if not self._value:
                pass
            case _ParserState.VALUE, "," | " " | "\t":
                yield from self._end()
            case _ParserState.VALUE, _:
                self._value.append(character)
            case ((_ParserState.WORD | _ParserState.AFTER_WORD), "="):
                self._state = _ParserState.VALUE
            case ((_ParserState.WORD | _ParserState.AFTER_WORD), ","):
                yield from self._end_scheme()
            case _ParserState.WORD, " " | "\t":
                self._state = _ParserState.AFTER_WORD
            case _ParserState.WORD, _:
                self._name.append(character)
            case _ParserState.AFTER_WORD, " " | "\t":
                pass
            case _ParserState.AFTER_WORD, _:
                yield from self._end_scheme()
                self._name, self._state = [character], _ParserState.WORD
            case _ParserState.BETWEEN, "," | " " | "\t" | '"' | "=":
                pass
            case _ParserState.BETWEEN, _:
                self._name, self._state = [character], _ParserState.WORD

    def finish(self) -> Iterator[tuple[str, str | None]]:
        """Give what the end of the header ends."""
        if self._state in (_ParserState.WORD, _ParserState.AFTER_WORD):
            yield from self._end_scheme()
        elif self._state is not _ParserState.BETWEEN:
            yield from self._end()

    def _end(self) -> Iterator[tuple[str, str | None]]:
        yield "".join(self._name).lower(), "".join(self._value)
        self._name, self._value = [], []
        self._state = _ParserState.BETWEEN

    def _end_scheme(self) -> Iterator[tuple[str, str | None]]:
        yield "".join(self._name).lower(), None
        self._name = []
        self._state = _ParserState.BETWEEN


def _items(header: str) -> Iterator[tuple[str, str | None]]:
    reader = _ChallengeReader()
    for character in header[:_HEADER_LIMIT]:
        yield from reader.feed(character)
    yield from reader.finish()
