"""Standard claims of an account: each has one form, OpenID Connect Core §5.1."""

from typing import Any

import pytest

from admit.issuer.accounts import claims, rules
from admit.issuer.accounts.errors import ClaimValueError
from admit.issuer.accounts.records import User

ALL: dict[str, Any] = {
    "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "Ada",
    "website": "http://a.bc",
    "preferred_username": "ada", "profile": "https://a.example/ada?x=1#top", "gender": "female",
    "zoneinfo": "Europe/London",
    "picture": "https://a.example/ada.png", "birthdate": "1815-12-10", "phone_number": "+442079460000",
    "phone_number_verified": True,
    "address": {
        "formatted": "12 St James's Square\nLondon", "street_address": "12 St James's Square", "locality": "London",
        "region": "London", "postal_code": "SW1Y 4JH", "country": "英国",
    },
}  # fmt: skip
USER = User(
    id="u_ada", email="ada@example.com", email_shown="Ada@example.com", name="Ada", locale="en", created_at=1.0,
    updated_at=2.0, claims=claims.check(ALL),
)  # fmt: skip


@pytest.mark.rfc("OIDC Core", "5.1")
def test_every_claim_is_kept_as_it_was_said_and_read_back() -> None:
    kept = claims.check(ALL)
    assert kept == ALL
    assert ALL.keys() == claims.KEPT
    assert claims.read(claims.write(kept)) == ALL
    assert claims.write(claims.NOTHING) is None
    assert claims.read(None) == {}


@pytest.mark.rfc("OIDC Core", "5.1")
@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("phone_number", "+1 (425) 555-1212", "+14255551212"),
        ("phone_number", "+86 10 1234 5678;ext=5678", "+861012345678;ext=5678"),
        ("birthdate", "0000-02-29", "0000-02-29"),
        ("birthdate", "1990", "1990"),
        ("given_name", "  Zoe\u0301 ", "Zoé"),
        ("nickname", "小明", "小明"),
        ("address", {"street_address": "1\r\n2"}, {"street_address": "1\n2"}),
        ("zoneinfo", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_value_is_kept_in_one_form(name: str, value: object, kept: object) -> None:
    assert claims.check({name: value})[name] == kept


@pytest.mark.rfc("OIDC Core", "5.1")
@pytest.mark.threat("WEB-xss", off="admit.issuer.accounts.claims:is_web_url")
@pytest.mark.parametrize("name", ["profile", "picture", "website"])
@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "data:text/html,x", "//a.example", "a.example", "https://",
     "https://u:p@a.example", "https://a b.example", "ftp://a.example"],
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_refused(name: str, value: str) -> None:
    assert claims.check({name: "https://a.example/x"})
    with pytest.raises(ClaimValueError):
        claims.check({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("picture", "https://a.exam\nple"), ("picture", "https://a.example/" + "a" * 2_000),
        ("given_name", ""), ("given_name", " "), ("given_name", 1), ("given_name", "a\nb"), ("given_name", "a\u202eb"),
        ("given_name", "a\x00"), ("given_name", "a" * 201), ("given_name", None), ("nickname", ["x"]),
        ("birthdate", "1990-02-30"), ("birthdate", "90-1-1"), ("birthdate", "0000"), ("birthdate", "1990-13-01"),
        ("birthdate", 1990), ("zoneinfo", "../etc/passwd"), ("zoneinfo", "Europe/London "), ("zoneinfo", "a" * 65),
        ("phone_number", "123"), ("phone_number", "+0123456789"), ("phone_number", "+1234567890123456"),
        ("phone_number", "tel:+14255551212"), ("address", "London"), ("address", {}), ("address", {"planet": "x"}),
        ("address", {"country": 1}), ("address", {"country": "a\nb"}), ("phone_number_verified", True), ("sub", "u_x"),
        ("email", "a@example.com"), ("roles", ["admin"]), ("iss", "x"),
    ],
)  # fmt: skip
def test_a_value_of_another_form_is_refused(name: str, value: object) -> None:
    with pytest.raises(ClaimValueError) as refused:
        claims.check({name: value})
    assert refused.value.claim in (name, "")
    with pytest.raises(ClaimValueError):
        claims.check({"phone_number": "+14255551212", "phone_number_verified": "true"})


def test_all_of_them_together_have_a_size() -> None:
    urls = dict.fromkeys(("profile", "picture", "website"), "https://a.example/" + "a" * 1900)
    assert claims.check(urls)
    rest = dict.fromkeys(("given_name", "family_name", "middle_name", "nickname", "gender"), "字" * 200)
    with pytest.raises(ClaimValueError):
        claims.check({**urls, **rest})


def test_changes_set_and_take_away_and_leave_the_rest() -> None:
    after = claims.changed(ALL, {"nickname": None, "given_name": "Augusta", "address.country": None})
    assert "nickname" not in after
    assert after["given_name"] == "Augusta"
    assert after["family_name"] == "Lovelace"
    assert after["address"] == {k: v for k, v in ALL["address"].items() if k != "country"}
    assert "address" not in claims.changed(ALL, {"address": None})
    assert claims.changed({}, {"address.country": "UK"}) == {"address": {"country": "UK"}}
    assert "address" not in claims.changed({"address": {"country": "UK"}}, {"address.country": None})
    for wrong in ({"address.planet": "x"}, {"address": "x"}, {"planet": None}, {"email": "a@b.example"}):
        if wrong == {"planet": None}:
            assert claims.changed(ALL, wrong) == ALL, "nothing to take away"
            continue
        with pytest.raises(ClaimValueError):
            claims.changed(ALL, wrong)


def test_a_new_number_is_not_proved_by_the_old_one() -> None:
    assert claims.changed(ALL, {"phone_number": "+14255551212"})["phone_number_verified"] is False
    assert claims.changed(ALL, {"phone_number": "+44 20 7946 0000"})["phone_number_verified"] is True
    said = {"phone_number": "+14255551212", "phone_number_verified": True}
    assert claims.changed(ALL, said)["phone_number_verified"] is True
    assert claims.changed(ALL, {"phone_number": None}).keys() & claims.OF_SCOPES["phone"] == set()
    assert claims.changed({}, {"phone_number": "+14255551212"})["phone_number_verified"] is False


@pytest.mark.rfc("OIDC Core", "5.4")
def test_a_scope_opens_its_claims_and_no_others() -> None:
    whole = rules.standard_claims(USER, frozenset(claims.OF_SCOPES))
    assert whole.keys() == frozenset().union(*claims.OF_SCOPES.values())
    for scope, held in claims.OF_SCOPES.items():
        assert rules.standard_claims(USER, frozenset({scope, "openid"})).keys() == held
    assert rules.standard_claims(USER, frozenset({"openid", "orders:read"})) == {}
