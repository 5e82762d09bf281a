"""What a registry still lets us pull, as Docker Hub says with every answer.

    ratelimit-limit: 100;w=21600
    ratelimit-remaining: 76;w=21600

Only a GET of a manifest counts; a HEAD says the figures for nothing.  Registries
that say nothing have no such limit.
"""

from math import inf

from msgspec import Struct

from mirror.wire.message import Reply

# Seconds.  Shorter windows are for pace, and are over before a run is.
_SHORTEST_WINDOW = 600


class PullQuota(Struct):
    """The pulls that are left at one registry: feed every reply to `see`."""

    limit: int | None = None
    remaining: float = inf
    window: int = 0
    """Seconds over which pulls are counted."""

    def see(self, reply: Reply) -> bool:
        """Take what a reply says of the limit; return whether it said anything."""
        said = _figures(reply.headers.get("ratelimit-remaining", ""))
        if said is None or said[1] < _SHORTEST_WINDOW:
            return False
        # Answers to requests that travelled together come in any order: the
        # least of them is what is left.
        self.remaining = min(self.remaining, said[0])
        self.window = said[1]
        if (limit := _figures(reply.headers.get("ratelimit-limit", ""))) is not None:
            self.limit = limit[0]
        return True

    def take(self) -> bool:
        """Take one pull, if there is one left."""
        if self.remaining < 1:
            return False
        self.remaining -= 1
        return True


def _figures(text: str) -> tuple[int, int] | None:
    """Read ``76;w=21600`` as the number and the seconds."""
    number, _, rest = text.partition(";")
    number, window = number.strip(), rest.strip().removeprefix("w=")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    return int(number), int(window) if window.isascii() and window.isdigit() else 0
