"""The certificate that `admit serve` serves with: TLS 1.2 or later, and a renewed one is taken without a restart."""

import asyncio
import logging
import os
import ssl
from typing import Final

from admit.errors import ConfigError
from admit.issuer.app.config import TlsConfig

log = logging.getLogger("admit.tls")

LOOKED_AT_EVERY: Final = 60.0


def context(config: TlsConfig) -> ssl.SSLContext:
    """A context for a server, RFC 9325 §3.1.1, §4.1.

    Raises:
        ConfigError: a file is missing, is no PEM, or the key is another certificate's.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    made.set_alpn_protocols(["http/1.1"])
    load(made, config)
    return made


def load(into: ssl.SSLContext, config: TlsConfig) -> None:
    """Have new connections served with what the files hold now. Raises ConfigError."""
    try:
        into.load_cert_chain(config.cert, config.key, password=_no_password)
    except FileNotFoundError:
        missing = config.cert if not os.path.exists(config.cert) else config.key
        raise ConfigError(f"tls: {missing} does not exist") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError("tls.key is not the key of the certificate in tls.cert") from None
        raise ConfigError(
            "tls: cert and key have to be PEM files, the key without a password: "
            f"one of them cannot be used ({error.reason or 'unreadable'})"
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the key has a password"
        raise ConfigError(f"tls: cert or key cannot be read: {why}") from None


def _no_password() -> str:
    # Otherwise OpenSSL asks for it on the terminal, and a service hangs.
    raise ValueError("the key has a password")


def changed_at(config: TlsConfig) -> tuple[float, ...] | None:
    """When the files were last written; None while one is not there."""
    try:
        return tuple(os.stat(path).st_mtime_ns for path in (config.cert, config.key))
    except OSError:
        return None


async def keep(into: ssl.SSLContext, config: TlsConfig, *, every: float = LOOKED_AT_EVERY) -> None:
    """Until cancelled: take a renewed certificate. One that cannot be used is told, and the old one stays."""
    seen = changed_at(config)
    while True:
        await asyncio.sleep(every)
        now = changed_at(config)
        if now is None or now == seen:
            continue
        seen = now
        try:
            context(config)  # a whole one first: half a change must not be taken
            load(into, config)
        except ConfigError as error:
            log.error("the new certificate cannot be used", extra={"detail": str(error)})
        else:
            log.info("a new certificate is served")
