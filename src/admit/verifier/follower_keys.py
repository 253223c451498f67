"""An issuer's metadata and keys: where they are, and how they get into the snapshot. When, the follower decides."""

import hashlib
import logging
from collections.abc import Callable, Mapping

from admit.errors import AdmitError, FetchError
from admit.fetch import Response
from admit.jose import JWKSet
from admit.verifier import keys as key_rules
from admit.verifier import metadata
from admit.verifier.counters import Following, note
from admit.verifier.holding import Holding
from admit.verifier.snapshot import KeyView
from admit.verifier.trust import TrustedIssuer

_LOG = logging.getLogger("admit.verifier")
_REDISCOVER = 3600.0
_RETRY_DISCOVERY = 60.0

# Not from a cache on the way: a key that was given up would live on in it, and a new one be missing.
_KEYS: Mapping[str, str] = {
    "accept": "application/jwk-set+json, application/json",
    "cache-control": "no-cache",
}

Get = Callable[[str, Mapping[str, str]], Response]


class IssuerKeys:
    """What is fetched of one issuer beside its revocations. Used by one thread at a time.

    `body` is the key set as it was last fetched; `error` the code of the last failure that no success has followed.
    """

    def __init__(
        self,
        holding: Holding,
        trust: TrustedIssuer,
        get: Get,
        *,
        boottime: Callable[[], float],
        counters: Following,
    ) -> None:
        self._holding = holding
        self._trust = trust
        self._get = get
        self._boottime = boottime
        self._counters = counters
        self._digest = b""
        self._endpoints: metadata.Endpoints | None = None
        self._find_again = 0.0
        self.body: bytes | None = None
        self.error: str | None = None

    def renew(self) -> bool:
        """Fetch the keys and take them; whether that went well. The old ones stay otherwise."""
        asked_at = self._boottime()
        try:
            self._take(self._fetch(asked_at), asked_at)
        except AdmitError as error:
            self._find_again = min(self._find_again, asked_at)  # the issuer may have moved its keys
            self.error = told("keys", error, self.error)
            note(self._counters.keys_failed, error.code)
            return False
        self.error = None
        self._counters.keys_fetched += 1
        return True

    def has(self, kid: str) -> bool:
        """Whether a key for tokens with this `kid` is held."""
        view = self._holding.snapshot.keys
        return (
            view is not None
            and isinstance(view.tokens, JWKSet)
            and any(key.kid == kid for key in view.tokens)
        )

    def head_url(self) -> str:
        """Where the head is.

        Raises:
            AdmitError: the metadata cannot be had, or names none.
        """
        if self._is_named:
            return f"{self._trust.issuer.rstrip('/')}/status/head"
        head = self._discovered(self._boottime()).head
        if head is None:
            raise FetchError("the issuer publishes no revocations: is it an Admit issuer?")
        return head

    def events_url(self) -> str | None:
        """Where the stream of ends is, as far as is known without asking."""
        if self._is_named:
            return f"{self._trust.issuer.rstrip('/')}/status/events"
        return None if self._endpoints is None else self._endpoints.events

    @property
    def _is_named(self) -> bool:
        """Whether keys are had without the issuer's metadata: then everything is at its usual place."""
        return isinstance(self._trust.jwks, JWKSet | str)

    def _fetch(self, boot: float) -> bytes:
        url = self._trust.jwks if isinstance(self._trust.jwks, str) else self._discovered(boot).jwks
        if url is None:
            raise FetchError("the metadata names no key set")
        response = self._get(url, _KEYS)
        if response.status != 200:
            raise FetchError("the key set was not given")
        return response.body

    def _take(self, body: bytes, asked_at: float) -> None:
        old = self._holding.snapshot
        digest = hashlib.sha256(body).digest()
        if old.keys is not None and digest == self._digest:
            view = KeyView(old.keys.tokens, old.keys.status, asked_at)
        else:
            view = key_rules.read(
                body,
                issuer=self._trust.issuer,
                rsa_alg=self._trust.rsa_alg,
                okp_alg=self._trust.okp_alg,
                algorithms=self._trust.algorithms,
                admit=self._trust.follows is not None,
                revoked=old.held.revoked_kids,
                fetched_at=asked_at,
            )
            if isinstance(view.tokens, JWKSet) and view.tokens.private_seen:
                _LOG.error(
                    "an issuer publishes private or secret keys in its key set; none of them was taken"
                )
            self._digest, self.body = digest, body
        self._holding.put_keys(view)

    def _discovered(self, boot: float) -> metadata.Endpoints:
        known = self._endpoints
        if known is not None and boot < self._find_again:
            return known
        try:
            known = self._endpoints = metadata.discover(self._get, self._trust.issuer, self._trust.metadata)
            self._find_again = boot + _REDISCOVER
        except AdmitError:
            if known is None:
                raise
            self._find_again = boot + _RETRY_DISCOVERY  # meanwhile the old places may still answer
        return known


def told(what: str, error: AdmitError, before: str | None) -> str:
    """The code of a failure; logged once until it changes."""
    if error.code != before:
        _LOG.warning("asking an issuer for %s failed: %s: %s", what, error.code, error.detail)
    return error.code
