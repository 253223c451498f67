"""Every parser that reads what a stranger wrote. A target takes octets and returns, or raises what no parser may.

`AdmitError` is an answer. Where the parser stands behind a signature or an encryption the octets are truly signed or
encrypted first, since a fuzzer guesses no key.
"""

import json as stdlib_json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from admit.errors import AdmitError
from admit.jose import (
    JWK,
    JWKSet,
    base64url,
    hot,
    json,
    jwe,
    jwe_json,
    jws,
    jws_detached,
    jws_json,
    key_management,
)
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.tokens import access, identity, logout, security_event, status_head, status_list
from admit.verifier.stream import EventParser, StreamError

ISS, API, NOW = "https://id.example.com", "https://api.example.com", 1_800_000_000.0
NONCE = "0123456789abcdef"
KEY = JWK.secret(bytes(range(40, 72)), "HS256", kid="key-1")
STATUS = JWK.secret(bytes(range(41, 73)), "HS256", kid="status-1")
SHARED = JWK.secret(bytes(range(42, 74)), "A256GCM")
AGREED = JWK.generate("ECDH-ES")
PASSWORD = JWK.password(b"correct horse battery", "PBES2-HS256+A128KW")
FREE = jose_claims.ClaimPolicy(
    issuer=Waive.ISSUER, audience=Waive.AUDIENCE, typ=Waive.TYP, accept_expired=Waive.EXPIRY
)  # fmt: skip
STRICT = jose_claims.ClaimPolicy(issuer=ISS, audience=API, max_age=timedelta(minutes=5))


def signed(header: bytes, payload: bytes, key: JWK = KEY) -> bytes:
    """A truly signed token of any octets."""
    assert key.signer is not None
    data = base64url.encode(header) + b"." + base64url.encode(payload)
    return data + b"." + base64url.encode(key.signer(data))


def typed(typ: str, key: JWK = KEY) -> bytes:
    """The header of a kind of token."""
    return stdlib_json.dumps({"alg": "HS256", "typ": typ, "kid": key.kid}).encode()


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Two texts out of one: what stands before the first NUL, and after it."""
    first, _, second = data.partition(b"\0")
    return first, second


def compact(data: bytes) -> None:
    """A compact token as it came."""
    jws.parse(data)
    jose_claims.verify(data, KEY, FREE, NOW)
    raise AssertionError("a token that nobody signed was taken")


def compact_text(data: bytes) -> None:
    """The same from a program that has text."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        try:
            hot.verify(text, KEY, FREE, NOW)
        except AdmitError:
            continue
        raise AssertionError("a token that nobody signed was taken")


def header_and_claims(data: bytes) -> None:
    """Header and payload of a token that is truly signed."""
    token = signed(*halves(data))
    found = jose_claims.verify(token, KEY, STRICT, NOW)
    # Known by now, the same header goes the short way; it must say the same.
    assert hot.verify(token.decode(), KEY, STRICT, NOW) == found
    assert found["iss"] == ISS
    assert found["exp"] > NOW - 30
    assert json.loads_object(json.dumps_object(found)) == found


def claims(data: bytes) -> None:
    """A payload, with nothing asked of it but its form."""
    jose_claims.verify_claims(data, FREE, NOW)


def json_signatures(data: bytes) -> None:
    """The JSON forms of signatures."""
    first, second = halves(data)
    for options in ({}, {"payload": second}, {"payload": second, "unencoded": True}, {"unencoded": True}):
        try:
            jws_json.verify_json(first, KEY, **options)  # type: ignore[arg-type]  # one dict for four calls
        except AdmitError:
            continue
        raise AssertionError("a signature that nobody made was taken")


def json_signatures_signed(data: bytes) -> None:
    """The JSON forms with headers that are truly signed."""
    protected, unprotected = halves(data)
    text = signed(protected, b"payload").decode().split(".")
    members = dict(zip(("protected", "payload", "signature"), text, strict=True))
    head = b'{"header":' + (unprotected or b"{}") + b"," + stdlib_json.dumps(members).encode()[1:]
    assert jws_json.verify_json(head, KEY).payload == b"payload"


def detached(data: bytes) -> None:
    """A detached token, and one whose payload is not encoded."""
    token, payload = halves(data)
    for given, unencoded in ((payload, False), (payload, True), (None, True)):
        try:
            jws_detached.verify_detached(token, given, KEY, unencoded=unencoded)
        except AdmitError:
            continue
        raise AssertionError("a signature that nobody made was taken")


def encrypted(data: bytes) -> None:
    """A compact encrypted token as it came."""
    for key in (SHARED, AGREED, PASSWORD):
        try:
            jwe.decrypt(data, key)
        except AdmitError:
            continue
        raise AssertionError("octets that nobody encrypted were decrypted")


