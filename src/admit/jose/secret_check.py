"""Which octets may be an HMAC key, RFC 8725 §3.1, §3.5: never a public key, a password or a pattern.

No check can prove randomness. These refuse what people really paste there, and pass every generated key.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from admit.errors import AdmitError, InvalidKeyError
from admit.jose import base64url

_SSH = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"openssh-key-v1", b"---- BEGIN SSH2")
_SSH_BLOB = (b"\x00\x00\x00\x07ssh-", b"\x00\x00\x00\x0bssh-", b"\x00\x00\x00\x13ecdsa-sha2-")
# Published or placeholder secrets; a random text holds one of these with a chance below 2^-40.
_PLACEHOLDERS = (
    b"changeme",
    b"change-me",
    b"change_me",
    b"password",
    b"your-256-bit",
    b"a-string-secret-at-least",
)
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
    text = secret.strip()
    forms = (secret, secret.replace(b"\0", b""), _unarmoured(text), _unhexed(text))
    if any(b"-----BEGIN" in form for form in forms):
        raise InvalidKeyError("the secret is a PEM text")
    if text.startswith(_SSH) or secret.startswith(_SSH_BLOB):
        raise InvalidKeyError("the secret is an SSH key")
    if text.startswith(b"{") and (b'"kty"' in text or b'"keys"' in text):
        raise InvalidKeyError("the secret is a JWK")
    if any(_is_der(form) for form in forms):
        raise InvalidKeyError("the secret is a DER key")
    if _is_point(secret):
        raise InvalidKeyError("the secret is a public point")


def check_entropy(secret: bytes) -> None:
    """Refuse a repeated unit, few distinct octets, and well-known placeholders, RFC 8725 §3.5."""
    if len(set(secret)) < _MIN_DISTINCT:
        raise InvalidKeyError("the secret has too few different octets")
    # A text made of a repeated unit is found inside itself doubled, before its own end.
    if (secret + secret).find(secret, 1) < len(secret):
        raise InvalidKeyError("the secret repeats itself")
    lowered = secret.lower()
    if any(word in lowered for word in _PLACEHOLDERS):
        raise InvalidKeyError("the secret is a placeholder or a password")


def _unarmoured(text: bytes) -> bytes:
    """The octets under base64, as of a PEM body without its first and last line; empty where it is none."""
    if not text.startswith((b"M", b"LS0tLS1CRUdJTi")):  # how the tag of a SEQUENCE and "-----BEGIN" begin
        return b""
    try:
        compact = b"".join(text.split()).rstrip(b"=").translate(bytes.maketrans(b"+/", b"-_"))
        return base64url.decode(compact)
    except AdmitError:
        return b""


def _unhexed(text: bytes) -> bytes:
    """The octets under hexadecimal digits of a SEQUENCE or a PEM text; empty where it is none."""
    if not text.startswith((b"30", b"2d2d2d2d2d")):
        return b""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""


def _is_der(raw: bytes) -> bool:
    """A SEQUENCE that fills the octets exactly; a short one must load, since chance makes 1 in 2^16 look so."""
    if len(raw) < 4 or raw[0] != 0x30:
        return False
    if raw[1] == 0x82 and int.from_bytes(raw[2:4], "big") == len(raw) - 4:
        return True
    if raw[1] == 0x81 and raw[2] == len(raw) - 3:
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
    """An uncompressed point of a curve that keys stand on."""
    curve = _POINTS.get(len(raw))
    if curve is None or raw[0] != 4:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    except ValueError:
        return False
    return True
