"""Mail by SMTP to a real server on loopback: TLS or nothing, good certificates, and what each refusal means."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from admit.errors import ConfigError
from admit.issuer.outbox import MailError, MailRefusedError, MailUnavailableError
from admit.issuer.outbox.config import Server
from admit.issuer.outbox.console import ConsoleSender
from admit.issuer.outbox.smtp import SmtpSender
from tests.fixtures.mail import PASSWORD, USER, Certificate, MailServer, authenticate, certify, serving

pytestmark = pytest.mark.anyio
SOON = timedelta(seconds=5)


def message(to: str = "ada@example.com", sender: str = "Admit <no-reply@id.example>") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, "Grüße"
    made.set_content("Ein Text mit Umlaut: ü\n.\nund einem Punkt allein.\n")
    return made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certify(tmp_path_factory.mktemp("mail"))


@pytest.fixture(scope="module")
def tls_server(certificate: Certificate) -> Iterator[MailServer]:
    with serving(ssl_context=certificate.context()) as server:
        yield server


@pytest.fixture(scope="module")
def starttls_server(certificate: Certificate) -> Iterator[MailServer]:
    with serving(
        tls_context=certificate.context(),
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    ) as server:
        yield server


def at(server: MailServer, **changes: object) -> Server:
    return replace(Server(host="127.0.0.1", port=server.port, tls=False, plain=False), **changes)


async def test_a_mail_arrives_whole_over_loopback(mail_server: MailServer) -> None:
    await SmtpSender(at(mail_server, plain=True), timeout=SOON).send(message())
    (arrived,) = mail_server.messages
    assert arrived["Subject"] == "Grüße"
    assert arrived.get_content().splitlines() == ["Ein Text mit Umlaut: ü", ".", "und einem Punkt allein."]
    assert mail_server.handler.receivers == ["ada@example.com"]


async def test_a_server_without_tls_gets_neither_mail_nor_password(mail_server: MailServer) -> None:
    server = at(mail_server, username=USER, password=PASSWORD)
    with pytest.raises(MailUnavailableError) as told:
        await SmtpSender(server, timeout=SOON).send(message())
    assert PASSWORD not in str(told.value)
    assert mail_server.messages == []


async def test_implicit_tls_with_a_certificate_that_is_vouched_for(
    tls_server: MailServer, certificate: Certificate
) -> None:
    sender = SmtpSender(at(tls_server, tls=True), timeout=SOON, ca_file=str(certificate.cert))
    await sender.send(message())
    assert len(tls_server.messages) == 1
    tls_server.forget()


@pytest.mark.parametrize("tls", [True, False], ids=["implicit", "starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls_server: MailServer, starttls_server: MailServer, tls: bool
) -> None:
    server = tls_server if tls else starttls_server
    with pytest.raises(MailUnavailableError):
        await SmtpSender(at(server, tls=tls), timeout=SOON).send(message())
    assert server.messages == []


async def test_starttls_and_a_password(starttls_server: MailServer, certificate: Certificate) -> None:
    server = at(starttls_server, username=USER, password=PASSWORD)
    await SmtpSender(server, timeout=SOON, ca_file=str(certificate.cert)).send(message())
    assert len(starttls_server.messages) == 1
    starttls_server.forget()
    wrong = replace(server, password="not the password")
    with pytest.raises(MailUnavailableError) as told:
        await SmtpSender(wrong, timeout=SOON, ca_file=str(certificate.cert)).send(message())
    assert "not the password" not in str(told.value)
    assert starttls_server.messages == []


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ("550 5.1.1 <ada@example.com> unknown", MailRefusedError),
        ("451 4.7.1 come again, ada@example.com", MailUnavailableError),
    ],
    ids=["for-good", "for-now"],
)
async def test_what_the_server_says_no_to(
    mail_server: MailServer, stage: str, answer: str, meaning: type[Exception]
) -> None:
    mail_server.handler.answers[stage] = answer
    with pytest.raises(meaning) as told:
        await SmtpSender(at(mail_server, plain=True), timeout=SOON).send(message())
    assert "ada@" not in str(told.value)


async def test_nobody_there_and_a_server_that_says_nothing() -> None:
    import asyncio

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        server = Server(host="127.0.0.1", port=port, tls=False, plain=True)
        with pytest.raises(MailUnavailableError):
            await SmtpSender(server, timeout=timedelta(milliseconds=100)).send(message())
    with pytest.raises(MailUnavailableError):
        await SmtpSender(server, timeout=SOON).send(message())


@pytest.mark.parametrize(
    "to", ["a@example.com,m@example.com", "a@example.com;m@example.com"], ids=["list", "semicolon"]
)
async def test_a_message_to_two_is_sent_to_nobody(mail_server: MailServer, to: str) -> None:
    made = message()
    del made["To"]
    made["To"] = to
    with pytest.raises(MailError):
        await SmtpSender(at(mail_server, plain=True), timeout=SOON).send(made)
    assert mail_server.messages == []


def test_authorities_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for name in ("no.pem", "missing.pem"):
        with pytest.raises(ConfigError, match=r"mail\.ca_file"):
            SmtpSender(
                Server(host="h", port=1, tls=True, plain=False), timeout=SOON, ca_file=str(tmp_path / name)
            )


async def test_in_development_a_mail_is_shown_at_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleSender().send(message())
    assert "Ein Text mit Umlaut" in capsys.readouterr().err
