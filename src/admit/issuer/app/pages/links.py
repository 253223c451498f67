"""Addresses as pages may show them."""

from typing import Final
from urllib.parse import quote, urlsplit

_SHOWN: Final = frozenset({"http", "https"})


def safe_href(url: str) -> str:
    """`url` where it may stand in an href: web addresses, and paths of this host. "" for the rest, which would run
    script (`javascript:`), leave the page's own scheme, or only look like a path (`//host`, `/\\host`)."""
    if any(c <= " " or c == "\x7f" for c in url):
        return ""
    if url.startswith("/"):
        return "" if url[1:2] in ("/", "\\") else url
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in _SHOWN and parts.netloc else ""


def in_language(here: str, tag: str) -> str:
    """The page `here` (a path with query) in another language. "" where `here` is no path."""
    path = safe_href(here) if here.startswith("/") else ""
    return f"{path}{'&' if '?' in path else '?'}ui_locales={tag}" if path else ""


def with_interaction(path: str, interaction: str, tag: str) -> str:
    """A page of the same transaction, in the same language."""
    query = f"i={quote(interaction, safe='')}&" if interaction else ""
    return f"{path}?{query}ui_locales={tag}"
