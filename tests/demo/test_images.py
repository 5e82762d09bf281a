"""The made-up catalog: the same everywhere, and worth copying."""

from mirror.demo.images import catalog, layer
from mirror.demo.store import Store


def test_the_same_seed_makes_the_same_catalog() -> None:
    one, two = Store(), Store()
    catalog(one, 1000)
    catalog(two, 1000)

    assert one.names() == two.names()
    assert [one.manifest(n, t) for n in one.names() for t in one.tags(n)] == [
        two.manifest(n, t) for n in two.names() for t in two.tags(n)
    ]


def test_the_catalog_has_a_dozen_repositories_platforms_shared_layers_and_an_artifact() -> None:
    store = Store()
    catalog(store, 1000)
    children = store.manifest("shop/cart", "1.0").manifests
    first = {n: store.manifest(n, str(store.manifest(n, "1.0").manifests[0].digest))
             for n in ("shop/cart", "web/front")}  # fmt: skip

    assert len(store.names()) == 12
    assert [str(child.platform) for child in children] == ["linux/amd64", "linux/arm64/v8"]
    assert first["shop/cart"].blobs[1] == first["web/front"].blobs[1]
    assert store.manifest("ops/settings", "1.0").config is not None


def test_layers_of_different_seeds_differ() -> None:
    assert layer("a").content != layer("b").content
