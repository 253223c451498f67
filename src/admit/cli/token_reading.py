"""A token read as far as it can be read, for people who ask why it is refused. Nothing here verifies or trusts.

The library stops at the first thing that is wrong. This reading goes on, so that it can show what is there and name
everything that is wrong with it; what it finds is only ever shown, never used.
"""

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from admit.cli.token_reasons import CLAIM_CLAUSES, NO_EXP, Reason, of_error
from admit.cli.token_words import NEEDS_NO_EXP
from admit.errors import AdmitError, MalformedTokenError
from admit.jose import JWS_ALGS, base64url, claims, jws
from admit.jose import json as strict_json
from admit.jose.binding import KEY_ALGS
from admit.jose.content import CONTENT_ALGS
from admit.jose.header import check_header
from admit.jose.jwe import MAX_TOKEN as MAX_JWE

_FORM, _BASE64, _JSON = "RFC 7515 §7.1", "RFC 7515 §2; RFC 4648 §3.5", "RFC 7515 §4, §5.2; RFC 8259"
_MALFORMED = "MalformedTokenError"


class NoTokenError(Exception):
    """The text is no token in any reading; the argument says why, and quotes nothing of it."""


@dataclass(slots=True)
class Reading:
    """What a token says, and what is wrong with it. `claims` is None where there is nothing to read.

    `signed` is False where nobody signed it; `inside` is the token that stands inside an encrypted one.
    """

    form: str
    octets: int
    header: Mapping[str, Any]
    claims: Any = None
    more_headers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    signed: bool = True
    inside: "Reading | None" = None

    @property
    def innermost(self) -> Mapping[str, Any]:
        """The header that stands by the claims: of the token inside, where there is one."""
        return self.header if self.inside is None else self.inside.header

    @property
    def encrypted(self) -> bool:
        """Whether the content can be read with a key only."""
        return self.form.startswith("JWE")

    def refuse(self, text: str, clause: str, error: str = _MALFORMED) -> None:
        """Note a reason, once."""
        found = Reason(text, clause, error)
        if found not in self.reasons:
            self.reasons.append(found)


def read(text: str) -> Reading:
    """Read a token of any form.

    Raises:
        NoTokenError: it is none, or its header cannot be read.
    """
    if text.startswith("{"):
        return _json_form(text)
    parts = text.split(".")
    if len(parts) not in (3, 5):
        raise NoTokenError(
            "not a token: a signed one has three parts with dots between, an encrypted one five"
            + (f" (this has {len(parts)})" if len(parts) < 20 else "")
        )
    reading = Reading("JWS" if len(parts) == 3 else "JWE", len(text.encode()), {})
    reading.header = _member_object(reading, "header", parts[0])
    if "alg" not in reading.header:
        raise NoTokenError("not a token: its header names no alg (RFC 7515 §4.1.1)")
    _check_size(reading)
    if reading.encrypted:
        for name, part in zip(("encrypted key", "iv", "ciphertext", "tag"), parts[1:], strict=True):
            _octets(reading, name, part)
        check_jwe_header(reading)
    else:
        if parts[1]:
            reading.claims = read_claims(reading, _octets(reading, "payload", parts[1]))
        else:
            reading.refuse("the payload is not in the token: it travels apart", "RFC 7515 Appendix F")
        _octets(reading, "signature", parts[2])
        check_jws_header(reading)
        if not parts[2]:
            reading.signed = False
            reading.refuse("nothing is signed: the signature is empty", "RFC 8725 §3.2", "SignatureError")
    _check_strictly(reading, text)
    return reading


def _check_size(reading: Reading) -> None:
    limit = MAX_JWE if reading.encrypted else jws.MAX_TOKEN
    if reading.octets > limit:
        reading.refuse(f"more than {limit:,} octets", "a limit of Admit's own")


def _check_strictly(reading: Reading, text: str) -> None:
    """Whatever the library refuses has a reason here, even one that this reading did not see."""
    if reading.reasons or reading.encrypted:
        return
    try:
        jws.parse(text)
    except AdmitError as error:
        reading.reasons.append(of_error(error))


