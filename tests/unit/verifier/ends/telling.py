"""An issuer that tells of ends, and a way to send it to a receiver without a socket."""

import json
from typing import Any
from urllib.parse import urlencode

from admit import TrustedIssuer, Verifier, Waive
from admit.jose import JWK, JWKSet, jws
from admit.jose import json as strict_json
from admit.tokens import logout, security_event
from admit.tokens.logout import LogoutToken
from admit.verifier.ends.receiver import EndReceiver
from admit.verifier.ends.store import EndStore
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock
from tests.unit.verifier.ends.making import ISSUER, clocks

KEY = JWK.generate("ES256", kid="k1")
CLIENT = "shop"
FORM = "application/x-www-form-urlencoded"
SET = "application/secevent+jwt"
ALICE = {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}


def trusted(store: EndStore | None, **more: Any) -> TrustedIssuer:
    terms: dict[str, Any] = {"jwks": JWKSet([KEY.public()]), "typ": "JWT", "revocation": Waive.REVOCATION}
    return TrustedIssuer(ISSUER, audience=AUDIENCE, ends=store, **{**terms, **more})


def verifier(clock: Clock, *trust: TrustedIssuer, **more: Any) -> Verifier:
    return Verifier(*trust, **clocks(clock), **more)


def token(**changes: Any) -> str:
    """An access token of Alice, issued a minute ago."""
    claims = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": int(NOW) - 60,
        "exp": int(NOW) + 3_600,
        "jti": "t1",
        "sid": "s1",
        **changes,
    }
    return signed(claims, "JWT")


def signed(claims: dict[str, Any], typ: str | None, key: JWK = KEY) -> str:
    kept = {name: value for name, value in claims.items() if value is not None}
    return jws.sign(strict_json.dumps_object(kept), key, typ=typ)


def logout_token(typ: str | None = "logout+jwt", key: JWK = KEY, **changes: Any) -> str:
    found = logout.claims(
        LogoutToken(issuer=ISSUER, audience=CLIENT, iat=NOW, jti="l1", subject="alice", session_id="s1")
    )
    return signed({**found, **changes}, typ, key)


def event(
    kind: str = security_event.SESSION_REVOKED, *, typ: str = "secevent+jwt", key: JWK = KEY, **changes: Any
) -> str:
    whole = {
        "iss": ISSUER,
        "aud": CLIENT,
        "iat": int(NOW),
        "jti": "e1",
        "sub_id": ALICE,
        "events": {kind: {"event_timestamp": int(NOW)}},
        **changes,
    }
    return signed(whole, typ, key)


class Answer:
    """What a receiver answered."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def send(
    receiver: EndReceiver,
    path: str,
    body: bytes | list[bytes],
    content_type: str | None,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    root_path: str = "",
) -> Answer:
    """One request."""
    parts = [body] if isinstance(body, bytes) else list(body)
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message["body"]

    given = dict(headers or {})
    if content_type is not None:
        given["content-type"] = content_type
    raw = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": raw}
    await receiver(scope, receive, sent)
    return answer


async def push_logout(receiver: EndReceiver, text: str, **more: Any) -> Answer:
    body = urlencode({"logout_token": text}).encode()
    return await send(receiver, "/backchannel-logout", body, FORM, **more)


async def push_event(receiver: EndReceiver, text: str, **more: Any) -> Answer:
    return await send(receiver, "/events", text.encode(), SET, **more)
