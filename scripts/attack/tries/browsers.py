"""On people's browsers: other sites' forms, cookies, frames, caches, scripts."""

import re
import secrets
from typing import Final
from urllib.parse import urlencode

from scripts.attack.outcome import NotTriedError, Outcome, accepted, all_refused, attack, refused, several
from scripts.attack.visitor import FORM, Visitor, form_of
from scripts.attack.wire import Answer
from scripts.attack.world import EVIL, World

CHANGING: Final = (
    ("POST", "/login"), ("POST", "/login/account"), ("POST", "/login/second-factor"),
    ("POST", "/login/second-factor/add"), ("POST", "/signup"),
    ("POST", "/consent"), ("POST", "/forgot"), ("POST", "/reset"), ("POST", "/verify"), ("POST", "/account"),
    ("POST", "/account/email"), ("POST", "/account/password"), ("POST", "/account/second-factor"),
    ("POST", "/account/second-factor/add"), ("DELETE", "/api/session"), ("DELETE", "/api/sessions"),
    ("DELETE", "/api/sessions/0"), ("PATCH", "/api/sessions/0"), ("DELETE", "/api/grants/0"),
    ("DELETE", "/api/consents/0"),
    ("DELETE", "/api/second-factors/0"), ("DELETE", "/api/users/0/sessions"), ("DELETE", "/api/clients/0/grants"),
    ("DELETE", "/api/keys/0"),
)  # fmt: skip
"""Every method that changes something by cookie. A test holds it against the issuer's own table."""


def _each(world: World, headers: list[tuple[str, str]], token: str | None = None) -> Outcome:
    """The same request at every route, with the session's cookie. `token`: this one instead of the right one."""
    visitor, absent, let_in = world.somebody, 0, []
    own = world.csrf_of(visitor)
    for method, path in CHANGING:
        page = form_of(visitor.get(path)).fields if method == "POST" and token is None else {}
        held = page.get("csrf", own) if token is None else token
        if method == "POST":
            sent, body = [*headers, ("Content-Type", FORM)], urlencode({**page, "csrf": held}).encode()
        else:
            sent = [*headers, ("X-CSRF-Token", held), ("Content-Type", "application/json")]
            body = b'{"name":"taken"}' if method == "PATCH" else b""
        answer = visitor(method, path, sent, body)
        if answer.status in (404, 405) and "/0" not in path:
            absent += 1
        elif answer.status != 403:
            let_in.append(f"{method} {path}: {answer.said}")
    if absent == len(CHANGING):
        raise NotTriedError("none of these routes is there")
    return accepted(several(let_in)) if let_in else refused(f"403 at {len(CHANGING) - absent} routes")


@attack("WEB-csrf", "a form of another site, with the right token, at every route that changes something")
def foreign_origin(world: World) -> Outcome:
    return _each(world, [("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")])


@attack("WEB-csrf", "the same with Origin null, as a sandboxed frame sends it")
def null_origin(world: World) -> Outcome:
    return _each(world, [("Origin", "null")])


@attack("WEB-csrf", "the same from a host whose name begins with ours")
def near_origin(world: World) -> Outcome:
    return _each(world, [("Origin", f"{world.origin}.evil.example")])


@attack("WEB-csrf", "our own origin and no token, and no Origin and no token")
def without_token(world: World) -> Outcome:
    first = _each(world, [("Origin", world.origin), ("Sec-Fetch-Site", "same-origin")], token="")
    second = _each(world, [], token="")
    return first if first.verdict != second.verdict and first.verdict.name == "ACCEPTED" else second


@attack("WEB-csrf", "our own origin and the token of somebody else's session")
def others_token(world: World) -> Outcome:
    return _each(world, [("Origin", world.origin)], token=world.csrf_of(world.person()))


@attack("WEB-csrf", "signing somebody in to the attacker's account by a form of another site")
def login_csrf(world: World) -> Outcome:
    email, password = world.account
    fields = {"email": email, "password": password}
    victim = world.visitor()
    answers = [("bare", victim.post("/login", fields, [("Origin", EVIL)]))]
    attacker = world.visitor()
    token = form_of(attacker.get("/login")).fields.get("csrf", "")
    answers.append(("attacker's token", victim.post("/login", {**fields, "csrf": token}, [])))
    if world.is_in(victim):
        return accepted("the victim is signed in")
    return all_refused(answers)


def _session_cookies(world: World) -> list[str]:
    visitor = world.person()
    if not visitor.set_by:
        raise NotTriedError("no cookie is set")
    return visitor.set_by


@attack("SES-2", "cookies that a script, plain http, a subdomain or another site could have")
def cookie_flags(world: World) -> Outcome:
    wrong = []
    for line in _session_cookies(world):
        name, *rest = [part.strip() for part in line.split(";")]
        said = {part.partition("=")[0].lower(): part.partition("=")[2] for part in rest}
        name = name.partition("=")[0]
        lacks = [flag for flag in ("httponly", "samesite", "path") if flag not in said]
        if said.get("samesite", "").lower() not in ("lax", "strict"):
            lacks.append("samesite=lax")
        if world.is_https:
            lacks += [] if "secure" in said else ["secure"]
            lacks += [] if name.startswith(("__Host-", "__Secure-")) else ["prefix"]
        if "domain" in said and not name.startswith("__Secure-"):
            lacks.append("own host")
        wrong += [f"{name} lacks {', '.join(dict.fromkeys(lacks))}"] if lacks else []
    if wrong:
        return accepted(several(wrong))
    return refused(
        "HttpOnly, SameSite, " + ("Secure, prefixed" if world.is_https else "no Secure on loopback http")
    )


