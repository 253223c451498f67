"""On an API: tokens that nobody signed, that a stranger signed, that say something else than they should."""

import json
import time
from functools import cache
from typing import Any

from admit import JWK
from admit.errors import AdmitError
from scripts.attack import forge
from scripts.attack.outcome import NotTriedError, Outcome, accepted, all_refused, attack
from scripts.attack.world import EVIL, World


def _read(world: World) -> tuple[dict[str, Any], dict[str, Any], str]:
    return forge.parts(world.held["access_token"])


@attack("JWT-alg-none", "a token that says alg none, in five spellings, and one whose signature is empty")
def without_signature(world: World) -> Outcome:
    header, claims, signature = _read(world)
    tokens = {
        alg: forge.unsigned({**header, "alg": alg}, claims) for alg in ("none", "None", "NONE", "nOnE", "")
    }
    tokens["signed by nobody"] = forge.unsigned(header, claims)
    tokens["none, with the old signature"] = forge.unsigned({**header, "alg": "none"}, claims, signature)
    return all_refused((name, world.call(token)) for name, token in tokens.items())


@attack("JWT-alg-key", "the public key used as an HMAC secret, in the forms in which it is published")
def public_key_as_secret(world: World) -> Outcome:
    header, claims, _ = _read(world)
    published = world.wire.send("GET", f"{world.wire.base}/jwks").json.get("keys", [])
    tried = []
    for found in published:
        key = JWK.load(found)
        for name, secret in (
            ("PEM", key.to_pem()),
            ("PEM without its last line end", key.to_pem().rstrip(b"\n")),
            ("JWK", json.dumps(found).encode()),
        ):
            token = forge.maced({**header, "alg": "HS256", "kid": found.get("kid")}, claims, secret)
            tried.append((name, world.call(token)))
    if not tried:
        raise NotTriedError("the issuer publishes no key")
    return all_refused(tried)


@attack("JWT-all-ops", "another subject, more scopes and a longer life under a true signature")
def changed_claims(world: World) -> Outcome:
    header, claims, signature = _read(world)
    changes: tuple[dict[str, Any], ...] = (
        {"sub": "somebody-else"},
        {"scope": f"{claims.get('scope', '')} admin"},
        {"exp": int(time.time()) + 31_536_000},
    )
    return all_refused(
        (next(iter(change)), world.call(forge.unsigned(header, {**claims, **change}, signature)))
        for change in changes
    )


@attack("JWT-header-trust", "a stranger's key in the header: jwk, jku, x5u, and the true key's kid")
def key_in_the_header(world: World) -> Outcome:
    header, claims, _ = _read(world)
    key, before = forge.stranger(), world.trap.hits
    changes: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": key.to_dict(), "kid": "stranger"},
        "jku": {"jku": world.trap.url, "kid": "stranger"},
        "x5u": {"x5u": world.trap.url, "kid": "stranger"},
        "kid of the true key": {},
    }
    outcome = all_refused(
        (name, world.call(forge.signed({**header, "alg": "ES256", **change}, claims, key)))
        for name, change in changes.items()
    )
    return accepted("the API fetched the key it was pointed to") if world.trap.hits > before else outcome


@attack(
    "JWT-header-trust", "kid as a path, as SQL, as nothing and as a list, with keys that an attacker knows"
)
def kid_tricks(world: World) -> Outcome:
    header, claims, _ = _read(world)
    kids: tuple[Any, ...] = (
        "../../../../dev/null",
        "' UNION SELECT 'key",
        "",
        None,
        ["a"],
        {"a": 1},
        "x" * 4096,
    )
    tried = []
    for kid in kids:
        for secret in (b"", b"key"):
            token = forge.maced({**header, "alg": "HS256", "kid": kid}, claims, secret)
            tried.append((str(kid)[:24], world.call(token)))
    return all_refused(tried)


@attack("JWT-kinds", "the ID token and the refresh token as access tokens")
def other_kinds(world: World) -> Outcome:
    held = world.held
    kinds = {name: held[name] for name in ("id_token", "refresh_token") if name in held}
    if not kinds:
        raise NotTriedError("the grant has no other kind of token")
    return all_refused((name, world.call(token)) for name, token in kinds.items())


