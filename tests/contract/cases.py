"""What every guard does, whatever the framework and however the principal is carried: contracts §2 and §4.

The list that `test_integrations` runs by each integration, with a guard for tokens only and with one that takes
sessions too. `docs/integrations.md` has its rows.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from admit.credentials import cookies, csrf
from admit.principal import ByReference
from tests.contract.case import GOOD, NOTHING, Carrier, Case, Framework, In, Out, Stranger, nothing
from tests.contract.services import (
    ACR_2FA,
    COOKIE,
    OTHER_KEY,
    PAGES,
    STRANGE_ISSUER,
    TOKEN_COOKIE,
    Headers,
    Issuer,
    by_session,
    by_token,
    by_token_cookie,
)

UNAUTHORIZED = Out(401, "unauthorized", "")
INVALID_TOKEN = Out(
    401, "invalid_token", 'error="invalid_token", error_description="The access token is not valid."'
)
EXPIRED = Out(401, "invalid_token", 'error="invalid_token", error_description="The access token expired."')
REVOKED = Out(
    401, "invalid_token", 'error="invalid_token", error_description="The access token was revoked."'
)
INVALID_SESSION = Out(401, "invalid_session", "")
TWO_PLACES = Out(
    400,
    "invalid_request",
    'error="invalid_request", error_description="The request\'s credentials are malformed."',
)
FORGED = Out(403, "csrf_failed")
FORGED_SINCE = Out(403, "csrf_failed", looked_up=True)
UNAUTHORIZED_FOR_SCOPE = Out(401, "unauthorized", 'scope="orders:read"')
MISSING = 'error="insufficient_scope", error_description="You may not do this."'
STEP_UP = (
    'error="insufficient_user_authentication",'
    ' error_description="Sign in again for this, in the way that is asked."'
)
NO_SCOPE = Out(403, "insufficient_scope", f'{MISSING}, scope="orders:read"')


def bearer(value: bytes) -> Headers:
    return [(b"authorization", value)]


def cookie(value: str) -> Headers:
    return [(b"cookie", value.encode("latin-1"))]


def spelt(form: bytes) -> Carrier:
    """The token in an Authorization header of this form."""
    return lambda issuer: bearer(form % issuer.token().encode())


def token_with(**changed: Any) -> Carrier:
    return lambda issuer: bearer(b"Bearer " + issuer.token(**changed).encode())


def strangers_token(issuer: Issuer) -> Headers:
    """Signed by a key that is not the issuer's, under the name of one that is."""
    return bearer(b"Bearer " + issuer.token(key=OTHER_KEY).encode())


def expired_session(issuer: Issuer) -> Headers:
    issuer.session_life = -1
    return by_session(issuer)


def foreign_session(issuer: Issuer) -> Headers:
    issuer.session_of = STRANGE_ISSUER
    return by_session(issuer)


def forgotten_session(issuer: Issuer) -> Headers:
    return cookie(f"{COOKIE}={cookies.encode_session_id(bytes(32))}")


def malformed_session(issuer: Issuer) -> Headers:
    return cookie(f"{COOKIE}=canary-7f3a")


def doubled_session(issuer: Issuer) -> Headers:
    value = by_session(issuer)[0][1].decode()
    return cookie(f"{value}; {value}")


def ours(issuer: Issuer) -> Headers:
    """What our own pages send along."""
    return [(b"origin", PAGES.encode()), (b"x-csrf-token", csrf.token(issuer.raw).encode())]


def among_others(issuer: Issuer) -> Headers:
    return cookie(f"theme=dark; {by_session(issuer)[0][1].decode()}; a=b=c; empty=")


def in_two_lines(issuer: Issuer) -> Headers:
    """As HTTP/2 may carry cookies, RFC 9113 §8.2.3."""
    return [*cookie("theme=dark"), *by_session(issuer)]


def with_csrf(*more: tuple[bytes, bytes]) -> Carrier:
    return lambda issuer: [(b"x-csrf-token", csrf.token(issuer.raw).encode()), *more]


