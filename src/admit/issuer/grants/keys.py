"""The keys of refresh tokens: derived from the keyring, which is kept outside the database."""

from admit.issuer.grants import refresh_token
from admit.issuer.grants.records import Family
from admit.issuer.grants.refresh_token import RefreshToken
from admit.issuer.storage import Keyring, SealError


class RefreshKeys:
    """Writes tokens with the current key, checks those of all keys that the keyring holds."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._current, key = keyring.derive(refresh_token.PURPOSE)
        self._derived: dict[str, bytes] = {self._current: key}

    def write(self, family: Family, generation: int) -> str:
        """The token of a generation."""
        key = self._derived[self._current]
        return refresh_token.write(self._current, key, family.id, generation, family.salt)

    def is_genuine(self, token: RefreshToken, family: Family) -> bool:
        """Whether we wrote this token. False for a key that the keyring does not hold."""
        key = self._key(token.kid)
        return key is not None and refresh_token.is_genuine(token, key, family.salt)

    def _key(self, kid: str) -> bytes | None:
        if kid not in self._derived:
            try:
                self._derived[kid] = self._keyring.derive(refresh_token.PURPOSE, kid)[1]
            except SealError:
                return None  # not kept: strangers choose what they send
        return self._derived[kid]
