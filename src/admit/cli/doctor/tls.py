"""The certificate that `admit serve` serves with: is it this host's, its key's, and for how long?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from admit.cli import tls
from admit.cli.doctor.findings import Finding, error, good, note, warning
from admit.errors import ConfigError
from admit.issuer import Settings

SOON: Final = 14
"""Days. Certificates of 47 days and less are renewed at a third of their life before the end."""
_DAY: Final = 86_400.0


def findings(settings: Settings, *, now: float) -> Iterator[Finding]:
    """All of them. `now`: seconds since the epoch."""
    https = urlsplit(settings.issuer).scheme == "https"
    if not settings.tls.cert:
        if https:
            yield note("tls", "TLS ends in front of the issuer: tls.cert is not set")
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


def validity(leaf: x509.Certificate, now: float) -> Finding:
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
            "renew it; the issuer takes the new one within a minute",
        )
    if left < SOON:
        return warning(
            "tls",
            f"the certificate ends on {until}, in {int(left)} days",
            "then browsers and verifiers refuse to connect",
            "see why it was not renewed",
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
