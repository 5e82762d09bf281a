"""Faults by chance: the same chances for the same seed."""

from random import Random

from msgspec import field

from mirror.demo.fault import Fault

_NOW = {"Retry-After": "0"}


class Weather(Fault):
    """A fault that strikes a share of requests; one of a body does so anywhere below ``reach``."""

    share: float = 0.0
    chance: Random = field(default_factory=Random)
    reach: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """See `Fault`."""
        if self.reset is not None:
            self.reset = self.chance.randrange(self.reach)
        if self.breaks is not None:
            self.breaks = self.chance.randrange(self.reach)
        return self.chance.random() < self.share


def storm(seed: int, reach: int, *, stall: float = 0.0) -> list[Fault]:
    """10 % 503, 5 % 429 and 5 % resets at bytes below ``reach``."""
    chance = Random(seed)
    return [
        Weather(status=503, headers=_NOW, share=0.10, chance=chance),
        Weather(status=429, headers=_NOW, share=0.05, chance=chance),
        Weather(reset=0, share=0.03, chance=chance, reach=reach),
        Weather(breaks=0, share=0.01, chance=chance, reach=reach),
        Weather(deaf=True, share=0.01, chance=chance),
        Weather(stall=100, share=stall, chance=chance),
    ]
