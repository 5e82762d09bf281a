"""The library without ``await``: each function runs an event loop of its own until it is done.

For scripts.  Raises RuntimeError where an event loop runs already: there, await `mirror.copy`.
"""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from mirror.engine.loop import run
from mirror.library import configured_sync, copy_and_verify

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _blocking(work: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, _T]:
    @wraps(work)
    def wait(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return run(partial(work, *args, **kwargs), only=False)

    return wait


copy = _blocking(copy_and_verify.copy)
verify = _blocking(copy_and_verify.verify)
sync = _blocking(configured_sync.sync)
