"""Which proxy leads where."""

import pytest

from mirror.errors import UsageError
from mirror.wire.proxy import Proxies

ENVIRONMENT = {
    "HTTPS_PROXY": "http://user:secret@proxy.io:3128",
    "http_proxy": "plain.io:80",
    "NO_PROXY": "inside.io, .dept.io,*.star.io,10.0.0.0/8,192.0.2.7,port.io:5000,[2001:db8::]/32",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [("https://quay.io/v2/", "http://user:secret@proxy.io:3128"),
     ("http://quay.io/v2/", "http://plain.io:80"),
     ("https://inside.io/", None), ("https://a.inside.io/", None),
     ("https://notinside.io/", "http://user:secret@proxy.io:3128"),
     ("https://dept.io/", None), ("https://a.dept.io/", None), ("https://a.star.io/", None),
     ("https://10.1.2.3/", None), ("https://11.1.2.3/", "http://user:secret@proxy.io:3128"),
     ("https://192.0.2.7:5000/", None), ("https://port.io:5000/", None),
     ("https://port.io/", "http://user:secret@proxy.io:3128"),
     ("https://localhost:5000/", None), ("http://127.0.0.1:5000/", None),
     ("https://[::1]:5000/", None), ("http://a.localhost/", None)],
)  # fmt: skip
def test_an_address_is_reached(url: str, proxy: str | None) -> None:
    assert Proxies.parse(ENVIRONMENT).proxy_for(url) == proxy


@pytest.mark.parametrize("text", ["http://u:SECRET@p.io:99999", "http://", "http://u:SECRET@:80"])
def test_what_is_no_proxy_is_said_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Proxies.parse({"HTTPS_PROXY": text})
    assert "SECRET" not in str(caught.value)


def test_a_star_exempts_everything_and_nothing_needs_no_proxy() -> None:
    everything = Proxies.parse({"HTTPS_PROXY": "http://proxy.io", "no_proxy": "*"})

    assert everything.proxy_for("https://quay.io/") is None
    assert Proxies.parse({}).proxy_for("https://quay.io/") is None
