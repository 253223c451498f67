"""Signing in: the browser leaves for the provider, and comes back with an answer that only it can redeem."""

from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from admit.client.exchange import Talk, do
from admit.credentials import cookies
from admit.errors import AdmitError
from admit.relying_party import answer as answers
from admit.relying_party import sign_in, transaction
from admit.relying_party.bff import http, under_way
from admit.relying_party.bff.context import Context, fields_of, form_of
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.errors import SignInError, TransactionError

_TOLD: Final = frozenset({"code", "state", "iss", "error"})


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
        secret = yield from do(self._context.store.secret)
        before = under_way.kept(request.all(b"cookie"), config.browser_cookie)
        value = under_way.added(before, under_way.sealed(begun, secret))
        return http.see_other(location, ("set-cookie", _for_a_while(config.browser_cookie, value)))

    def callback(self, request: Request, name: str) -> Talk[Answer]:
        config, now = self._context.config, self._context.config.clock()
        provider = self._context.providers.get(name)
        if provider is None:
            raise SignInError("no such provider")
        posted, takes_posted = request.method == "POST", provider.response_mode == "form_post"
        answer = answers.read(form_of(request) if posted else request.query)
        state = answer.state
        if not state:
            raise TransactionError("state is missing")
        secret = yield from do(self._context.store.secret)
        parts = under_way.kept(request.all(b"cookie"), config.browser_cookie)
        if posted and takes_posted and not parts:
            return self._held(answer, state, name, secret)
        begun = under_way.opened(parts, state, secret)
        if takes_posted and set(answer.parameters) == {"state"}:
            text = under_way.opened_answer(request.all(b"cookie"), config.answer_cookie, state, secret)
            answer, posted = answers.read(text), True
        answers.check_transaction(begun, provider, posted=posted, now=now)
        until = begun.started_at + transaction.LIFETIME
        if not (
            yield from do(lambda: self._context.store.spend_once(under_way.spent_name(state), now, until))
        ):
            raise TransactionError("this sign-in came back before")
        identity, found, issued_at = yield from sign_in.finish(
            provider, self._context.keys[name], begun, answer
        )
        yield from self._end_former(request)
        fresh = yield from self._context.sessions.begin(provider, identity, found, issued_at)
        return http.see_other(begun.return_to, ("set-cookie", self._context.session_cookie(fresh)))

    def _held(self, answer: answers.Answer, state: str, name: str, secret: bytes) -> Answer:
        """A posted answer comes from another site, so without the Lax cookies; a GET of our own brings them.

        The answer waits in the browser that posted it, and does nothing without the sign-in that it began.
        """
        config = self._context.config
        told = {key: value for key, value in answer.parameters.items() if key in _TOLD}
        value = under_way.sealed_answer(urlencode(told), state, secret)
        location = f"{config.callback_url(name)}?{urlencode({'state': state})}"
        return http.see_other(location, ("set-cookie", _for_a_while(config.answer_cookie, value)))

    def _end_former(self, request: Request) -> Talk[None]:
        try:
            former = self._context.raw_session(request)
        except AdmitError:
            return
        if former is not None:
            yield from self._context.sessions.end(former)


def _for_a_while(name: str, value: str) -> str:
    return cookies.set_cookie(name, value, max_age=timedelta(seconds=transaction.LIFETIME))
