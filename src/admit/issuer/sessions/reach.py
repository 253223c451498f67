"""How far the session cookie reaches: `sessions.cookie_domain`, contracts §4. Pure.

With a domain every host below it is sent the cookie and may set one of its name: a weaker thing than the default, where
the cookie stays with the issuer's own host. So the domain has to be one that a single owner has.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from admit.errors import ConfigError

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")

# Below country codes, registries sell names under these: `co.uk`, `com.au`, `gov.br` belong to nobody.
_SOLD_UNDER: Final = frozenset({
    "ac", "asn", "co", "com", "csiro", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "govt", "gv", "id",
    "ind", "info", "ltd", "me", "mil", "muni", "name", "ne", "net", "nhs", "nic", "nom", "or", "org", "plc",
    "police", "presse", "pro", "sch", "school",
})  # fmt: skip
# Hosts of many owners side by side. Browsers hold the whole list, and drop a cookie for any on it; these are the ones
# that people deploy to, so that the mistake is told at the start and not found out by nobody staying signed in.
_SHARED: Final = frozenset({
    "amplifyapp.com", "appspot.com", "awsapprunner.com", "azurecontainerapps.io", "azurestaticapps.net",
    "azurewebsites.net", "bitbucket.io", "blogspot.com", "cloudapp.net", "cloudfront.net", "deno.dev",
    "elasticbeanstalk.com", "eu.org", "firebaseapp.com", "fly.dev", "github.io", "githubpreview.dev",
    "gitlab.io", "glitch.me", "herokuapp.com", "lovable.app", "myshopify.com", "netlify.app", "ngrok.app",
    "ngrok.dev", "ngrok.io", "ngrok-free.app", "ondigitalocean.app", "onrender.com", "pages.dev",
    "platform.sh", "pythonanywhere.com", "r2.dev", "railway.app", "readthedocs.io", "render.com", "repl.co",
    "replit.app", "replit.dev", "run.app", "s3.amazonaws.com", "streamlit.app", "surge.sh",
    "trycloudflare.com", "up.railway.app", "vercel.app", "web.app", "workers.dev",
})  # fmt: skip


def is_shared_suffix(domain: str) -> bool:
    """Whether names below `domain` belong to different owners: a top-level domain, or a public suffix known here."""
    labels = domain.split(".")
    if len(labels) == 1:
        return True
    country = len(labels[-1]) == 2
    return domain in _SHARED or (country and len(labels) == 2 and labels[0] in _SOLD_UNDER)


def covers(domain: str, host: str) -> bool:
    """Whether a cookie of `domain` reaches `host`, RFC 6265 §5.1.3."""
    return host == domain or host.endswith(f".{domain}")


def check_cookie_domain(domain: str, issuer: str) -> None:
    """Refuse a domain that browsers would not take from this issuer, or that would hand the cookie to strangers.

    Raises:
        ConfigError: one line that says what to write.
    """
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if parts.scheme != "https":
        raise ConfigError("sessions.cookie_domain: needs an https issuer; leave it out for development")
    if not _NAME.fullmatch(domain) or len(domain) > 253 or _is_address(domain):
        raise ConfigError(
            "sessions.cookie_domain: want a host name such as example.com, in lower-case ASCII, without a dot before it"
        )
    if is_shared_suffix(domain):
        raise ConfigError(
            "sessions.cookie_domain: names below it belong to different owners, who would all be sent the cookie"
        )
    if not covers(domain, host):
        raise ConfigError("sessions.cookie_domain: want the issuer's own host, or a domain that it lies in")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
