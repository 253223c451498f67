"""Which octets may be an HMAC key, RFC 8725 §3.1, §3.5: never a public key, a password or a pattern.

No check can prove randomness. These refuse what people really paste there, and pass every generated key.
"""

import re
from binascii import a2b_hex
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from admit.errors import AdmitError, InvalidKeyError
from admit.jose import base64url

_SSH = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"openssh-key-v1", b"---- BEGIN SSH2")
_SSH_BLOB = (
    b"\x00\x00\x00\x07ssh-",
    b"\x00\x00\x00\x09ssh-",
    b"\x00\x00\x00\x0bssh-",
    b"\x00\x00\x00\x13ecdsa-sha2-",
    b"\x00\x00\x00\x1ask-ssh-",
    b"\x00\x00\x00\x22sk-ecdsa-",
)
# Published or placeholder secrets; a random text holds one of these with a chance below 2^-40.
_PLACEHOLDERS = (
    b"changeme",
    b"change-me",
    b"change_me",
    b"password",
    b"your-256-bit",
    b"a-string-secret-at-least",
)
# What people write where octets from a generator belong. 12 letters of these words make a sentence; 64 random letters
# and digits hold so many with a chance of about 2^-37, random octets with one far below.
_WORDS = (
    b"admin", b"application", b"battery", b"change", b"characters", b"commit", b"correct", b"default", b"development",
    b"dragon", b"enough", b"example", b"github", b"hello", b"horse", b"letmein", b"longer", b"login", b"master",
    b"monkey", b"please", b"private", b"production", b"project", b"qwerty", b"random", b"secret", b"secure",
    b"security", b"server", b"should", b"signature", b"signing", b"some", b"staple", b"strong", b"super", b"test",
    b"that", b"this", b"token", b"ultra", b"very", b"welcome", b"with", b"world", b"your",
)  # fmt: skip
_SENTENCE, _LONGEST_SENTENCE, _LONGEST_UNIT = 12, 128, 128
# A text that was filled up to its length; with NUL, HMAC takes it for the text alone. 64 random hexadecimal digits have
# such a run with a chance below 2^-38.
_FILLED = re.compile(rb"[\0 ]{8}|(.)\1{11}", re.DOTALL)
_SSH_WORDS = frozenset(
    {
        b"ssh-rsa", b"ssh-dss", b"ssh-ed25519", b"ssh-ed448",
        b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521",
        b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com",
    }
)  # fmt: skip
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ESCAPES = ((b"\0", b""), (b"\\r", b""), (b"\\n", b"\n"), (b'\\"', b'"'))
_AROUND = b" \t\r\n\"'`,;"
_TO_URL = bytes.maketrans(b"+/", b"-_")
_MIN_DISTINCT = 8
_POINTS: Mapping[int, ec.EllipticCurve] = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}


def check_secret(secret: bytes) -> None:
    """Refuse a symmetric key that looks like another kind of key, or that somebody could guess.

    Raises:
        InvalidKeyError: which family of mistakes it is; never the secret.
    """
    check_no_public_key(secret)
    check_entropy(secret)


def check_no_public_key(secret: bytes) -> None:
    """Refuse PEM, DER, JWK, SSH and raw point forms: a public key is known to everybody, RFC 8725 §3.1."""
    for form in forms(secret):
        if b"-----BEGIN" in form:
            raise InvalidKeyError("the secret is a PEM text")
        if _is_ssh(form):
            raise InvalidKeyError("the secret is an SSH key")
        if b'"kty"' in form or (form.startswith((b"{", b"[")) and b'"keys"' in form):
            raise InvalidKeyError("the secret is a JWK")
        if _is_der(form):
            raise InvalidKeyError("the secret is a DER key")
        if _is_point(form):
            raise InvalidKeyError("the secret is a public point")


def forms(secret: bytes) -> list[bytes]:
    """The octets, and what people may have written as them: a text in quotes and white space, in UTF-16, with its line
    breaks escaped, in base64 or in hexadecimal. Each is undone once, so there are a dozen forms and a few.
    """
    found = _bare(secret)
    for text in dict.fromkeys((secret, found[-1])):
        for under in (_unarmoured(text), _unhexed(text)):
            found += _bare(under) if under else []
    return list(dict.fromkeys(found))


