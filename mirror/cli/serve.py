"""The serve command: the embedded registry, until a signal ends it."""

import os

import anyio

from mirror.cli.interrupt import interruptible
from mirror.cli.terminal import Terminal
from mirror.demo.images import catalog as fill
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.loop import run
from mirror.errors import UsageError
from mirror.exit_code import ExitCode

_EXAMPLE = "An address to listen on is HOST:PORT, for example 127.0.0.1:5000."


def main(listen: str, *, catalog: bool) -> ExitCode:
    """Serve until SIGINT or SIGTERM; raise UsageError if that address cannot be used."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{listen!r} is not an address to listen on", hint=_EXAMPLE)
    registry = EmbeddedRegistry()
    if catalog:
        fill(registry.store)
    return run(lambda: _serve(registry, host.strip("[]"), int(port)))


async def _serve(registry: EmbeddedRegistry, host: str, port: int) -> ExitCode:
    terminal = Terminal()
    with interruptible():
        try:
            async with registry.running(host, port) as address:
                terminal.say("Serving from memory; Ctrl-C ends it and forgets everything.")
                terminal.print(address)
                await anyio.sleep_forever()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise UsageError(f"{host}:{port}: {reason}", hint=_EXAMPLE) from error
    # Being ended by a signal is what a server is for.
    return ExitCode.DONE
