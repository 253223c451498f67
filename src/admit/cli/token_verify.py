"""`admit token verify`: yes or no, with the reason and its clause. Prints the claims of a good token."""

import json
import sys
import time
from dataclasses import replace
from typing import Any, NoReturn

import click

from admit.cli import output
from admit.cli import token_show as show
from admit.cli.output import REFUSED, USAGE, colour, fail, show_json, told_errors
from admit.cli.token_inspect import token_text
from admit.cli.token_keys import PublishedKeys, key_file, published
from admit.cli.token_reading import NoTokenError, Reading, check_claims, read
from admit.cli.token_reasons import Reason, of_error
from admit.cli.token_sign import duration
from admit.errors import ConfigError, KeyNotFoundError, TokenError
from admit.jose import JWK, JWKSet, claims, encrypted_claims, jwe
from admit.jose.claims import DEFAULT_LEEWAY, ClaimPolicy
from admit.jose.waive import Waive


@click.command(short_help="Verify a token; print its claims as JSON.")
@click.argument("token", required=False, metavar="[FILE]")
@click.option("--key", metavar="FILE", help="The key to verify with: JWK, PEM, DER or certificate.")
@click.option("--jwks", metavar="FILE|URL", help="The issuer's key set.")
@click.option("--decrypt-key", metavar="FILE", help="The private or shared key for an encrypted token.")
@click.option("--alg", help="The algorithm of keys that name none (PEM, RSA without alg).")
@click.option("--issuer", help="The issuer it must name.")
@click.option("--audience", multiple=True, help="The audience it must name; several times: one of them.")
@click.option("--typ", default="JWT", show_default=True, help="The kind it must be, such as at+jwt.")
@click.option("--leeway", metavar="TIME", help="How far clocks may differ, at most 60s.  [default: 30s]")
@click.option("--max-age", metavar="TIME", help="How long ago it may have been issued.")
@click.option("--require", multiple=True, metavar="NAME", help="A claim that must be there.")
@click.option("--any-issuer", is_flag=True, help="Give up the check of the issuer.")
@click.option("--any-audience", is_flag=True, help="Give up the check of the audience.")
@click.option("--any-typ", is_flag=True, help="Give up the check of the kind.")
@click.option(
    "--allow-internal", is_flag=True, help="The --jwks address is on this machine or in your own network."
)
def verify(
    token: str | None, key: str | None, jwks: str | None, decrypt_key: str | None, alg: str | None, issuer: str | None,
    audience: tuple[str, ...], typ: str, leeway: str | None, max_age: str | None, require: tuple[str, ...],
    any_issuer: bool, any_audience: bool, any_typ: bool, allow_internal: bool,
) -> None:  # fmt: skip
    """Verify a token and print its claims as JSON. Reads FILE or standard input.

    \b
    admit token verify token.txt --key key.json --issuer https://id.example.com --audience https://api.example.com
    admit token verify --jwks https://id.example.com/jwks --typ at+jwt --issuer … --audience … < token.txt

    The key decides the algorithm; the token's is only compared. Exit code 0: good. 1: refused, and standard error says
    why and by which clause. What is encrypted with a key that both sides share needs --decrypt-key alone, since nobody
    signed it. 2: wrong usage or an unusable key. 4: the key set could not be fetched.
    """
    with told_errors():
        if (key is not None and jwks is not None) or (key is jwks is decrypt_key is None):
            fail("give the keys: --key FILE, or --jwks FILE or URL", USAGE)
        policy = ClaimPolicy(
            issuer=_wanted("--issuer", issuer, any_issuer, Waive.ISSUER),
            audience=_wanted("--audience", frozenset(audience) or None, any_audience, Waive.AUDIENCE),
            typ=Waive.TYP if any_typ else typ,
            leeway=DEFAULT_LEEWAY if leeway is None else duration(leeway, "--leeway"),
            max_age=None if max_age is None else duration(max_age, "--max-age"),
            require=frozenset(require),
        )
        alone = key is jwks is None
        opener = (
            None
            if decrypt_key is None
            else key_file(decrypt_key, alg if alone else None, what="--decrypt-key")
        )
        if alone and opener is not None:
            _check_vouches(opener)
        own = None if key is None else key_file(key, alg)
        issuers = None if jwks is None else published(jwks, alg, internal=allow_internal)
        text, now = token_text(token), time.time()
        said = verified(text, own, issuers, opener, policy, now)
        if sys.stdout.isatty():
            _pleasant(said, now, proof="the shared key" if alone else "signature")
        else:
            show_json(said)