def token_cookie_from(*pages: tuple[bytes, bytes]) -> Carrier:
    """A token cookie with the CSRF token that is derived from it, sent by such a page."""

    def carried(issuer: Issuer) -> Headers:
        (sent,) = by_token_cookie(issuer)
        token = sent[1].decode().partition("=")[2]
        return [sent, (b"x-csrf-token", csrf.token(token.encode()).encode()), *pages]

    return carried


BOTH = {"session": lambda issuer: by_session(issuer) + by_token(issuer)}
ONLY_SESSIONS = "a token-only guard reads no cookie"
ONLY_TOKENS = "a session has none"
BY_COOKIE = {"token": by_token_cookie}
WITH_COOKIE = {"token_cookie": TOKEN_COOKIE}
NO_SCHEME = "a cookie has no scheme"
IN_HEADER = "a cookie is another header"
UNASKED = "no browser adds a token unasked"
ONLY_COOKIE = "a token cookie is a token"
NO_COOKIE = "a token is in no cookie"
NO_ORIGINS: Mapping[str, Any] = {"origins": None}
HERE = (b"origin", b"https://api.example.com")
EVIL = (b"origin", b"https://evil.example")

IN_QUERY = {"token": nothing}
LINKS = ("/any", "/change", "/socket")
ONLY_URL = "a session never stands in a URL"


def token_in_query(issuer: Issuer) -> str:
    return f"access_token={issuer.token()}"


