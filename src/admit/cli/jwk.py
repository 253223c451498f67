"""`admit jwk`: keys made, converted and named, without sending them anywhere."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from admit.cli.output import USAGE, done, fail, json_option, read_octets, show_json, told_errors
from admit.errors import InvalidKeyError
from admit.jose import JWK
from admit.jose.binding import KEY_ALGS

Made = TypeVar("Made")
_FORMS = click.Choice(["jwk", "pem", "der"])


@click.group()
def jwk() -> None:
    """Keys: make one, turn it into another form, tell its thumbprint."""


def _file(path: Path | None, what: bytes) -> None:
    """Write a key: to a new file that only you can read, or to standard output."""
    if path is None:
        sys.stdout.buffer.write(what)
        return
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{path} is there already; a key is never written over another", USAGE)
    except OSError as error:
        fail(f"{path} cannot be written ({error.strerror})", USAGE)
    with os.fdopen(opened, "wb") as file:
        file.write(what)


@jwk.command()
@click.argument("alg")
@click.option("--crv", help="The curve, for algorithms of several: EdDSA, ECDH-ES.")
@click.option("--kid", help="Its id; the thumbprint unless you say otherwise.")
@click.option("--use", is_flag=True, help="Write `use` too (sig or enc).")
@click.option("--form", type=_FORMS, default="jwk", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file, readable by you alone."
)
def generate(alg: str, crv: str | None, kid: str | None, use: bool, form: str, out: Path | None) -> None:
    """Make a private key for ALG, such as ES256, RS256, Ed25519, HS256, ML-DSA-65, ECDH-ES, A256KW.

    \b
    admit jwk generate ES256 --out key.json
    admit jwk generate ECDH-ES --crv X25519
    """
    with told_errors():
        if alg not in KEY_ALGS:
            fail(f"no algorithm of that name; there are {', '.join(KEY_ALGS)}", USAGE)
        key = _made(lambda: JWK.generate(alg, crv=crv, kid=kid))
        if use:
            key = JWK.load(key.to_dict(private=True) | {"use": "sig" if key.signer else "enc"})
        _file(out, _written(key, form, private=True))
        if out is not None:
            done(f"{alg} key {key.kid} written to {out}", then=f"admit jwk convert --public {out}")


@jwk.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--alg", help="The algorithm, where the key does not name one (PEM, DER, RSA without alg).")
@click.option("--kid", help="The id to give it.")
@click.option("--public", is_flag=True, help="Only the public half.")
@click.option("--form", type=_FORMS, default="jwk", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file, readable by you alone."
)
def convert(
    file: Path | None, alg: str | None, kid: str | None, public: bool, form: str, out: Path | None
) -> None:
    """Turn a key into a JWK, PEM or DER. Reads FILE or standard input: a JWK, PEM, DER, or a PEM certificate.

    \b
    admit jwk convert --alg RS256 --public private.pem
    admit jwk convert --form pem key.json
    """
    with told_errors():
        key = _read(file, alg, kid)
        if public and key.is_private:
            key = _made(key.public)
        _file(out, _written(key, form, private=key.is_private))


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
    try:
        raw = read_octets(131_072) if file is None else file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})", USAGE)
    return _made(lambda: JWK.load(raw, alg=alg, kid=kid))


def _made(make: Callable[[], Made]) -> Made:
    """Why a key cannot be used is worth telling here: whoever sits at the command has the key."""
    try:
        return make()
    except InvalidKeyError as error:
        fail(f"unusable key: {error.detail}", USAGE)


def _written(key: JWK, form: str, *, private: bool) -> bytes:
    if form == "jwk":
        return json.dumps(_made(lambda: key.to_dict(private=private)), indent=2).encode() + b"\n"
    write = key.to_pem if form == "pem" else key.to_der
    return _made(lambda: write(private=private))