def _wanted(flag: str, value: Any, waived: bool, waiver: Waive) -> Any:
    """What is asked for, or that nothing is; one of both has to be said."""
    if waived and value is not None:
        fail(f"{flag} and its waiver contradict each other", USAGE)
    if value is None and not waived:
        fail(f"give {flag}, or give up the check by --any-{flag.removeprefix('--')}", USAGE)
    return waiver if waived else value


def _check_vouches(opener: JWK) -> None:
    """A key that decrypts tells who wrote only where the two sides share it, RFC 8725 §3.3."""
    try:
        encrypted_claims.check_shared(opener)
    except ConfigError:
        told = "everyone can encrypt for its public half, so the token is signed inside: give --key or --jwks too"
        fail(f"--decrypt-key: {told} (RFC 8725 §3.3)", USAGE)


def verified(
    text: str, own: JWK | None, issuers: PublishedKeys | None, opener: JWK | None, policy: ClaimPolicy, now: float
) -> dict[str, Any]:  # fmt: skip
    """The claims of a good token; else ends with the reasons and exit code 1."""
    keys: JWK | JWKSet | None = own if issuers is None else issuers.keys
    try:
        if text.count(".") == 4 and opener is None:
            fail("the token is encrypted: give --decrypt-key", USAGE)
        if opener is not None:
            return encrypted_claims.decrypt(text, opener, keys, policy, now)
        assert keys is not None  # one of the two was asked for
        return claims.verify(text, keys, policy, now)
    except KeyNotFoundError as error:
        told = of_error(error) if issuers is None else issuers.why_not(_header(text, opener), error)
        _refuse([told])
    except TokenError as error:
        _refuse(_reasons(text, of_error(error), policy, now))
    except ConfigError as error:
        fail(str(error), USAGE)


def _header(text: str, opener: JWK | None) -> Any:
    """The header of the token that was to be verified: of the one inside, where it was encrypted."""
    try:
        return read(text if opener is None else jwe.decrypt(text, opener).plaintext.decode("ascii")).header
    except (NoTokenError, TokenError, UnicodeDecodeError):
        return {}


def _reasons(text: str, first: Reason, policy: ClaimPolicy, now: float) -> list[Reason]:
    """The library's reason; in more words where a closer reading has them, and with all else that is wrong."""
    try:
        reading: Reading = read(text)
    except NoTokenError as error:
        return [Reason(str(error).removeprefix("not a token: "), first.clause, first.error)]
    if not reading.encrypted:
        check_claims(reading, replace(policy, max_age=None), now)
    found = [one for one in reading.reasons if one.error != first.error]
    same = [one for one in reading.reasons if one.error == first.error]
    return [*(same or [first]), *found]


def _refuse(reasons: list[Reason]) -> NoReturn:
    word = click.style("refused", fg="red") if colour(sys.stderr) else "refused"
    for reason in reasons:
        click.echo(f"admit: {word}: {reason}", err=True)
    raise SystemExit(REFUSED)


def _pleasant(said: dict[str, Any], now: float, *, proof: str) -> None:
    """For people: JSON with its names told apart; what was checked stands on standard error."""
    for line in json.dumps(said, indent=2, ensure_ascii=False).split("\n"):
        name, colon, rest = output.harmless(line).partition('": ')
        click.echo(show.styled(name + '"', bold=True) + ": " + rest if colon else name)
    exp = said.get("exp")
    left = f"; expires in {show.span(exp - now)}" if show.is_time(exp) and exp > now else ""
    good = click.style("good", fg="green") if colour(sys.stderr) else "good"
    click.echo(f"  {good}: {proof}, kind and claims hold{left}", err=True)
