"""On the authorization and token endpoints: redirect URIs, codes, PKCE, refresh tokens, what clients may ask."""

import base64
import secrets
import time
from urllib.parse import parse_qs, urlsplit

from scripts.attack.outcome import NotTriedError, Outcome, accepted, all_refused, attack, refused
from scripts.attack.visitor import FORM
from scripts.attack.wire import Answer
from scripts.attack.world import EVIL, World, pkce


def _leads_away(world: World, answer: Answer) -> bool:
    """Whether the browser is sent to another host than the issuer's."""
    target = urlsplit(answer.get("location"))
    return bool(target.netloc or target.scheme) and f"{target.scheme}://{target.netloc}" != world.origin


def _has_code(answer: Answer) -> bool:
    target = urlsplit(answer.get("location"))
    return (
        "code" in parse_qs(target.query) or "code=" in target.fragment or "access_token=" in target.fragment
    )


def _near_misses(uri: str) -> dict[str, str]:
    parts = urlsplit(uri)
    host, path = parts.netloc, parts.path or "/"
    name, _, port = host.partition(":")
    other_port = f"{name}:{(int(port) + 1) if port else 444}"
    return {
        "another host": f"{EVIL}/",
        "suffix": uri.replace(host, f"{host}.evil.example"),
        "userinfo": uri.replace(host, f"{host}@evil.example"),
        "backslash": uri.replace(host, f"evil.example\\@{host}"),
        "subdomain": uri.replace(host, f"evil.{host}"),
        "port": uri.replace(host, other_port),
        "longer path": uri.rstrip("/") + "/evil",
        "dot segments": uri.rstrip("/") + "/a/..",
        "encoded dots": uri.rstrip("/") + "/%2e%2e/",
        "query": uri + ("&" if parts.query else "?") + "next=https://evil.example",
        "fragment": uri + "#evil",
        "case": uri.replace(host, host.upper()) if host.upper() != host else uri.upper(),
        "trailing dot": uri.replace(name, f"{name}.", 1),
        "blank": uri + "%20",
        "script": "javascript:alert(1)//" + path,
        "data": "data:text/html,x",
    }


@attack(
    "9700-redirect", "sixteen redirect URIs that are nearly the registered one, by somebody who is signed in"
)
def near_misses(world: World) -> Outcome:
    world.code()
    misses = _near_misses(world.given.redirect_uri)
    return all_refused(
        (
            (name, world.authorize(world.somebody, world.asked(redirect_uri=uri)))
            for name, uri in misses.items()
        ),
        lets_in=lambda answer: answer.ok or _leads_away(world, answer),
    )


@attack(
    "6819-4.2.4",
    "errors and silent sign-in used to be sent elsewhere: unknown client, two redirect URIs, none",
)
def sent_elsewhere(world: World) -> Outcome:
    world.code()
    cases = {
        "unknown client": (world.asked(client_id="nobody", redirect_uri=EVIL), ""),
        "unknown client, silent": (world.asked(client_id="nobody", redirect_uri=EVIL, prompt="none"), ""),
        "bad scope": (world.asked(redirect_uri=EVIL, scope="\x01"), ""),
        "second URI": (world.asked(), f"&redirect_uri={EVIL}"),
        "client twice": (world.asked(), "&client_id=nobody"),
    }
    return all_refused(
        ((name, world.authorize(world.somebody, asked, more)) for name, (asked, more) in cases.items()),
        lets_in=lambda answer: answer.ok or _leads_away(world, answer),
    )


@attack("6819-4.2.4", "signing out with a target that no client registered")
def logout_elsewhere(world: World) -> Outcome:
    query = f"client_id={world.asked()['client_id']}&post_logout_redirect_uri={EVIL}/"
    answers = [("with client", world.visitor().get(f"/logout?{query}"))]
    answers.append(("alone", world.visitor().get(f"/logout?post_logout_redirect_uri={EVIL}/")))
    return all_refused(answers, lets_in=lambda answer: _leads_away(world, answer))


