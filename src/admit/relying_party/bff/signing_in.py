"""Signing in: the browser leaves for the provider, and comes back with an answer that only it can redeem."""

import hashlib
import os
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from admit.client.exchange import Talk, do
from admit.credentials import cookies
from admit.errors import AdmitError, UnavailableError
from admit.relying_party import answer as answers
from admit.relying_party import sealing, sign_in, transaction
from admit.relying_party.bff import http
from admit.relying_party.bff.context import Context, fields_of, form_of
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.errors import SignInError, TransactionError
from admit.relying_party.store import StoredTransaction

_PURPOSE: Final = b"transaction"
_BROWSER_LIFE: Final = timedelta(hours=1)


class SigningIn:
    """`/login` and `/callback`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def login(self, request: Request) -> Talk[Answer]:
        config, now = self._context.config, self._context.config.clock()
        asked = fields_of(request.query)
        name = asked.get("provider", [config.providers[0].name])[0]
        provider = self._context.providers.get(name)
        if provider is None:
            raise SignInError("no such provider")
        metadata = yield from provider.client.server.metadata()
        begun = transaction.begin(
            provider,
            redirect_uri=config.callback_url(name),
            return_to=asked.get("next", [config.after_login])[0],
            now=now,
        )
        location = transaction.authorization_url(provider, metadata, begun)
        raw = self._context.browser(request) or os.urandom(32)
        secret = bound_to(raw)
        stored = StoredTransaction(
            state=hashlib.sha256(begun.state.encode()).digest(),
            browser=hashlib.sha256(secret).digest(),
            sealed=sealing.seal(transaction.dump(begun), secret, _PURPOSE),
            form_post=begun.form_post,
            expires_at=now + transaction.LIFETIME,
        )
        if not (yield from do(lambda: self._context.store.begin(stored, now))):
            raise UnavailableError("as many sign-ins are under way as may be")
        cookie = cookies.set_cookie(
            config.browser_cookie, cookies.encode_session_id(raw), max_age=_BROWSER_LIFE
        )
        return http.see_other(location, ("set-cookie", cookie))

    def callback(self, request: Request, name: str) -> Talk[Answer]:
        provider = self._context.providers.get(name)
        if provider is None:
            raise SignInError("no such provider")
        posted = request.method == "POST"
        text = form_of(request) if posted else request.query
        answer = answers.read(text)
        raw = self._context.browser(request)
        if posted and raw is None:
            return (yield from self._held(answer, name, text))
        begun, held = yield from self._spent(answer.state, raw)
        if held is not None:
            if set(answer.parameters) != {"state"}:
                raise TransactionError("an answer was held, and another one came")
            answer, posted = answers.read(held.decode()), True
        answers.check_transaction(begun, provider, posted=posted, now=self._context.config.clock())
        identity, found, issued_at = yield from sign_in.finish(
            provider, self._context.keys[name], begun, answer
        )
        yield from self._end_former(request)
        fresh = yield from self._context.sessions.begin(provider, identity, found, issued_at)
        return http.see_other(begun.return_to, ("set-cookie", self._context.session_cookie(fresh)))

    def _held(self, answer: answers.Answer, name: str, text: str) -> Talk[Answer]:
        """A posted answer comes from another site, so without the Lax cookie; a GET of our own brings it.

        The answer waits at its transaction, and only the browser that began that gets at it.
        """
        state, now = answer.state or "", self._context.config.clock()
        key = hashlib.sha256(state.encode()).digest()
        if not (yield from do(lambda: self._context.store.hold(key, text.encode(), now))):
            raise TransactionError("no sign-in under way takes this posted answer")
        return http.see_other(f"{self._context.config.callback_url(name)}?{urlencode({'state': state})}")

    def _spent(
        self, state: str | None, raw: bytes | None
    ) -> Talk[tuple[transaction.Transaction, bytes | None]]:
        """The transaction of this state, once, and only for the browser that began it.

        Raises:
            TransactionError: it is another browser's, over, or spent.
        """
        if not state:
            raise TransactionError("state is missing")
        secret, now = bound_to(raw), self._context.config.clock()
        key, browser = hashlib.sha256(state.encode()).digest(), hashlib.sha256(secret).digest()
        found = yield from do(lambda: self._context.store.spend(key, browser, now))
        if found is None:
            raise TransactionError("no sign-in of this browser is under way with this state")
        octets = sealing.unseal(found[0], secret, _PURPOSE)
        if octets is None:
            raise TransactionError("the transaction does not open with this browser's cookie")
        return transaction.load(octets), found[1]

    def _end_former(self, request: Request) -> Talk[None]:
        try:
            former = self._context.raw_session(request)
        except AdmitError:
            return
        if former is not None:
            yield from self._context.sessions.end(former)


def bound_to(raw: bytes | None) -> bytes:
    """What a transaction is found and opened with beside its state: the cookie of the browser that began it.

    Raises:
        TransactionError: there is no such cookie.
    """
    if raw is None:
        raise TransactionError("the browser's cookie is missing")
    return raw
