"""The demo command: the main job between two embedded registries, as a user would run it."""

from contextlib import AsyncExitStack

from mirror.cli.copy import copy_and_tell
from mirror.cli.terminal import Terminal
from mirror.demo.images import catalog
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.loop import run
from mirror.exit_code import ExitCode
from mirror.mapping.grammar import parse
from mirror.options import Options

_NEXT = """
What to try next:

  mirror serve --catalog --listen 127.0.0.1:5000     a registry with this catalog
  mirror serve --listen 127.0.0.1:5001               an empty one, in another terminal
  mirror '127.0.0.1:5000/shop/*=127.0.0.1:5001/copy/*' --dry-run
  mirror inspect 127.0.0.1:5000/shop/cart:1.1
  mirror --help"""


def main() -> ExitCode:
    """Show it; return what the last copy returned."""
    return run(_demonstrate)


async def _demonstrate() -> ExitCode:
    terminal = Terminal()
    origin, mirror = EmbeddedRegistry(), EmbeddedRegistry()
    catalog(origin.store)
    async with AsyncExitStack() as running:
        source = await running.enter_async_context(origin.running())
        target = await running.enter_async_context(mirror.running())
        names = origin.store.names()
        terminal.say(f"Two registries are running in this process: {source} has", "bold")
        terminal.say(f"{len(names)} repositories, {target} is empty.\n", "bold")
        mapping = f"{source}/*={target}/mirror/*"
        for remark in ("Now everything is there. Once more:\n", "Nothing has moved."):
            terminal.say(f"$ mirror '{mapping}'", "bold")
            code = await copy_and_tell(parse([mapping]), Options(), terminal)
            if code is not ExitCode.DONE:
                return code
            terminal.say(f"\n{remark}", "bold")
    terminal.say(_NEXT)
    return code
