"""The certificate that people see: is it this host's, its key's, and for how long?

Where `admit serve` ends TLS it is in a file; where a proxy does, it is asked for at the issuer's own URL.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpcore2
from cryptography import x509

from admit.cli import tls
from admit.cli.doctor.findings import Finding, error, good, note, warning
from admit.errors import ConfigError
from admit.issuer import Settings

SOON: Final = 14
"""Days. Certificates of 47 days and less are renewed at a third of their life before the end."""
_DAY: Final = 86_400.0
_PATIENCE: Final = 5.0
"""Seconds for a connection."""
_REFUSED: Final = {
    9: "is not valid yet",
    10: "has ended",
    62: "is not for this host",
    64: "is not for this address",
}
"""What OpenSSL says of a certificate that nobody takes, whichever authorities they trust (X509_V_ERR_…)."""


def findings(settings: Settings, *, now: float) -> Iterator[Finding]:
    """All of them. `now`: seconds since the epoch."""
    https = urlsplit(settings.issuer).scheme == "https"
    if not settings.tls.cert:
        if https:
            yield note(
                "tls",
                "TLS ends in front of the issuer: tls.cert is not set",
                f"how long its certificate holds is seen at {settings.issuer}: while it answers, and without --offline",
            )
        return
    try:
        tls.context(settings.tls)
        [leaf, *_] = x509.load_pem_x509_certificates(Path(settings.tls.cert).read_bytes())
    except (ConfigError, OSError, ValueError) as trouble:
        told = str(trouble) if isinstance(trouble, ConfigError) else f"{settings.tls.cert} cannot be read"
        yield error(
            "tls", told, "the issuer does not start", "a PEM file with the certificate first, and its own key"
        )
        return
    host = urlsplit(settings.issuer).hostname or ""
    if not is_for(leaf, host):
        yield error(
            "tls",
            f"the certificate is not for {host}",
            "browsers and verifiers refuse to connect",
            f"a certificate that names {host}, in {settings.tls.cert}",
        )
    yield validity(leaf, now)


async def served(
    settings: Settings, *, ca_file: str | None, clock: Callable[[], float]
) -> AsyncIterator[Finding]:
    """What a proxy in front shows at the issuer's URL. Nothing where nobody answers: that is told elsewhere."""
    parts = urlsplit(settings.issuer)
    if parts.scheme != "https" or settings.tls.cert:
        return
    try:
        leaf = await _shown(parts.hostname or "", parts.port or 443, ca_file)
    except ssl.SSLCertVerificationError as trouble:
        if trouble.verify_code in _REFUSED:
            yield error(
                "tls",
                f"the certificate at {settings.issuer} {_REFUSED[trouble.verify_code]}",
                "browsers and verifiers refuse to connect",
                "renew it where TLS ends, and let that program read it again",
            )
    except (OSError, ValueError):
        return
    else:
        yield validity(leaf, clock(), renew="renew it where TLS ends, and let that program read it again")


async def _shown(host: str, port: int, ca_file: str | None) -> x509.Certificate:
    context = await asyncio.to_thread(httpcore2.default_ssl_context)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    async with asyncio.timeout(_PATIENCE):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        return x509.load_der_x509_certificate(
            writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        )
    finally:
        writer.transport.abort()  # nothing was asked: nothing is waited for


def validity(
    leaf: x509.Certificate,
    now: float,
    *,
    renew: str = "renew it; the issuer takes the new one within a minute",
) -> Finding:
    """How long it still holds."""
    left = (leaf.not_valid_after_utc.timestamp() - now) / _DAY
    until = leaf.not_valid_after_utc.strftime("%Y-%m-%d")
    if leaf.not_valid_before_utc > datetime.fromtimestamp(now, UTC):
        return error(
            "tls",
            f"the certificate holds only from {leaf.not_valid_before_utc:%Y-%m-%d}",
            "browsers and verifiers refuse to connect, or this machine's clock is behind",
            "timedatectl",
        )
    if left < 0:
        return error(
            "tls",
            f"the certificate ended on {until}",
            "browsers and verifiers refuse to connect",
            renew,
        )
    if left < SOON:
        return warning(
            "tls",
            f"the certificate ends on {until}, in {int(left)} days",
            "then browsers and verifiers refuse to connect",
            "see why it was not renewed; where certbot does that, certbot renew --dry-run tells",
        )
    return good("tls", f"the certificate holds until {until}, {int(left)} more days")


def is_for(leaf: x509.Certificate, host: str) -> bool:
    """RFC 6125 §6.4: one of its names is the host; a wildcard stands for one label."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        return address in names.get_values_for_type(x509.IPAddress)
    label, _, rest = host.lower().partition(".")
    given = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return host.lower() in given or (bool(label and rest) and f"*.{rest}" in given)
