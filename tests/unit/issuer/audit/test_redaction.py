"""Nothing that lets somebody in survives on its way to a log; what operators need does."""

import base64
import random
import secrets

import pytest

from admit.issuer.audit import redaction
from admit.issuer.audit.redaction import BLANK, redacted_value

REDACTED = "admit.issuer.audit.redaction:redacted"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl"


@pytest.mark.threat("INF-log", off=REDACTED)
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {JWT} was odd", JWT),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("authorization: Basic d2ViOnNlY3JldA==", "d2ViOnNlY3JldA=="),
        ("sent DPoP kq3.xyz on", "kq3.xyz"),
        ("cannot reach postgresql://admit:hunter2@db/admit", "hunter2"),
        ("GET /cb?code=abc123&state=xyz789", "abc123"),
        ("GET /cb?code=abc123&state=xyz789", "xyz789"),
        ("password=hunter2", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("client_secret: hunter2", "hunter2"),
        ("Cookie: __Host-admit-123abc=hunter2", "hunter2"),
        ("id_token_hint=hunter2", "hunter2"),
    ],
)
def test_a_credential_is_blanked_wherever_it_stands(text: str, secret: str) -> None:
    assert secret not in redaction.redacted(text)
    assert BLANK in redaction.redacted(text)


@pytest.mark.threat("O-2", off=REDACTED)
def test_what_32_random_octets_look_like_is_blanked(rng: random.Random) -> None:
    for _ in range(200):
        octets = rng.randbytes(32)
        for text in (
            base64.urlsafe_b64encode(octets).rstrip(b"=").decode(),
            base64.b64encode(octets).decode().replace("/", "a").replace("+", "b"),
        ):
            assert text[:30] not in redaction.redacted(f"spent {text} twice"), text


def test_lists_and_tables_are_gone_through() -> None:
    value = secrets.token_urlsafe(32) + "Aa1"
    told = redacted_value({"a": [{"b": value}], "n": 3, "none": None})
    assert told == {"a": [{"b": BLANK}], "n": 3, "none": None}


@pytest.mark.parametrize(
    "text",
    [
        "wrong code_verifier", "the grant is spent: its generation is 3", "4bf92f3577b34da6a3ce929d0e0e4736",
        "in respond, issuer/oauth/token/authorization_code.py:61", "token_exchange_is_not_offered_to_this_client_yet",
        "/usr/lib/python3.11/site-packages/admit/issuer/storage/migrations/versions/0001_first_line.py",
        "client_id differs from the authenticated client", "code is unknown, spent or expired",
        "https://id.example.com/status/0", "2026-11-22T07:00:00.000000Z",
    ],
)  # fmt: skip
def test_what_explains_is_left_as_it_is(text: str) -> None:
    assert redaction.redacted(text) == text
