"""The codes: RFC 6238 TOTP as authenticator apps make it, recovery codes, and how people type both. Pure.

SHA-1, six digits and thirty seconds: every authenticator app does these, and many ignore what a QR code says else.
Nothing here rests on SHA-1 resisting collisions; HMAC does not need that (RFC 6238 §5.1, RFC 6234).
"""

import hashlib
import hmac
import re
import unicodedata
from base64 import b32encode
from typing import Final
from urllib.parse import quote, urlencode

from admit.issuer.accounts.errors import PersonNameError
from admit.issuer.accounts.rules import clean_name

PERIOD: Final = 30  # seconds
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # 160 bits, RFC 4226 §4 R6
DRIFT: Final = 1  # steps that a clock may be off, RFC 6238 §5.2
NAME_MAX_CHARS: Final = 60

RECOVERY_CODES: Final = 10
RECOVERY_CHARS: Final = 24  # of 5 bits each: 120 bits
GROUP: Final = 4
# Crockford's base 32: no letter that is read as a digit, and no U.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("OIL", "011")
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)
_RECOVERY = re.compile(rf"[{ALPHABET}]{{{RECOVERY_CHARS}}}", re.ASCII)
_FACTOR_ID = re.compile(r"f_[A-Za-z0-9_-]{22}", re.ASCII)
_MOST_TYPED: Final = 100  # characters; a code has far fewer


def step_of(now: float) -> int:
    """The number of the thirty seconds that `now` lies in, RFC 6238 §4.2."""
    return int(now // PERIOD)


def code_at(secret: bytes, step: int) -> str:
    """The code of one step: HOTP with the step as counter, RFC 4226 §5.3, RFC 6238 §4.2."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def steps_at(now: float) -> range:
    """The steps whose codes are good at this time: the present one, the one before and the one after."""
    return range(step_of(now) - DRIFT, step_of(now) + DRIFT + 1)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The step that `code` belongs to, the last one should it be good for two; None for a wrong one.

    Every step is compared, each in constant time.
    """
    found = None
    for step in steps_at(now):
        if hmac.compare_digest(code_at(secret, step), code):
            found = step
    return found


def typed_code(text: str) -> str | None:
    """The six digits that somebody typed or pasted, with blanks or hyphens between them; None for anything else."""
    code = _squeezed(text)
    return code if _CODE.fullmatch(code) else None


def typed_recovery_code(text: str) -> str | None:
    """A recovery code in its one form, however it was typed; None for what cannot be one."""
    code = _squeezed(text).upper().translate(_MISREAD)
    return code if _RECOVERY.fullmatch(code) else None


def _squeezed(text: str) -> str:
    # NFKC turns full-width digits, as an input method leaves them, into those that are meant.
    if len(text) > _MOST_TYPED:
        return ""
    return re.sub(r"[\s\-\u2010-\u2015\u2212\u200b]+", "", unicodedata.normalize("NFKC", text))


def recovery_code(random: bytes) -> str:
    """A recovery code of 15 random octets, in its one form."""
    number = int.from_bytes(random, "big")
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(RECOVERY_CHARS)))


def hash_recovery_code(user_id: str, code: str) -> bytes:
    """What is stored of a recovery code: SHA-256, enough for 120 random bits, and another for each person."""
    return hashlib.sha256(f"admit-recovery\0{user_id}\0{code}".encode()).digest()


def grouped(text: str, between: str) -> str:
    """In groups of four, as people read and type it."""
    return between.join(text[place : place + GROUP] for place in range(0, len(text), GROUP))


def secret_text(secret: bytes) -> str:
    """The secret as authenticator apps take it: base 32 (RFC 4648 §6) without padding."""
    return b32encode(secret).decode().rstrip("=")


def otpauth_uri(secret: bytes, *, site: str, account: str) -> str:
    """What the QR code says, in the form that authenticator apps agree on. A colon parts site and account, so neither
    may hold one.
    """
    shown = site.replace(":", " ").strip() or "Admit"
    label = quote(f"{shown}:{account.replace(':', ' ')}", safe="@:")
    asked = {
        "secret": secret_text(secret),
        "issuer": shown,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": PERIOD,
    }
    return f"otpauth://totp/{label}?{urlencode(asked, quote_via=quote)}"


def app_name(text: str) -> str:
    """What a person calls an app; "" where nothing was typed.

    Raises:
        PersonNameError: longer than 60 characters, or not one line of text.
    """
    if not text.strip():
        return ""
    name = clean_name(text)
    if len(name) > NAME_MAX_CHARS:
        raise PersonNameError("name of an app too long")
    return name


def is_factor_id(text: str) -> bool:
    """Whether it has the form of an id of ours."""
    return _FACTOR_ID.fullmatch(text) is not None
