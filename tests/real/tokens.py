"""A token server for docker-registry: checks a password and signs what the account may do."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

SERVICE, ISSUER = "registry.example.com", "tests"
URL_LIMIT = 4096


@dataclass(slots=True)
class TokenServer:
    """Accounts, and what they may do: ``{"alice": ("secret", "team/")}`` may all below team/."""

    accounts: dict[str, tuple[str, str]]
    life: int = 300
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    refused: int = 0
    url: str = ""
    certificate: bytes = b""
    key: rsa.RSAPrivateKey | None = None

    def configuration(self, folder: Path) -> str:
        """What a docker-registry needs to know to believe in this server."""
        bundle = folder / "root.pem"
        der = x509.load_der_x509_certificate(self.certificate)
        bundle.write_bytes(der.public_bytes(serialization.Encoding.PEM))
        return (
            f"auth:\n  token: {{realm: {self.url}, service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {bundle}}}"
        )

    def answer(self, query: dict[str, list[str]], login: str) -> tuple[int, bytes]:
        """Give a token that allows as much of what was asked for as the account may."""
        user, _, password = login.partition(":")
        known = self.accounts.get(user)
        scopes = tuple(query.get("scope", ()))
        self.asked.append((user, scopes))
        if known is None or known[0] != password:
            self.refused += 1
            return 401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}'
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            if name.startswith(known[1]):
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
        token = self._sign({"sub": user, "access": access})
        return 200, json.dumps({"token": token, "expires_in": self.life}).encode()

    def _sign(self, claims: dict[str, object]) -> str:
        assert self.key is not None
        now = int(time.time())
        header = {
            "typ": "JWT",
            "alg": "RS256",
            "x5c": [base64.b64encode(self.certificate).decode()],
        }
        claims |= {"iss": ISSUER, "aud": SERVICE, "iat": now, "nbf": now - 60,
                   "exp": now + self.life, "jti": str(time.monotonic_ns())}  # fmt: skip
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64(signature)).decode()


@contextmanager
def serving(server: TokenServer, context: ssl.SSLContext) -> Iterator[TokenServer]:
    """Serve tokens over TLS on a free port while the block lasts."""
    server.key, server.certificate = _identity()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "").removeprefix("Basic ")
            decoded = base64.b64decode(login).decode()
            if len(self.path) > URL_LIMIT:
                status, body = 414, b""
            else:
                status, body = server.answer(parse_qs(urlsplit(self.path).query), decoded)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        server.url = f"https://127.0.0.1:{http.server_port}/token"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def _identity() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.DER)


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