def _octets(reading: Reading, name: str, part: str) -> bytes:
    """The octets of a part; what is not canonical is told and read all the same."""
    raw = part.encode()
    try:
        return base64url.decode(raw)
    except MalformedTokenError:
        pass
    if "=" in part:
        why = "has padding (=)"
    elif "+" in part or "/" in part:
        why = "is in plain base64 (+ or /)"
    elif any(char.isspace() for char in part):
        why = "has white space in it"
    elif not part.isascii() or not part.replace("-", "").replace("_", "").isalnum():
        why = "has characters outside the alphabet"
    elif len(part) % 4 == 1:
        why = "has a length that no octets come to"
    else:
        why = "has bits after its last octet, so another text says the same"
    reading.refuse(f"the {name} is not canonical base64url: it {why}", _BASE64)
    kept = bytes(char for char in raw.translate(bytes.maketrans(b"-_", b"+/")) if char not in b"= \t\r\n")
    try:
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))
    except binascii.Error:
        return b""


def _member_object(reading: Reading, name: str, part: str) -> dict[str, Any]:
    found = _object(reading, f"the {name}", _octets(reading, name, part))
    if not isinstance(found, dict):
        raise NoTokenError(f"not a token: its {name} is no JSON object (RFC 7515 §4)")
    return found


def _object(reading: Reading, name: str, raw: bytes) -> Any:
    """JSON by the strict rules; else by any rules, with what is wrong; None where there is none."""
    try:
        return strict_json.loads_object(raw)
    except MalformedTokenError as error:
        strict = error.detail
    if len(raw) > MAX_JWE:
        reading.refuse(f"{name} is too large to be read", "a limit of Admit's own")
        return None
    twice: set[str] = set()

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for one, _ in pairs:
            (twice if one in seen else seen).add(one)
        return dict(pairs)

    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=members)
    except UnicodeDecodeError:
        reading.refuse(f"{name} is not UTF-8", "RFC 7515 §5.2; RFC 8259 §8.1")
        return None
    except (ValueError, RecursionError):
        reading.refuse(f"{name} is not JSON", _JSON)
        return None
    if twice:
        told = ", ".join(json.dumps(one) for one in sorted(twice)[:4])
        reading.refuse(f"{name} has a member twice: {told}", "RFC 7515 §4; RFC 7519 §4")
    elif not isinstance(found, dict):
        reading.refuse(f"{name} is JSON, but no object", "RFC 7519 §7.2")
    else:
        reading.refuse(f"{name} is not strict JSON: {strict.removeprefix('JSON ')}", _JSON)
    return found


def read_claims(reading: Reading, raw: bytes) -> Any:
    """The payload as claims; the reasons say what is wrong with them."""
    return _object(reading, "the payload", raw)


def check_jws_header(reading: Reading) -> None:
    """What a header must not say, RFC 7515 §4.1, RFC 8725 §3.1, §3.2."""
    alg = reading.header.get("alg")
    if says_none(alg):
        reading.signed = False
        reading.refuse(
            'alg is "none": nobody signed it', "RFC 8725 §3.1, §3.2; RFC 7518 §3.6", "AlgorithmError"
        )
    elif isinstance(alg, str) and alg not in JWS_ALGS:
        reading.refuse("alg is no signature that Admit knows", "RFC 8725 §3.1", "AlgorithmError")
    _check_members(reading)


def says_none(alg: object) -> bool:
    """Whether it says that nobody signed, in any spelling."""
    return isinstance(alg, str) and alg.lower() == "none"


def check_jwe_header(reading: Reading) -> None:
    """What the header of an encrypted token must not say, RFC 7516 §4.1."""
    alg, enc = reading.header.get("alg"), reading.header.get("enc")
    if alg == "RSA1_5":
        reading.refuse(
            "alg is RSA1_5, which cannot be read without telling an attacker something",
            "RFC 8725 §3.2",
            "AlgorithmError",
        )
    elif isinstance(alg, str) and (alg not in KEY_ALGS or alg in JWS_ALGS):
        reading.refuse("alg is no encryption that Admit knows", "RFC 8725 §3.1", "AlgorithmError")
    if not isinstance(enc, str) or enc not in CONTENT_ALGS:
        reading.refuse("enc is missing or unknown", "RFC 7516 §4.1.2", "AlgorithmError")
    if reading.header.get("zip", "DEF") != "DEF":
        reading.refuse("zip is not DEF", "RFC 7516 §4.1.3")
    _check_members(reading)


