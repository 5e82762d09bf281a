"""How a registry host is doing: whether to ask it now, and whether to ask again.

    well --nothing heard in eight different seconds, over 20 s or more--> dead
    dead --every 15 s one request is let through; an answer--> well

Pure: times are given, in seconds on any clock that only goes forward.
"""

# A host is dead when it was asked and silent for so long, longer than a restart takes, and
# at so many different times: what breaks in one instant, or while it is left alone, says
# nothing of the seconds after.
_SILENCE = 20.0
_UNHEARD = 8
_APART = 1.0
# Seconds between the requests that find out whether a dead host is back.
_PROBE = 15.0
# Requests to one host that may be repeats before it has answered any, and how many more
# each answer allows: where every second one is in vain, asking more makes it worse.
_RESERVE = 100.0
_EARNED = 0.5


class CircuitBreaker:
    """One host, as all who ask it see it."""

    def __init__(self) -> None:
        self._paused_until = 0.0
        self._unheard = 0
        self._unheard_at = 0.0
        self._silent_since = 0.0
        self._dead = False
        self._probe_at = 0.0
        self._repeats = _RESERVE

    def pause(self, seconds: float, now: float) -> None:
        """Note that the host asks for a pause of so many seconds."""
        self._paused_until = max(self._paused_until, now + seconds)

    @property
    def well(self) -> bool:
        """Whether it never was left alone; then no clock need be asked."""
        return not self._dead and not self._paused_until

    def wait(self, now: float) -> float:
        """Return the seconds until it may be asked again, 0 if it may be now."""
        return max(0.0, self._paused_until - now)

    def answered(self) -> None:
        """Note that the host answered, whatever the status."""
        self._unheard = 0
        self._dead = False
        self._repeats = min(_RESERVE, self._repeats + _EARNED)

    def unheard(self, now: float) -> None:
        """Note that a request got no answer."""
        if not self._unheard:
            self._silent_since = now
        elif now - self._unheard_at < _APART:
            return
        self._unheard += 1
        self._unheard_at = now
        if self._unheard >= _UNHEARD and now - self._silent_since >= _SILENCE and not self._dead:
            self._dead = True
            self._probe_at = now + _PROBE

    def admit(self, now: float) -> bool:
        """Let a request through, or not; to a dead host one goes every 15 seconds."""
        if not self._dead:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + _PROBE
        return True

    def spend_repeat(self) -> bool:
        """Take one repeat from what is left; return whether there was one."""
        if self._repeats < 1:
            return False
        self._repeats -= 1
        return True
