"""Times as people write them: `06:00`, `4h`, `1h30m`."""

import re
from datetime import datetime, timedelta

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DURATION = re.compile(r"(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")


def seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from now to a time of day, today or tomorrow, or those of a duration.

    Raises ValueError for anything else, and for no time at all.
    """
    if found := _TIME.fullmatch(text):
        # By the clock on the wall, also in the night in which that is changed: without a zone
        # a time is local, whereas the offset of this moment may not be that of the other.
        wall = now.replace(tzinfo=None)
        then = wall.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        if then <= wall:
            then += timedelta(days=1)
        return then.timestamp() - now.timestamp()
    try:
        return duration(text)
    except ValueError as error:
        problem = f"{text!r} is no time: write 06:00, or how long, such as 4h or 1h30m"
        raise ValueError(problem) from error


def duration(text: str) -> float:
    """Return the seconds of a duration; raise ValueError for anything else, and for none."""
    if text and (found := _DURATION.fullmatch(text)):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length:
            return length.total_seconds()
    raise ValueError(f"{text!r} is no duration: write 7d, 4h or 1h30m")
