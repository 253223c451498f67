"""What makes a waiting mail into the message that is sent."""

from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

from admit.issuer.accounts.links import EmailLinks
from admit.issuer.app.mails.message import build
from admit.issuer.app.mails.render import Mails
from admit.issuer.outbox import MailConfig, Waiting


class Prepare:
    """Called by the courier. Whose address somebody typed is looked up here, long after they got their answer."""

    def __init__(
        self, mails: Mails, links: EmailLinks, config: MailConfig, *, clock: Callable[[], float]
    ) -> None:
        self._mails = mails
        self._links = links
        self._config = config
        self._clock = clock

    async def __call__(self, waiting: Waiting) -> EmailMessage | None:
        """The message; None where there is nobody to send it to."""
        if waiting.mail.kind == "reset_password" and "link" not in waiting.mail.data:
            mail = await self._links.answer(waiting, self._clock())
            if mail is None:
                return None
            waiting = replace(waiting, mail=mail)
        return build(waiting, self._mails.dress(waiting), self._config)
