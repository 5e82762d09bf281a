"""Of which mappings for many repositories something was found, as units tell of images.

A pattern that matches nothing is a failure, and no unit knows of more than its own repositories.
"""

from collections.abc import Iterable

from mirror.events import ImageSettled
from mirror.mapping.grammar import Rule
from mirror.plan.survey import Survey


class Harvest:
    """Tells a survey which of its rules bore fruit."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._catalogs: dict[tuple[str, str], str] = {}
        """Of which rule a repository is one, by its name and the rule's origin."""

    def expect(self, rules: Iterable[Rule]) -> None:
        """Learn for which repositories there are rules."""
        for rule in rules:
            if rule.catalog:
                place = str(rule.source.repository), str(rule.origin)
                self._catalogs[place] = rule.catalog

    def take(self, image: ImageSettled) -> None:
        """Learn what became of an image, or of all of a repository that could not be listed."""
        place = _repository(image.source), image.origin
        if (catalog := self._catalogs.get(place)) is not None:
            self._survey.bore_fruit(catalog)


def _repository(reference: str) -> str:
    """Return a reference without tag and digest; it may be a pattern, which no noun can be."""
    name = reference.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name
