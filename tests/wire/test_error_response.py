"""Unhappy replies, and the errors they mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror import errors
from mirror.wire.error_response import failure
from mirror.wire.message import Reply


def body(code: str, message: str = "said so", detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [(401, b"", errors.Denied),
     (403, body("DENIED"), errors.Denied),
     (404, body("MANIFEST_UNKNOWN"), errors.NotFound),
     (400, body("NAME_UNKNOWN"), errors.NotFound),
     (405, b"", errors.Unsupported),
     (400, body("UNSUPPORTED"), errors.Unsupported),
     (409, body("TAG_IMMUTABLE"), errors.Refused),
     (400, body("TAG_INVALID"), errors.Refused),
     (412, b"", errors.Refused),
     (413, b"", errors.TooLarge),
     (429, b"", errors.Throttled),
     (400, body("TOOMANYREQUESTS"), errors.Throttled),
     (400, body("MANIFEST_INVALID"), errors.RegistryError),
     (500, body("UNKNOWN"), errors.RegistryError),
     (500, body("NAME_UNKNOWN"), errors.RegistryError),
     (599, b"", errors.RegistryError)],
)  # fmt: skip
def test_the_status_decides_and_the_code_refines(
    status: int, content: bytes, kind: type[errors.RegistryError]
) -> None:
    assert type(failure(Reply(status, ""), content)) is kind


@pytest.mark.parametrize(
    ("content", "text"),
    [(body("DENIED", "no access", {"x": 1}), '403 Forbidden: DENIED: no access: {"x": 1}'),
     (body("DENIED", "no access"), "403 Forbidden: DENIED: no access"),
     (b'{"details": "bad token"}', "403 Forbidden: bad token"),
     (b"go\naway\x1b[31m", "403 Forbidden: go away [31m"),
     (b"<html><title>Login</title><script>x</script></html>", "403 Forbidden: a web page: Login"),
     (b"", "403 Forbidden"),
     (b"{}", "403 Forbidden")],
)  # fmt: skip
def test_what_came_back_is_said_in_one_line(content: bytes, text: str) -> None:
    assert str(failure(Reply(403, ""), content)) == text


def test_a_status_without_a_name_is_shown_with_the_servers_own() -> None:
    assert str(failure(Reply(599, "", reason="Odd\r\nthing"))) == "599 Odd thing"


def test_a_full_disk_says_what_to_do() -> None:
    assert "Make room" in failure(Reply(507, "")).hint


@given(st.integers(100, 599), st.binary(max_size=2000))
def test_any_body_ends_up_short_and_on_one_line(status: int, content: bytes) -> None:
    text = str(failure(Reply(status, ""), content))

    assert len(text) < 400
    assert text.isprintable() or all(c.isprintable() or ord(c) > 127 for c in text)
