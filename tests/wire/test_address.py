"""Addresses that registries name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RegistryError
from mirror.wire.address import join

HERE = "https://r.io/v2/a/"


@pytest.mark.parametrize(
    ("reference", "address"),
    [("b?c=%2F", "https://r.io/v2/a/b?c=%2F"), ("/b", "https://r.io/b"),
     ("http://q.io:5000/b", "http://q.io:5000/b"), ("//q.io/b", "https://q.io/b")],
)  # fmt: skip
def test_a_reference_is_resolved_against_where_it_was_said(reference: str, address: str) -> None:
    assert join(HERE, reference).geturl() == address


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost", "a.localhost"]
)
def test_a_public_registry_cannot_name_an_address_inside_our_network(host: str) -> None:
    with pytest.raises(RegistryError, match="inside this network"):
        join(HERE, f"https://{host}/x")
    assert join("http://10.0.0.9:5000/", f"https://{host}/x").hostname == host.strip("[]")


@pytest.mark.parametrize("reference", ["http://u:SECRET@q.io/x", "ftp://u:SECRET@q.io/?s=SECRET"])
def test_a_login_in_an_address_is_refused_and_not_shown(reference: str) -> None:
    with pytest.raises(RegistryError) as caught:
        join(HERE, reference)
    assert "SECRET" not in str(caught.value)


@given(st.text() | st.text("htps:/[]@?#.0", max_size=30))
def test_no_text_fails_otherwise_than_with_a_registry_error(reference: str) -> None:
    try:
        address = join(HERE, reference)
    except RegistryError:
        return
    assert address.hostname
