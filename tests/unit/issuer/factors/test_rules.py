"""TOTP by the vectors of RFC 6238 and by another program; recovery codes; how people type both."""

from datetime import datetime
from random import Random
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.accounts.errors import PersonNameError
from admit.issuer.factors import codes, rules

SECRET = b"12345678901234567890"
# RFC 6238 appendix B, SHA-1: the last six of its eight digits.
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.rfc("6238", "B")
@pytest.mark.parametrize(("now", "code"), VECTORS)
def test_the_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    assert rules.code_at(SECRET, rules.step_of(now)) == code


def test_another_program_makes_the_same_codes(rng: Random) -> None:
    for _ in range(500):
        secret, now = rng.randbytes(20), rng.uniform(0, 4e9)
        judge = pyotp.TOTP(rules.secret_text(secret))
        assert rules.code_at(secret, rules.step_of(now)) == judge.at(datetime.fromtimestamp(now))


@pytest.mark.rfc("6238", "5.2")
@pytest.mark.threat("MFA-2", off="admit.issuer.factors.rules:steps_at")
def test_a_code_is_good_one_step_before_and_after_and_no_further() -> None:
    now = 1_800_000_015.0
    step = rules.step_of(now)
    for away in (-1, 0, 1):
        assert rules.matching_step(SECRET, rules.code_at(SECRET, step + away), now) == step + away
    for away in (-3, -2, 2, 3):
        assert rules.matching_step(SECRET, rules.code_at(SECRET, step + away), now) is None


def test_a_code_of_another_secret_is_none() -> None:
    now = 1_800_000_000.0
    other = rules.code_at(b"another secret of 20", rules.step_of(now))
    assert rules.matching_step(SECRET, other, now) is None


@pytest.mark.parametrize(
    "typed", ["123456", " 123 456 ", "123-456", "１２３４５６", "12\u00a03456", "123\u2013456", "\t123456\n"]
)
def test_a_code_may_be_typed_or_pasted_with_blanks_between(typed: str) -> None:
    assert rules.typed_code(typed) == "123456"


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "12345a", "٣٣٣٣٣٣", "1" * 1_000, "123456" + "\n" * 200, "-", "१२३४५६"]
)
def test_anything_else_is_no_code(typed: str) -> None:
    assert rules.typed_code(typed) is None


def test_a_recovery_code_is_read_as_people_write_it() -> None:
    (code, *_) = codes.new_recovery_codes()
    shown = rules.grouped(code, "-")
    assert len(shown) == 29
    for typed in (
        shown,
        code,
        shown.lower(),
        shown.replace("-", " "),
        f"  {shown}\r\n",
        shown.replace("0", "o"),
    ):
        assert rules.typed_recovery_code(typed) == code
    assert rules.typed_recovery_code("OIL0" * 6) == "0110" * 6
    for typed in ("", code[:-1], code + "0", "U" * 24, "1" * 5_000):
        assert rules.typed_recovery_code(typed) is None


def test_recovery_codes_have_120_bits_and_differ() -> None:
    made = codes.new_recovery_codes()
    assert len(set(made)) == len(made) == 10
    assert all(len(code) * 5 >= 112 for code in made)
    assert rules.recovery_code(b"\0" * 15) == "0" * 24
    assert rules.recovery_code(b"\xff" * 15) == "Z" * 24


def test_a_stored_recovery_code_is_of_one_person() -> None:
    assert rules.hash_recovery_code("u_a", "X" * 24) != rules.hash_recovery_code("u_b", "X" * 24)


def test_the_qr_code_says_what_authenticator_apps_read() -> None:
    uri = rules.otpauth_uri(SECRET, site="Acme: id & co", account="ada+x@example.com")
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Acme  id & co:ada+x@example.com"
    judge = pyotp.parse_uri(uri)
    assert isinstance(judge, pyotp.TOTP)
    assert (judge.digits, judge.interval, judge.issuer) == (6, 30, "Acme  id & co")
    assert judge.name == "ada+x@example.com"
    assert parse_qs(parts.query)["secret"] == [rules.secret_text(SECRET)] == [judge.secret]


def test_an_app_has_a_name_of_one_short_line_or_none() -> None:
    assert rules.app_name("  ") == ""
    assert rules.app_name(" Phone ") == "Phone"
    for bad in ("x" * 61, "a\nb", "a\u202eb", "\ud800"):
        with pytest.raises(PersonNameError):
            rules.app_name(bad)


@given(st.text(max_size=120))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    code, recovery = rules.typed_code(text), rules.typed_recovery_code(text)
    assert code is None or (len(code) == 6 and code.isascii() and code.isdigit())
    assert recovery is None or len(recovery) == 24
