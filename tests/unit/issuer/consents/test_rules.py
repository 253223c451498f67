"""Whose consent counts the next time, and what of a request is still to be asked."""

from dataclasses import replace

import pytest

from admit.issuer import Client
from admit.issuer.clients.records import ApplicationType, AuthMethod
from admit.issuer.consents import rules
from admit.issuer.consents.records import Answer, Remembered

HTTPS, LOOPBACK, SCHEME = "https://app.example/cb", "http://127.0.0.1:5123/cb", "com.example.app:/cb"
PUBLIC = Client(id="app", name="App", application_type=ApplicationType.NATIVE, redirect_uris=(HTTPS,))
SECRET = replace(PUBLIC, public=False, secret_hashes=(b"x" * 32,))


@pytest.mark.parametrize(
    ("client", "uri", "counts"),
    [
        (PUBLIC, HTTPS, True),
        (PUBLIC, LOOPBACK, False),
        (PUBLIC, SCHEME, False),
        (PUBLIC, "http://localhost:8411/cb", False),
        (SECRET, LOOPBACK, True),
        (replace(SECRET, trusted=False), HTTPS, False),
        (replace(PUBLIC, trusted=False), HTTPS, False),
    ],
    ids=["https", "loopback", "scheme", "localhost", "secret", "stranger with a secret", "stranger"],
)
def test_only_those_who_can_be_told_apart_are_remembered(client: Client, uri: str, counts: bool) -> None:
    assert rules.is_remembered(client, uri) is counts


def test_other_words_another_name_or_a_wider_reach_are_another_question() -> None:
    asked = rules.version_of(client=SECRET, text="See your orders", everybodys=False)
    assert rules.version_of(client=SECRET, text="See your orders", everybodys=False) == asked
    others = {
        rules.version_of(client=replace(SECRET, name="Bank"), text="See your orders", everybodys=False),
        rules.version_of(client=SECRET, text="See and pay your orders", everybodys=False),
        rules.version_of(client=SECRET, text={"en": "See your orders"}, everybodys=False),
        rules.version_of(client=SECRET, text="See your orders", everybodys=True),
        rules.version_of(client=SECRET, text=None, everybodys=False),
        *(
            rules.version_of(client=other, text="See your orders", everybodys=False)
            for other in (
                replace(SECRET, redirect_uris=("https://elsewhere.example/cb",)),
                replace(SECRET, public=True, secret_hashes=()),
                replace(
                    SECRET,
                    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
                    jwks_uri="https://app.example/a",
                ),
                replace(
                    SECRET,
                    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
                    jwks_uri="https://app.example/b",
                ),
            )
        ),
    }
    assert len(others | {asked}) == 10
    elsewhere = replace(
        SECRET, redirect_uris=("https://app.example/other", HTTPS), secret_hashes=(b"y" * 32,)
    )
    assert rules.version_of(client=elsewhere, text="See your orders", everybodys=False) == asked


BEFORE = Remembered(
    client_id="app",
    audience="api",
    granted=frozenset({"openid", "a"}),
    shown={"openid": "1", "a": "1", "b": "1"},
)


def test_what_was_shown_in_these_words_is_answered_and_the_rest_is_not() -> None:
    assert rules.unanswered({"openid": "1", "a": "1", "b": "1"}, BEFORE) == frozenset()
    assert rules.unanswered({"a": "2", "b": "1"}, BEFORE) == {"a"}
    assert rules.unanswered({"a": "1", "c": "1"}, BEFORE) == {"c"}
    assert rules.unanswered({"a": "1"}, None) == {"a"}
    assert rules.granted_of({"a": "1", "b": "1"}, BEFORE) == {"a"}


@pytest.mark.rfc("OIDC Core", "11")
def test_staying_signed_in_is_never_answered_before() -> None:
    answer = Answer(
        granted=frozenset({"openid", "offline_access"}), shown={"openid": "1", "offline_access": "1"}
    )
    kept = rules.merged(None, answer, client_id="app", audience="api", now=5.0)
    assert kept.granted == {"openid"}
    assert dict(kept.shown) == {"openid": "1"}
    assert rules.unanswered(answer.shown, kept) == {"offline_access"}


def test_an_answer_stands_for_what_it_is_about_and_leaves_the_rest() -> None:
    answer = Answer(granted=frozenset({"b"}), shown={"a": "2", "b": "1"})
    kept = rules.merged(BEFORE, answer, client_id="app", audience="api", now=5.0)
    assert kept.granted == {"openid", "b"}
    assert dict(kept.shown) == {"openid": "1", "a": "2", "b": "1"}
    assert kept.given_at == 5.0


def test_nothing_is_granted_that_was_not_shown() -> None:
    assert rules.ticked({"openid": "1", "a": "1"}, frozenset({"a", "b"})) == {"openid", "a"}
    assert rules.ticked({"a": "1"}, frozenset()) == frozenset()
