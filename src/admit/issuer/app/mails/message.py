"""From words to an internet message: RFC 5322, RFC 2045, RFC 2047 for what is not ASCII, RFC 3834 for machines."""

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from admit.issuer.app.mails.render import Dressed
from admit.issuer.outbox import MailConfig, MailError, Waiting, rules

# No line is longer than RFC 5322 §2.1.1 allows, and no octet above 127 stands anywhere.
_POLICY: Final = policy.SMTP.clone(cte_type="7bit")


def build(waiting: Waiting, dressed: Dressed, config: MailConfig) -> EmailMessage:
    """The message. Its id is that of the waiting mail, so that a mail that is sent twice is known to be one.

    Raises:
        MailError: an address that is none, or a header of more than one line.
    """
    to = rules.address(waiting.mail.to)
    if to is None:
        raise MailError("the receiver is not one address")
    name, sender = rules.mailbox(config.sender)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(display_name=name, addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    if config.reply_to:
        name, answer = rules.mailbox(config.reply_to)
        message["Reply-To"] = Address(display_name=name, addr_spec=answer)
    message["Subject"] = rules.header_value(dressed.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(waiting.created_at, UTC))
    message["Message-ID"] = f"<{rules.header_value(waiting.id)}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(dressed.text)
    message.add_alternative(dressed.html, subtype="html")
    message["Content-Language"] = dressed.lang  # of the whole: set before the bodies it would be one body's
    return message
