"""Addresses that mail goes to, values that headers take, and pauses between tries."""

from datetime import timedelta

import pytest

from admit.errors import ConfigError
from admit.issuer.outbox import MailConfig, MailError, rules

FORGED = "Set a password\r\nBcc: mallory@example.com"


@pytest.mark.parametrize(
    ("typed", "mailed"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.L+orders@Example.COM", "Ada.L+orders@Example.COM"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("root@localhost", "root@localhost"),
        ("ａｄａ＠example．com", "ada@example.com"),
    ],
    ids=["plain", "cases", "quote", "one-label", "full-width"],
)
def test_one_address_is_taken_in_the_form_that_accounts_are_compared_by(typed: str, mailed: str) -> None:
    assert rules.address(typed) == mailed


@pytest.mark.threat("PWD-8", off="admit.issuer.outbox.rules:address")
@pytest.mark.parametrize(
    "typed",
    [
        "", "ada", "ada@", "@example.com", "a@example.com,b@example.com", "a@example.com;b@example.com",
        "a@example.com b@example.com", "a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com\n", "a@b@example.com",
        '"a b"@example.com', "<a@example.com>", "Ada <a@example.com>", "a@[127.0.0.1]", "аda@example.com",
        "a@exаmple.com", "a\x00@example.com", "a@example.com\u2028", "a" * 65 + "@example.com", "a@" + "b." * 200 + "c",
    ],
    ids=range(20),
)  # fmt: skip
def test_a_list_a_name_or_a_lookalike_is_no_address(typed: str) -> None:
    assert rules.address(typed) is None


@pytest.mark.threat("INF-log", off="admit.issuer.outbox.rules:header_value")
@pytest.mark.parametrize(
    "value",
    [FORGED, "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "a\x1b[31mb", "\ud800", "x" * 501],
    ids=range(9),
)
def test_a_header_value_of_more_than_one_line_is_refused(value: str) -> None:
    with pytest.raises(MailError):
        rules.header_value(value)


def test_a_header_value_of_one_line_stays_as_it_is() -> None:
    assert rules.header_value("访问 – Ünïcode") == "访问 – Ünïcode"


def test_a_sender_is_an_address_with_or_without_a_name() -> None:
    assert rules.mailbox("no-reply@example.com") == ("", "no-reply@example.com")
    assert rules.mailbox("访问 <no-reply@example.com>") == ("访问", "no-reply@example.com")


@pytest.mark.parametrize(
    "text", ["", "Admit", "a@example.com, b@example.com", "Admit <a@example.com", FORGED], ids=range(5)
)
def test_what_is_not_one_sender_is_refused(text: str) -> None:
    with pytest.raises(MailError):
        rules.mailbox(text)


def test_pauses_grow_to_an_hour_and_are_spread() -> None:
    pauses = [rules.pause_before(tries, share=0.0) for tries in range(1, 8)]
    assert pauses[:3] == [timedelta(seconds=10), timedelta(seconds=40), timedelta(seconds=160)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == rules.LONGEST_PAUSE == rules.pause_before(10_000, share=0.0)
    assert rules.pause_before(1, share=1.0) == timedelta(seconds=12.5)


def test_a_server_is_read_from_its_url_and_its_password_is_never_shown() -> None:
    config = MailConfig(url="smtps://post%40man:p%3Ass%2Fword@mail.example.com", sender="a@example.com")
    server = config.server
    assert (server.host, server.port, server.tls, server.plain) == ("mail.example.com", 465, True, False)
    assert (server.username, server.password) == ("post@man", "p:ss/word")
    assert "word" not in repr(config) + repr(server)
    started = MailConfig(url="smtp://mail.example.com", sender="a@example.com").server
    assert (started.port, started.tls, started.plain, started.username) == (587, False, False, None)


@pytest.mark.parametrize(
    ("url", "changes", "plain"),
    [
        ("smtp://mail.example.com:25", {}, False),
        ("smtp://mail.example.com:25", {"plaintext": True}, True),
        ("smtp://127.0.0.1:25", {}, True),
        ("smtp://[::1]:25", {}, True),
        ("smtps://127.0.0.1:465", {"plaintext": True}, False),
    ],
    ids=["starttls", "by-name", "loopback", "loopback-6", "tls"],
)
def test_without_tls_mail_goes_over_loopback_or_by_a_named_setting(
    url: str, changes: dict[str, bool], plain: bool
) -> None:
    assert MailConfig(url=url, sender="a@example.com", **changes).server.plain is plain


@pytest.mark.parametrize(
    "values",
    [
        {"url": "smtps://mail.example.com"},
        {"url": "https://mail.example.com", "sender": "a@example.com"},
        {"url": "smtps://", "sender": "a@example.com"},
        {"url": "smtps://secret@mail.example.com", "sender": "a@example.com"},
        {"url": "smtps://:secret@mail.example.com", "sender": "a@example.com"},
        {"url": "smtps://mail.example.com:secret", "sender": "a@example.com"},
        {"url": "smtps://mail.example.com/secret", "sender": "a@example.com"},
        {"url": "smtps://mail.example.com?secret", "sender": "a@example.com"},
        {"url": "console:", "sender": "a@example.com, secret@example.com"},
        {"url": "console:", "sender": "a@example.com\r\nBcc: secret@example.com"},
        {"url": "console:", "sender": "a@example.com", "reply_to": "secret"},
        {"parallel": 0},
        {"most_waiting": 0},
        {"timeout": timedelta(0)},
        {"give_up_after": timedelta(seconds=-1)},
    ],
    ids=range(15),
)
def test_settings_that_cannot_work_are_refused_in_one_line_without_quoting_them(
    values: dict[str, object],
) -> None:
    with pytest.raises(ConfigError) as told:
        MailConfig(**values)  # type: ignore[arg-type]  # that is the test
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


def test_without_a_url_mail_is_off() -> None:
    assert not MailConfig().is_on
    assert MailConfig(url="console:", sender="a@example.com").is_console