@attack("JWT-form", "a token with a fourth part, with blanks in it, with padding, twice, and as JSON")
def odd_forms(world: World) -> Outcome:
    token = world.held["access_token"]
    header, claims, signature = token.split(".")
    as_json = f'{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}'
    forms = {
        "fourth part": token + ".",
        "padding": f"{header}=.{claims}=.{signature}=",
        "blank": f"{header}. {claims}.{signature}",
        "twice": f"{token},{token}",
        "JSON": as_json,
    }
    return all_refused((name, world.call(form)) for name, form in forms.items())


@attack("WEB-method", "Bearer with two blanks, with a tab, without one, and two Authorization headers")
def loose_bearer(world: World) -> Outcome:
    token = world.held["access_token"]
    spellings = {
        "two blanks": [("Authorization", f"Bearer  {token}")],
        "tab": [("Authorization", f"Bearer\t{token}")],
        "no blank": [("Authorization", f"Bearer{token}")],
        "no scheme": [("Authorization", token)],
        "two headers": [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x.y.z")],
    }
    return all_refused((name, world.api(headers)) for name, headers in spellings.items())


@attack("6819-4.6.7", "the token in the query instead of the header")
def token_in_query(world: World) -> Outcome:
    token = world.held["access_token"]
    return all_refused(
        (name, world.api([], f"?{name}={token}")) for name in ("access_token", "token", "bearer_token")
    )


@cache
def _keys(config: str) -> dict[str, JWK]:
    return forge.keys_of(config)


def _signed_by_the_issuer(
    world: World, changes: dict[str, dict[str, Any]], headers: dict[str, dict[str, Any]] | None = None
) -> Outcome:
    """Truly signed tokens, each wrong in one thing."""
    header, claims, _ = _read(world)
    if not world.given.config:
        raise NotTriedError("needs --config: the issuer's own key has to sign it")
    try:
        key = _keys(world.given.config).get(header["kid"])
    except AdmitError as error:
        raise NotTriedError(f"no key from --config ({error})") from error
    if key is None or header["alg"] != "ES256":
        raise NotTriedError("--config leads to other keys than this issuer's")
    if world.call(forge.signed(header, claims, key)).status != 200:
        raise NotTriedError("the API does not take an honest token signed in this way")
    tried = []
    for name in {**changes, **(headers or {})}:
        changed = {k: v for k, v in {**claims, **changes.get(name, {})}.items() if v is not None}
        tried.append(
            (name, world.call(forge.signed({**header, **(headers or {}).get(name, {})}, changed, key)))
        )
    return all_refused(tried)


@attack(
    "JWT-time", "truly signed, but expired, not valid yet, without an end, and with an end that is no number"
)
def wrong_times(world: World) -> Outcome:
    now = int(time.time())
    return _signed_by_the_issuer(
        world,
        {
            "expired": {"iat": now - 900, "exp": now - 300},
            "not yet": {"nbf": now + 600},
            "from tomorrow": {"iat": now + 86_400, "exp": now + 86_700},
            "no end": {"exp": None},
            "end as text": {"exp": str(now + 300)},
        },
    )


@attack("JWT-aud", "truly signed, but for another API, for nobody, and for a near miss")
def wrong_audience(world: World) -> Outcome:
    audience = str(_read(world)[1].get("aud"))
    return _signed_by_the_issuer(
        world,
        {
            "another": {"aud": EVIL},
            "none": {"aud": None},
            "slash": {"aud": audience + "/"},
            "prefix": {"aud": audience[:-1]},
        },
    )


@attack("JWT-iss-sub", "truly signed, but in the name of another issuer, of none, or about nobody")
def wrong_issuer(world: World) -> Outcome:
    return _signed_by_the_issuer(
        world,
        {
            "another": {"iss": EVIL},
            "slash": {"iss": world.given.issuer.rstrip("/") + "/"},
            "none": {"iss": None},
            "nobody": {"sub": None},
        },
    )


@attack("JWT-crit", "truly signed, with a critical header that nobody knows, and as another type of token")
def unknown_critical(world: World) -> Outcome:
    return _signed_by_the_issuer(
        world,
        {},
        {
            "crit": {"crit": ["exp-ext"], "exp-ext": 1},
            "b64": {"crit": ["b64"], "b64": False},
            "typ JWT": {"typ": "JWT"},
            "typ logout+jwt": {"typ": "logout+jwt"},
        },
    )


@attack("O-4", "truly signed, but without its place in the list of what was revoked")
def without_status(world: World) -> Outcome:
    return _signed_by_the_issuer(world, {"no status": {"status": None}})
