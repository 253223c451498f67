"""Which passwords may be set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.accounts.errors import (
    CommonPasswordError,
    ContextPasswordError,
    LongPasswordError,
    PasswordError,
    ShortPasswordError,
)
from admit.issuer.accounts.policy import (
    ADVISED_CHARS,
    check_new_password,
    common_in_order,
    context_words,
    host_words,
    weakness,
)

ADMIT = context_words("Admit", host_words("https://id.example.com"), "Ada Lovelace", "ada.l+x@mail.example")


def refused(password: str, context: frozenset[str] = ADMIT) -> type[PasswordError] | None:
    try:
        check_new_password(password, context=context)
    except PasswordError as error:
        told = str(error) + error.detail + error.public
        assert password not in told.replace("password", "") or len(password) < 8
        return type(error)
    return None


@pytest.mark.parametrize(
    "password",
    [
        "three words here",
        " leading blanks",
        "trailing blanks  ",
        "na\0me-nul-inside",
        "🔑🗝🚪🪟🧱🪜🧰🪛",
        "密码不要太短就可以了",
        "ﬁrst ligature ﬁ",
        "no digits no capitals",
        "ALLCAPITALSATONCE",
        "8412750936",
        "p4ss" * 4 + "x",
        "long enough " * 85,
    ],
    ids=lambda password: ascii(password)[:24],
)
def test_a_password_that_may_be_set_is_kept_to_the_octet(password: str) -> None:
    assert check_new_password(password, context=ADMIT) == password.encode("utf-8")


@pytest.mark.threat("PWD-5", off="admit.issuer.accounts.rules:password_bytes")
def test_nothing_is_trimmed_folded_or_cut() -> None:
    long = "words that go on and on, " * 4
    pairs = [
        ("blank at the end ", "blank at the end"),
        (" blank in front", "blank in front"),
        (long + "a", long + "b"),
        ("Case Is Kept", "case is kept"),
        ("ﬁne ligatures", "fine ligatures"),
        ("e\u0301 decomposed", "\u00e9 decomposed"),
        ("nul inside\0here", "nul inside"),
    ]
    for one, other in pairs:
        assert check_new_password(one) != check_new_password(other)


@pytest.mark.parametrize("password", ["", "1234567", "é" * 7, "🔑" * 7, "       "])
def test_fewer_than_eight_characters_are_too_short(password: str) -> None:
    assert refused(password) is ShortPasswordError


@pytest.mark.parametrize(
    "password",
    ["ab1-" * 257, "éa1-" * 206, "lone\ud800surrogate", "x y " * 250_000],
    ids=lambda p: str(len(p)),
)
def test_more_than_1024_bytes_or_no_text_is_too_long(password: str) -> None:
    assert refused(password) is LongPasswordError


@pytest.mark.threat("PWD-5", off="admit.issuer.accounts.policy.rules:is_common")
@pytest.mark.parametrize(
    "password",
    ["password", "PassWord", " password ", "iloveyou", "sunshine", "１２３４５６７８９", "football"],
)
def test_what_is_tried_first_is_refused_in_any_case_and_width(password: str) -> None:
    assert refused(password.ljust(8)) is CommonPasswordError


@pytest.mark.parametrize(
    "password", ["aaaaaaaa", "ababababab", "abcabcabcab", "       " * 2, "AaAaAaAaA", "🔑" * 9]
)
def test_a_few_characters_again_and_again_are_refused(password: str) -> None:
    assert refused(password) is CommonPasswordError


@pytest.mark.threat("PWD-5", off="admit.issuer.accounts.policy.rules:is_context")
@pytest.mark.parametrize(
    "password",
    [
        "Admit2026",
        "admitadmit",
        "ADMIT-2026!",
        "Lovelace1",
        "ada-lovelace",
        "adalovelace1815",
        "ada.l+x@mail.example",
        "Example!2026",
        "lovelace@mail",
    ],
)
def test_names_and_addresses_that_others_know_are_no_passwords(password: str) -> None:
    assert refused(password) is ContextPasswordError


def test_a_known_word_among_enough_others_is_no_trouble() -> None:
    assert refused("the admit of my dreams") is None
    assert refused("comfortable chairs") is None, "the last label of a host is no word"
    assert refused("Admit2026", frozenset()) is None, "elsewhere it is no name"


def test_context_is_made_of_whole_words_of_three_characters_and_more() -> None:
    assert context_words("Bo Li", "bo@x.io") == frozenset({"boli"})
    assert context_words("李小龍", "ab_cde-fg") == frozenset({"李小龍", "cde", "abcdefg"})
    assert context_words("") == frozenset()
    assert host_words("http://localhost:8410") == "@localhost"
    assert context_words(host_words("http://localhost:8410")) == frozenset()


def test_the_list_has_what_the_length_allows_at_least_three_thousand_and_each_once() -> None:
    listed = common_in_order()
    assert len(listed) >= 3_000
    assert len(set(listed)) == len(listed)
    for password in listed:
        assert len(password) >= 8
        assert password == password.lower()
        assert password.isascii()
        assert password.isprintable()
        assert " " not in password


def test_what_the_tests_and_the_demo_type_is_not_on_it() -> None:
    assert weakness("correct horse battery", common=frozenset(common_in_order())) is None
    assert ADVISED_CHARS == 15


@given(st.text(max_size=1_100), st.text(max_size=40))
def test_any_text_is_taken_as_it_is_or_refused(password: str, name: str) -> None:
    try:
        octets = check_new_password(password, context=context_words(name))
    except PasswordError:
        return
    assert octets == password.encode("utf-8")
    assert len(password) >= 8
    assert len(octets) <= 1_024
