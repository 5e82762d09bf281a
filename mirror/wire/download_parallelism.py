"""How many connections a blob is worth at one registry: more while they bring more.

Pure: the reader tells how many bytes came, how long it had to wait for them and
what time it is.  A source that gives each connection only so much, as CDNs do, is
seen by its readers waiting while little comes; whether more connections help is
tried, and where they do not, since a line is full, it is one connection again.
"""

# Connections to one blob: the first, those of the trial, and the most.
_STEPS = (1, 4, 8)
# Seconds of one look, and those after a change that say nothing about it yet.
_LOOK, _SETTLING = 0.5, 0.25
# Seconds after a trial that brought nothing until there may be another.
_AGAIN = 30.0
# Readers wait for the source if they do so for this share of their time.
_WAITING = 0.7
# Bytes per second of one connection that is not throttled.
_FREE = 32_000_000
# What more connections must bring, of what as many times the rate of one would be.
_WORTH = 0.6


class DownloadParallelism:
    """How many connections each blob is to be read over."""

    def __init__(self) -> None:
        self.wanted = _STEPS[0]
        """Connections that a blob is worth now."""
        self.useful = True
        """Whether more than one can be of use, as far as is known."""
        self._since: float | None = None
        self._bytes = 0
        self._waited = 0.0
        self._each = 0.0

    def advance(self, count: int) -> None:
        """Count bytes that arrived, over any connection."""
        self._bytes += count

    def waited(self, seconds: float) -> None:
        """Count the seconds that a reader waited."""
        self._waited += seconds

    def fails(self) -> None:
        """Stay with one connection for good: pieces of a blob cannot be had."""
        self.wanted = _STEPS[0]
        self.useful = False

    def look(self, now: float, connections: int, readers: int) -> None:
        """Judge what came since the last time, over so many connections; changes ``wanted``."""
        if self._since is None or now < self._since:
            self._begin(self._since or now)
        elapsed = now - (self._since or now)
        if elapsed < _LOOK or not self.useful:
            return
        rate = self._bytes / elapsed / connections
        waits = self._waited >= _WAITING * elapsed * readers
        self._begin(now)
        if self.wanted == _STEPS[0]:
            self._each = rate
            if waits and rate < _FREE:
                self._change(1, now + _SETTLING)
        elif rate < _WORTH * self._each:
            self._change(-1, now + _AGAIN)
        elif waits and connections >= self.wanted * readers:
            self._change(1, now + _SETTLING)

    def _begin(self, since: float) -> None:
        self._since, self._bytes, self._waited = since, 0, 0.0

    def _change(self, by: int, again: float) -> None:
        """Take the next step up or down, and look at nothing before then."""
        step = min(_STEPS.index(self.wanted) + by, len(_STEPS) - 1)
        self.wanted = _STEPS[step]
        self._begin(again)