@attack("SES-1", "a session id that the attacker chose, planted before the sign-in")
def fixation(world: World) -> Outcome:
    known = world.person()
    names = [line.partition("=")[0] for line in known.set_by]
    planted = {name: secrets.token_urlsafe(32) for name in names}
    victim = Visitor(world.wire, dict(planted))
    world.person(victim)
    attacker = Visitor(world.wire, dict(planted))
    if world.is_in(attacker):
        return accepted("the planted id is signed in")
    return refused("a new id; the planted one is nobody")


@attack("SES-1", "the id from before the sign-in used after it")
def not_renewed(world: World) -> Outcome:
    visitor = world.person()
    before = dict(visitor.cookies)
    email, password = world.account
    visitor.fill("/login?again=1", {"email": email, "password": password})
    kept = [name for name, value in before.items() if visitor.cookies.get(name) == value]
    session = [name for name in kept if not world.is_in(_without(world, visitor, name))]
    return accepted("the id stays the same") if session else refused("the id is another one")


def _without(world: World, visitor: Visitor, name: str) -> Visitor:
    return Visitor(world.wire, {key: value for key, value in visitor.cookies.items() if key != name})


@attack(
    "SES-3", "the session's cookie twice, with an odd blank before its name, in quotes, and after $Version"
)
def tossed_cookies(world: World) -> Outcome:
    cookies = world.somebody.cookies
    found = [name for name in cookies if not world.is_in(_without(world, world.somebody, name))]
    if len(found) != 1:
        raise NotTriedError("it is not clear which cookie is the session's")
    name, value = found[0], cookies[found[0]]
    odd = secrets.token_urlsafe(32)
    cases = {
        "twice": f"{name}={odd}; {name}={value}",
        "twice, good one first": f"{name}={value}; {name}={odd}",
        "blank": f"\u2000{name}={value}",
        "NEL": f"\u0085{name}={value}",
        "$Version": f"$Version=1,{name}={value}",
        "case": f"{name.upper()}={value}",
    }
    return all_refused(
        (case, world.visitor().get("/api/session", [("Cookie", line)])) for case, line in cases.items()
    )


_PAGES = ("/", "/login", "/signup", "/account", "/authorize", "/logout", "/nowhere")


@attack("6819-4.4.1.9", "pages shown in a frame of another site (clickjacking)")
def framed(world: World) -> Outcome:
    def may_be(answer: Answer) -> bool:
        policy = answer.get("content-security-policy")
        return "frame-ancestors 'none'" not in policy or answer.get("x-frame-options").upper() != "DENY"

    open_to = [path for path in _PAGES if may_be(world.somebody.get(path))]
    return (
        accepted(f"{', '.join(open_to)} may be framed")
        if open_to
        else refused("frame-ancestors 'none', DENY")
    )


@attack("WEB-headers", "pages without a policy for scripts, types, referrers or transport")
def headers(world: World) -> Outcome:
    lacking = []
    for path in _PAGES:
        answer = world.somebody.get(path)
        policy = answer.get("content-security-policy")
        scripts = re.search(r"(?:script-src|default-src)([^;]*)", policy)
        good = {
            "content-security-policy": scripts is not None
            and "unsafe" not in policy
            and "*" not in scripts[1],
            "form-action": "form-action" in policy,
            "base-uri": "base-uri" in policy,
            "nosniff": answer.get("x-content-type-options") == "nosniff",
            "referrer-policy": answer.get("referrer-policy")
            in ("no-referrer", "same-origin", "strict-origin"),
            "hsts": not world.is_https or "max-age" in answer.get("strict-transport-security"),
            "charset": "charset" in answer.get("content-type") or "text/" not in answer.get("content-type"),
        }
        lacking += [f"{path} lacks {name}" for name, is_there in good.items() if not is_there]
    return accepted(several(lacking)) if lacking else refused(f"all there on {len(_PAGES)} pages")


@attack("WEB-headers", "what belongs to somebody left in a cache: account, session, tokens, errors, sign-in")
def cached(world: World) -> Outcome:
    answers = {path: world.somebody.get(path) for path in ("/account", "/api/session", "/login", "/nowhere")}
    answers["/token"] = world.token({"grant_type": "none"})
    kept = [path for path, answer in answers.items() if "no-store" not in answer.get("cache-control")]
    return accepted(f"{', '.join(kept)} may be kept") if kept else refused("no-store")


@attack(
    "WEB-xsleak", "the account embedded or fetched by another site to learn whether somebody is signed in"
)
def cross_site_fetch(world: World) -> Outcome:
    def fetched(mode: str, dest: str) -> Answer:
        said = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest)]
        return world.somebody.get("/account", said)

    kinds = (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty"))
    return all_refused((dest, fetched(mode, dest)) for mode, dest in kinds)


@attack("WEB-xss", "markup in the email, the language, the hint and the error of pages")
def reflected(world: World) -> Outcome:
    mark = f"x{secrets.token_hex(4)}"
    payload = f"\"'><script id={mark}></script><img src={mark} onerror=alert(1)>"
    visitor = world.visitor()
    quoted = urlencode({"ui_locales": payload, "login_hint": payload, "error": payload, "next": payload})
    answers = {
        "form": visitor.fill("/login", {"email": payload, "password": "x" * 12}),
        "query": visitor.get(f"/login?{quoted}"),
        "authorize": visitor.get(f"/authorize?{urlencode({'client_id': payload, 'scope': payload})}"),
        "path": visitor.get(f"/{urlencode({'a': payload})}"),
    }
    raw = (f"<script id={mark}", f"<img src={mark}")
    shown = [name for name, answer in answers.items() if any(part in answer.text for part in raw)]
    return (
        accepted(f"markup in the page: {', '.join(shown)}")
        if shown
        else refused("shown as text, or not at all")
    )
