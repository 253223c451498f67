"""Mails as people see them: two languages, two bodies, nothing fetched, nothing of a stranger, one line a header."""

import re
import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from admit.issuer.app.mails.message import build
from admit.issuer.app.mails.render import FOLDER, Mails, load
from admit.issuer.app.pages.language import CHINESE, ENGLISH, LANGUAGES
from admit.issuer.outbox import KINDS, Mail, MailConfig, MailError, MailKind, Waiting

ISSUER = "https://id.example.com/auth"
LINK = f"{ISSUER}/reset?t={'a' * 43}&ui_locales=en"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
DATA: Mapping[str, str] = {
    "link": LINK,
    "user_agent": AGENT,
    "ip": "192.0.2.7",
    "left": "7",
    "app": "Orders",
}
CONFIG = MailConfig(
    url="smtps://mail.example.com", sender="访问 <no-reply@id.example.com>", reply_to="help@example.com"
)
LIVES: Mapping[MailKind, timedelta] = {
    "verify_email": timedelta(hours=24),
    "confirm_new_email": timedelta(hours=24),
    "reset_password": timedelta(minutes=15),
}


def mails(site: str = "Example", folder: Path | None = None) -> Mails:
    return Mails(folder, issuer=ISSUER, site=site, lives=LIVES)


def waiting(kind: MailKind, locale: str | None = ENGLISH, **data: str) -> Waiting:
    mail = Mail(kind=kind, user_id="u_ada", to="ada@example.com", locale=locale, data={**DATA, **data})
    return Waiting(id="c0ffee", mail=mail, created_at=1_795_000_000.0, give_up_at=1_795_090_000.0, tries=1)


