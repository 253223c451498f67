"""`admit token inspect`: what a token says, in words. Reads; believes nothing."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from admit.cli.output import REFUSED, USAGE, colour, fail, json_option, read_text, show_json, told_errors
from admit.errors import AdmitError, InvalidKeyError, TokenError
from admit.jose import JWKSet, jws
from admit.jose.claims import ClaimPolicy, verify
from admit.jose.waive import Waive
from admit.tokens.size import BUDGET, COOKIE_BUDGET

MEANINGS = {
    "iss": "issuer: who made it",
    "sub": "subject: whom it speaks for",
    "aud": "audience: the API it is for; others must refuse it",
    "client_id": "client: the application it was given to",
    "exp": "expires",
    "nbf": "not valid before",
    "iat": "issued",
    "auth_time": "when the person signed in",
    "jti": "the token's own id",
    "sid": "the session or grant it belongs to",
    "scope": "what it allows",
    "roles": "roles of the person",
    "groups": "groups of the person",
    "acr": "how strong the sign-in was",
    "amr": "how the person signed in",
    "azp": "the client it was made for",
    "nonce": "ties an ID token to one sign-in request",
    "at_hash": "ties an ID token to its access token",
    "status": "where its revocation bit stands; looked at by every verifier, never fetched for it",
    "act": "who acts for the subject",
    "cnf": "the key it is bound to",
}  # fmt: skip
TIMES = frozenset({"exp", "nbf", "iat", "auth_time", "updated_at"})


@click.group()
def token() -> None:
    """Look at tokens."""


@token.command()
@click.argument("token", required=False)
@click.option(
    "--jwks",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Key set file to verify with.",
)
@click.option("--issuer", help="The issuer it must name (with --jwks).")
@click.option("--audience", help="The audience it must name (with --jwks).")
@json_option
def inspect(
    token: str | None, jwks: Path | None, issuer: str | None, audience: str | None, as_json: bool
) -> None:
    """Show what a token says, what each claim means, and how large it is.

    \b
    admit token inspect < token.txt
    pbpaste | admit token inspect --jwks keys.json --issuer https://id.example.com --audience https://api.example.com

    Without TOKEN it reads standard input, which keeps tokens out of the shell's history. A token is signed, not
    encrypted: anyone who has it can read it. Without --jwks nothing is verified. Exit code 1: it would be refused.
    """
    with told_errors():
        text = read(token)
        try:
            parsed = jws.parse(text)
            claims = json.loads(parsed.payload_bytes)
        except (TokenError, ValueError, RecursionError) as error:
            fail(f"not a compact JWS: {getattr(error, 'detail', '') or 'the payload is not JSON'}", REFUSED)
        if not isinstance(claims, dict):
            fail("not a JWT: the payload is not a JSON object", REFUSED)
        verdict = judge(text, jwks, issuer, audience)
        report = {
            "header": dict(parsed.header),
            "claims": claims,
            "octets": len(text),
            "verified": verdict == "",
            "refused_because": verdict,
        }
        if as_json:
            show_json(report)
        else:
            show(report)
        if verdict:
            raise SystemExit(REFUSED)


def read(token: str | None) -> str:
    """The token from the argument or from standard input."""
    text = token if token is not None else read_text(65_536)
    text = text.strip().removeprefix("Bearer ").strip()
    if not text:
        fail("no token: give it as argument or on standard input", USAGE)
    return text


def judge(text: str, jwks: Path | None, issuer: str | None, audience: str | None) -> str | None:
    """Why it would be refused; "" when it is good; None when there was nothing to verify with."""
    if jwks is None:
        return None
    try:
        keys = JWKSet.load_foreign(jwks.read_bytes())
    except (OSError, InvalidKeyError) as error:
        fail(f"{jwks} is no key set: {getattr(error, 'detail', '') or 'it cannot be read'}", USAGE)
    policy = ClaimPolicy(
        issuer=issuer if issuer is not None else Waive.ISSUER,
        audience=audience if audience is not None else Waive.AUDIENCE,
        typ=Waive.TYP,
    )
    try:
        verify(text, keys, policy, time.time())
    except AdmitError as error:
        return f"{type(error).__name__.removesuffix('Error')}: {error.detail}"
    return ""


def show(report: dict[str, Any]) -> None:
    """The report for people."""
    heading("Header")
    for name, value in report["header"].items():
        line(name, shown(value), "")
    heading("Claims")
    for name, value in report["claims"].items():
        line(name, moment(value) if name in TIMES else shown(value), MEANINGS.get(name, ""))
    heading("Size")
    octets = report["octets"]
    click.echo(
        f"  {octets:,} octets: {octets / BUDGET:.0%} of Admit's token budget ({BUDGET:,}), "
        f"{octets / COOKIE_BUDGET:.0%} of a cookie ({COOKIE_BUDGET:,})"
    )
    heading("Judgement")
    click.echo("  Signed, not encrypted: anyone who has it can read it.")
    if report["refused_because"] is None:
        click.echo("  Not verified: give --jwks, --issuer and --audience.")
    elif report["refused_because"] == "":
        click.echo("  " + mark("Good", "green") + ": signature, times, and what you asked for.")
    else:
        click.echo("  " + mark("Refused", "red") + f": {report['refused_because']}")


def heading(text: str) -> None:
    """A bold word on a terminal, a plain one in a pipe."""
    click.echo(click.style(text, bold=True) if colour() else text)


def line(name: str, value: str, meaning: str) -> None:
    """A member, its value, and what it means."""
    note = f"  ({meaning})" if meaning else ""
    click.echo(f"  {shown(name):<10} {value}" + (click.style(note, dim=True) if colour() else note))


def mark(word: str, tint: str) -> str:
    """A word that carries the judgement."""
    return click.style(word, fg=tint) if colour() else word


def shown(value: object) -> str:
    """A value on one line; control characters escaped, as JSON does."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=True)


def moment(value: object) -> str:
    """A NumericDate in local time and how far off it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 253_402_300_800:
        return f"{shown(value)} (no time)"
    local = datetime.fromtimestamp(value, UTC).astimezone()
    away = value - time.time()
    distance = f"in {away:,.0f} s" if away >= 0 else f"{-away:,.0f} s ago"
    return f"{local:%Y-%m-%d %H:%M:%S %Z}, {distance}"
