"""The event loop: uvloop where it is installed, asyncio's own elsewhere."""

import gc
import importlib.util
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")


def run(work: Callable[[], Awaitable[_T]], *, only: bool = True) -> _T:
    """Run a coroutine function to its end and return what it returned.

    With ``only`` there is nothing else that the process does.
    """
    if only:
        gc.freeze()  # what was loaded and read until now stays
    fast = importlib.util.find_spec("uvloop") is not None
    return anyio.run(work, backend="asyncio", backend_options={"use_uvloop": fast})
