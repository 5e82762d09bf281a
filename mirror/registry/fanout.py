"""One reading of a blob for several destinations, each at its own pace.

The reader that needs the next chunk first gets it from the source, and the others have
it in store.  A reader that falls too far behind is waited for a little, and then goes on
by a reading of its own.  What was read of small blobs is kept for a while: the
destinations of one image do not get to the same blob at the same moment.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, Self

import anyio

from mirror.image.digest import Digest
from mirror.image.reference import Repository

# Bytes that are kept for a reader that is slower than another, and the seconds in
# which it may catch up once there are more.
_BEHIND_LIMIT = 4 * 1024 * 1024
_GRACE = 2.0
# Bytes of a beginning that are kept for later readers, and of all of them together.
_HEAD_LIMIT = 4 * 1024 * 1024
_HEADS_LIMIT = 16 * 1024 * 1024
_KEPT_LIMIT = 256


class Chunks(Protocol):
    """The chunks of a blob: an async iterator that may be closed at any time."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


Open = Callable[[int], Chunks]
"""Begins a reading of a blob at a byte."""


class FanOut:
    """The blobs that are read or were just read, by where from; the oldest first."""

    def __init__(self, grace: float = _GRACE) -> None:
        self._shared: dict[tuple[Repository, Digest], _Shared] = {}
        self._grace = grace
        self._held = 0

    def read(self, repository: Repository, digest: Digest, open_at: Open) -> Chunks:
        """Return the chunks of a blob, out of a reading that can still be joined if there is one.

        A reader that finds that they are not the blob calls `distrust`.
        """
        key = repository, digest
        shared = self._shared.get(key)
        if shared is None or shared.head is None:
            shared = self._shared[key] = _Shared(open_at, self._grace)
            shared.over = partial(self._forget, key, shared)
            shared.held = self._hold
        return _Reader(shared, open_at)

    def distrust(self, repository: Repository, digest: Digest) -> None:
        """Close a reading to further readers, since its bytes were not the blob's."""
        if (shared := self._shared.pop((repository, digest), None)) is not None:
            shared.forget()

    def _hold(self, count: int) -> None:
        """Count what is kept, and forget the oldest where that is too much."""
        self._held += count
        while self._held > _HEADS_LIMIT or len(self._shared) > _KEPT_LIMIT:
            self._shared.pop(next(iter(self._shared))).forget()

    def _forget(self, key: tuple[Repository, Digest], shared: "_Shared") -> None:
        if self._shared.get(key) is shared:
            del self._shared[key]


class _Shared:
    """One reading, and all who take part in it."""

    def __init__(self, open_at: Open, grace: float) -> None:
        self.head: deque[bytes] | None = deque()
        """All that was read, as long as it is little; None once that is too much."""
        self._chunks = open_at(0)
        self.over: Callable[[], object] = lambda: None
        """Called when no reader can join any more."""
        self.held: Callable[[int], object] = lambda _: None
        """Called with how many bytes more, or less, are kept for who joins."""
        self._grace = grace
        self._taps: dict[_Reader, None] = {}
        self._turn = anyio.Lock(fast_acquire=True)
        self._ended = False
        self._head_size = 0

    def forget(self) -> None:
        """Keep nothing any more, so that no reader can join."""
        if self.head is not None:
            self.head = None
            self.held(-self._head_size)

    def join(self, tap: "_Reader") -> None:
        self._taps[tap] = None

    async def leave(self, tap: "_Reader") -> None:
        """Take no further part; the last one out gives the connection back."""
        if self._taps.pop(tap, tap) is None:
            tap.room.set()
            if not self._taps:
                await self._close()

    async def next(self, tap: "_Reader") -> bytes | None:
        """Return the next chunk for this reader, b"" at the end; None if it is on its own now."""
        async with self._turn:
            if tap.store:
                return tap.pop()
            if tap not in self._taps:
                return None
            if self._ended:
                return b""
            return await self._pull(tap)

    async def _pull(self, tap: "_Reader") -> bytes:
        whole = False
        try:
            await self._wait_for_the_slow(tap)
            chunk = await anext(self._chunks, b"")
            whole = True
        finally:
            if not whole:
                # Whichever reader it was, the reading is of no use to the others any more.
                self._taps.clear()
                await self._close()
        if not chunk:
            self._ended = True
            if self.head is None:
                self.over()
        for other in self._taps:
            if other is not tap and chunk:
                other.push(chunk)
        self._remember(chunk)
        return chunk

    async def _wait_for_the_slow(self, tap: "_Reader") -> None:
        for other in [one for one in self._taps if one is not tap]:
            if other.behind > _BEHIND_LIMIT:
                with anyio.move_on_after(self._grace):
                    await other.room.wait()
                if other.behind > _BEHIND_LIMIT:
                    self._taps.pop(other, None)

    def _remember(self, chunk: bytes) -> None:
        if self.head is None:
            return
        if self._head_size + len(chunk) > _HEAD_LIMIT:
            self.forget()
            return
        self._head_size += len(chunk)
        self.head.append(chunk)
        self.held(len(chunk))

    async def _close(self) -> None:
        if not self._ended:
            self.forget()
        if self.head is None:
            self.over()
        await self._chunks.aclose()


class _Reader:
    """One reader's part in a shared reading."""

    def __init__(self, shared: _Shared, open_at: Open) -> None:
        self.store: deque[bytes] = deque(shared.head or ())
        self.behind = sum(len(chunk) for chunk in self.store)
        """Bytes that it has in store and has not taken yet."""
        self.room = anyio.Event()
        """Set when it has caught up."""
        self._shared = shared
        self._open_at = open_at
        self._own: Chunks | None = None
        self._position = 0
        shared.join(self)

    def push(self, chunk: bytes) -> None:
        self.store.append(chunk)
        self.behind += len(chunk)
        if self.behind > _BEHIND_LIMIT and self.room.is_set():
            self.room = anyio.Event()

    def pop(self) -> bytes:
        chunk = self.store.popleft()
        self.behind -= len(chunk)
        if self.behind <= _BEHIND_LIMIT:
            self.room.set()
        return chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._next()
        if not chunk:
            raise StopAsyncIteration
        self._position += len(chunk)
        return chunk

    async def _next(self) -> bytes:
        if self.store:
            return self.pop()
        if self._own is None:
            chunk = await self._shared.next(self)
            if chunk is not None:
                return chunk
            self._own = self._open_at(self._position)
        return await anext(self._own, b"")

    async def aclose(self) -> None:
        self.store.clear()
        self.behind = 0
        await self._shared.leave(self)
        if self._own is not None:
            await self._own.aclose()
