"""What is fresh, what is familiar, and what a session may be called: pure."""

from datetime import timedelta
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import ConfigError
from admit.issuer.sessions import rules
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.errors import SessionNameError

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER = FIREFOX.replace("140.0", "152.0")
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"


@pytest.mark.threat("SES-7", off="admit.issuer.sessions.rules:is_fresh")
def test_a_sign_in_is_fresh_until_the_time_is_up_and_never_ahead_of_the_clock() -> None:
    within = timedelta(minutes=5)
    for gone, fresh in ((0, True), (300, True), (-30, True), (301, False), (86_400, False), (-31, False)):
        assert rules.is_fresh(auth_time=1_000_000.0, now=1_000_000.0 + gone, within=within) is fresh, gone


@pytest.mark.parametrize(
    "values",
    [
        {"fresh_for": timedelta(0)}, {"fresh_for": timedelta(hours=2)}, {"per_user": 0}, {"per_user": 100_001},
        {"names_per_hour": 0},
    ],
    ids=repr,
)  # fmt: skip
def test_settings_that_could_not_work_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SessionConfig(**values)  # type: ignore[arg-type]  # of several types


def familiar(agent: str, ip: str, *seen: tuple[str, str], age: float = 86_400 * 30) -> bool:
    return rules.is_familiar(agent, ip, seen, account_age=age)


def test_the_same_browser_in_the_same_network_is_familiar_also_when_it_was_updated() -> None:
    assert familiar(NEWER, "192.0.2.7", (PHONE, "198.51.100.1"), (FIREFOX, "192.0.2.7"))
    assert familiar(FIREFOX, "2001:db8:1:2::7", (FIREFOX, "2001:db8:1:2:ffff::1"))


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:is_familiar")
def test_another_browser_another_network_or_none_to_compare_with_is_not() -> None:
    assert not familiar(PHONE, "192.0.2.7", (FIREFOX, "192.0.2.7"))
    assert not familiar(FIREFOX, "192.0.2.8", (FIREFOX, "192.0.2.7"))
    assert not familiar("curl/8", "192.0.2.7", ("curl/8", "192.0.2.7")), "what has no name is not known again"
    assert not familiar(FIREFOX, "192.0.2.7"), "an account that nobody signed in to for long"


def test_the_first_sign_in_to_a_new_account_is_nobody_elses() -> None:
    assert familiar("", "192.0.2.7", age=60)
    assert not familiar("", "192.0.2.7", (FIREFOX, "192.0.2.9"), age=60)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Laptop at home", "Laptop at home"), ("  Küche \u3000", "Küche"), ("", None), ("   ", None), (None, None),
        ("e\u0301", "é"), ("办公室的电脑", "办公室的电脑"), ("x" * 60, "x" * 60),
    ],
)  # fmt: skip
def test_a_name_is_one_line_without_blanks_around_it(typed: str | None, name: str | None) -> None:
    assert rules.clean_session_name(typed) == name


@pytest.mark.parametrize(
    "typed", ["x" * 61, "a\nb", "a\0b", "\u202egnp.exe", "\ud800", "a\u2028b", "x" * 100_000]
)
def test_a_name_that_hides_or_turns_text_is_refused(typed: str) -> None:
    with pytest.raises(SessionNameError):
        rules.clean_session_name(typed)


@given(st.text(max_size=100))
def test_any_text_gives_a_name_of_one_line_or_the_one_error(text: str) -> None:
    try:
        name = rules.clean_session_name(text)
    except SessionNameError:
        return
    assert name is None or 0 < len(name) <= 60
    # Blanks of other widths and joiners are part of names; Python calls neither printable.
    assert all(one.isprintable() or one in "\u200c\u200d" or category(one) == "Zs" for one in name or "")
