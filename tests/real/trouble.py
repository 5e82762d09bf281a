"""A way to a registry on which things go wrong: resets, stalls, cuts, changes at chosen bytes."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

_READ = 64 * 1024
# Closing with this sends a reset instead of an end.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens once so many bytes have gone in a direction of one connection.

    ``how`` is ``reset``, ``truncate``, ``stall`` or ``corrupt``, or something to be
    done there before the bytes go on.
    """

    byte: int
    how: str | Callable[[], None]


Plan = Callable[[int, str], Trouble | None]
"""What happens to a connection, by its number, on the way ``up`` to the server or ``down``."""


def by_chance(seed: int, share: float, reach: int, hows: list[str]) -> Plan:
    """Trouble for this share of connections, at a byte below ``reach``; the same for a seed."""

    def plan(number: int, direction: str) -> Trouble | None:
        chance = Random(f"{seed} {number} {direction}")
        if chance.random() >= share:
            return None
        return Trouble(chance.randrange(reach), chance.choice(hows))

    return plan


def once(direction: str, trouble: Trouble) -> Plan:
    """Trouble for the first connection that gets so far."""
    left = [trouble]

    def meet() -> None:
        if left and not isinstance(trouble.how, str):
            left.clear()
            trouble.how()

    return lambda _, way: Trouble(trouble.byte, meet) if way == direction else None


@dataclass(slots=True)
class Way:
    """A forwarding of connections to a port; count how many bytes went each way."""

    port: int
    plan: Plan
    moved: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    _open: list[socket.socket] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[int]:
        """Forward while the block lasts; give the port to connect to."""
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            try:
                yield listener.getsockname()[1]
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                for one in self._open:
                    one.close()

    def _accept(self, listener: socket.socket) -> None:
        number = 0
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.port), timeout=60)
                except OSError:
                    client.close()
                    continue
                # Little is on its way at any time, so that what is counted has arrived.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _READ)
                self._open += [client, server]
                for direction, ends in (("up", (client, server)), ("down", (server, client))):
                    trouble = self.plan(number, direction)
                    words = (direction, *ends, trouble)
                    threading.Thread(target=self._pump, args=words, daemon=True).start()
                number += 1

    def _pump(
        self, direction: str, here: socket.socket, there: socket.socket, trouble: Trouble | None
    ) -> None:
        gone = 0
        with suppress(OSError):
            while data := here.recv(_READ):
                gone += len(data)
                self.moved[direction] += len(data)
                if trouble is not None and gone > trouble.byte:
                    if callable(trouble.how):
                        trouble.how()
                    elif trouble.how == "corrupt":
                        # Only what is surely a body: nothing can help against changed heads.
                        if b"HTTP/1." in data or len(data) < _READ // 2:
                            there.sendall(data)
                            continue
                        data = data[:99] + bytes([data[99] ^ 1]) + data[100:]
                    elif trouble.how == "stall":
                        return
                    else:
                        self._cut(here, there, reset=trouble.how == "reset")
                        return
                    trouble = None
                there.sendall(data)
        self._cut(here, there, reset=False)

    def _cut(self, *ends: socket.socket, reset: bool) -> None:
        for end in ends:
            with suppress(OSError):
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()
