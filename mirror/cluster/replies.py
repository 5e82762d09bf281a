"""Answers on their way to workers; a login goes no other way."""

import anyio
from distributed import Client

from mirror.auth.keychain import Logins
from mirror.cluster import worker
from mirror.cluster.protocol import CoordinatorReply
from mirror.cluster.unit_tracker import UnitTracker

# Seconds that a worker has to take an answer.
_TIMEOUT = 30.0


class Replies:
    """Sends what the tracker has to be answered, several answers to one worker together."""

    def __init__(self, client: Client, tracker: UnitTracker, logins: Logins) -> None:
        self._client = client
        self._tracker = tracker
        self._logins = logins
        self._waiting = anyio.Event()

    def collect(self) -> None:
        """Look if there is something to send."""
        if self._tracker.replies or self._tracker.wants_logins:
            self._waiting.set()

    async def deliver(self) -> None:
        """Send whatever there is, until cancelled."""
        tracker = self._tracker
        async with anyio.create_task_group() as tasks:
            while True:
                await self._waiting.wait()
                self._waiting = anyio.Event()
                wanting, tracker.wants_logins = tracker.wants_logins, []
                for address, attempt in wanting:
                    tasks.start_soon(
                        self._send, address, CoordinatorReply(attempt, logins=self._logins)
                    )
                replies, tracker.replies = tracker.replies, {}
                for address, of_attempts in replies.items():
                    for reply in of_attempts.values():
                        tasks.start_soon(self._send, address, reply)

    async def _send(self, address: str, reply: CoordinatorReply) -> None:
        # A worker that is gone by now needs no answer, and one that hangs holds up no other.
        with anyio.move_on_after(_TIMEOUT):
            await self._client.run(worker.hear, reply, workers=[address], on_error="ignore")
