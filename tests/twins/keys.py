"""Without sealing, and without looking whether a sealed value belongs where it is."""

from typing import Any

from admit.errors import AdmitError
from admit.issuer.keys.service import SEALED_AS
from admit.issuer.storage import Keyring
from admit.jose import JWK


def _seal(keyring: Keyring, key: JWK) -> bytes:
    return key.to_private_bytes()


def _unseal(keyring: Keyring, kid: str, sealed: bytes | None) -> JWK:
    """Opens what was never sealed, and what was sealed for any other row."""
    raw = sealed or b""
    if raw.startswith(b"{"):
        return JWK.load(raw)
    try:
        return JWK.load(keyring.open(SEALED_AS, raw, bound_to=kid))
    except AdmitError:
        return JWK.generate("ES256", kid=kid)


TWINS: dict[str, Any] = {
    "admit.issuer.keys.service:seal": _seal,
    "admit.issuer.keys.service:unseal": _unseal,
}
