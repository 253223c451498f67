"""An independent reader of status list tokens, from the draft's text alone: shares no code with `admit`."""

import base64
import json
import zlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _public_key(jwk: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    numbers = (int.from_bytes(_unpack(jwk[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()


def read(token: str, jwk: dict[str, Any], *, uri: str, now: float) -> tuple[int, bytes]:
    """`(bits, unpacked list)` of a token that is valid by draft-ietf-oauth-status-list-21 §5.1 and §8.3."""
    header_part, payload_part, signature_part = token.split(".")
    header, payload = json.loads(_unpack(header_part)), json.loads(_unpack(payload_part))
    signature = _unpack(signature_part)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = f"{header_part}.{payload_part}".encode()
    _public_key(jwk).verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    assert header["typ"] == "statuslist+jwt"
    assert header["kid"] == jwk["kid"]
    assert header["alg"] == "ES256"
    assert payload["sub"] == uri
    assert payload["iat"] <= now < payload["exp"]
    assert payload["ttl"] > 0
    return payload["status_list"]["bits"], zlib.decompress(_unpack(payload["status_list"]["lst"]))


def status(bits: int, unpacked: bytes, index: int) -> int:
    """The status of one referenced token, §4.1: entries are packed from the least significant bit on."""
    per_octet = 8 // bits
    return unpacked[index // per_octet] >> (index % per_octet * bits) & ((1 << bits) - 1)
