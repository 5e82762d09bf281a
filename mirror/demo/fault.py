"""Misbehaviour on request: what an embedded registry does wrong, to whom and how often."""

import re
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, field


class Fault(Struct):
    """One way to misbehave, for requests of this method whose path matches.

    With a ``status`` that is the answer, with ``headers`` and ``body``.
    Without, the real answer is given, but damaged: after that many bytes of its
    body ``truncate`` closes the connection, ``reset`` aborts it and ``stall`` sends
    nothing more; ``corrupt`` changes the byte at that position.  Or there is none:
    ``hang_up`` aborts before anything is done, ``deaf`` after it is done, ``silent``
    does nothing for ever, and ``breaks`` aborts when so many bytes of a blob have
    come, which are kept.  Whatever it is, ``after`` is awaited first.
    """

    method: str = ".*"
    path: str = ".*"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncate: int | None = None
    reset: int | None = None
    stall: int | None = None
    corrupt: int | None = None
    hang_up: bool = False
    deaf: bool = False
    silent: bool = False
    breaks: int | None = None
    after: Callable[[], Awaitable[object]] | None = None
    times: int = 1

    def strikes(self, method: str, path: str) -> bool:
        """Whether it concerns this request; if so, it is used up by one."""
        if not self.times:
            return False
        if not (re.fullmatch(self.method, method) and re.search(self.path, path)):
            return False
        self.times -= 1
        return True

    @property
    def damages(self) -> bool:
        """Whether the answer is sent otherwise than it is."""
        ways = (self.truncate, self.reset, self.stall, self.corrupt)
        return any(way is not None for way in ways)

    def damage(self, content: bytes) -> bytes:
        """Return the body as it is sent: altered or cut short."""
        if self.corrupt is not None and self.corrupt < len(content):
            altered = bytearray(content)
            altered[self.corrupt] ^= 0xFF
            content = bytes(altered)
        ends = [end for end in (self.truncate, self.reset, self.stall) if end is not None]
        return content[: min(ends)] if ends else content
