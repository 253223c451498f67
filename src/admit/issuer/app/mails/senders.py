"""Which way mails leave."""

from admit.issuer.outbox import MailConfig, Sender
from admit.issuer.outbox.console import ConsoleSender


def sender_of(config: MailConfig) -> Sender | None:
    """The sender of the settings; None where mails are off.

    Raises:
        ConfigError: the authorities to trust cannot be read.
    """
    if not config.is_on:
        return None
    if config.is_console:
        return ConsoleSender()
    from admit.issuer.outbox.smtp import SmtpSender  # its library is loaded where mail is sent

    return SmtpSender(config.server, timeout=config.timeout, ca_file=config.ca_file)
