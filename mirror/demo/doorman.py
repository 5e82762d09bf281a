"""Who may come in: an embedded registry's tokens, each good for so many requests."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Doorman:
    """Gives tokens to whoever asks, and lets those in who show one that is not used up.

    Counting requests in place of seconds, it makes tokens run out in the middle
    of whatever is going on, the same way each time.
    """

    uses: int
    given: int = 0
    _left: dict[str, int] = field(default_factory=dict)

    def give(self) -> str:
        """Make a token."""
        self.given += 1
        token = f"token-{self.given}"
        self._left[f"Bearer {token}"] = self.uses
        return token

    def admits(self, login: str) -> bool:
        """Whether to let a request in that shows this; if so, it is one use less."""
        left = self._left.get(login, 0)
        self._left[login] = left - 1
        return left > 0
