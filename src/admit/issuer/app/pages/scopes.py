"""Scopes in plain words: the standard ones from the catalogue, a resource's from its settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from admit.issuer.app.pages.catalogue import Text, one_line
from admit.issuer.app.pages.views import ScopeItem, Words

STANDARD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openid": "scope.openid",
        "profile": "scope.profile",
        "email": "scope.email",
        "phone": "scope.phone",
        "address": "scope.address",
        "offline_access": "scope.offline_access",
        "admit:sessions": "scope.sessions",
        "admit:keys": "scope.keys",
    }
)


def words(text: Text, scope: ScopeItem) -> str:
    """What a scope allows. One without words is shown by name, never left out."""
    if scope.everybodys:
        return text("scope.sessions_of_all")
    if (key := STANDARD.get(scope.name)) is not None:
        return text(key)
    return one_line(_in_language(scope.text, text.tag) or text("scope.other", name=scope.name))


def _in_language(given: Words, tag: str) -> str:
    if given is None or isinstance(given, str):
        return given or ""
    return given.get(tag) or given.get(tag.split("-")[0]) or given.get("en") or next(iter(given.values()), "")
