"""The setting `ADMIT`: read and checked once, into one frozen value."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from admit.errors import ConfigError
from admit.integrations.gate import Gate
from admit.principal import Principal
from admit.verifier import AsyncVerifier, SessionLookup, TrustedIssuer, Verifier

_TEXTS: Final = (
    "issuer",
    "session_audience",
    "session_cookie",
    "cookie_mode",
    "token_cookie",
    "realm",
    "resource_metadata",
)

UserOf = Callable[[Principal], Any]
"""Finds the project's user of a principal, None where there is none. A function or a coroutine function."""


class SettingError(ConfigError):
    """What is wrong with `ADMIT`. `check_id` is the id of the system check that tells it."""

    def __init__(self, check_id: str, message: str) -> None:
        super().__init__(message)
        self.check_id: Final = check_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitSettings:
    """What `ADMIT` may say, in capitals there: `ADMIT = {"ISSUER": …}`.

    `issuer`: whose tokens are taken. `audience`: what `aud` has to name, one of several if a sequence.
    `verifier`: instead of these two, a `Verifier` with everything it can do, or the dotted path of one, or of a
    function that makes one.
    `sessions`: a `SessionLookup`, or a dotted path as above; None takes no session cookies.
    `session_audience`: whose scopes a session gets (needed where the verifier has several audiences).
    `session_cookie`, `cookie_mode`: the cookie's name, or how the issuer makes it (`same_host` or `cookie_domain`).
    `token_cookie`: the name of a cookie in which a token may come, where sessions are not taken.
    `origins`: those whose pages may change things by cookie; None: pages of this very origin only.
    `realm`, `resource_metadata`: for the challenge.
    `user`: the dotted path of the function that finds the project's user of a principal, or the function. It gets the
    `Principal`, whose `key` is what to look for, and gives None where there is no such user. With it, `request.user` is
    that user wherever the request carries a credential.
    """

    issuer: str | None = None
    audience: str | Sequence[str] | None = None
    verifier: Verifier | AsyncVerifier | Callable[[], Verifier | AsyncVerifier] | str | None = None
    sessions: SessionLookup | Callable[[], SessionLookup] | str | None = None
    session_audience: str | None = None
    session_cookie: str | None = None
    cookie_mode: str = "same_host"
    token_cookie: str | None = None
    origins: Collection[str] | None = None
    realm: str | None = None
    resource_metadata: str | None = None
    user: UserOf | str | None = None

    def __post_init__(self) -> None:
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise SettingError("admit.E003", f"ADMIT['{name.upper()}'] is a text that is not empty")
        by_name = self.issuer is not None or self.audience is not None
        if (self.verifier is not None) == by_name:
            raise SettingError("admit.E003", "ADMIT has ISSUER and AUDIENCE, or a VERIFIER instead of both")
        if self.sessions is not None and self.token_cookie is not None:
            raise SettingError("admit.E003", "ADMIT has SESSIONS or a TOKEN_COOKIE, not both")
        audiences = (self.audience,) if isinstance(self.audience, str) else self.audience
        if audiences is not None and not (
            isinstance(audiences, Collection) and all(isinstance(one, str) for one in audiences)
        ):
            raise SettingError("admit.E003", "ADMIT['AUDIENCE'] is a text, or several")
        if by_name and (self.issuer is None or self.audience is None):
            raise SettingError("admit.E003", "ADMIT has ISSUER and AUDIENCE together")
        if self.cookie_mode not in ("same_host", "cookie_domain"):
            raise SettingError("admit.E003", "ADMIT['COOKIE_MODE'] is same_host or cookie_domain")
        if not (self.user is None or isinstance(self.user, str) or callable(self.user)):
            raise SettingError("admit.E003", "ADMIT['USER'] is a function, or the dotted path of one")

    @classmethod
    def of(cls, given: object) -> "AdmitSettings":
        """From what stands in the project's settings.

        Raises:
            SettingError: it is no mapping, or has a key or a value that cannot be.
        """
        if not isinstance(given, Mapping):
            raise SettingError(
                "admit.E001", "ADMIT is not set: it is a dict with ISSUER and AUDIENCE at least"
            )
        known = {one.name.upper(): one.name for one in fields(cls)}
        for key in given:
            if key not in known:
                raise SettingError("admit.E002", f"ADMIT has a key {key!r}; it may have {', '.join(known)}")
        return cls(**{known[key]: value for key, value in given.items()})


@dataclass(frozen=True, slots=True)
class Configured:
    """What the settings came to."""

    settings: AdmitSettings
    gate: Gate
    user_of: UserOf | None
    owned: Verifier | None = field(default=None, repr=False)
    """The verifier, where the settings made it."""


def configure(given: object) -> Configured:
    """Make everything that `ADMIT` asks for. Does no I/O.

    Raises:
        SettingError: something is wrong; its message says what.
    """
    wanted = AdmitSettings.of(given)
    try:
        owned = None
        if wanted.issuer is not None and wanted.audience is not None:
            owned = Verifier(TrustedIssuer(wanted.issuer, audience=wanted.audience))
        gate = Gate(
            owned or _made("VERIFIER", wanted.verifier, (Verifier, AsyncVerifier)),
            sessions=_made("SESSIONS", wanted.sessions, None),
            origins=wanted.origins,
            realm=wanted.realm,
            audience=wanted.session_audience,
            session_cookie=wanted.session_cookie,
            cookie_mode="cookie_domain" if wanted.cookie_mode == "cookie_domain" else "same_host",
            token_cookie=wanted.token_cookie,
            resource_metadata=wanted.resource_metadata,
        )
    except SettingError:
        raise
    except ConfigError as error:
        raise SettingError("admit.E005", f"ADMIT: {error}") from error
    user_of = _imported("USER", wanted.user)
    if not (user_of is None or callable(user_of)):
        raise SettingError("admit.E004", "ADMIT['USER'] names something that is no function")
    return Configured(wanted, gate, user_of, owned)


def _made(key: str, given: Any, kinds: tuple[type, ...] | None) -> Any:
    """The object itself, wherever it was named or is made."""
    found = _imported(key, given)
    if isinstance(found, type) or (callable(found) and not _is_one(found, kinds)):
        try:
            found = found()
        except ConfigError:
            raise  # it says itself what is wrong
        except Exception as error:
            raise SettingError(
                "admit.E004", f"ADMIT['{key}'] could not be made: it raised {type(error).__name__}"
            ) from error
    if found is not None and not _is_one(found, kinds):
        raise SettingError("admit.E004", f"ADMIT['{key}'] neither is nor makes what {key} has to be")
    return found


def _is_one(found: object, kinds: tuple[type, ...] | None) -> bool:
    return isinstance(found, kinds) if kinds else hasattr(found, "find")


def _imported(key: str, given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return import_string(given)
    except ImportError as error:
        raise SettingError("admit.E004", f"ADMIT['{key}'] names what cannot be imported: {error}") from error


_configured: Configured | None = None


def current() -> Configured:
    """What `ADMIT` came to; made by the first call, and never again in a process.

    Raises:
        SettingError: something is wrong; its message says what.
    """
    global _configured
    if _configured is None:
        _configured = configure(getattr(settings, "ADMIT", None))
    return _configured


def forget(*, setting: str, **_: object) -> None:
    """Tests change settings (`override_settings`): the next use reads them anew."""
    global _configured
    if setting == "ADMIT":
        if _configured is not None and _configured.owned is not None:
            _configured.owned.close()
        _configured = None


setting_changed.connect(forget)
