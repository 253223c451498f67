"""The issuer's signing keys: made in the database, sealed, published before use, kept until the last token is dead."""

from admit.issuer.keys.config import KeysConfig
from admit.issuer.keys.records import KeyEvent, KeyEventKind, KeySnapshot, KeyState, Purpose, StoredKey
from admit.issuer.keys.service import SigningKeys

__all__ = [
    "KeyEvent",
    "KeyEventKind",
    "KeySnapshot",
    "KeyState",
    "KeysConfig",
    "Purpose",
    "SigningKeys",
    "StoredKey",
]
