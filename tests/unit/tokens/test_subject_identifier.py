"""Whom a security event is about, in what tokens say."""

from typing import Any

import pytest

from admit.errors import ClaimError
from admit.tokens.subject_identifier import Named, Names, read

ISSUER = "https://login.example.com"
ALICE = {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}
MAIL = {"format": "email", "email": "alice@example.com"}
SESSION = {"format": "opaque", "id": "s1"}


def named(identifier: Any) -> Names:
    return read(identifier, frozenset({ISSUER}))


@pytest.mark.rfc("9493", "3.2")
@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (ALICE, (Named(subject="alice"),)),
        ({"subject_type": "iss-sub", "iss": ISSUER, "sub": "alice"}, (Named(subject="alice"),)),
        (SESSION, (Named(subject="s1"), Named(session_id="s1"))),
        ({"format": "jwt_id", "iss": ISSUER, "jti": "t1"}, (Named(token_id="t1"),)),
        ({"format": "aliases", "identifiers": [MAIL, ALICE, ALICE]}, (Named(subject="alice"),)),
        ({"format": "complex", "user": ALICE}, (Named(subject="alice"),)),
        (
            {"format": "complex", "user": ALICE, "session": SESSION},
            (Named(subject="alice", session_id="s1"),),
        ),
        ({"format": "complex", "session": SESSION}, (Named(session_id="s1"),)),
        ({"format": "complex", "user": MAIL, "session": SESSION}, (Named(session_id="s1"),)),
        ({"user": ALICE, "session": SESSION}, (Named(subject="alice", session_id="s1"),)),
        ({"format": "complex", "user": ALICE, "device": MAIL}, (Named(subject="alice"),)),
        (
            {"format": "complex", "user": {"format": "opaque", "id": "alice"}, "tenant": SESSION},
            (Named(subject="alice"),),
        ),
        (MAIL, ()),
        ({"format": "phone_number", "phone_number": "+1"}, ()),
        ({"format": "https://example.com/own", "x": 1}, ()),
        ({"format": "complex", "device": SESSION}, ()),
        ({"format": "complex", "user": MAIL}, ()),
    ],
)
def test_each_format_becomes_what_tokens_say(identifier: dict[str, Any], expected: Names) -> None:
    assert named(identifier) == expected


@pytest.mark.threat("JWT-iss-sub", off="admit.tokens.subject_identifier:is_ours")
@pytest.mark.parametrize(
    "identifier",
    [
        {"format": "iss_sub", "iss": "https://other.example", "sub": "alice"},
        {"format": "jwt_id", "iss": "https://other.example", "jti": "t1"},
        {"format": "complex", "user": {"format": "iss_sub", "iss": ISSUER + "/", "sub": "alice"}},
    ],
)
def test_nobody_speaks_of_another_issuers_subjects(identifier: dict[str, Any]) -> None:
    assert named(identifier) == ()


@pytest.mark.parametrize(
    "identifier",
    [
        None,
        [],
        "alice",
        {},
        {"format": 1},
        {"format": "iss_sub", "iss": ISSUER},
        {"format": "iss_sub", "iss": ISSUER, "sub": ""},
        {"format": "iss_sub", "iss": ISSUER, "sub": 7},
        {"format": "opaque", "id": "x" * 1_025},
        {"format": "aliases", "identifiers": []},
        {"format": "aliases", "identifiers": [ALICE] * 17},
        {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": [ALICE]}]},
        {"format": "aliases", "identifiers": ["alice"]},
        {"format": "complex", "user": "alice"},
        {"format": "complex", "user": {"format": "complex", "user": ALICE}},
    ],
)
def test_what_is_malformed_is_refused(identifier: Any) -> None:
    with pytest.raises(ClaimError):
        named(identifier)