@attack("6819-4.1.5", "sign-in with a next that leads to another site, in eight spellings")
def open_redirect(world: World) -> Outcome:
    spellings = (
        "//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "/%09/evil.example",
        "javascript:alert(1)", f"{world.origin}@evil.example", "%2f%2fevil.example",
    )  # fmt: skip
    answers = [(name, world.somebody.get(f"/login?next={name}")) for name in spellings]
    email, password = world.account
    visitor = world.visitor()
    after = visitor.fill("/login", {"email": email, "password": password, "next": "//evil.example"})
    return all_refused([*answers, ("form", after)], lets_in=lambda answer: _leads_away(world, answer))


@attack("6819-4.4.2.1", "a token or an ID token straight from the authorization endpoint (implicit, hybrid)")
def implicit(world: World) -> Outcome:
    world.code()
    return all_refused(
        (
            (kind, world.authorize(world.somebody, world.asked(response_type=kind)))
            for kind in ("token", "id_token", "id_token token", "code token")
        ),
        lets_in=_has_code,
    )


@attack("9700-pkcedown", "a code without a challenge, with an empty one, and with method plain")
def without_pkce(world: World) -> Outcome:
    world.code()
    cases: dict[str, dict[str, str | None]] = {
        "no challenge": {"code_challenge": None, "code_challenge_method": None},
        "empty": {"code_challenge": ""},
        "plain": {"code_challenge_method": "plain"},
        "no method": {"code_challenge_method": None},
    }
    return all_refused(
        ((name, world.authorize(world.somebody, world.asked(**case))) for name, case in cases.items()),
        lets_in=_has_code,
    )


@attack(
    "9700-codeinject", "a stolen code redeemed without its verifier, with another, and with the challenge"
)
def wrong_verifier(world: World) -> Outcome:
    tried = []
    for name, verifier in (("none", None), ("another", pkce()[0]), ("empty", "")):
        code, _ = world.code()
        tried.append((name, world.exchange(code, verifier)))
    return all_refused(tried)


@attack("6819-4.4.1.7", "a code redeemed with another redirect URI than it was given for")
def other_redirect(world: World) -> Outcome:
    code, verifier = world.code()
    return all_refused([("other", world.exchange(code, verifier, redirect_uri=f"{EVIL}/"))])


@attack("6819-4.4.1.13", "a code redeemed by another client than it was given to")
def other_client(world: World) -> Outcome:
    if not world.given.other_client:
        raise NotTriedError("needs --other-client")
    code, verifier = world.code()
    return all_refused([("other", world.exchange(code, verifier, client_id=world.given.other_client))])


