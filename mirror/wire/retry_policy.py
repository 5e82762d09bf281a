"""When to try again: what is worth another attempt, and how long to wait before it.

Pure: the attempt's number, the reply and a source of chance are given; whoever
waits has `mirror.registry.backoff`.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from mirror.wire.message import Reply

# Statuses of a moment: overload, restarts, proxies whose registry is away.
# Cloudflare's are from 520 on; 499 is nginx's for a request it cut off itself.
_PASSING = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 525)})
# Those that speak for the whole host, so that all requests to it wait.
_HOST_WIDE = frozenset({429, 503})
# Seconds: the first wait and the longest, before chance makes it shorter.
_FIRST, _LONGEST = 0.5, 30.0
# The first wait after a 429 that does not say how long.
_FIRST_THROTTLED = 2.0
# Bytes that are worth a new start.
_PROGRESS = 1024 * 1024
# Seconds that a registry may make us wait, at most.
_TOLD_LIMIT = 600.0


def is_transient(status: int) -> bool:
    """Whether an answer may be another one if asked again."""
    return status in _PASSING


def concerns_host(status: int) -> bool:
    """Whether an answer is about the whole host and not about one request."""
    return status in _HOST_WIDE


def wait(attempt: int, chance: Random, reply: Reply | None = None) -> float:
    """Return the seconds to wait after an attempt, the first being 0, that got this reply.

    What the registry says counts.  Otherwise the wait doubles, and is drawn
    between nothing and that, so that those who failed together do not return
    together.
    """
    if reply is not None and (told := retry_after(reply)) is not None:
        return told
    throttled = reply is not None and reply.status == 429
    first = _FIRST_THROTTLED if throttled else _FIRST
    return chance.uniform(0, min(_LONGEST, first * 2**attempt))


class ResumeBudget:
    """How often something long may break off and go on: failures count since it last moved on."""

    def __init__(self, retries: int, chance: Random) -> None:
        self._retries = retries
        self._chance = chance
        self._failures = 0
        self._reached = 0

    def after(self, position: int) -> float | None:
        """Return the seconds to wait after it broke off at this byte; None to give up.

        Getting a mebibyte further makes good for all failures before.
        """
        if position - self._reached >= _PROGRESS:
            self._failures = 0
            self._reached = position
        if self._failures >= self._retries:
            return None
        self._failures += 1
        return wait(self._failures - 1, self._chance)


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that a Retry-After asks for, at least 0 and at most ten minutes.

    It is a number, or a date, which is held against the reply's own Date, since
    the clocks may differ.  RFC 9110, section 10.2.3.
    """
    text = reply.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text) if text[0].isdigit() else _until(text, reply)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), _TOLD_LIMIT)


def _until(text: str, reply: Reply) -> float:
    now = datetime.now(UTC)
    if "Date" in reply.headers:
        now = parsedate_to_datetime(reply.headers["Date"])
    return (parsedate_to_datetime(text) - now).total_seconds()
