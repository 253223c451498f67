"""`admit jwk`: keys made, converted and named, without sending them anywhere."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import click

from admit.cli.output import USAGE, Listed, done, fail, json_option, show_json, told_errors
from admit.cli.token_keys import read_file
from admit.cli.token_reasons import alg_hint, of_error
from admit.errors import InvalidKeyError
from admit.jose import JWK, JWS_ALGS
from admit.jose.binding import KEY_ALGS

Made = TypeVar("Made")
_MAX = 131_072
_FORMS = click.Choice(["jwk", "pem", "der"])
_show = click.option("--show-private", is_flag=True, help="Show a private key on a terminal all the same.")


@click.group(cls=Listed)
def jwk() -> None:
    """Keys: make one, turn it into another form, tell its thumbprint. Nothing leaves this machine."""


def _file(path: Path | None, what: bytes, *, secret: bool, shown: bool) -> None:
    """Write a key: to a new file that only you can read, or to standard output.

    A terminal keeps what it showed, and people look over shoulders: a secret goes there by a named flag only.
    """
    if path is None:
        if sys.stdout.isatty():
            check_shown(secret=secret, named=shown)
            if b"\x00" in what:
                fail("DER is not text: give --out FILE, or pipe it", USAGE)
        sys.stdout.buffer.write(what)
        return
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{path} is there already; a key is never written over another", USAGE)
    except OSError as error:
        fail(f"{path} cannot be written ({error.strerror})", USAGE)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(what)
    except OSError:  # a full disk, say
        path.unlink(missing_ok=True)  # a part of a key is none, and would stand in the way of the next try
        raise


def check_shown(*, secret: bool, named: bool) -> None:
    """Refuse to show a secret on a terminal that was not asked for by name."""
    if secret and not named:
        told = "a private key is not shown on a terminal: give --out FILE, pipe it, or say --show-private"
        fail(told, USAGE)


@jwk.command(short_help="Make a private key for an algorithm.")
@click.argument("alg")
@click.option("--crv", help="The curve, for algorithms of several: EdDSA, ECDH-ES.")
@click.option("--bits", type=int, help="The size of an RSA key: 2048, 3072 or 4096.  [default: 2048]")
@click.option("--kid", help="Its id; the thumbprint, or of a secret a random name, unless you say otherwise.")
@click.option("--use", is_flag=True, help="Write `use` too (sig or enc).")
@click.option("--form", type=_FORMS, default="jwk", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file, readable by you alone."
)
@_show
def generate(
    alg: str, crv: str | None, bits: int | None, kid: str | None, use: bool, form: str, out: Path | None,
    show_private: bool,
) -> None:  # fmt: skip
    """Make a private key for ALG: ES256 to sign with, or RS256, Ed25519, HS256, ML-DSA-65, ECDH-ES, A256KW.

    \b
    admit jwk generate ES256 --out key.json
    admit jwk generate ECDH-ES --crv X25519 --out box.json
    admit jwk generate PS256 --bits 3072 --out rsa.json
    """
    with told_errors():
        _check_alg(alg)
        key = _made(lambda: JWK.generate(alg, crv=crv, kid=kid, bits=bits))
        if use:
            key = JWK.load(key.to_dict(private=True) | {"use": "sig" if key.signer else "enc"})
        _file(out, _written(key, form, private=True), secret=True, shown=show_private)
        if out is not None:
            quoted = shlex.quote(str(out)) + (
                f" --alg {alg}" if form != "jwk" and not key.kty.startswith("A") else ""
            )
            then = f"admit jwk convert --public {quoted}" if key.kty != "oct" else None
            done(f"{alg} key {key.kid} written to {out}, readable by you alone", then=then)


def _check_alg(alg: str) -> None:
    """Name what was probably meant; the whole list where nothing is near."""
    if alg in KEY_ALGS:
        return
    folded = {name.upper(): name for name in KEY_ALGS}
    near = [alg.upper()] if alg.upper() in folded else get_close_matches(alg.upper(), folded, n=3, cutoff=0.6)
    names = [folded[name] for name in near]
    if names:
        fail(f"no algorithm of that name; is it {' or '.join(names)}?", USAGE)
    signing = ", ".join(name for name in KEY_ALGS if name in JWS_ALGS)
    encrypting = ", ".join(name for name in KEY_ALGS if name not in JWS_ALGS)
    fail(f"no algorithm of that name. To sign: {signing}. To encrypt: {encrypting}", USAGE)


@jwk.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--alg", help="The algorithm, where the key does not name one (PEM, DER, RSA without alg).")
@click.option("--kid", help="The id to give it.")
@click.option("--octets", is_flag=True, help="FILE holds the octets of a shared secret (needs --alg).")
@click.option("--public", is_flag=True, help="Only the public half.")
@click.option("--set", "jwks", is_flag=True, help="As a key set, to publish (with --public).")
@click.option("--form", type=_FORMS, default="jwk", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file, readable by you alone."
)
@_show
def convert(
    file: Path | None, alg: str | None, kid: str | None, octets: bool, public: bool, jwks: bool, form: str,
    out: Path | None, show_private: bool,
) -> None:  # fmt: skip
    """Turn a key into a JWK, PEM or DER. Reads FILE or standard input: a JWK, PEM, DER, or a PEM certificate.

    \b
    admit jwk convert --public --alg RS256 private.pem
    admit jwk convert --public --set key.json > jwks.json
    admit jwk convert --form pem --out key.pem key.json
    admit jwk convert --octets --alg HS256 --out key.json secret.txt
    """
    with told_errors():
        if jwks and (form != "jwk" or not public):
            fail("a set to publish holds public JWKs: --set goes with --public", USAGE)
        key = _secret(file, alg, kid) if octets else _read(file, alg, kid)
        if public and key.is_private:
            key = _made(key.public)
        written = _written(key, form, private=key.is_private)
        if jwks:
            written = json.dumps({"keys": [key.to_dict()]}, indent=2).encode() + b"\n"
        _file(out, written, secret=key.is_private, shown=show_private)
        if out is not None:
            done(
                f"{key.alg} key{'' if key.kid is None else f' {key.kid}'} written to {out}, readable by you alone"
            )


@jwk.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--alg", help="The algorithm, where the key does not name one.")
@click.option("--uri", is_flag=True, help="As a URN, RFC 9278.")
@json_option
def thumbprint(file: Path | None, alg: str | None, uri: bool, as_json: bool) -> None:
    """Tell a key's SHA-256 thumbprint, RFC 7638. Reads FILE or standard input; both halves of a key have the same."""
    with told_errors():
        key = _read(file, alg, None)
        named = _made(key.thumbprint_uri) if uri else key.thumbprint()
        if as_json:
            show_json({"thumbprint": named, "kid": key.kid, "kty": key.kty, "alg": key.alg})
        else:
            click.echo(named)


