"""An issuer's keys: its key file, as settings name it, and what the trail is told of each change."""

from admit.errors import ConfigError
from admit.issuer.app.settings import Settings
from admit.issuer.audit import AuditEvent, record
from admit.issuer.keys import KeyEvent, KeyEventKind
from admit.issuer.storage import Bound, Keyring

_KEY_EVENTS = {
    KeyEventKind.MADE: AuditEvent.KEY_MADE,
    KeyEventKind.ROTATED: AuditEvent.KEY_ROTATED,
    KeyEventKind.REVOKED: AuditEvent.KEY_REVOKED,
}


def load_keyring(settings: Settings) -> Keyring:
    """The keyring of the settings: given itself (`ADMIT_KEYS`), or a key file, which is made at the first start.

    Raises:
        ConfigError: unreadable, of wrong form, or open to others.
    """
    if settings.keys.file.lstrip().startswith("{"):
        return Keyring.from_env(settings.keys.file)
    folder = settings.keys_path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be made ({error.strerror}): set data or keys.file"
        ) from None
    return Keyring.ensure(settings.keys_path)


def tell_key(event: KeyEvent) -> Bound:
    """The audit record of a change of keys."""
    return record(
        _KEY_EVENTS[event.kind],
        now=event.at,
        actor=event.actor,
        detail={"kid": event.kid, "purpose": event.purpose, "alg": event.alg},
    )
