"""`admit token inspect`: what a token says, in words, and why it would be refused. Reads; believes nothing."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from admit.cli import token_show as show
from admit.cli.output import REFUSED, USAGE, fail, json_option, read_text, show_json, told_errors
from admit.cli.token_keys import PublishedKeys, load, published, read_file
from admit.cli.token_reading import (
    NoTokenError,
    Reading,
    check_claims,
    needs_no_exp,
    read,
    read_claims,
)
from admit.cli.token_reasons import Reason, alg_hint, of_error
from admit.errors import AdmitError, ConfigError, InvalidKeyError, KeyNotFoundError
from admit.jose import JWK, JWKSet, claims, encrypted_claims, jwe, jws
from admit.jose.claims import ClaimPolicy
from admit.jose.waive import Waive

_MAX = 524_288


@click.command(short_help="What a token says, and why it would be refused.")
@click.argument("token", required=False, metavar="[FILE]")
@click.option(
    "--key", "keys", multiple=True, metavar="FILE", help="A key to verify or decrypt with: JWK, PEM, DER."
)
@click.option("--jwks", metavar="FILE|URL", help="The issuer's key set, to verify with.")
@click.option("--alg", help="The algorithm of keys that name none (PEM, RSA without alg).")
@click.option("--issuer", help="The issuer it must name.")
@click.option("--audience", help="The audience it must name.")
@click.option("--typ", help="The kind it must be, such as at+jwt.")
@click.option(
    "--cookie", default="__Host-token", show_default=True, help="The cookie whose size is reckoned."
)
@click.option(
    "--allow-internal", is_flag=True, help="The --jwks address is on this machine or in your own network."
)
@json_option
def inspect(
    token: str | None, keys: tuple[str, ...], jwks: str | None, alg: str | None, issuer: str | None,
    audience: str | None, typ: str | None, cookie: str, allow_internal: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what a token says, what each claim means, how large it is, and why it would be refused.

    \b
    admit token inspect token.txt
    pbpaste | admit token inspect --jwks https://id.example.com/jwks

    Without FILE it reads standard input. A token as argument works too, but stays in the shell's history. A token is
    signed, not encrypted: anyone who has it can read it. Without --key or --jwks no signature is verified, and
    nothing it says is to be believed. Exit code 1: it would be refused.
    """
    with told_errors():
        text = token_text(token)
        try:
            reading = read(text)
        except NoTokenError as error:
            fail(str(error), REFUSED)
        now = time.time()
        policy = ClaimPolicy(
            issuer=Waive.ISSUER if issuer is None else issuer,
            audience=Waive.AUDIENCE if audience is None else audience,
            typ=Waive.TYP if typ is None else typ,
        )
        found = [] if not keys else _loaded(reading, keys, alg)
        issuers = None if jwks is None else published(jwks, alg, internal=allow_internal)
        good = judge(text, reading, found, issuers, policy, now)
        if as_json:
            show_json(_document(reading, good, cookie))
        else:
            asked = (("the issuer (--issuer)", issuer), ("the audience (--audience)", audience))
            unasked = [what for what, value in asked if value is None]
            show.report(reading, good, now, cookie=cookie, unasked=unasked)
        if reading.reasons:
            raise SystemExit(REFUSED)


def token_text(given: str | None) -> str:
    """The token: from a file, from standard input, or the argument itself."""
    if given is not None and len(given) > 40 and given.count(".") >= 2 and not os.path.exists(given):
        text = given
    elif given is None or given == "-":
        if sys.stdin is not None and sys.stdin.isatty():
            click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
        text = read_text(_MAX)
    else:
        try:
            text = read_file(given, _MAX).decode("utf-8")
        except UnicodeDecodeError:
            fail(f"{given} is not UTF-8 text", USAGE)
    if not _is_utf8(text):  # as an argument it may be anything
        fail("the token is not UTF-8 text", USAGE)
    text = text.strip().removeprefix("Authorization:").strip().removeprefix("Bearer ").strip()
    if not text:
        fail("no token: give it in a file or on standard input", USAGE)
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _takes_no_exp(reading: Reading) -> bool:
    said = reading.claims
    return needs_no_exp(reading) and not (isinstance(said, dict) and "exp" in said)


def _loaded(reading: Reading, keys: tuple[str, ...], alg: str | None) -> list[JWK]:
    """The keys; one that is too weak is itself a reason to refuse."""
    found: list[JWK] = []
    for path in keys:
        try:
            found.append(load(path, alg))
        except InvalidKeyError as error:
            if "names no algorithm" in error.detail or "neither" in error.detail:
                fail(f"--key {path}: {of_error(error)}{alg_hint(error)}", USAGE)
            reading.reasons.append(of_error(error))
    return found


def judge(
    text: str, reading: Reading, keys: list[JWK], issuers: PublishedKeys | None, policy: ClaimPolicy, now: float
) -> bool | None:  # fmt: skip
    """Add every reason to refuse it. True: verified and good; None: nothing verified it; False: refused."""
    opened = None
    if reading.encrypted:
        opened = _open(text, reading, keys)
        if opened is None:
            return verdict(reading, None)
        keys = [key for key in keys if key.verifier is not None]
    if _takes_no_exp(reading):
        policy = replace(policy, accept_expired=Waive.EXPIRY)
    check_claims(reading, policy, now)
    typ = reading.innermost.get("typ")
    if typ is None or isinstance(typ, str):
        _note(reading, lambda: claims.check_typ(typ, policy))
    given = bool(keys) or issuers is not None
    proved = None
    if opened is not None and reading.inside is None:
        proved = _note(reading, lambda: _shared(opened, policy, now, given=given))
    else:
        if opened is not None:
            text = opened.plaintext.decode("ascii")
            _note(reading, lambda: encrypted_claims.check_outer_typ(opened.header.get("typ"), policy))
        if given and text.count(".") == 2:
            proved = _note(reading, lambda: _verify(text, keys, issuers, reading, policy, now))
        elif isinstance(reading.claims, dict) and not reading.reasons:
            # What this reading does not see, the library may: whatever it refuses is told.
            _note(reading, lambda: _library(text, policy, now))
    if opened is not None and isinstance(reading.claims, dict):
        said = reading.claims
        _note(reading, lambda: encrypted_claims.check_replicated(opened.header, said))
    return verdict(reading, proved)


