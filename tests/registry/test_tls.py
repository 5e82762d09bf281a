"""Whom we believe, per registry host."""

import ssl
from pathlib import Path

import pytest
import trustme

from mirror.errors import UsageError
from mirror.registry.tls import TlsContexts


def authorities(context: ssl.SSLContext | bool) -> int:
    """How many are trusted; True stands for the system's."""
    if not isinstance(context, ssl.SSLContext):
        context = ssl.create_default_context()
    return len(context.get_ca_certs())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def test_a_bundle_is_trusted_beside_the_system(bundle: Path) -> None:
    plain, more = TlsContexts(folders=()), TlsContexts(bundle, folders=())

    assert authorities(more.context("r.io", verify=True)) == 1 + authorities(
        plain.context("r.io", verify=True)
    )


def test_a_host_has_a_folder_of_its_own(tmp_path: Path, bundle: Path) -> None:
    folder = tmp_path / "certs.d" / "r.io:5000"
    folder.mkdir(parents=True)
    bundle.rename(folder / "ca.crt")
    own = trustme.CA().issue_cert("client@example.com")
    own.cert_chain_pems[0].write_to_path(folder / "client.cert")
    own.private_key_pem.write_to_path(folder / "client.key")
    trust = TlsContexts(folders=[tmp_path / "none", tmp_path / "certs.d"])

    here, elsewhere = (trust.context(host, verify=True) for host in ("r.io:5000", "r.io"))
    assert authorities(here) == 1 + authorities(elsewhere)
    assert elsewhere is True, "the library's own will do"


def test_what_is_the_same_is_made_once(bundle: Path) -> None:
    trust = TlsContexts(bundle, folders=())

    assert trust.context("r.io", verify=True) is trust.context("q.io", verify=True)


def test_without_verification_any_certificate_will_do(bundle: Path) -> None:
    assert TlsContexts(folders=()).context("r.io", verify=False) is False

    context = TlsContexts(bundle, folders=()).context("r.io", verify=False)
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_what_is_no_bundle_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")

    with pytest.raises(UsageError, match=r"empty\.pem"):
        TlsContexts(tmp_path / "empty.pem")
    with pytest.raises(UsageError, match="No such file"):
        TlsContexts(tmp_path / "none.pem")
