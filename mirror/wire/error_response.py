"""What an unhappy reply means: the error to raise for it.

The status decides, the code in the body refines.  Bodies may be empty, HTML or
another JSON than the specification's; whatever they are, they are cut short and
put on one line, since they end in reports and terminals.  Distribution
specification, "Error codes".
"""

import re
from http import HTTPStatus

import msgspec

from mirror.errors import Denied, NotFound, Refused, RegistryError, Throttled, TooLarge, Unsupported
from mirror.wire.message import Reply

# Error bodies longer than this are not read: the interesting part comes first.
ERROR_LIMIT = 16 * 1024
_TEXT_LIMIT = 300

_BY_STATUS: dict[int, type[RegistryError]] = {
    401: Denied,
    403: Denied,
    404: NotFound,
    405: Unsupported,
    409: Refused,
    412: Refused,
    413: TooLarge,
    415: Unsupported,
    429: Throttled,
}
_BY_CODE: dict[str, type[RegistryError]] = {
    "TOOMANYREQUESTS": Throttled,
    "TAG_INVALID": Refused,
    "TAG_IMMUTABLE": Refused,
    "TAG_ALREADY_EXISTS": Refused,
    "UNSUPPORTED": Unsupported,
    "MANIFEST_UNKNOWN": NotFound,
    "NAME_UNKNOWN": NotFound,
}
_FULL = "Make room at the registry; its storage or the quota is used up."


class _ErrorEntry(msgspec.Struct):
    code: str = ""
    message: str = ""
    detail: msgspec.Raw = msgspec.Raw(b"")


class _ErrorBody(msgspec.Struct):
    errors: list[_ErrorEntry] = []
    details: str = ""


_DECODER = msgspec.json.Decoder(_ErrorBody)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_MARKUP = re.compile(rb"<(script|style).*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def failure(reply: Reply, content: bytes = b"") -> RegistryError:
    """Return the error that a reply amounts to; ``content`` is as much of its body as was read."""
    code, text = _explain(reply, content)
    kind = _BY_STATUS.get(reply.status, RegistryError)
    if reply.status < 500 and code in _BY_CODE:
        kind = _BY_CODE[code]
    answer = f"{reply.status} {_phrase(reply)}".strip()
    error = kind(f"{answer}: {text}" if text else answer, code=code)
    return error.but(hint=_FULL) if reply.status == 507 else error


def _phrase(reply: Reply) -> str:
    try:
        return HTTPStatus(reply.status).phrase
    except ValueError:
        return one_line(reply.reason)


def _explain(reply: Reply, content: bytes) -> tuple[str, str]:
    """Find the first error code of a body, and a line of text for a person."""
    try:
        body = _DECODER.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        if reply.media_type == "text/html" or content.lstrip()[:1] == b"<":
            return (
                "",
                f"a web page: {one_line(_MARKUP.sub(b' ', content).decode(errors='replace'))}",
            )
        return "", one_line(content.decode(errors="replace"))
    if not body.errors:
        return "", one_line(body.details)
    first = body.errors[0]
    parts = (first.code, first.message, bytes(first.detail).decode(errors="replace"))
    return first.code, one_line(": ".join(p for p in parts if p and p not in ("null", "{}", '""')))


def one_line(text: str) -> str:
    """Make text fit for one line of a terminal: no control characters, not too long."""
    # Headers that are not UTF-8 come as surrogates, which no report could hold.
    text = text.encode(errors="replace").decode()
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 3] + "..."