def verdict(reading: Reading, proved: Mapping[str, Any] | None) -> bool | None:
    """Good is only what the library verified and gave the claims of; not to be refused is not yet good."""
    if reading.reasons:
        return False
    return None if proved is None else True


def _library(text: str, policy: ClaimPolicy, now: float) -> None:
    claims.verify_claims(jws.parse(text).payload_bytes, policy, now)


def _shared(opened: jwe.DecryptedJwe, policy: ClaimPolicy, now: float, *, given: bool) -> Mapping[str, Any]:
    """Claims that stand bare in an encrypted token: only a key that the two sides share vouches for them."""
    if "cty" in opened.header:
        told = "cty says that something else than claims stands inside"
        raise _TellsReasonError(Reason(told, "RFC 7519 §5.2", "TokenTypeError"))
    try:
        encrypted_claims.check_shared(opened.key)
    except ConfigError:
        told = "nobody signed it, and everyone can encrypt for a public key"
        raise _TellsReasonError(Reason(told, "RFC 8725 §3.3", "MalformedTokenError")) from None
    if given:
        told = "nobody signed it, and there is a key that should verify it"
        raise _TellsReasonError(Reason(told, "RFC 8725 §3.3", "MalformedTokenError"))
    return claims.verify_claims(opened.plaintext, policy, now)


def _note(reading: Reading, check: Callable[[], Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """What a check of the library gave; what it refuses is a reason, unless the same was found already."""
    try:
        return check()
    except AdmitError as error:
        reason = of_error(error)
        if not any(one.error == reason.error or one.text == reason.text for one in reading.reasons):
            reading.reasons.append(reason)
    except _TellsReasonError as error:
        reading.reasons.append(error.reason)
    return None


class _TellsReasonError(Exception):
    """A refusal whose reason is known better here than in the library."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


def _verify(
    text: str, keys: list[JWK], issuers: PublishedKeys | None, reading: Reading, policy: ClaimPolicy, now: float
) -> Mapping[str, Any] | None:  # fmt: skip
    """The claims of a token that one of the keys verifies; None where there is no key."""
    candidates: list[JWK | JWKSet] = [*keys] + ([issuers.keys] if issuers is not None else [])
    refused: AdmitError | None = None
    for candidate in candidates:
        try:
            return claims.verify(text, candidate, policy, now)
        except AdmitError as error:
            # Of several keys the one that came furthest tells most.
            refused = error if refused is None or isinstance(refused, KeyNotFoundError) else refused
    if isinstance(refused, KeyNotFoundError) and issuers is not None:
        raise _TellsReasonError(issuers.why_not(reading.innermost, refused))
    if refused is not None:
        raise refused
    return None


def _open(text: str, reading: Reading, keys: list[JWK]) -> jwe.DecryptedJwe | None:
    """Decrypt with the keys given and read what is inside; None where there is no key for it."""
    able = [key for key in keys if key.unwrapper is not None]
    if not able or reading.reasons or text.startswith("{"):
        return None
    opened = None
    for key in able:
        try:
            opened = jwe.decrypt(text, key)
            break
        except AdmitError as error:
            refused = of_error(error)
    if opened is None:
        reading.reasons.append(refused)
        return None
    try:
        encrypted_claims.check_nested(opened.header)
    except AdmitError:
        reading.claims = read_claims(reading, opened.plaintext)
        return opened
    try:
        inside = read(opened.plaintext.decode("ascii"))
    except (NoTokenError, UnicodeDecodeError):
        reading.refuse("cty says that a token stands inside, and there is none", "RFC 7519 §5.2")
        return None
    reading.inside, reading.claims = inside, inside.claims
    reading.more_headers["Header of the token inside"] = inside.header
    reading.reasons += inside.reasons
    reading.notes += inside.notes
    check_inside(reading, inside)
    if inside.form == "JWS" and inside.signed:
        reading.notes.append("a signed token stands inside; the claims are its")
    return opened


def check_inside(reading: Reading, inside: Reading) -> None:
    """Refuse what is no signed token inside an encrypted one: one layer of encryption around one signature."""
    if inside.form != "JWS":
        reading.refuse(
            "what stands inside is no signed token: one layer of encryption goes around one signature",
            "RFC 8725 §3.3; RFC 7519 §11.2",
        )


def _document(reading: Reading, good: bool | None, cookie: str) -> dict[str, Any]:
    return {
        "form": reading.form,
        "encrypted": reading.encrypted,
        "header": dict(reading.header),
        "claims": reading.claims,
        "octets": reading.octets,
        "cookie_octets": len(cookie) + 1 + reading.octets + len(show.ATTRIBUTES),
        "verified": good is True,
        "refused": [
            {"reason": one.text, "clause": one.clause, "error": one.error} for one in reading.reasons
        ],
        "notes": reading.notes,
    }
