"""The keys that a token command is given: a key file, a key set file, or the address of a key set."""

import stat
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from admit.cli.output import UNAVAILABLE, USAGE, fail, read_octets
from admit.cli.token_reasons import Reason, alg_hint, of_error
from admit.errors import FetchError, InvalidKeyError, KeyNotFoundError, MalformedTokenError
from admit.jose import JWK, JWS_ALGS, JWKSet, json
from admit.jose.binding import KEY_ALGS, is_alg_of
from admit.jose.jwks import OKP_ALGS
from admit.jose.material import PRIVATE_MEMBERS

_MAX_KEY = 131_072
_TIMEOUT = timedelta(seconds=10)


def key_file(path: str, alg: str | None, *, what: str = "--key") -> JWK:
    """A key from a file (JWK, PEM, DER, certificate) or, with `-`, from standard input."""
    try:
        return load(path, alg)
    except InvalidKeyError as error:
        fail(f"{what} {_called(path)}: {of_error(error)}{alg_hint(error)}", USAGE)


def load(path: str, alg: str | None) -> JWK:
    """As `key_file`, but what is wrong with the key is raised.

    Raises:
        InvalidKeyError: it cannot be used.
    """
    raw = read_file(path, _MAX_KEY)
    if "keys" in _members(raw):
        fail(f"{_called(path)} is a key set, not a key: give it by --jwks", USAGE)
    return JWK.load(raw, alg=alg)


def read_file(path: str, limit: int) -> bytes:
    """A file's octets, or with `-` those of standard input; no more than `limit`."""
    if path == "-":
        return read_octets(limit)
    try:
        with Path(path).open("rb") as file:
            return file.read(limit)
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror})", USAGE)


def _members(raw: bytes) -> Mapping[str, Any]:
    """What a file says if it is JSON, to tell a key from a set of keys."""
    try:
        return json.loads_object(raw, max_size=len(raw) + 1)
    except MalformedTokenError:
        return {}


def warn_if_shared(path: str, key: JWK) -> None:
    """Say so when a private key lies where others can read it."""
    if path == "-" or not key.is_private or sys.platform == "win32":
        return
    if Path(path).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        click.echo(f"  note: others on this machine can read {path}: chmod 600 {path}", err=True)


def _called(path: str) -> str:
    return "(standard input)" if path == "-" else path


class PublishedKeys:
    """A key set that another publishes. Of a key that it has and that cannot be used it tells why."""

    def __init__(self, raw: bytes, where: str, alg: str | None) -> None:
        if alg is not None and alg not in KEY_ALGS:
            fail("--alg is no algorithm of that name; such as RS256, for RSA keys that name none", USAGE)
        self._rsa_alg = alg if is_alg_of(alg, "RSA", signs=True) else None
        self._okp_alg = alg if alg is not None and alg in OKP_ALGS else "EdDSA"
        try:
            self.keys = JWKSet.load_foreign(raw, rsa_alg=self._rsa_alg, okp_alg=self._okp_alg)
            self._entries: list[Any] = json.loads_object(raw, max_size=len(raw) + 1)["keys"]
        except (InvalidKeyError, MalformedTokenError, KeyError) as error:
            hint = ". It is a key: give it by --key" if "kty" in _members(raw) else ""
            fail(f"{where} is no key set: {getattr(error, 'detail', '') or 'it cannot be read'}{hint}", USAGE)

        if self.keys.private_seen:
            told = "it holds secret or private keys: whoever publishes it must hear of that. None of them is used."
            click.echo(f"  note: {where}: {told}", err=True)

    def why_not(self, header: Mapping[str, Any], error: KeyNotFoundError) -> Reason:
        """Why there is no key for this header: none has its `kid`, or the one that has cannot be used."""
        kid = header.get("kid")
        named = [one for one in self._entries if isinstance(one, dict) and one.get("kid") == kid]
        if kid is None:
            several = "the token names no kid, and not exactly one key of the set has its alg"
            return Reason(several, "RFC 7515 §4.1.4", type(error).__name__)
        if not named:
            return Reason("kid is not in the key set", "RFC 7515 §4.1.4", type(error).__name__)
        unusable = [why for entry in named if (why := self._why_unusable(entry, type(error).__name__))]
        if len(named) - len(unusable) > 1 or not unusable:
            return Reason("several keys of the set have that kid", "RFC 7517 §4.5", type(error).__name__)
        return unusable[0]

    def _why_unusable(self, entry: Mapping[str, Any], name: str) -> Reason | None:
        """Why a published key verifies nothing; None where it would. `name` is the error of the library."""
        of_set = "the set's key of that kid is"
        if entry.get("kty") == "oct" or PRIVATE_MEMBERS & entry.keys():
            return Reason(
                f"{of_set} published with its private part, so it is not used", "RFC 7517 §9.2", name
            )
        try:
            key = JWK.load(entry, alg=self._given(entry))
        except InvalidKeyError as refused:
            told = of_error(refused)
            text = told.text.replace("unusable key", f"{of_set} unusable")
            return Reason(text, told.clause + alg_hint(refused), told.error)
        if key.verifier is not None:
            return None
        if key.alg not in JWS_ALGS:
            return Reason(f"{of_set} for encryption ({key.alg})", "RFC 7517 §4.4", name)
        return Reason(f"{of_set} not one to verify with: its key_ops say so", "RFC 7517 §4.3", name)

    def _given(self, entry: Mapping[str, Any]) -> str | None:
        """--alg, where it is for this key, which names none, RFC 7517 §4.4."""
        if "alg" in entry:
            return None
        if entry.get("kty") == "OKP" and entry.get("crv") == self._okp_alg:
            return self._okp_alg
        return self._rsa_alg if entry.get("kty") == "RSA" else None


def published(source: str, alg: str | None, *, internal: bool) -> PublishedKeys:
    """The key set in a file, on standard input (`-`), or at an https address."""
    if source.startswith(("https://", "http://")):
        return PublishedKeys(fetch(source, internal=internal), source, alg)
    return PublishedKeys(read_file(source, 262_145), _called(source), alg)


def fetch(url: str, *, internal: bool) -> bytes:
    """A key set through the egress guard: https on public addresses, unless its origin is named as one's own."""
    from admit.fetch import Fetcher, origin_of  # an HTTP client, which only this needs

    try:
        fetcher = Fetcher(frozenset({origin_of(url)}) if internal else frozenset(), timeout=_TIMEOUT)
        with closing(fetcher):
            answer = fetcher.get(url, {"accept": "application/jwk-set+json, application/json"})
    except FetchError as error:
        hint = ""
        if "guard" in error.detail:
            hint = (
                ". Plain http is for this machine only"
                if internal
                else ". It has to be https on a public address; --allow-internal takes one of your own network"
            )
        fail(f"{url} cannot be fetched: {error.detail}{hint}", UNAVAILABLE)
    if answer.status != 200:
        fail(f"{url} answered with status {answer.status}", UNAVAILABLE)
    return answer.body


def split(keys: Iterable[JWK]) -> tuple[list[JWK], list[JWK]]:
    """Keys that verify, and keys that decrypt."""
    given = list(keys)
    return [key for key in given if key.verifier], [key for key in given if key.unwrapper]