def _bare(text: bytes) -> list[bytes]:
    """The octets, without a line break at their end, and as a text that was wrapped."""
    line = text.removesuffix(b"\n")
    return [text, line, line.removesuffix(b"\r"), _unwrapped(text)]


def check_entropy(secret: bytes) -> None:
    """Refuse what a person thought of, RFC 8725 §3.5: few distinct octets, a repeated unit, a text that was filled up,
    a well-known placeholder, a sentence.
    """
    if len(set(secret)) < _MIN_DISTINCT:
        raise InvalidKeyError("the secret has too few different octets")
    # A text made of a repeated unit is found inside itself doubled, before its own end.
    if (secret + secret).find(secret, 1) < len(secret) or _repeats(secret) or _repeats(secret[:-1]):
        raise InvalidKeyError("the secret repeats itself")
    if _FILLED.search(secret):
        raise InvalidKeyError("the secret is a text that was filled up")
    lowered = secret.lower()
    if any(word in lowered for word in _PLACEHOLDERS):
        raise InvalidKeyError("the secret is a placeholder or a password")
    words = sum(len(word) * lowered.count(word) for word in _WORDS)
    if words >= _SENTENCE and len(secret) <= _LONGEST_SENTENCE:
        raise InvalidKeyError("the secret is a sentence")


def _repeats(text: bytes) -> bool:
    """Whether it is a short unit twice or more and a part of it at the end: a word cut to the size asked for."""
    longest = min(len(text) // 2, _LONGEST_UNIT)
    return any(text.startswith(text[unit:]) for unit in range(1, longest + 1))


def _unwrapped(text: bytes) -> bytes:
    """A text without byte order mark, quotes and white space around, and without escapes of line breaks and quotes."""
    for wide_or_escaped, meant in _ESCAPES:
        text = text.replace(wide_or_escaped, meant)
    for mark in _MARKS:
        text = text.removeprefix(mark)
    return text.strip(_AROUND)


def _unarmoured(text: bytes) -> bytes:
    """The octets under base64 or base64url; empty where it is none."""
    compact = b"".join(text.split()).rstrip(b"=").translate(_TO_URL)
    try:
        return base64url.decode(compact)
    except AdmitError:
        return b""


def _unhexed(text: bytes) -> bytes:
    """The octets under hexadecimal digits, with or without `0x` and colons; empty where they are none."""
    digits = b"".join(text.split()).replace(b":", b"").lower().removeprefix(b"0x")
    try:
        return a2b_hex(digits)
    except ValueError:
        return b""


def _is_ssh(form: bytes) -> bool:
    """A key of SSH, RFC 4253 §6.6: its blob, its file, or a line of `authorized_keys`, whose options stand first."""
    if form.startswith((*_SSH, *_SSH_BLOB)):
        return True
    return any(word in _SSH_WORDS for word in form.split())


def _is_der(raw: bytes) -> bool:
    """A SEQUENCE that fills the octets exactly; a short one must load, since chance makes 1 in 2^16 look so."""
    if len(raw) < 4 or raw[0] != 0x30:
        return False
    if raw[1] == 0x82 and int.from_bytes(raw[2:4], "big") == len(raw) - 4 >= 0x100:
        return True
    if raw[1] == 0x81 and raw[2] == len(raw) - 3 >= 0x80:
        return True
    if raw[1] != len(raw) - 2:
        return False
    for load in (load_der_public_key, _load_private):
        try:
            load(raw)
        except Exception:  # noqa: S112 - whatever a parser says of random octets, it is not this kind of key
            continue
        return True
    return False


def _load_private(raw: bytes) -> object:
    return load_der_private_key(raw, None)


def _is_point(raw: bytes) -> bool:
    """An uncompressed point of a curve that keys stand on, RFC 7518 §6.2.1, with or without the octet before it."""
    point = raw if len(raw) % 2 else b"\x04" + raw
    curve = _POINTS.get(len(point))
    if curve is None or point[0] != 4:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        return False
    return True