def parsed(message: EmailMessage) -> EmailMessage:
    """As a reader gets it: through octets."""
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def bodies(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_its_words_in_both_bodies_and_fetches_nothing(kind: MailKind, lang: str) -> None:
    waits = waiting(kind, lang)
    words = mails().words(waits)
    text, html = bodies(parsed(build(waits, mails().dress(waits), CONFIG)))
    assert words.subject in html
    for line in (words.what, words.not_you, words.foot):
        assert line
        assert line in text
        assert line in re.sub(r"\s+", " ", html) or "’" in line or "'" in line
    assert not re.search(
        r"<(?:img|link|script|iframe|object|video|audio|form|input)\b|url\(|@import|\bsrc=", html
    )
    assert set(re.findall(r"https?://[^/\"\s<]+", text + html)) == {"https://id.example.com"}
    assert max(map(len, build(waits, mails().dress(waits), CONFIG).as_bytes().splitlines())) <= 998
    assert "{" not in text


def test_every_language_has_the_same_keys_and_the_same_places() -> None:
    def places(entry: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(entry) if name is not None}

    english, chinese = load(ENGLISH).entries, load(CHINESE).entries
    assert english.keys() == chinese.keys()
    assert {key: places(text) for key, text in english.items()} == {
        key: places(text) for key, text in chinese.items()
    }
    known = {kind for key in english if (kind := key.partition(".")[0]) != key}
    assert known == set(KINDS)


def test_what_has_a_link_says_how_long_it_works_and_shows_it_to_copy() -> None:
    for kind, life in (
        ("reset_password", "15 minutes"),
        ("verify_email", "24 hours"),
        ("confirm_new_email", "24 hours"),
    ):
        dressed = mails().dress(waiting(kind))  # type: ignore[arg-type]  # three of the kinds
        assert f"\n{LINK}\n" in dressed.text
        assert life in dressed.text
        assert dressed.html.count(LINK.replace("&", "&amp;")) == 3
    others = [mails().dress(waiting(kind)).text for kind in KINDS if kind not in LIVES]
    assert not any(LINK in text for text in others)


def test_a_notice_says_when_and_from_where_in_words_that_are_ours() -> None:
    dressed = mails().dress(waiting("signed_in"))
    assert "18 November 2026" in dressed.text
    assert "Firefox on Linux, from 192.0.2.7" in dressed.text
    forged = mails().dress(
        waiting("signed_in", user_agent="visit evil.example", ip="<b>x</b>\r\nhttps://evil.example")
    )
    assert "visit" not in forged.text
    assert "<b>" not in forged.html


def test_headers_say_from_whom_when_and_that_a_machine_wrote_it() -> None:
    waits = waiting("reset_password")
    message = build(waits, mails("访问 Ünïcode").dress(waits), CONFIG)
    raw = message.as_bytes()
    assert raw.isascii()
    assert b"=?utf-8?" in raw.split(b"\r\n\r\n")[0]
    read = parsed(message)
    assert read["From"] == "访问 <no-reply@id.example.com>"
    assert read["To"] == "ada@example.com"
    assert read["Reply-To"] == "help@example.com"
    assert read["Message-ID"] == "<c0ffee@id.example.com>"
    assert read["Date"] == "Wed, 18 Nov 2026 11:06:40 +0000"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Content-Language"] == "en"
    assert read["Subject"] == "Set a new password"
    assert read["Bcc"] is None
    assert read["Cc"] is None


@pytest.mark.threat("INF-log", off="admit.issuer.outbox.rules:header_value")
@pytest.mark.parametrize("place", ["subject", "id"])
def test_no_value_can_begin_a_header_of_its_own(place: str) -> None:
    forged = "x\r\nBcc: mallory@example.com"
    waits = waiting("reset_password")
    dressed = mails().dress(waits)
    if place == "subject":
        dressed = replace(dressed, subject=forged)
    else:
        waits = replace(waits, id=forged)
    with pytest.raises(MailError):
        build(waits, dressed, CONFIG)


@pytest.mark.threat("PWD-8", off="admit.issuer.outbox.rules:address")
@pytest.mark.parametrize(
    "to", ["a@example.com, m@example.com", "a@example.com\r\nBcc: m@example.com"], ids=["list", "crlf"]
)
def test_a_mail_has_one_receiver_or_is_not_made(to: str) -> None:
    waits = waiting("reset_password")
    waits = replace(waits, mail=replace(waits.mail, to=to))
    with pytest.raises(MailError):
        build(waits, mails().dress(waits), CONFIG)


@pytest.mark.threat("INF-log", off="admit.issuer.app.pages.catalogue:one_line")
def test_what_stands_in_a_sentence_stays_on_its_line() -> None:
    text = mails().dress(waiting("recovery_code_used", left="7\r\n\u202ehttps://evil.example")).text
    assert "\r" not in text
    assert "\u202e" not in text
    assert not re.search(r"^https://evil", text, re.M)


@pytest.mark.threat("WEB-xss", off="admit.issuer.app.mails.render:escapes")
def test_markup_in_a_value_is_text() -> None:
    html = mails('<b>"Example"</b>').dress(waiting("recovery_code_used", left="<script>")).html
    assert "<script>" not in html
    assert "<b>" not in html


def test_a_locale_that_has_no_words_gets_english_and_others_their_own() -> None:
    subjects = [
        mails().dress(waiting("reset_password", locale)).lang
        for locale in ("de-AT", None, "zh-CN", "zh-Hans")
    ]
    assert subjects == [ENGLISH, ENGLISH, CHINESE, CHINESE]


def test_the_templates_of_the_deployment_go_first_for_one_kind_or_for_all(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "reset_password.txt").write_text("Ours: {{ words.link }}")
    (folder / "layout.html").write_text("<p>{{ words.what }} <i>{{ site }}</i></p>")
    made = mails(folder=tmp_path)
    assert made.dress(waiting("reset_password")).text == f"Ours: {LINK}"
    assert made.dress(waiting("password_changed")).text != "Ours: "
    assert made.dress(waiting("password_changed")).html.endswith("<i>Example</i></p>")
    assert (FOLDER / "mail" / "layout.txt").is_file()


def test_the_page_about_mail_lists_every_kind() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "mail.md").read_text("utf-8")
    table = page.partition("## What people get")[2].partition("\n## ")[0]
    listed = [
        kind for row in re.findall(r"^\| (`.+?) \|", table, re.M) for kind in re.findall(r"`([a-z_]+)`", row)
    ]
    assert sorted(listed) == sorted(KINDS)
