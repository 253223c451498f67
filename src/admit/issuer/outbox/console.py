"""Mails to the terminal, for development: whoever reads it has every link in them."""

import sys
from email.message import EmailMessage
from typing import TextIO


class ConsoleSender:
    """Writes each mail's plain text to standard error, past the log, which keeps links out. Settings allow it with
    `dev` only.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, message: EmailMessage) -> None:
        """Show it."""
        plain = message.get_body(("plain",))
        text = plain.get_content() if plain is not None else ""
        out = self._out if self._out is not None else sys.stderr
        out.write(f"--- mail to {message['To']}: {message['Subject']}\n{text}---\n")
        out.flush()
