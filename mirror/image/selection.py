"""Which platforms of an index are wanted."""

import re
from dataclasses import dataclass

from mirror.image.platform import Platform


@dataclass(frozen=True, slots=True)
class Selection:
    """The platforms that are wanted: any of these, or all that a pattern is found in."""

    platforms: tuple[Platform, ...] = ()
    pattern: re.Pattern[str] | None = None
    keep_index: bool = False
    """Whether an index stays as it is, byte for byte, with fewer children behind it."""

    def wants(self, platform: Platform) -> bool:
        """Whether a platform is wanted."""
        if self.pattern is not None and self.pattern.search(str(platform)):
            return True
        return any(wanted.covers(platform) for wanted in self.platforms)