CASES = (
    # Who is let in.
    Case("good", "any principal", "/any", In()),
    Case("good", "a scope", "/read", In()),
    Case("good", "a scope and a role", "/admin", In()),
    Case("good", "a group", "/staff", In()),
    Case("good", "an open route", "/open", In()),
    Case("good", "the scheme in any case", "/any", In(), by={"token": spelt(b"bEaReR %s")}, why=NO_SCHEME),
    Case("good", "among other cookies", "/any", In(), by={"session": among_others}, why=NO_COOKIE),
    Case("good", "cookies in two lines", "/any", In(), by={"session": in_two_lines}, needs="cookie lines",
         why=NO_COOKIE),
    # Who is not there.
    Case("absent", "no credential", "/any", UNAUTHORIZED, by=NOTHING, marks=(pytest.mark.rfc("6750", "3.1"),)),
    Case("absent", "no credential, a scope", "/read", UNAUTHORIZED_FOR_SCOPE, by=NOTHING),
    Case("absent", "an open route", "/open", Stranger(), by=NOTHING),
    Case("absent", "a form is no credential", "/change", UNAUTHORIZED, method="POST", by=NOTHING),
    Case("absent", "another cookie", "/any", UNAUTHORIZED, by=NOTHING, also=cookie("theme=dark")),
    # What is no credential.
    Case("malformed", "junk", "/any", {"token": INVALID_TOKEN, "session": INVALID_SESSION},
         marks=(pytest.mark.rfc("6750", "3.1"),),
         by={"token": lambda _: bearer(b"Bearer canary-7f3a.canary-7f3a.canary-7f3a"), "session": malformed_session}),
    Case("malformed", "junk at an open route", "/open", {"token": INVALID_TOKEN, "session": INVALID_SESSION},
         by={"token": lambda _: bearer(b"Bearer canary-7f3a.x"), "session": malformed_session}),
    Case("malformed", "twice", "/any", {"token": INVALID_TOKEN, "session": INVALID_SESSION},
         by={"token": lambda issuer: by_token(issuer) * 2, "session": doubled_session}),
    Case("malformed", "another scheme", "/any", UNAUTHORIZED,
         by={mode: lambda _: bearer(b"Basic dTpw") for mode in GOOD}),
    Case("malformed", "another scheme at an open route", "/open", UNAUTHORIZED,
         by={mode: lambda _: bearer(b"Basic dTpw") for mode in GOOD}),
    Case("malformed", "a tab", "/any", INVALID_TOKEN, by={"token": spelt(b"Bearer\t%s")}, why=NO_SCHEME,
         marks=(pytest.mark.threat("WEB-method", off="admit.credentials.authorization:check_syntax"),)),
    Case("malformed", "two spaces", "/any", INVALID_TOKEN, by={"token": spelt(b"Bearer  %s")}, why=NO_SCHEME),
    Case("malformed", "no ASCII", "/any", INVALID_TOKEN, by={"token": spelt(b"Bearer %s\xff")}, why=NO_SCHEME),
    # What was good once, or elsewhere.
    Case("expired", "its time is over", "/any", {"token": EXPIRED, "session": INVALID_SESSION},
         by={"token": token_with(iat=1_000_000.0, exp=1_000_300.0), "session": expired_session}),
    Case("wrong audience", "for another API", "/any", INVALID_TOKEN,
         by={"token": token_with(audience="https://other.example")},
         why="a session is looked up for this API's audience; it has none of its own"),
    Case("wrong issuer", "of one that is not trusted", "/any", {"token": INVALID_TOKEN, "session": INVALID_SESSION},
         by={"token": token_with(issuer=STRANGE_ISSUER), "session": foreign_session}),
    Case("wrong issuer", "signed by a stranger's key", "/any", INVALID_TOKEN, by={"token": strangers_token},
         why=ONLY_TOKENS),
    Case("wrong issuer", "a session that nobody knows", "/any", INVALID_SESSION, by={"session": forgotten_session},
         why="every token that is signed is known"),
    Case("revoked", "after it was let in", "/any", {"token": REVOKED, "session": INVALID_SESSION}, then=Issuer.end),
    Case("revoked", "at an open route", "/open", {"token": REVOKED, "session": INVALID_SESSION}, then=Issuer.end),
    Case("stale", "the issuer is gone", "/any",
         {"token": Out(503, "revocation_stale"), "session": Out(503, "lookup_unavailable")}, then=Issuer.fail),
    Case("stale", "at an open route", "/open",
         {"token": Out(503, "revocation_stale"), "session": Out(503, "lookup_unavailable")}, then=Issuer.fail),
    # What is missing.
    Case("missing scope", "none", "/read", NO_SCOPE,
         having={"scopes": frozenset()},
         marks=(pytest.mark.rfc("6750", "3.1"),
                pytest.mark.threat("6819-4.1.3", off="admit.verifier.policy:check_scopes"))),
    Case("missing scope", "a longer name", "/read", NO_SCOPE,
         having={"scopes": frozenset({"orders:readonly"})}),
    Case("missing scope", "not asked", "/any", In(), having={"scopes": frozenset()}),
    Case("role", "another", "/admin", NO_SCOPE,
         having={"roles": frozenset({"administrator"})}),
    Case("role", "without the scope", "/admin", NO_SCOPE,
         having={"scopes": frozenset()}),
    Case("group", "another", "/staff", Out(403, "insufficient_scope", MISSING),
         having={"groups": frozenset({"stafff"})}),
    Case("group by reference", "asked", "/staff", Out(503, "groups_unavailable"),
         having={"groups": ByReference("https://id.example.com/userinfo")}),
    Case("group by reference", "not asked", "/read", In(),
         having={"groups": ByReference("https://id.example.com/userinfo")}),
    # What sign-in it was, RFC 9470.
    Case("step-up", "too long ago", "/fresh", Out(401, "insufficient_user_authentication", f'{STEP_UP}, max_age="60"'),
         marks=(pytest.mark.rfc("9470", "3"),)),
    Case("step-up", "a moment ago", "/fresh", In(), having={"signed_in": 30}),
    Case("step-up", "another class", "/strong", marks=(pytest.mark.rfc("9470", "3"),),
         answer=Out(401, "insufficient_user_authentication", f'{STEP_UP}, acr_values="{ACR_2FA}"')),
    Case("step-up", "the class", "/strong", In(), having={"acr": ACR_2FA}),
    # Who made the request.
    Case("CSRF", "our page", "/change", In(), method="POST", also=ours),
    Case("CSRF", "no browser", "/change", {"token": In(), "session": FORGED}, method="POST"),
    Case("CSRF", "no token", "/change", {"token": In(), "session": FORGED}, method="POST",
         also=[(b"origin", PAGES.encode())]),
    Case("CSRF", "the token alone", "/change", In(), method="POST", also=with_csrf()),
    Case("CSRF", "another session's token", "/change", FORGED, method="POST",
         by={"session": by_session}, also=[(b"x-csrf-token", csrf.token(bytes(32)).encode())],
         why="a token needs none",
         marks=(pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token"),)),
    Case("CSRF", "another site", "/change", FORGED, method="POST",
         by={"session": by_session}, also=with_csrf(EVIL), why=UNASKED,
         marks=(pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_origin"),)),
    Case("CSRF", "no origin", "/change", FORGED, method="POST",
         by={"session": by_session}, also=with_csrf((b"origin", b"null")), why=UNASKED),
    Case("CSRF", "another site, told otherwise", "/change", FORGED, method="POST",
         by={"session": by_session}, also=with_csrf((b"sec-fetch-site", b"cross-site")), why=UNASKED),
    Case("CSRF", "a page of this very origin, where none are named", "/change", In(), method="POST", options=NO_ORIGINS,
         by={"session": by_session}, also=with_csrf(HERE, (b"sec-fetch-site", b"same-origin")), why=UNASKED),
    Case("CSRF", "a page of a neighbour, where none are named", "/change", FORGED, method="POST", options=NO_ORIGINS,
         by={"session": by_session}, also=with_csrf((b"origin", PAGES.encode()), (b"sec-fetch-site", b"same-site")),
         why=UNASKED, marks=(pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_origin"),)),
    Case("CSRF", "another site and a header", "/change", In(), method="POST", by={"token": by_token}, also=[EVIL],
         why=UNASKED),
    Case("CSRF", "a method that was changed after the first guard", "/changed",
         FORGED_SINCE, also=[(b"x-method", b"POST")], by={"session": by_session}, why="a token needs none",
         marks=(pytest.mark.threat("WEB-csrf", off="admit.integrations.gate:still_holds"),)),
    Case("CSRF", "a method that was changed, by no browser", "/changed", In(), by={"token": by_token},
         also=[(b"x-method", b"POST")], why=UNASKED),
    Case("CSRF", "a method that was changed, by our page", "/changed", In(),
         also=with_csrf((b"x-method", b"POST"))),
    # A token in a cookie.
    Case("token cookie", "read", "/read", In(), by=BY_COOKIE, options=WITH_COOKIE, why=ONLY_COOKIE),
    Case("token cookie", "not where it is not taken", "/read", UNAUTHORIZED_FOR_SCOPE, by=BY_COOKIE,
         why=ONLY_COOKIE),
    Case("token cookie", "our page", "/change", In(), method="POST", options=WITH_COOKIE, why=ONLY_COOKIE,
         by={"token": token_cookie_from((b"origin", PAGES.encode()))}),
    Case("token cookie", "no CSRF token", "/change", FORGED, method="POST", by=BY_COOKIE, options=WITH_COOKIE,
         also=[(b"origin", PAGES.encode())], why=ONLY_COOKIE,
         marks=(pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token"),)),
    Case("token cookie", "another site", "/change", FORGED, method="POST", options=WITH_COOKIE, why=ONLY_COOKIE,
         by={"token": token_cookie_from(EVIL)}),
    Case("token cookie", "a method that was changed after the first guard", "/changed", FORGED, by=BY_COOKIE,
         options=WITH_COOKIE, also=[(b"x-method", b"DELETE")], why=ONLY_COOKIE,
         marks=(pytest.mark.threat("WEB-csrf", off="admit.integrations.gate:still_holds"),)),
    Case("token cookie", "revoked", "/any", REVOKED, by=BY_COOKIE, options=WITH_COOKIE, then=Issuer.end,
         why=ONLY_COOKIE),
    Case("token cookie", "over its budget", "/any", Out(431, "invalid_request"), by={"token": nothing},
         options=WITH_COOKIE,
         also=cookie(f"{TOKEN_COOKIE}={'a' * 4_096}"), why=ONLY_COOKIE),
    # Two at once.
    Case("two credentials", "the header decides", "/any", In("token"), by=BOTH, why=ONLY_SESSIONS),
    Case("two credentials", "the header decides though it is bad", "/any", INVALID_TOKEN, why=ONLY_SESSIONS,
         by={"session": lambda issuer: by_session(issuer) + bearer(b"Bearer canary-7f3a.x")}),
    Case("two credentials", "the header decides, with no check of forgery", "/change", In("token"),
         method="POST", by=BOTH,
         also=[EVIL], why=ONLY_SESSIONS),
    Case("two credentials", "the header decides over a token cookie", "/any", INVALID_TOKEN, options=WITH_COOKIE,
         by={"token": lambda issuer: by_token_cookie(issuer) + bearer(b"Bearer canary-7f3a.x")}, why=ONLY_COOKIE),
    Case("two credentials", "one in the query", "/any?access_token=canary-7f3a", TWO_PLACES,
         marks=(pytest.mark.rfc("6750", "2"),)),
    Case("two credentials", "in the query alone", "/any?access_token=canary-7f3a", TWO_PLACES, by=NOTHING),
    Case("two credentials", "another one than the first guard saw", "/changed", INVALID_TOKEN,
         also=[(b"x-caller", b"Bearer canary-7f3a.x")]),
    Case("two credentials", "one where the first guard saw none", "/changed", In("token"), by=NOTHING,
         also=lambda issuer: [(b"x-caller", b"Bearer " + issuer.token().encode())]),
    # A token in the URL, where that was waived by name.
    Case("query token", "a download link", "/any", In(), by=IN_QUERY, query=token_in_query, waived=LINKS, why=ONLY_URL,
         marks=(pytest.mark.rfc("6750", "2.3"),)),
    Case("query token", "its name escaped, among others", "/any", In(), by=IN_QUERY, why=ONLY_URL, waived=LINKS,
         query=lambda issuer: f"page=2&access%5Ftoken={issuer.token()}&size=1"),
    Case("query token", "not at another path", "/open", TWO_PLACES, by=IN_QUERY, query=token_in_query,
         waived=LINKS, why=ONLY_URL),
    Case("query token", "not where a longer name stands", "/any", UNAUTHORIZED, by=IN_QUERY, waived=LINKS,
         query=lambda issuer: f"access_tokens={issuer.token()}", why=ONLY_URL),
    Case("query token", "not to change anything", "/change", TWO_PLACES, method="POST", by=IN_QUERY,
         query=token_in_query, waived=LINKS, why=ONLY_URL,
         marks=(pytest.mark.threat("6819-4.6.7", off="admit.integrations.query_token:only_reads"),)),
    Case("query token", "and one in the header", "/any", TWO_PLACES, query=token_in_query, waived=LINKS,
         by={"token": by_token}, why=ONLY_URL),
    Case("query token", "and a session", "/any", In("token"), query=token_in_query, waived=LINKS,
         by={"session": by_session}, why="a token-only guard reads no cookie"),
    Case("query token", "twice", "/any", TWO_PLACES, by=IN_QUERY, waived=LINKS, why=ONLY_URL,
         query=lambda issuer: f"access_token={issuer.token()}&access_token={issuer.token()}"),
    Case("query token", "junk", "/any", INVALID_TOKEN,
         by=IN_QUERY, waived=LINKS, why=ONLY_URL, query=lambda issuer: "access_token=canary-7f3a.x.y"),
    Case("query token", "revoked", "/any", REVOKED,
         by=IN_QUERY, waived=LINKS, why=ONLY_URL, query=token_in_query, then=Issuer.end),
    Case("query token", "a WebSocket", "/socket", In(), socket=True, needs="websocket", by=IN_QUERY,
         query=token_in_query, waived=LINKS, why=ONLY_URL),
    # Methods.
    Case("HEAD", "let in as by GET", "/any", In(), method="HEAD"),
    Case("HEAD", "refused as by GET", "/any", UNAUTHORIZED, method="HEAD", by=NOTHING),
    Case("OPTIONS", "a route's own needs a credential", "/options", UNAUTHORIZED, method="OPTIONS", by=NOTHING),
    Case("OPTIONS", "a route's own, by a page", "/options", In(), method="OPTIONS", also=[EVIL]),
    Case("OPTIONS", "the framework's own reaches no route", "/any", Framework(frozenset({200, 204, 401, 405})),
         method="OPTIONS", by=NOTHING),
    # What caches between may do with it.
    Case("caches", "an answer by token", "/any", In(), by={"token": by_token}, why=IN_HEADER, caches="private",
         marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    Case("caches", "a stranger where a token could be", "/open", Stranger(), by={"token": nothing}, why=IN_HEADER,
         caches="private", marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    Case("caches", "an answer by session", "/any", In(), by={"session": by_session}, why=UNASKED, caches="private",
         marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    Case("caches", "an open route, signed in", "/open", In(), by={"session": by_session}, why=UNASKED,
         caches="private", marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    Case("caches", "a stranger where a session could be", "/open", Stranger(), by={"session": nothing}, why=UNASKED,
         caches="private", marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    Case("caches", "an answer by a token cookie", "/read", In(), by=BY_COOKIE, options=WITH_COOKIE, why=ONLY_COOKIE,
         caches="private", marks=(pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions"),)),
    # Answers that take their time.
    Case("streaming", "in parts as they are made", "/stream", In(parts=3)),
    Case("streaming", "refused before the first", "/stream", UNAUTHORIZED, by=NOTHING),
    Case("one verification", "however many guards there are", "/twice", In(questions=1)),
    Case("one verification", "though a header was added in between", "/changed", In(questions=1),
         also=[(b"x-other", b"1")]),
    Case("one verification", "refused by the second guard", "/twice",
         NO_SCOPE, having={"scopes": frozenset()}),
    # WebSockets.
    Case("WebSocket", "opened", "/socket", In(), socket=True, needs="websocket", also=[(b"origin", PAGES.encode())]),
    Case("WebSocket", "refused by an answer", "/socket", UNAUTHORIZED_FOR_SCOPE, by=NOTHING,
         socket=True, needs="websocket"),
    Case("WebSocket", "refused by closing", "/socket", Out(401, "unauthorized"), by=NOTHING, socket=True,
         denial=False,
         needs="websocket"),
    Case("WebSocket", "missing scope", "/socket", NO_SCOPE,
         having={"scopes": frozenset()}, socket=True, needs="websocket", also=[(b"origin", PAGES.encode())]),
    Case("WebSocket", "from another site", "/socket", {"token": In(), "session": FORGED}, socket=True,
         needs="websocket",
         also=[EVIL]),
    Case("WebSocket", "from this host, where no origins are named", "/socket", In(), socket=True, needs="websocket",
         by={"session": by_session}, also=[HERE], options=NO_ORIGINS, why=UNASKED),
    Case("WebSocket", "from a neighbour, where no origins are named", "/socket", FORGED, socket=True, needs="websocket",
         by={"session": by_session}, also=[(b"origin", PAGES.encode())], options=NO_ORIGINS, why=UNASKED),
    Case("WebSocket", "from no page", "/socket", FORGED, socket=True, needs="websocket", by={"session": by_session},
         why=UNASKED,
         marks=(pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_handshake"),)),
)  # fmt: skip