def _check_members(reading: Reading) -> None:
    header = reading.header
    if "crit" in header:
        reading.refuse(
            "crit asks for something that is not understood", "RFC 7515 §4.1.11", "CriticalHeaderError"
        )
    elif "b64" in header:
        reading.refuse("b64 stands without crit", "RFC 7797 §6", "CriticalHeaderError")
    for name, clause in (("alg", "RFC 7515 §4.1.1"), ("kid", "RFC 7515 §4.1.4"), ("typ", "RFC 7515 §4.1.9")):
        if name in header and not isinstance(header[name], str):
            reading.refuse(f"{name} is not a string", clause)
    try:
        check_header({name: value for name, value in header.items() if name not in ("crit", "b64")})
    except MalformedTokenError as error:
        if not any(one.error == _MALFORMED for one in reading.reasons):
            reading.refuse(error.detail, "RFC 7515 §4.1.4" if "kid" in error.detail else _FORM)
    for name in ("jku", "x5u", "jwk", "x5c"):
        if name in header:
            reading.notes.append(f"{name} is never used: a token cannot bring its own key (RFC 8725 §3.10)")


def check_claims(reading: Reading, policy: claims.ClaimPolicy, now: float) -> None:
    """Every rule for claims by itself, so that all that fail are named, RFC 7519 §4.1. The policy has no `max_age`."""
    said = reading.claims
    if not isinstance(said, dict):
        return
    for check in (claims.check_issuer, claims.check_audience):
        _try(reading, check, {name: said[name] for name in said if _typed(name, said)}, policy)
    for name in CLAIM_CLAUSES:
        if name in said:
            _try(reading, claims.check_types, {name: said[name]})
    for name in ("exp", "nbf", "iat"):
        if name in said and _typed(name, said):
            _try(reading, claims.check_times, {"exp": now + 1, name: said[name]}, policy, now)
    if "exp" not in said and not needs_no_exp(reading):
        reading.refuse("exp is missing: it would be good for ever", NO_EXP, "ClaimError")


def needs_no_exp(reading: Reading) -> bool:
    """Whether tokens of its kind have no `exp`."""
    typ = reading.innermost.get("typ")
    return isinstance(typ, str) and claims.fold_typ(typ) in NEEDS_NO_EXP


def _typed(name: str, said: Mapping[str, Any]) -> bool:
    """Whether a claim has its RFC's type, so that its value can be judged too."""
    try:
        claims.check_types({name: said[name]})
    except AdmitError:
        return False
    return True


def _try(reading: Reading, check: Any, *arguments: Any) -> None:
    try:
        check(*arguments)
    except AdmitError as error:
        found = of_error(error)
        if found not in reading.reasons:
            reading.reasons.append(found)
    except OverflowError:
        reading.refuse("a time is larger than any clock shows", "RFC 7519 §2", "ClaimError")


def _json_form(text: str) -> Reading:
    """A JSON serialization: never a JWT (RFC 7519 §1), but a token that people ask about."""
    raw = text.encode()
    try:
        members = strict_json.loads_object(raw, max_size=524_288)
    except MalformedTokenError as error:
        raise NoTokenError(f"not a token: {error.detail}") from None
    encrypted = "ciphertext" in members
    if not encrypted and not {"signature", "signatures"} & members.keys():
        raise NoTokenError(
            "not a token: JSON with neither signature nor ciphertext (RFC 7515 §7.2, RFC 7516 §7.2)"
        )
    reading = Reading("JWE, JSON" if encrypted else "JWS, JSON", len(raw), {})
    several = members.get("recipients" if encrypted else "signatures")
    first = several[0] if isinstance(several, list) and several and isinstance(several[0], dict) else members
    protected = first.get("protected", members.get("protected"))
    if isinstance(protected, str):
        reading.header = _member_object(reading, "header", protected)
    if not encrypted and says_none(reading.header.get("alg")):
        reading.signed = False
    unprotected = {
        name: value
        for part in (members.get("unprotected"), first.get("header"))
        if isinstance(part, dict)
        for name, value in part.items()
    }
    if isinstance(several, list) and len(several) > 1:
        what = "recipients" if encrypted else "signatures"
        reading.notes.append(f"it has {len(several)} {what}; the header shown is that of the first")
    if unprotected:
        reading.more_headers["Unprotected header"] = unprotected
        reading.notes.append("what stands in the unprotected header anybody can have written there")
    if not encrypted and isinstance(members.get("payload"), str):
        payload = members["payload"]
        plain = reading.header.get("b64") is False
        reading.claims = read_claims(
            reading, payload.encode() if plain else _octets(reading, "payload", payload)
        )
    reading.refuse(
        "a JWT is always compact; this form is for `admit.jose.verify_json` and `decrypt_json`", "RFC 7519 §1"
    )
    return reading
