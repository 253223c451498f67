"""The gate's quick answer for a remembered token says yes only where the long way would."""

import pytest

from admit.errors import AdmitError
from admit.integrations.gate import Gate, Outcome, Waiting
from admit.principal import Principal
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
