"""Which pages' scripts may read an answer: a verdict from the Fetch standard's CORS protocol, never a reflection."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

MAX_AGE = timedelta(hours=1)
EXPOSED = ("DPoP-Nonce", "WWW-Authenticate")
ALLOWED_HEADERS = ("Authorization", "Content-Type", "DPoP", "X-CSRF-Token", "X-Requested-With")
"""What pages may send. Swagger UI puts `X-Requested-With` on its token requests; nothing here is decided by it."""


class CorsPolicy(Enum):
    """Who may read a route's answers from a page of another origin."""

    NOBODY = "nobody"
    """Pages and `/authorize`: no CORS header, whoever asks."""
    EVERYBODY = "everybody"
    """Metadata and key sets: public, and never with cookies."""
    EVERYBODY_WHO_ASKS = "everybody_who_asks"
    """The same, told only to pages: for a `no-store` answer that programs ask for all the time."""
    REGISTERED = "registered"
    """Token endpoints: the origins of registered redirect URIs, without cookies."""
    REGISTERED_WITH_COOKIES = "registered_with_cookies"
    """Session routes: the same origins, cookies let through; the CSRF rule still decides."""


@dataclass(frozen=True, slots=True)
class CorsVerdict:
    """The headers to add. `preflight`: the request only asks, so answer it 204 with these and nothing else."""

    headers: tuple[tuple[str, str], ...]
    preflight: bool
    allowed: bool


_BY_ORIGIN = frozenset({CorsPolicy.REGISTERED, CorsPolicy.REGISTERED_WITH_COOKIES})
_VARY = (("Vary", "Origin"),)
_NO_ORIGIN = CorsVerdict(_VARY, preflight=False, allowed=False)


def verdict(
    headers: Sequence[tuple[bytes, bytes]],
    method: str,
    *,
    policy: CorsPolicy,
    origins: Collection[str] = (),
    methods: Sequence[str] = ("GET", "POST"),
    exposed: Sequence[str] = EXPOSED,
) -> CorsVerdict:
    """Judge one request. `origins` are the registered ones, as browsers write them; `methods` those of the route.

    `null` (sandboxed frames, files) is nobody's origin and is refused; `*` never stands with cookies.
    """
    sent = [value for name, value in headers if name == b"origin"]
    if not sent and method != "OPTIONS" and policy in _BY_ORIGIN:
        return _NO_ORIGIN  # the hot path
    preflight = method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in headers)
    if policy is CorsPolicy.NOBODY:
        return CorsVerdict((), preflight, allowed=False)
    if policy is CorsPolicy.EVERYBODY_WHO_ASKS and not sent:
        return CorsVerdict((), preflight, allowed=False)
    if policy in (CorsPolicy.EVERYBODY, CorsPolicy.EVERYBODY_WHO_ASKS):
        return CorsVerdict(_granted("*", policy, preflight, methods, exposed), preflight, allowed=bool(sent))
    origin = sent[0].decode("latin-1") if len(sent) == 1 else "null"
    if not is_registered(origin, origins):
        return CorsVerdict(_VARY, preflight, allowed=False)
    return CorsVerdict(_granted(origin, policy, preflight, methods, exposed) + _VARY, preflight, allowed=True)


def is_registered(origin: str, origins: Collection[str]) -> bool:
    """Whether the origin is one of these, letter by letter. `null` is never one."""
    return origin != "null" and origin in origins


def _granted(
    origin: str, policy: CorsPolicy, preflight: bool, methods: Sequence[str], exposed: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    found = [("Access-Control-Allow-Origin", origin)]
    if policy is CorsPolicy.REGISTERED_WITH_COOKIES:
        found.append(("Access-Control-Allow-Credentials", "true"))
    if preflight:
        found.append(("Access-Control-Allow-Methods", ", ".join(methods)))
        found.append(("Access-Control-Allow-Headers", ", ".join(ALLOWED_HEADERS)))
        found.append(("Access-Control-Max-Age", str(int(MAX_AGE.total_seconds()))))
    elif exposed:
        found.append(("Access-Control-Expose-Headers", ", ".join(exposed)))
    return tuple(found)