def _read(file: Path | None, alg: str | None, kid: str | None) -> JWK:
    raw = read_file("-" if file is None else str(file), _MAX)
    if alg is not None:
        _check_alg(alg)
    return _made(lambda: JWK.load(raw, alg=alg, kid=kid))


def _secret(file: Path | None, alg: str | None, kid: str | None) -> JWK:
    """A shared secret from its octets. A text file ends with a line break that nobody meant as a part of the secret."""
    if alg is None:
        fail("a secret says nothing of its algorithm: give --alg, such as HS256", USAGE)
    _check_alg(alg)
    raw = read_file("-" if file is None else str(file), _MAX)
    if raw.isascii() and raw.decode("ascii").strip().isprintable():
        raw = raw.rstrip(b"\r\n")
    return _made(lambda: JWK.secret(raw, alg, kid=kid))


def _made(make: Callable[[], Made]) -> Made:
    """Why a key cannot be used is worth telling here: whoever sits at the command has the key."""
    try:
        return make()
    except InvalidKeyError as error:
        fail(f"{of_error(error)}{alg_hint(error)}", USAGE)


def _written(key: JWK, form: str, *, private: bool) -> bytes:
    if form == "jwk":
        return json.dumps(_made(lambda: key.to_dict(private=private)), indent=2).encode() + b"\n"
    write = key.to_pem if form == "pem" else key.to_der
    return _made(lambda: write(private=private))
