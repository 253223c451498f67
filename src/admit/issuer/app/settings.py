"""All settings of an issuer as one frozen value, checked before the first request."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from admit.credentials.cookies import is_loopback_http
from admit.errors import ConfigError
from admit.fetch import origin_of
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.app import settings_file
from admit.issuer.app.config import (
    EgressConfig,
    LogConfig,
    MetricsConfig,
    ProxyConfig,
    ServeConfig,
    TlsConfig,
)
from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.refusals.config import RefusalsConfig
from admit.issuer.clients.config import ClientsConfig, MetadataDocumentsConfig, RegistrationConfig
from admit.issuer.clients.records import Client, Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.factors.config import FactorsConfig
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.keys.config import KeysConfig
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.outbox import MailConfig
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.service import STATUS_ALG
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.reach import check_cookie_domain
from admit.issuer.storage import StorageConfig, dialect_of
from admit.verifier.trust import ISSUER_OF_TESTS

FILE = "admit.toml"
PREFIX = "ADMIT_"
_WANTED = "issuer: want https://host[:port][/path] without slash at the end, query or fragment"
_NOT_SETTINGS = frozenset({"ADMIT_KEYS", "ADMIT_CONFIG"})
_OF_THE_DEMO = "ADMIT_DEMO_"  # they tell `make demo` where to be, and are no settings
_NAMED = re.compile(r"[a-z0-9_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An issuer's settings. Made by hand they read nothing; `Settings.load` reads files and environment.

    issuer: the issuer identifier, an https URL without query (RFC 8414 §2); http only on loopback with `dev`.
    database: `sqlite:///path` or `postgresql://…`. Empty: SQLite in `data`.
    data: the folder for what has no place of its own. Empty: the user's data folder.
    listen: `host:port` that `admit serve` listens on. Empty: the issuer's own port on loopback.
    dev: development on loopback http: cookies without `Secure`, http redirect URIs on localhost.
    name: what people know this issuer by.
    templates: a folder whose templates and `static` files go before Admit's.
    login_url: the application's own sign-in page, in the place of Admit's: a path of the issuer's host, or a URL there.
    client, resource: applications and APIs, `[[client]]` and `[[resource]]` in the file.
    """

    issuer: str
    database: str = field(default="", repr=False)
    data: str = ""
    listen: str = ""
    dev: bool = False
    name: str = "Admit"
    templates: str = ""
    login_url: str = ""
    client: tuple[Client, ...] = ()
    resource: tuple[Resource, ...] = ()
    accounts: AccountsConfig = field(default_factory=AccountsConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    factors: FactorsConfig = field(default_factory=FactorsConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)
    grants: GrantsConfig = field(default_factory=GrantsConfig)
    oauth: OAuthConfig = field(default_factory=OAuthConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    metadata_documents: MetadataDocumentsConfig = field(default_factory=MetadataDocumentsConfig)
    keys: KeysConfig = field(default_factory=KeysConfig)
    revocation: RevocationConfig = field(default_factory=RevocationConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    egress: EgressConfig = field(default_factory=EgressConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    log: LogConfig = field(default_factory=LogConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    refusals: RefusalsConfig = field(default_factory=RefusalsConfig)

    def __post_init__(self) -> None:
        check_issuer(self.issuer, dev=self.dev)
        if self.database:
            dialect_of(self.database)
        if max(self.oauth.access_token_ttl, self.oauth.id_token_ttl) > self.keys.longest_token:
            raise ConfigError("keys.longest_token must not be shorter than the tokens' lives")
        needed = {("status", STATUS_ALG), ("token", "ES256"), ("token", "RS256")}
        if not needed <= set(self.keys.algorithms):
            raise ConfigError("keys.algorithms needs token ES256, token RS256 and status ES256")
        if self.audit.kept and self.audit.kept < max(self.sessions.absolute, self.grants.refresh_absolute):
            raise ConfigError(
                "audit.kept must not be shorter than sessions.absolute and grants.refresh_absolute"
            )
        if self.mail.is_console and not self.dev:
            raise ConfigError(
                "mail.url: console: writes links to the log, which is for development; name a server"
            )
        if self.accounts.require_verified_email and not self.mail.is_on:
            raise ConfigError("accounts.require_verified_email: set mail.url, or nobody can prove an address")
        if self.login_url and not is_own_page(self.login_url, self.issuer):
            raise ConfigError("login_url: want a path such as /sign-in, or a URL on the issuer's own host")
        if self.sessions.cookie_domain is not None:
            check_cookie_domain(self.sessions.cookie_domain, self.issuer)
        if self.listen:
            split_listen(self.listen)
        if self.tls.cert and urlsplit(self.issuer).scheme != "https":
            raise ConfigError("tls: the issuer's URL says http; write it with https, or leave tls out")

    @property
    def registry(self) -> Registry:
        """Clients and resources, checked.

        Raises:
            ConfigError: one of them cannot work.
        """
        return Registry(self.client, self.resource, issuer=self.issuer, config=ClientsConfig(dev=self.dev))

    @property
    def dialled(self) -> frozenset[str]:
        """Origins that may be dialled for the operator's own clients, whatever their addresses are; with `dev` also
        those on this very machine that the clients of these settings want to be told of logouts at.
        """
        told = (client.backchannel_logout_uri or "" for client in self.client if self.dev)
        return frozenset(self.egress.allow) | {origin_of(uri) for uri in told if uri.startswith("http:")}

    @property
    def data_folder(self) -> Path:
        """Where the database and the key file lie unless they are named."""
        if self.data:
            return Path(self.data)
        base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        return Path(base) / "admit"

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.data_folder / 'admit.db'}"

    @property
    def keys_path(self) -> Path:
        """The key file's path."""
        return Path(self.keys.file) if self.keys.file else self.data_folder / "keys.json"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        if self.listen:
            return split_listen(self.listen)
        parts = urlsplit(self.issuer)
        return "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, Any] | None = None,
    ) -> "Settings":
        """Defaults, then `admit.toml`, then `ADMIT_*`, then flags; later ones win.

        `path`: the file; None takes `ADMIT_CONFIG`, else `admit.toml` in this folder if it is there. An environment
        name is `ADMIT_` and the setting in capitals, `__` between a table and its member (`ADMIT_SESSIONS__IDLE=2h`).
        `ADMIT_DEMO_*` are the demo's, and no settings.

        Raises:
            ConfigError: no such file, not TOML, or a setting that cannot work; one line.
        """
        env = os.environ if environ is None else environ
        try:
            raw = read_file(path if path is not None else env.get("ADMIT_CONFIG"))
        except ConfigError as error:
            named = path is None and "ADMIT_CONFIG" in env
            raise ConfigError(f"{error}{_told_by('ADMIT_CONFIG') if named else ''}") from None
        variables: dict[str, str] = {}
        for name, value in env.items():
            if name.startswith(PREFIX) and name not in _NOT_SETTINGS and not name.startswith(_OF_THE_DEMO):
                names = name.removeprefix(PREFIX).lower().split("__")
                put(raw, names, read_environment(value), told_as=name)
                variables[".".join(names)] = name
        if "ADMIT_KEYS" in env:
            put(raw, ["keys", "file"], env["ADMIT_KEYS"], told_as="ADMIT_KEYS")
            variables["keys.file"] = "ADMIT_KEYS"
        for name, value in (flags or {}).items():
            if value is not None:
                raw[name] = value
                variables.pop(name, None)
        if "issuer" not in raw:
            if not raw.get("dev"):
                raise ConfigError(
                    "issuer: set the URL that people reach this issuer by, name the file that has it with --config, "
                    "or start with --dev"
                )
            raw["issuer"] = "http://localhost:8410"
        try:
            settings: Settings = settings_file.build(cls, raw)
        except ConfigError as error:
            raise ConfigError(f"{error}{from_where(str(error), variables)}") from None
        return settings


def from_where(trouble: str, variables: Mapping[str, str]) -> str:
    """The variables of the environment that the setting comes from which `trouble` begins with; "" for the file's.

    They name the setting itself, or the table that it stands in, or else members of it: `ADMIT_DATABASE__URL` makes a
    table of `database`.
    """
    found = _NAMED.match(trouble)
    setting = named = found[0].rstrip(".") if found is not None else ""
    while named and named not in variables:
        named = named.rpartition(".")[0]
    if named:
        return _told_by(variables[named])
    members = [variable for name, variable in variables.items() if setting and name.startswith(f"{setting}.")]
    return _told_by(*sorted(members)) if members else ""


def _told_by(*variables: str) -> str:
    return f" (from {', '.join(variables)} in the environment)"


def read_file(path: str | os.PathLike[str] | None) -> dict[str, Any]:
    """The settings file as a dict; empty when none is named and there is no `admit.toml`."""
    named = path is not None
    target = Path(path) if path is not None else Path(FILE)
    try:
        return tomllib.loads(target.read_text("utf-8"))
    except FileNotFoundError:
        if named:
            raise ConfigError(f"settings file {target} does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {target} cannot be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"settings file {target} is not TOML: {error}") from None


def put(raw: dict[str, Any], names: list[str], value: Any, *, told_as: str) -> None:
    """A value at its place among the file's. Raises ConfigError where a table's name stands for something else."""
    *tables, last = names
    for table in tables:
        raw = raw.setdefault(table, {})
        if not isinstance(raw, dict):
            raise ConfigError(f"{told_as}: there is no such setting")
    raw[last] = value


def read_environment(text: str) -> str | int | bool | list[Any]:
    """A value of the environment: whole numbers, true and false are read as such, and a TOML list as one."""
    if text.startswith("["):
        try:
            return list(tomllib.loads(f"value = {text}")["value"])
        except tomllib.TOMLDecodeError:
            return text
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isascii() and text.isdigit() else text


def check_issuer(issuer: str, *, dev: bool) -> None:
    """RFC 8414 §2: an https URL with a host, without query and fragment; and in its one spelling.

    Raises:
        ConfigError: another form; plain http without `dev`, or elsewhere than loopback.
    """
    try:
        parts = urlsplit(issuer)
        port = parts.port
    except ValueError:  # a port that is none, brackets that do not close
        raise ConfigError(_WANTED) from None
    if not parts.hostname or "?" in issuer or "#" in issuer or "@" in parts.netloc or issuer.endswith("/"):
        raise ConfigError(_WANTED)
    if port == 0 or parts.netloc.endswith(":"):
        raise ConfigError(_WANTED)
    if issuer.startswith(ISSUER_OF_TESTS):
        raise ConfigError(
            "issuer: https://admit.invalid is that of tests, whose tokens are signed by admit.testing"
        )
    if port == {"http": 80, "https": 443}.get(parts.scheme):
        # Browsers leave it out of Host and Origin, so nothing would ever match.
        raise ConfigError("issuer: leave out the port that its scheme has anyway")
    if parts.netloc != parts.netloc.lower() or not issuer.isascii():
        raise ConfigError("issuer: write the host in lower-case ASCII")
    if parts.scheme == "http":
        if not is_loopback_http(issuer):
            raise ConfigError("issuer: plain http is for loopback only; use https")
        if not dev:
            raise ConfigError(
                "issuer: plain http on loopback is for development; start with --dev, "
                "or say dev = true (dev=True in Settings), or use https"
            )
    elif parts.scheme != "https":
        raise ConfigError("issuer: want an https URL")
    elif dev:
        raise ConfigError("dev: is for http on loopback; an https issuer has neither --dev nor dev = true")


def is_own_page(url: str, issuer: str) -> bool:
    """Whether a page is where the issuer is: an own sign-in page elsewhere would be handed what is to be kept here."""
    base = "{0.scheme}://{0.netloc}".format(urlsplit(issuer))
    path = url.removeprefix(base)
    plain = path.isascii() and path.isprintable() and not any(char in path for char in " \\#")
    return plain and path.startswith("/") and not path.startswith("//")


def split_listen(text: str) -> tuple[str, int]:
    """`host:port` taken apart."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigError("listen: want host:port, such as 127.0.0.1:8410")
    return host.strip("[]"), int(port)
