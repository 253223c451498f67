"""A worker that is killed between the mail server's word and the DELETE: `dying_courier.py DATABASE KEYS PORT`."""

import asyncio
import os
import signal
import sys
import time
from email.message import EmailMessage

from admit.issuer.outbox import Courier, MailConfig, Outbox, Waiting
from admit.issuer.outbox.smtp import SmtpSender
from admit.issuer.storage import Database, Keyring


class DyingSender(SmtpSender):
    """Sends, and is no more."""

    async def send(self, message: EmailMessage) -> None:
        await super().send(message)
        os.kill(os.getpid(), signal.SIGKILL)


async def plainly(waiting: Waiting) -> EmailMessage:
    """The least that a mail needs."""
    message = EmailMessage()
    message["From"], message["To"] = "no-reply@id.example", waiting.mail.to
    message["Message-ID"] = f"<{waiting.id}@id.example>"
    message.set_content("A mail.")
    return message


async def main(url: str, keys: str, port: str) -> None:
    """One turn, which is the last."""
    keyring = Keyring.load(keys)
    db = Database.from_url(url, keyring)
    await db.open()
    config = MailConfig(url=f"smtp://127.0.0.1:{port}", sender="no-reply@id.example")
    sender = DyingSender(config.server, timeout=config.timeout)
    await Courier(db, Outbox(config, keyring), sender, plainly, clock=time.time).turn()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
