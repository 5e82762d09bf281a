"""A registry that shows strangers a part and says nothing of the rest.

As zot does with an anonymous policy beside a login: it asks nobody to log in.
"""

import sys

import anyio
from aiohttp import web

from mirror.auth.credential import Credential
from mirror.demo.api import Api
from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.demo.store import Store

LOGIN = "mirror:secret"


class PartlyPublic(EmbeddedRegistry):
    """Repositories and tags, of which strangers see those of ``public`` only."""

    def __init__(self) -> None:
        super().__init__(keep_log=True)
        self.public = Store()

    def add(self, name: str, tag: str, *, public: bool = False) -> None:
        """Put an image into a repository."""
        for store in (self.store, self.public) if public else (self.store,):
            config = Blob(b'{"name": "%s"}' % name.encode(), CONFIG)
            put(store, name, config, [layer(f"{name}{tag}", 1000)], tag)

    async def _fulfil(self, request: web.Request, fault: Fault | None) -> web.Response:
        login = request.headers.get("Authorization", "")
        if login and login != Credential.parse(LOGIN).basic:
            return web.Response(status=401)
        store = self.store if login else self.public
        return await Api(store, request, mounts=True, ranges=True).answer()


def filled() -> PartlyPublic:
    """Return one with three repositories of three tags, of which strangers see one each."""
    registry = PartlyPublic()
    for name in ("team/a", "team/b", "team/c"):
        for tag in ("1", "2", "3"):
            registry.add(name, tag, public=(name, tag) == ("team/a", "1"))
    return registry


async def _serve() -> None:
    async with filled().running() as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_serve)
