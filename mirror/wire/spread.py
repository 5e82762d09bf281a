"""How many connections one blob is worth: more while they make it faster.

Pure: whoever reads tells how many bytes came, how long it had to wait for them and
what time it is.  A source that gives each connection only so much, as CDNs do, is
seen by its reader waiting while little comes; whether more connections help is
tried, and if they do not, it stays with one.
"""

# Connections to one blob: the first, those of the trial, and the most.
_STEPS = (1, 4, 8)
# Seconds of one look, and those after a change that say nothing about it yet.
_LOOK, _SETTLING = 0.5, 0.25
# The reader waits for the source if it does so for this share of its time.
_WAITING = 0.7
# Bytes per second of one connection that nobody throttles.
_FREE = 64_000_000
# What more connections must bring, of what as many times the rate of one would be.
_WORTH = 0.6


class Spread:
    """How many connections one blob is to be read over."""

    def __init__(self, now: float) -> None:
        self.wanted = _STEPS[0]
        """Connections that it is worth now."""
        self._since = now
        self._bytes = 0
        self._waited = 0.0
        self._each = 0.0
        self._settled = False

    def took(self, count: int) -> None:
        """Learn that so many bytes have come, over whichever connection."""
        self._bytes += count

    def waited(self, seconds: float) -> None:
        """Learn that the reader had to wait so long."""
        self._waited += seconds

    def look(self, now: float, connections: int) -> None:
        """Judge what came over so many connections since the last time; changes ``wanted``."""
        elapsed = now - self._since
        if elapsed < 0.0:
            self._bytes, self._waited = 0, 0.0  # it still settles
        if self._settled or elapsed < _LOOK:
            return
        rate, waits = self._bytes / elapsed, self._waited >= _WAITING * elapsed
        self._since, self._bytes, self._waited = now, 0, 0.0
        if self.wanted == _STEPS[0]:
            self._each = rate
            if waits and rate < _FREE:
                self._change(_STEPS[1], now)
        elif connections >= self.wanted:
            if rate < _WORTH * connections * self._each:
                self.wanted = max(n for n in _STEPS if n < self.wanted)
                self._settled = True
            elif waits:
                self._change(min((n for n in _STEPS if n > self.wanted), default=0), now)

    def give_up(self) -> None:
        """Stay with one connection from now on: more of them do not work."""
        self.wanted = _STEPS[0]
        self._settled = True

    def _change(self, wanted: int, now: float) -> None:
        self.wanted = wanted or self.wanted
        self._settled = not wanted
        self._since = now + _SETTLING
