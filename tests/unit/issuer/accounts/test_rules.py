"""What is a good email, name and password."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import AccountError
from admit.issuer.accounts import rules
from admit.issuer.accounts.errors import EmailError, PersonNameError
from admit.issuer.accounts.records import User


@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.accounts.rules:canonical_identifier")
@pytest.mark.parametrize(
    "spelling",
    [
        "Bob@Example.COM",
        " bob@example.com\n",
        "ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "BOB@example.com　",
    ],
)
def test_all_spellings_of_an_email_are_one(spelling: str) -> None:
    assert rules.canonical_email(spelling) == "bob@example.com"
    assert rules.canonical_identifier(spelling) == "bob@example.com"


def test_dots_and_tags_are_part_of_the_address() -> None:
    assert rules.canonical_email("b.o.b+x@example.com") == "b.o.b+x@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        "@example.com",
        "bob@",
        "bob@localhost",
        "bob@@example.com",
        "bob@exam ple.com",
        "bob@example..com",
        "bob@-example.com",
        "bob@example.com\0",
        "bob@example.com,eve@example.com",
        "bob@example.com;eve@example.com",
        "bob\r\nBcc: eve@example.com",
        ".bob@example.com",
        "bob.@example.com",
        "b\u043eb@example.com",  # a Cyrillic letter that looks like ours
        "bob@ex\u0430mple.com",
        '"bob"@example.com',
        "a" * 65 + "@example.com",
        "bob@" + "a" * 64 + ".com",
        "bob@" + "a." * 130 + "com",
        "x" * 100_000,
    ],
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(EmailError):
        rules.canonical_email(text)


@pytest.mark.threat("PWD-10", off="admit.issuer.accounts.rules:is_mailed_as_compared")
@pytest.mark.parametrize(
    "text", ["je\u00dfica@example.com", "bob@stra\u00dfe.example", "BO\u1e9e@example.com"]
)
def test_an_address_that_only_folds_to_anothers_is_refused(text: str) -> None:
    assert rules.is_email(rules.canonical_identifier(text))  # somebody else's
    with pytest.raises(EmailError):
        rules.canonical_email(text)


def test_what_is_shown_and_mailed_to_is_ascii() -> None:
    assert rules.shown_email("\uff22ob@\uff25xample.com\u3000") == "Bob@Example.com"


@given(st.text(max_size=300))
def test_any_text_has_one_canonical_form_and_never_breaks(text: str) -> None:
    once = rules.canonical_identifier(text)
    assert rules.canonical_identifier(once) == once


@given(st.text(max_size=300))
def test_an_email_is_taken_or_refused(text: str) -> None:
    try:
        email = rules.canonical_email(text)
    except EmailError:
        return
    assert email.isascii()
    assert rules.canonical_email(email) == email


@pytest.mark.parametrize(
    "name", ["Alice", "李小龍", "Zoë Ångström", "नमस्ते\u200dजी", "O'Brien-Smith, Jr.", "👩‍👧"]
)
def test_names_of_people_are_taken(name: str) -> None:
    assert rules.clean_name(f" {name} ") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "\u202eevil",
        "a\u2066b",
        "a\u200eb",
        "a\ud800",
        "\ue000",
        "x" * 201,
        "\u2003\u2003",
        "\u200d",
        "\u3164",
        "\u2800 \u115f",
        "\u0301",
    ],
)
def test_names_that_show_nothing_or_turn_what_is_beside_them_are_refused(name: str) -> None:
    with pytest.raises(PersonNameError):
        rules.clean_name(name)


@pytest.mark.parametrize("label", ["admin", "admit:admin", "team/red", "a", "Eng.Lead", "x" * 128])
def test_role_and_group_names_are_taken(label: str) -> None:
    assert rules.check_label(label) == label


@pytest.mark.parametrize("label", ["", " admin", "ad min", "ad\nmin", "admin:", "*", "rôle", "x" * 129])
def test_odd_role_and_group_names_are_refused(label: str) -> None:
    with pytest.raises(AccountError):
        rules.check_label(label)


@pytest.mark.parametrize(
    ("tag", "kept"), [("en", "en"), ("zh-CN", "zh-CN"), (None, None), ("x" * 90, None), ("<b>", None)]
)
def test_a_locale_is_a_language_tag_or_nothing(tag: str | None, kept: str | None) -> None:
    assert rules.check_locale(tag) == kept


def test_claims_follow_the_scopes() -> None:
    user = User(
        id="u_1",
        email="a@example.com",
        email_shown="A@example.com",
        name="Alice",
        locale="en",
        created_at=1,
        updated_at=2.7,
    )
    assert rules.standard_claims(user, frozenset({"openid"})) == {}
    assert rules.standard_claims(user, frozenset({"profile"})) == {
        "name": "Alice",
        "locale": "en",
        "updated_at": 2,
    }
    assert rules.standard_claims(user, frozenset({"email"})) == {
        "email": "A@example.com",
        "email_verified": False,
    }
