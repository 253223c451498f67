"""Whose consent is remembered, and what of a request is still to be asked. Pure.

RFC 6749 §10.2, RFC 6819 §4.2.3, RFC 8252 §8.6, RFC 9700 §4.11.2; OpenID Connect Core §11.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from admit.issuer.clients.records import Client, ScopeText
from admit.issuer.clients.rules import is_plain_https, origin_of
from admit.issuer.consents.records import Answer, Remembered
from admit.issuer.grants.records import Family

ALWAYS_GRANTED: Final = "openid"
"""Goes with any yes: it is who says it, and a client cannot do without."""
ALWAYS_ASKED: Final = frozenset({"offline_access"})
"""OpenID Connect Core §11: a yes from before is not enough for what goes on while the person is away."""
_DIGITS: Final = 16


def is_remembered(client: Client, redirect_uri: str) -> bool:
    """Whether a yes to this client, at this redirect URI, counts the next time too: RFC 6819 §4.2.3.

    Anybody can name a public client's id. What sends the code to the right one all the same is an https host that is
    its own; on loopback or a private scheme another program may be waiting, RFC 8252 §8.6. Of a client that nobody
    here let in nothing is ever remembered.
    """
    return client.trusted and (not client.public or is_plain_https(redirect_uri))


def version_of(*, client: Client, text: ScopeText | None, everybodys: bool) -> str:
    """A name for the words in which a scope was shown and for who asked: other words, another name of the client,
    another place where it lives or way in which it proves itself, or a wider reach of the person who is asked, and it
    is another question.
    """
    words = text if text is None or isinstance(text, str) else sorted(text.items())
    lives = sorted({origin_of(uri) or uri for uri in client.redirect_uris})
    proof = client.token_endpoint_auth_method.value if client.token_endpoint_auth_method else None
    written = json.dumps(
        [client.name, lives, client.public, proof, client.jwks_uri, words, everybodys], ensure_ascii=True
    )
    return hashlib.sha256(written.encode()).hexdigest()[:_DIGITS]


def unanswered(shown: Mapping[str, str], remembered: Remembered | None) -> frozenset[str]:
    """The scopes that this person was never asked about in these words; of nobody remembered, all."""
    if remembered is None:
        return frozenset(shown)
    return frozenset(
        name
        for name, version in shown.items()
        if name in ALWAYS_ASKED or remembered.shown.get(name) != version
    )


def granted_of(shown: Mapping[str, str], remembered: Remembered) -> frozenset[str]:
    """What of these scopes the remembered answer gives."""
    return remembered.granted & shown.keys()


def ticked(shown: Mapping[str, str], kept: frozenset[str]) -> frozenset[str]:
    """What a person says yes to who left `kept` ticked: never anything that was not shown."""
    return (kept | {ALWAYS_GRANTED}) & shown.keys()


def merged(
    before: Remembered | None, answer: Answer, *, client_id: str, audience: str, now: float
) -> Remembered:
    """What is remembered after an answer: it stands for the scopes it is about, what else was answered stays."""
    kept = {name: version for name, version in answer.shown.items() if name not in ALWAYS_ASKED}
    granted = answer.granted & kept.keys()
    if before is not None:
        granted |= before.granted - kept.keys()
        kept = {**before.shown, **kept}
    return Remembered(client_id=client_id, audience=audience, granted=granted, shown=kept, given_at=now)


def is_news(client: Client, granted: frozenset[str], before: Remembered | None) -> bool:
    """Whether a yes gives a client more than the person is remembered to have given it. What belongs to the issuer
    itself is nobody's to be told about.
    """
    return not client.first_party and (before is None or not granted <= before.granted)


def has_all(family: Family, client_id: str, audience: str, granted: frozenset[str]) -> bool:
    """Whether a grant that lives gives the client all of this already."""
    return (family.client_id, family.audience) == (client_id, audience) and granted <= family.scope
