"""A registry that gives the answers it was given, one after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from mirror.errors import MirrorError
from mirror.wire.message import Reply, Request


class Scripted:
    """Gives each answer once, in order, and keeps what it was asked."""

    def __init__(self, *answers: Reply | MirrorError) -> None:
        self.asked: list[Request] = []
        self.open = 0  # replies that have not been given back
        self._answers = list(answers)

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        await anyio.lowlevel.checkpoint()
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, MirrorError):
            raise answer
        self.open += 1
        try:
            yield answer
        finally:
            self.open -= 1

    @property
    def methods(self) -> str:
        return " ".join(request.method for request in self.asked)


def answer(status: int, *parts: bytes | MirrorError, **headers: object) -> Reply:
    """Return a reply of these parts, an error among them breaks it off; ``a_b`` is ``A-B``."""

    async def chunks() -> AsyncIterator[bytes]:
        for part in parts:
            if isinstance(part, MirrorError):
                raise part
            yield part

    named = {name.title().replace("_", "-"): str(value) for name, value in headers.items()}
    return Reply(status, "https://r.io/v2/", named, chunks(), link=named.get("Link", ""))
