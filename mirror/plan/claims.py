"""Destinations that are promised: one tag has one source."""

from mirror.errors import MirrorError, Place, Refused, Side
from mirror.image.reference import Reference
from mirror.mapping.wildcard import Pair


class Claims:
    """Who was promised which destination."""

    def __init__(self) -> None:
        self._claimed: dict[tuple[Reference, Reference | None], Pair] = {}

    def first(self, pair: Pair) -> Pair:
        """Return the first pair with this destination, which may be this one."""
        # Only a tag can be claimed: a digest is the same whoever brings it.
        claimed = (pair.destination, None if pair.destination.tag else pair.source)
        return self._claimed.setdefault(claimed, pair)


def taken(pair: Pair, other: Reference) -> MirrorError:
    """Return the error of a pair whose destination another source was promised."""
    error = Refused(
        f"{other} goes there too", hint="Give one of the two another destination or tag."
    )
    place = Place(Side.DESTINATION, str(pair.destination), f"claiming it for {pair.source}")
    return error.at(place)
