"""The courier of an issuer, put together from its settings."""

from collections.abc import Callable
from pathlib import Path

from admit.issuer.accounts.links import EmailLinks
from admit.issuer.app.mails.prepare import Prepare
from admit.issuer.app.mails.render import Mails
from admit.issuer.app.mails.senders import sender_of
from admit.issuer.app.settings import Settings
from admit.issuer.outbox import Courier, Outbox
from admit.issuer.storage import Database


def courier_of(
    settings: Settings, db: Database, outbox: Outbox, links: EmailLinks, *, clock: Callable[[], float]
) -> Courier | None:
    """What sends this issuer's mails; None where mails are off.

    Raises:
        ConfigError: `mail.ca_file` cannot be used.
    """
    sender = sender_of(settings.mail)
    if sender is None:
        return None
    mails = Mails(
        Path(settings.templates) if settings.templates else None,
        issuer=settings.issuer,
        site=settings.name,
        lives={
            "verify_email": settings.accounts.verify_link,
            "confirm_new_email": settings.accounts.verify_link,
            "reset_password": settings.accounts.reset_link,
        },
    )
    prepare = Prepare(mails, links, settings.mail, clock=clock)
    return Courier(db, outbox, sender, prepare, clock=clock)
