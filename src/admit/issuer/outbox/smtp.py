"""Mail by SMTP: RFC 5321, with TLS by RFC 8314 (implicit) or RFC 3207 (STARTTLS)."""

import asyncio
import ssl
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from typing import Final, cast

import aiosmtplib

from admit.errors import ConfigError
from admit.issuer.outbox import rules
from admit.issuer.outbox.config import Server
from admit.issuer.outbox.errors import MailError, MailRefusedError, MailUnavailableError

# Base64 and quoted-printable throughout: no server needs an extension to take it.
_WIRE: Final = policy.SMTP.clone(cte_type="7bit")
_PERMANENT: Final = 500


class SmtpSender:
    """One connection a mail: a mail's fate never hangs on another's.

    The server's certificate must be good for the name in `mail.url`. Without TLS nothing is sent, sign-in included,
    but on loopback or by the setting `mail.plaintext`.

    Raises:
        ConfigError: the file of `mail.ca_file` cannot be used.
    """

    def __init__(self, server: Server, *, timeout: timedelta, ca_file: str = "") -> None:
        self._server = server
        self._timeout = timeout.total_seconds()
        self._tls = tls_context(ca_file)

    async def send(self, message: EmailMessage) -> None:
        """Hand it in.

        Raises:
            MailRefusedError: refused for good. MailUnavailableError: anything else; try again.
            MailError: sender or receiver is not exactly one address.
        """
        sender, to = only_address(message, "From"), only_address(message, "To")
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=False,  # asked for below, where it can be refused to go on without
            tls_context=self._tls,
            timeout=self._timeout,
            local_hostname="localhost",  # what this machine is called is nobody's business
        )
        transport: asyncio.Transport | None = None
        try:
            async with client:
                await self._secure(client, server)
                transport = cast(asyncio.Transport, client.transport)
                if server.username is not None and server.password is not None:
                    await client.login(server.username, server.password)
                await client.sendmail(sender, [to], message.as_bytes(policy=_WIRE))
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise _judged(min(codes, default=0), "recipient") from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _judged(error.code, "message") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # A wrong password too: whoever runs this mends it, and the mails go out.
            raise MailUnavailableError(f"smtp: {type(error).__name__}") from None
        finally:
            if (
                transport is not None
            ):  # QUIT is said: a peer that does not close TLS in good order is not waited for
                transport.abort()
                await asyncio.sleep(0)

    async def _secure(self, client: aiosmtplib.SMTP, server: Server) -> None:
        if server.tls or may_go_without_tls(server):
            return
        await client.ehlo()
        if not client.supports_extension("starttls"):
            raise MailUnavailableError("smtp: the server offers no STARTTLS")
        await client.starttls(tls_context=self._tls)


def may_go_without_tls(server: Server) -> bool:
    """Whether a mail, and the password of the mail account, may cross the wire readable."""
    return server.plain


def only_address(message: EmailMessage, header: str) -> str:
    """The one address of a header that has exactly one.

    Raises:
        MailError: none, several, or something else.
    """
    values = message.get_all(header, [])
    if len(values) != 1 or values[0].defects:  # as a parser mends it, it may be another
        raise MailError("not exactly one address")
    return rules.mailbox(str(values[0]))[1]


def tls_context(ca_file: str) -> ssl.SSLContext:
    """The system's authorities, and those of a file; TLS 1.2 at least, names checked."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigError("mail.ca_file: not a readable file of certificates in PEM") from None
    return context


def _judged(code: int, what: str) -> MailRefusedError | MailUnavailableError:
    if code >= _PERMANENT:
        return MailRefusedError(f"smtp: {what} refused")
    return MailUnavailableError(f"smtp: {what} not taken yet")
