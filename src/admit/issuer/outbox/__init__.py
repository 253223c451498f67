"""Mails that wait in the database until they are sent: at least once, with an id, and bounded for each address.

`records` frozen values · `kinds` the table of all kinds · `rules` addresses, pauses, header values (pure) · `store`
table and SQL · `posting` the class `Outbox`, whose `post` belongs into the transaction that causes a mail ·
`driver` the class `Courier` that sends what is due · `smtp`, `console` the senders · `config`.
"""

from admit.issuer.outbox.config import MailConfig
from admit.issuer.outbox.driver import Courier, Sender
from admit.issuer.outbox.errors import MailError, MailRefusedError, MailUnavailableError
from admit.issuer.outbox.kinds import KINDS
from admit.issuer.outbox.posting import NO_MAIL, Outbox
from admit.issuer.outbox.records import Mail, MailKind, Posted, Waiting

__all__ = [
    "KINDS",
    "NO_MAIL",
    "Courier",
    "Mail",
    "MailConfig",
    "MailError",
    "MailKind",
    "MailRefusedError",
    "MailUnavailableError",
    "Outbox",
    "Posted",
    "Sender",
    "Waiting",
]
