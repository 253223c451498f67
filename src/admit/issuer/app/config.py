"""Settings of serving: stopping, TLS, proxies in front, what may be dialled, metrics, logs."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, TypeAlias

from admit.errors import ConfigError, FetchError
from admit.fetch import origin_of

Network: TypeAlias = IPv4Network | IPv6Network
_NARROWEST = {4: 8, 6: 7}
"""Bits of the widest networks that are one owner's: 10.0.0.0/8 and fc00::/7, RFC 1918 §3, RFC 4193 §3.1."""
ForwardedBy: TypeAlias = Literal["x-forwarded-for", "forwarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Connections of `admit serve`, and how it ends. None of it holds for an issuer inside another application.

    keep_alive: how long a connection without a request is kept. Longer than the proxy in front keeps it (nginx and most
        load balancers: 60s), so that the proxy closes it; who closes first may meet a request that is on its way.
    connections: how many are held at once; fewer where the system allows the process fewer descriptors. For one more,
        the one that has waited for longest without a whole request is closed.

    stop_within: seconds after SIGTERM in which begun requests are finished; what lasts longer is cut off.
    announce: how long after SIGTERM new connections are still taken while `/health/ready` says 503 already. As long as
        the load balancer in front needs to notice; 0s where there is none.
    """

    keep_alive: timedelta = timedelta(seconds=75)
    connections: int = 10_000
    stop_within: timedelta = timedelta(seconds=10)
    announce: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.keep_alive <= timedelta(hours=1):
            raise ConfigError("serve.keep_alive must be from 1s to 1h")
        if self.connections < 16:
            raise ConfigError("serve.connections must be at least 16")
        if not timedelta(0) < self.stop_within <= timedelta(minutes=10):
            raise ConfigError("serve.stop_within must be from 1s to 10m")
        if not timedelta(0) <= self.announce <= timedelta(minutes=5):
            raise ConfigError("serve.announce must be from 0s to 5m")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """A certificate that `admit serve` serves https with itself. Empty: plain http, for a proxy that ends TLS.

    cert: PEM file with the certificate and the intermediate ones after it.
    key: PEM file with its private key, for the owner's eyes only.
    """

    cert: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise ConfigError("tls: cert and key belong together; set both, or none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """Which peers may say whom they speak for. Everybody else's forwarding headers are ignored.

    trusted: addresses or networks of the proxies in front, such as `["127.0.0.1", "10.0.3.0/24"]`. None by default; a
        network that is a part of the internet is refused, since anybody in it chooses the address that he is known by.
    header: the one header that those proxies write themselves. The other one is never read, since a proxy that does not
        know it passes on what a stranger wrote.
    """

    trusted: tuple[str, ...] = ()
    header: ForwardedBy = "x-forwarded-for"

    def __post_init__(self) -> None:
        check_narrow(networks(self.trusted))


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressConfig:
    """What this issuer may dial: clients' key sets, metadata documents and back-channel logout addresses. Without more
    said that is https on public addresses.

    allow: origins such as `https://rp.internal:8443` whose addresses are not judged; plain http is taken for those on
        loopback. For clients of the settings and those that an operator added. None by default.
    allow_strangers: the same for what describes itself: metadata documents, and the addresses that registered clients
        and such documents name. None by default; whoever may register can have each of them called.
    ca_file: certificates of authorities to trust besides the system's (default none).
    """

    allow: tuple[str, ...] = ()
    allow_strangers: tuple[str, ...] = ()
    ca_file: str = ""

    def __post_init__(self) -> None:
        for name in ("allow", "allow_strangers"):
            for origin in getattr(self, name):
                try:
                    origin_of(origin)
                except FetchError:
                    raise ConfigError(
                        f"egress.{name}: want origins, such as https://rp.internal:8443"
                    ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Numbers for Prometheus, and `/health/…` again, on a listener of their own.

    listen: `host:port`, or a port alone, which is on loopback. Empty: there is no such listener. Whoever reaches it
        may read it: no user's data is there, but how busy the issuer is.
    """

    listen: str = ""

    def __post_init__(self) -> None:
        if self.listen:
            check_listener(self.listen)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return check_listener(self.listen)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What a running issuer writes on standard error.

    access: one line for each answer: route, status, duration, address, id.
    format: `json`, `text`, or `auto`, which is text on a terminal and JSON elsewhere.
    level: the least grave lines that are written: `info`, `warning` or `error`. Refusals of strangers are `info`.
    """

    access: bool = False
    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["info", "warning", "error"] = "info"


@cache
def networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks that are named. Raises ConfigError."""
    try:
        return tuple(ip_network(one) for one in trusted)
    except ValueError:
        raise ConfigError(
            "proxy.trusted: want addresses or networks, such as 10.0.3.7 or 10.0.3.0/24 without bits beside the prefix"
        ) from None


def check_narrow(trusted: tuple[Network, ...]) -> None:
    """Refuse networks that are no one owner's. Raises ConfigError."""
    for network in trusted:
        if network.prefixlen < _NARROWEST[network.version]:
            raise ConfigError(
                f"proxy.trusted: {network} is a part of the internet, and anybody in it would choose the address that"
                " throttling, the audit and the logs go by; name the addresses of your proxies"
            )


def check_listener(listen: str) -> tuple[str, int]:
    """Host and port of `metrics.listen`; loopback where it names no host.

    Raises:
        ConfigError: not a port, nor `host:port`.
    """
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigError("metrics.listen: want a port, or host:port such as 127.0.0.1:9410")
    return host.strip("[]") or "127.0.0.1", int(port)