def encrypted_header(data: bytes) -> None:
    """Header and (compressed) content of a token that is truly encrypted."""
    header, content = halves(data)
    head, row = base64url.encode(header), jwe.content_alg(SHARED, "A256GCM")
    ciphertext, tag = row.encrypt(bytes(range(42, 74)), bytes(12), content, head)
    token = b".".join([head, b"", *map(base64url.encode, (bytes(12), ciphertext, tag))])
    assert len(jwe.decrypt(token, SHARED).plaintext) <= jwe.MAX_PLAINTEXT


def json_encrypted(data: bytes) -> None:
    """The JSON forms of encryption."""
    for key in (SHARED, AGREED, PASSWORD):
        try:
            jwe_json.decrypt_json(data, key)
        except AdmitError:
            continue
        raise AssertionError("octets that nobody encrypted were decrypted")


def password_header(data: bytes) -> None:
    """What says how a password is to be used."""
    header = json.loads_object(data)
    jwe.content_key(PASSWORD, jwe.content_alg(PASSWORD, "A256GCM"), bytes(40), header)


def key(data: bytes) -> None:
    """One key: JWK, PEM or DER. What is read is written and read again."""
    for alg in (None, "RS256", "ECDH-ES"):
        try:
            found = JWK.load(data, alg=alg)
        except AdmitError:
            continue
        assert JWK.load(found.to_dict(private=found.is_private)) == found


def key_set(data: bytes) -> None:
    """A set of keys, own or another's."""
    with suppress(AdmitError):
        assert len(JWKSet.load(data)) <= 100
    assert not any(one.is_private for one in JWKSet.load_foreign(data, rsa_alg="RS256"))


def base64(data: bytes) -> None:
    """base64url: one spelling for each string of octets."""
    assert base64url.encode(base64url.decode(data)) == data


def strict_json(data: bytes) -> None:
    """JSON: what is read is what any other parser reads."""
    found = json.loads_object(data)
    assert stdlib_json.loads(data) == found
    assert json.loads_object(json.dumps_object(found)) == found


def listed(data: bytes) -> None:
    """A status list token of a true issuer."""
    bitmap = status_list.decode(
        signed(typed("statuslist+jwt", STATUS), data, STATUS), STATUS, issuer=ISS, n=0
    )
    assert len(bitmap) == status_list.OCTETS


def packed(data: bytes) -> None:
    """The packed bits of a status list."""
    assert len(status_list.decompress(data)) == status_list.OCTETS


def head(data: bytes) -> None:
    """A status head of a true issuer."""
    token = signed(typed("admit-status-head+jwt", STATUS), data, STATUS)
    found = status_head.verify(token, STATUS, issuer=ISS, nonce=NONCE)
    assert found.seq >= 0


def access_token(data: bytes) -> None:
    """An access token of a true issuer."""
    token = signed(typed("at+jwt"), data).decode()
    assert access.verify(token, KEY, issuer=ISS, audience=API, now=NOW).issuer == ISS


def id_token(data: bytes) -> None:
    """An ID token of a true issuer."""
    token = signed(typed("JWT"), data).decode()
    identity.verify(token, KEY, issuer=ISS, audience=API, nonce=NONCE, now=NOW, access_token="a")


def logout_token(data: bytes) -> None:
    """A logout token of a true issuer."""
    logout.verify(signed(typed("logout+jwt"), data).decode(), KEY, issuer=ISS, audience=API, now=NOW)


def event_token(data: bytes) -> None:
    """A security event token of a true transmitter."""
    security_event.verify(
        signed(typed("secevent+jwt"), data).decode(), KEY, issuer=ISS, audience=API, now=NOW
    )


def events(data: bytes) -> None:
    """A stream of events: cut anywhere, it says the same."""
    whole: list[Any] = []
    pieces: list[Any] = []
    parser, cut = EventParser(), len(data) // 2
    try:
        whole += EventParser().feed(data)
    except StreamError:
        return
    pieces += parser.feed(data[:cut])
    pieces += parser.feed(data[cut:])
    assert whole == pieces


def inspected(data: bytes) -> None:
    """What `admit token inspect` is given on its standard input."""
    from click.testing import CliRunner

    from admit.cli.token_inspect import inspect

    result = CliRunner().invoke(inspect, input=data)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    result = CliRunner().invoke(inspect, ["--json"], input=data)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        target.__name__: target
        for target in (
            compact, compact_text, header_and_claims, claims, json_signatures, json_signatures_signed, detached,
            encrypted, encrypted_header, json_encrypted, password_header, key, key_set, base64, strict_json, listed,
            packed, head, access_token, id_token, logout_token, event_token, events, inspected,
        )
    }
)  # fmt: skip


def bound_work() -> None:
    """Let a password cost little here: its bound is tested by itself, and would take all the time there is."""
    key_management.MAX_ITERATIONS = 2_000


def run(name: str, data: bytes) -> None:
    """One input for one target; raises whatever is not an answer."""
    with suppress(AdmitError):
        TARGETS[name](data)
