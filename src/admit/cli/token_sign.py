"""`admit token sign`: claims in, a signed token out. The key is read from a file and never shown."""

import json
import re
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from admit.cli.output import USAGE, done, fail, told_errors
from admit.cli.token_keys import key_file, read_file, warn_if_shared
from admit.cli.token_reasons import of_error
from admit.cli.token_show import span
from admit.errors import ClaimError, MalformedTokenError
from admit.jose import JWK, JWS_ALGS, claims
from admit.jose import json as strict_json
from admit.tokens.size import BUDGET

_MAX_CLAIMS = 65_536
_LONGEST = 10 * 366 * 86_400
_SPAN = re.compile(r"([0-9]{1,9})(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(text: str, flag: str) -> timedelta:
    """A length of time such as `90s`, `10m`, `2h` or `7d`."""
    found = _SPAN.match(text)
    if found is None or int(found[1]) == 0:
        fail(f"{flag} is a length of time such as 90s, 10m, 2h or 7d", USAGE)
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST:
        fail(f"{flag} is longer than ten years; no token should live so long", USAGE)
    return timedelta(seconds=seconds)


@click.command(short_help="Sign claims with a key from a file.")
@click.argument("file", required=False, metavar="[FILE]")
@click.option(
    "--key", required=True, metavar="FILE", help="The private key: JWK, PEM or DER; - is standard input."
)
@click.option("--alg", help="The algorithm of a key that names none (PEM of RSA).")
@click.option("--issuer", help="iss: who makes it.")
@click.option("--subject", help="sub: whom it speaks for.")
@click.option("--audience", multiple=True, help="aud: the API it is for; several times for several.")
@click.option("--exp", metavar="TIME", help="How long it lives: 90s, 10m, 2h, 7d.  [default: 5m]")
@click.option("--typ", default="JWT", show_default=True, help="Its kind, such as at+jwt.")
@click.option(
    "--claim",
    "extra",
    multiple=True,
    metavar="NAME=VALUE",
    help="One claim; JSON where it is JSON, else text.",
)
def sign(
    file: str | None, key: str, alg: str | None, issuer: str | None, subject: str | None, audience: tuple[str, ...],
    exp: str | None, typ: str, extra: tuple[str, ...],
) -> None:  # fmt: skip
    """Sign a token. The claims come from FILE (a JSON object; - is standard input), from flags, or from both.

    \b
    admit token sign --key key.json --issuer https://id.example.com --audience https://api.example.com --subject alice
    echo '{"sub": "alice", "roles": ["admin"]}' | admit token sign - --key key.json --issuer … --audience … --exp 10m

    The key decides the algorithm. Secrets are read from files or standard input, never from arguments, and never
    printed. A token always names its issuer and audience and always ends: `iat` and `exp` are added.
    """
    with told_errors():
        if key == "-" and file == "-":
            fail("key and claims cannot both come from standard input", USAGE)
        signer = key_file(key, alg)
        check_signs(signer, key)
        warn_if_shared(key, signer)
        said = gathered(file, extra)
        for name, value in (("iss", issuer), ("sub", subject), ("aud", _audience(audience))):
            add(said, name, value)
        now = int(time.time())
        whole = finished(said, exp, now)
        try:
            token = claims.encode(whole, signer, typ=typ or None)
        except (ClaimError, MalformedTokenError) as error:
            fail(f"not signed: {of_error(error)}", USAGE)
        if sys.stdout.isatty():
            click.echo(f"  {signer.alg}, {len(token):,} octets, {_life(whole, now)}:", err=True)
            done(token, then=f"admit token inspect --key {shlex.quote(key)}")
        else:
            click.echo(token)
        if len(token) > BUDGET:
            told = f"  note: {len(token):,} octets, more than the {BUDGET:,} that pass everywhere in a header"
            click.echo(told, err=True)


def _life(whole: Mapping[str, Any], now: int) -> str:
    away = whole["exp"] - now
    return f"expires in {span(away)}" if away > 0 else f"expired {span(-away)} ago"


def check_signs(key: JWK, path: str) -> None:
    """Say why a key cannot sign, in words that help."""
    if key.signer is not None:
        return
    if key.alg not in JWS_ALGS:
        fail(f"--key {path}: the key is for encryption ({key.alg}); a token is signed with another", USAGE)
    if not key.is_private:
        fail(f"--key {path}: this is a public key; signing takes the private one", USAGE)
    fail(f"--key {path}: its key_ops do not let it sign (RFC 7517 §4.3)", USAGE)


def gathered(file: str | None, extra: tuple[str, ...]) -> dict[str, Any]:
    """The claims of the file and of the flags; none may be said twice."""
    said: dict[str, Any] = {}
    if file is not None:
        try:
            said = strict_json.loads_object(read_file(file, _MAX_CLAIMS + 1), max_size=_MAX_CLAIMS)
        except MalformedTokenError as error:
            where = "standard input" if file == "-" else file
            fail(f"{where} is no claims set: {error.detail}", USAGE)
    for one in extra:
        name, equals, text = one.partition("=")
        if not (name and equals):
            fail("--claim is NAME=VALUE", USAGE)
        add(said, name, _value(text))
    return said


def add(said: dict[str, Any], name: str, value: Any) -> None:
    """Add a claim that a flag gives, unless it was said already: which one was meant is not guessed."""
    if value is None:
        return
    if name in said:
        fail(f"{json.dumps(name)} is given twice", USAGE)
    said[name] = value


def _value(text: str) -> Any:
    """One JSON value, or text: `1,"x":2` is no value, and the claim is not signed as half of what stands there."""
    try:
        read = strict_json.loads_object(b'{"v":' + text.encode() + b"}")
    except (MalformedTokenError, UnicodeEncodeError):
        return text
    return read["v"] if len(read) == 1 else text


def _audience(given: tuple[str, ...]) -> str | list[str] | None:
    if len(given) > 1:
        return list(given)
    return given[0] if given else None


def finished(said: dict[str, Any], exp: str | None, now: int) -> dict[str, Any]:
    """The claims with `iat` and `exp`; issuer and audience have to be there by now."""
    for name, flag in (("iss", "--issuer"), ("aud", "--audience")):
        if not said.get(name):
            fail(f"no {name}: give {flag}, or {name} among the claims", USAGE)
    if "exp" in said and exp is not None:
        fail('"exp" is given twice', USAGE)
    whole = {"iat": now} | said
    if "exp" not in whole:
        start = whole["iat"] if claims.is_numeric_date(whole["iat"]) else now
        whole["exp"] = int(start + duration(exp if exp is not None else "5m", "--exp").total_seconds())
    return whole
