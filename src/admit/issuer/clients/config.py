"""Settings of clients."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsConfig:
    """How strictly clients and resources from the settings are read.

    `dev`: take exact `http://localhost:PORT/…` redirect URIs of web clients and http resource ids on loopback, as
    `--dev` allows. Everywhere else they are a ConfigError.
    """

    dev: bool = False