@attack("6819-4.4.1.3", "a code that was guessed, and one with its last character changed")
def guessed_code(world: World) -> Outcome:
    code, verifier = world.code()
    changed = code[:-2] + ("AA" if code[-2:] != "AA" else "BB")
    return all_refused(
        (name, world.exchange(guess, verifier))
        for name, guess in (("guessed", secrets.token_urlsafe(len(code) * 3 // 4)), ("changed", changed))
    )


@attack("O-1", "one code redeemed twice; then what the first one gave")
def code_replay(world: World) -> Outcome:
    code, verifier = world.code(world.person())
    first = world.exchange(code, verifier)
    if first.status != 200:
        raise NotTriedError(f"the code was not taken even once ({first.said})")
    second = world.exchange(code, verifier)
    if second.ok:
        return accepted(f"twice: {second.said}")
    left = world.refresh(str(first.json.get("refresh_token", "")))
    return (
        accepted("the first grant lives on") if left.ok else refused(f"{second.said}; the first grant ended")
    )


@attack("9700-refresh", "a spent refresh token sent again; then the newest of its family")
def refresh_replay(world: World) -> Outcome:
    tokens = [world.grant(world.person()).get("refresh_token", "")]
    for _ in range(2):  # one back may be a lost answer: two back is theft
        answer = world.refresh(tokens[-1])
        if "refresh_token" not in answer.json:
            raise NotTriedError(f"no refresh token was had in the honest way ({answer.said})")
        tokens.append(str(answer.json["refresh_token"]))
    if tokens[0] == tokens[1]:
        raise NotTriedError("this client's refresh tokens do not rotate")
    replayed = world.refresh(tokens[0])
    if replayed.ok:
        return accepted(f"the spent one: {replayed.said}")
    newest = world.refresh(tokens[-1])
    if newest.ok:
        return accepted("the newest lives on after a replay")
    return refused(f"{replayed.said}; its family ended")


@attack("6819-4.5.3", "a refresh token with one character changed, in each of its parts")
def altered_refresh(world: World) -> Outcome:
    token = world.grant().get("refresh_token", "")
    if not token:
        raise NotTriedError("this client gets no refresh token")
    pieces = token.split(".")
    tried = []
    for place, piece in enumerate(pieces):
        changed = ("B" if piece[:1] != "B" else "C") + piece[1:]
        tried.append(
            (f"part {place + 1}", world.refresh(".".join([*pieces[:place], changed, *pieces[place + 1 :]])))
        )
    return all_refused(tried)


@attack("6819-4.4.3", "the password sent to the token endpoint")
def password_grant(world: World) -> Outcome:
    email, password = world.account
    fields = {"grant_type": "password", "client_id": world.asked()["client_id"]}
    return all_refused([("password", world.token({**fields, "username": email, "password": password}))])


@attack("6819-4.3.3", "a client secret and a code in the URL of the token endpoint")
def secret_in_url(world: World) -> Outcome:
    code, verifier = world.code()
    fields = {
        "grant_type": "authorization_code", "client_id": world.given.client_id, "code": code,
        "redirect_uri": world.given.redirect_uri, "code_verifier": verifier,
    }  # fmt: skip
    tried = [("secret", world.token(fields, query="?client_secret=s3cr3t"))]
    rest = {name: value for name, value in fields.items() if name != "code"}
    tried.append(("code", world.token(rest, query=f"?code={code}")))
    basic = base64.b64encode(f"{world.given.client_id}:wrong".encode()).decode()
    tried.append(("wrong secret", world.token(fields, headers=[("Authorization", f"Basic {basic}")])))
    return all_refused(tried)


@attack("WEB-params", "parameters twice, in body and query, as a[], and with a NUL, at the token endpoint")
def doubled(world: World) -> Outcome:
    def redeem(change: str, query: str = "") -> Answer:
        code, verifier = world.code()
        body = (
            f"grant_type=authorization_code&client_id={world.given.client_id}&code={code}"
            f"&redirect_uri={world.given.redirect_uri}&code_verifier={verifier}{change}"
        )
        target = f"{world.wire.base}/token{query}"
        return world.wire.send("POST", target, [("Content-Type", FORM)], body.encode())

    return all_refused(
        [
            ("code twice", redeem("&code=another")),
            ("client twice", redeem(f"&client_id={world.given.client_id}")),
            ("grant_type twice", redeem("&grant_type=authorization_code")),
            ("query and body", redeem("", f"?client_id={world.given.client_id}")),
            ("NUL", redeem("&code_verifier%00=x")),
        ]
    )


@attack("INF-ssrf", "the authorization endpoint told to fetch a request object, a key set and a sector")
def fetched_request(world: World) -> Outcome:
    world.code()
    before = world.trap.hits
    outcome = all_refused(
        (
            (name, world.authorize(world.somebody, world.asked(**{name: world.trap.url})))
            for name in ("request_uri", "request")
        ),
        lets_in=_has_code,
    )
    world.authorize(
        world.somebody, world.asked(jwks_uri=world.trap.url, sector_identifier_uri=world.trap.url)
    )
    time.sleep(0.1)  # a fetch in the background would come now
    return accepted("the issuer fetched it") if world.trap.hits > before else outcome
