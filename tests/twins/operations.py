"""Twins of the defences around serving: proxies, paths, framing, logs, refusals, the probe."""

import posixpath
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote


def _everybody(address: str, trusted: Sequence[Any]) -> bool:
    return True


def _left_most(addresses: Sequence[str], trusted: Sequence[Any]) -> int | None:
    return 0 if addresses else None


def _as_a_proxy_reads_it(scope: Any) -> str | None:
    """Decoded, without parameters, dot segments and doubled slashes."""
    segments = [part.partition(";")[0] for part in unquote(scope["path"]).replace("\\", "/").split("/")]
    return "/" + posixpath.normpath("/".join(segments)).strip("/")


def _whatever(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """However the end of a request is told."""


def _as_it_is(text: str) -> str:
    return text


def _any_target(target: bytes, headers: Any) -> None:
    """Whatever it names."""


def _no_trailers(in_head: bool) -> bool:
    return False


def _always(waiting: int, most: int) -> bool:
    return True


def _any_question(keyring: Any, text: str, *, now: float) -> str | None:
    return "n" * 32


def _any_issuer(issuer: str, *, dev: bool) -> None:
    """Whatever it is."""


TWINS: dict[str, Any] = {
    "admit.issuer.app.config:check_narrow": lambda trusted: None,
    "admit.issuer.app.proxy:is_trusted": _everybody,
    "admit.issuer.app.proxy:nearest_untrusted": _left_most,
    "admit.issuer.app.dispatch:path_of": _as_a_proxy_reads_it,
    "admit.issuer.app.probe:nonce_of": _any_question,
    "admit.cli.http:check_framing": _whatever,
    "admit.cli.http:check_target": _any_target,
    "admit.cli.http:is_trailer": _no_trailers,
    "admit.issuer.app.settings:check_issuer": _any_issuer,
    "admit.cli.logs:one_line": _as_it_is,
    "admit.issuer.audit.redaction:redacted": _as_it_is,
    "admit.issuer.audit.refusals.ring:has_room": _always,
}
