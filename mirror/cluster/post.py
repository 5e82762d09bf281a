"""Answers on their way to workers; a login goes no other way."""

import anyio
from distributed import Client

from mirror.auth.keychain import Logins
from mirror.cluster import worker
from mirror.cluster.book import Book
from mirror.cluster.message import Reply

# Seconds that a worker has to take an answer.
_TIMEOUT = 30.0


class Post:
    """Sends what the book has to be answered, several answers to one worker together."""

    def __init__(self, client: Client, book: Book, logins: Logins) -> None:
        self._client = client
        self._book = book
        self._logins = logins
        self._waiting = anyio.Event()

    def collect(self) -> None:
        """Look if there is something to send."""
        if self._book.replies or self._book.wants_logins:
            self._waiting.set()

    async def deliver(self) -> None:
        """Send whatever there is, until cancelled."""
        book = self._book
        async with anyio.create_task_group() as tasks:
            while True:
                await self._waiting.wait()
                self._waiting = anyio.Event()
                wanting, book.wants_logins = book.wants_logins, []
                for address, attempt in wanting:
                    tasks.start_soon(self._send, address, Reply(attempt, logins=self._logins))
                replies, book.replies = book.replies, {}
                for address, of_attempts in replies.items():
                    for reply in of_attempts.values():
                        tasks.start_soon(self._send, address, reply)

    async def _send(self, address: str, reply: Reply) -> None:
        # A worker that is gone by now needs no answer, and one that hangs keeps nobody waiting.
        with anyio.move_on_after(_TIMEOUT):
            await self._client.run(worker.hear, reply, workers=[address], on_error="ignore")
