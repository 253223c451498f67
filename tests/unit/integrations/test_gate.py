"""The gate's quick answer for a remembered token says yes only where the long way would."""

from typing import Any

import pytest

from admit.errors import AdmitError, ConfigError
from admit.integrations import asgi, wsgi
from admit.integrations.gate import Gate, Kept, Outcome, Waiting, still_holds
from admit.principal import Principal
from admit.verifier import RemoteLookup, TrustedIssuer, Verifier
from tests.contract.services import API, Issuer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def gate(issuer: Issuer) -> Gate:
    return Gate(issuer.verifier, sessions=issuer, audience=API)


def looked(
    gate: Gate, *values: bytes, query: bytes = b"", name: bytes = b"authorization"
) -> Outcome | Waiting:
    return gate.look([(b"host", b"a"), *((name, value) for value in values)], "GET", query)


def test_what_is_remembered_is_let_in_and_only_as_it_was_written(issuer: Issuer, gate: Gate) -> None:
    token = issuer.token().encode()
    for _ in range(2):
        assert isinstance(looked(gate, b"Bearer " + token), Principal)
    assert isinstance(looked(gate, b"bearer " + token), Principal), "the scheme in any case"
    assert isinstance(looked(gate, b"Bearer " + token, query=b"page=2"), Principal)
    for odd in (
        b"Bearer  " + token,
        b"Bearer\t" + token,
        b"Bearer " + token + b" ",
        token,
        b"Basic " + token,
    ):
        assert isinstance(looked(gate, odd), AdmitError), odd[:12]


def test_a_remembered_token_in_two_places_is_refused(issuer: Issuer, gate: Gate) -> None:
    token = issuer.token().encode()
    assert isinstance(looked(gate, b"Bearer " + token), Principal)
    assert isinstance(looked(gate, b"Bearer " + token, b"Bearer " + token), AdmitError)
    assert isinstance(looked(gate, b"Bearer " + token, b"Basic eDp5"), AdmitError)
    assert isinstance(looked(gate, b"Basic eDp5", b"Bearer " + token), AdmitError)
    assert isinstance(looked(gate, b"Bearer " + token, query=b"access_token=" + token), AdmitError)
    assert isinstance(looked(gate, query=b"access_token=" + token), AdmitError)
    assert looked(gate, b"Bearer " + token, name=b"x-authorization") is None


def test_a_remembered_token_is_refused_once_it_is_over(issuer: Issuer, gate: Gate) -> None:
    token = issuer.token().encode()
    assert isinstance(looked(gate, b"Bearer " + token), Principal)
    issuer.end()
    assert isinstance(looked(gate, b"Bearer " + token), AdmitError)


def test_a_remembered_token_is_refused_once_nobody_can_tell(issuer: Issuer, gate: Gate) -> None:
    token = issuer.token().encode()
    assert isinstance(looked(gate, b"Bearer " + token), Principal)
    issuer.fail()
    assert not isinstance(looked(gate, b"Bearer " + token), Principal)


def test_an_outcome_holds_for_the_request_that_it_was_found_by_and_no_other() -> None:
    sent = [(b"authorization", b"Bearer a"), (b"cookie", b"b=c"), (b"accept", b"*/*")]
    kept: Kept = None, sent, "GET", b"page=2", False
    assert still_holds(kept, list(sent), "GET", b"page=2")
    assert still_holds(kept, [*sent[:2], (b"x-request-id", b"1")], "GET", b"page=2")
    for headers, method, query, handshake in (
        (sent[1:], "GET", b"page=2", False),
        (sent[:1], "GET", b"page=2", False),
        ([(b"authorization", b"Bearer b"), *sent[1:]], "GET", b"page=2", False),
        ([*sent, (b"origin", b"https://evil.example")], "GET", b"page=2", False),
        ([*sent, (b"sec-fetch-site", b"cross-site")], "GET", b"page=2", False),
        ([*sent, (b"x-csrf-token", b"d")], "GET", b"page=2", False),
        (sent, "POST", b"page=2", False),
        (sent, "GET", b"access_token=e", False),
        (sent, "GET", b"page=2", True),
    ):
        assert not still_holds(kept, headers, method, query, handshake=handshake), (headers, method)


@pytest.mark.parametrize(
    "given",
    [None, "https://id.example.com", TrustedIssuer("https://id.example.com", audience=API), Verifier],
    ids=["none", "url", "issuer", "class"],
)
def test_a_guard_takes_a_verifier_and_says_how(given: Any) -> None:
    """Told where the guard is made: its first token would be answered 500."""
    for kind in (Gate, asgi.Guard, wsgi.Guard):
        with pytest.raises(ConfigError, match=r"Guard\(Verifier\(TrustedIssuer\("):
            kind(given)


def test_a_guard_takes_sessions_that_can_be_looked_up(issuer: Issuer) -> None:
    for given in ("sessions", object(), RemoteLookup):
        with pytest.raises(ConfigError, match="SessionLookup"):
            Gate(issuer.verifier, sessions=given, audience=API)  # type: ignore[arg-type]  # the mistake
    assert Gate(issuer.verifier, sessions=issuer, audience=API).cookie
