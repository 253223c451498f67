"""On the server as such: hosts, paths, methods, types, sizes, message ends, and what errors tell."""

import re

from scripts.attack.outcome import Outcome, accepted, all_refused, attack, refused, several
from scripts.attack.visitor import FORM
from scripts.attack.wire import Answer
from scripts.attack.world import EVIL, World

_NAME = "evil.example"


@attack("PWD-7", "another Host, none, two of them, and the whole address in the request line")
def other_hosts(world: World) -> Outcome:
    path, wire = f"{world.wire.base}/login", world.wire
    return all_refused(
        [
            ("another", wire.send("GET", path, host=_NAME)),
            ("another port", wire.send("GET", path, host=f"{wire.host.partition(':')[0]}:1")),
            ("userinfo", wire.send("GET", path, host=f"{wire.host}@{_NAME}")),
            ("none", wire.send("GET", path, host="")),
            ("two", wire.send("GET", path, [("Host", wire.host), ("Host", _NAME)], host="")),
            ("absolute", wire.send("GET", f"https://{_NAME}{path}", host=_NAME)),
        ]
    )


@attack("9700-proxy", "X-Forwarded-Host, -Proto, -Prefix and Forwarded by somebody who is no proxy")
def forged_forwarding(world: World) -> Outcome:
    forged = [
        ("X-Forwarded-Host", _NAME), ("X-Forwarded-Server", _NAME), ("X-Host", _NAME), ("X-Original-Host", _NAME),
        ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Prefix", f"//{_NAME}"),
        ("Forwarded", f"host={_NAME};proto=gopher"),
        ("X-Original-URL", "/account"), ("X-Rewrite-URL", "/account"),
    ]  # fmt: skip
    answers = [
        (path, world.visitor().get(path, forged))
        for path in ("/login", "/account", "/.well-known/openid-configuration", "/nowhere")
    ]
    for path, answer in answers:
        if any(word in f"{answer.headers}{answer.text}" for word in (_NAME, "gopher")):
            return accepted(f"{path} answers with the forged name")
    return refused("none of it is believed")


@attack("INF-path", "nine spellings of /account that a proxy's rule would not see")
def odd_paths(world: World) -> Outcome:
    base, visitor = world.wire.base, world.somebody
    spellings = (
        "//account", "/./account", "/x/../account", "/%61ccount", "/account%2f", "/account;x=1", "/x;/account",
        "/account/.", "/account%00",
    )  # fmt: skip
    cookie = [("Cookie", "; ".join(f"{name}={value}" for name, value in visitor.cookies.items()))]
    return all_refused((one, world.wire.send("GET", base + one, cookie)) for one in spellings)


@attack("WEB-method", "TRACE, CONNECT, PUT and an invented method; GET and PUT at the token endpoint")
def odd_methods(world: World) -> Outcome:
    base = world.wire.base
    cases = [
        ("TRACE", "/login"),
        ("PUT", "/login"),
        ("ADMIT", "/login"),
        ("GET", "/token"),
        ("PUT", "/token"),
    ]
    answers = [
        (f"{method} {path}", world.wire.send(method, base + path, [("X-Canary", "heard")]))
        for method, path in cases
    ]
    return all_refused(answers, lets_in=lambda answer: answer.ok or b"heard" in answer.body)


@attack("WEB-method", "X-HTTP-Method-Override, X-Method-Override and _method to make a GET a DELETE")
def method_override(world: World) -> Outcome:
    person = world.person()
    token = world.csrf_of(person)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        person.get("/api/session?_method=DELETE", [(name, "DELETE"), ("X-CSRF-Token", token)])
    return refused("still a GET") if world.is_in(person) else accepted("the session was ended by a GET")


@attack("WEB-method", "a code redeemed as JSON, as multipart, as plain text and without a type")
def odd_types(world: World) -> Outcome:
    tried = []
    for kind in (
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        f"{FORM}, text/plain",
        "",
    ):
        code, verifier = world.code()
        fields = {
            "grant_type": "authorization_code", "client_id": world.given.client_id, "code": code,
            "redirect_uri": world.given.redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        if "json" in kind:
            body = "{" + ", ".join(f'"{name}": "{value}"' for name, value in fields.items()) + "}"
        elif "multipart" in kind:
            part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
            body = "".join(part.format(name, value) for name, value in fields.items()) + "--x--\r\n"
        else:
            body = "&".join(f"{name}={value}" for name, value in fields.items())
        headers = [("Content-Type", kind)] if kind else []
        tried.append(
            (kind or "none", world.wire.send("POST", f"{world.wire.base}/token", headers, body.encode()))
        )
    return all_refused(tried)


@attack("INF-size", "a body of 10 MB, one of 1 MB in chunks, 20 KB of cookies, 200 headers, 2,000 fields")
def too_large(world: World) -> Outcome:
    wire, path = world.wire, f"{world.wire.base}/token"
    form = ("Content-Type", FORM)
    large = b"grant_type=" + b"a" * (10 << 20)
    many = "&".join(f"a{n}=1" for n in range(2_000)).encode()
    chunks = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    return all_refused(
        [
            ("10 MB", wire.send("POST", path, [form], large)),
            (
                "chunks",
                wire.send("POST", path, [form, ("Transfer-Encoding", "chunked")], chunks * 16 + b"0\r\n\r\n"),
            ),
            ("cookies", wire.send("GET", f"{wire.base}/login", [("Cookie", "a=" + "b" * 20_480)])),
            ("headers", wire.send("GET", f"{wire.base}/login", [(f"X-A{n}", "b" * 200) for n in range(200)])),
            ("fields", wire.send("POST", path, [form], many)),
        ]
    )


@attack(
    "INF-smuggle",
    "two lengths, length and chunks, an odd chunking, a blank before the colon, a folded header",
)
def smuggled(world: World) -> Outcome:
    head = f"POST {world.wire.base}/token HTTP/1.1\r\nHost: {world.wire.host}\r\nContent-Type: {FORM}\r\n"
    endings = {
        "two lengths": "Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1&",
        "length and chunks": "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "odd chunking": "Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
        "blank before colon": "Content-Length : 3\r\n\r\na=1",
        "folded": "X-A: b\r\n c\r\nContent-Length: 3\r\n\r\na=1",
    }
    return all_refused(
        ((name, world.wire.exchange((head + rest).encode(), "POST")) for name, rest in endings.items()),
        # What reads them would go on to say what is wrong with the grant.
        lets_in=lambda answer: answer.ok or answer.error in ("unsupported_grant_type", "invalid_client"),
    )


_TELLS = re.compile(
    rb"Traceback \(most|File \"[^\"]+\.py|\bsqlite3?\.|sqlalchemy|asyncpg|psycopg|site-packages|starlette|fastapi"
    rb"|OperationalError|SyntaxError|/usr/lib/python"
)


@attack("INF-errors", "twelve requests that go wrong, read for traces, statements, paths and versions")
def errors_tell(world: World) -> Outcome:
    wire, base = world.wire, world.wire.base
    form, as_json = [("Content-Type", FORM)], [("Content-Type", "application/json")]
    answers: dict[str, Answer] = {
        "no such page": wire.send("GET", f"{base}/nowhere"),
        "wrong method": wire.send("DELETE", f"{base}/login"),
        "not UTF-8": wire.send("POST", f"{base}/token", form, b"grant_type=\xff\xfe"),
        "NUL": wire.send("POST", f"{base}/token", form, b"grant_type=%00&client_id=%00"),
        "surrogate": wire.send("POST", f"{base}/token", form, b"grant_type=%ED%A0%80&client_id=x"),
        "quote": wire.send("GET", f"{base}/authorize?client_id='%20OR%201=1--"),
        "no JSON": wire.send("POST", f"{base}/session/lookup", as_json, b"{"),
        "deep JSON": wire.send("POST", f"{base}/session/lookup", as_json, b"[" * 20_000),
        "odd number": wire.send("GET", f"{base}/status/{'9' * 400}"),
        "no page of a form": wire.send("POST", f"{base}/login", form, b"email=%F0%28%8C%28"),
        "odd cookie": wire.send("GET", f"{base}/account", [("Cookie", "=;==;\x7f=\x7f")]),
        "odd language": wire.send("GET", f"{base}/login?ui_locales={'x-' * 500}"),
    }
    told = [name for name, answer in answers.items() if _TELLS.search(answer.body)]
    told += [f"{name}: {answer.said}" for name, answer in answers.items() if answer.status >= 500]
    told += [
        f"{named} names a version"
        for named in ("server", "x-powered-by")
        if any(re.search(r"\d", answer.get(named)) for answer in answers.values())
    ]
    return accepted(several(told)) if told else refused("a code and an id, nothing else")


@attack(
    "INF-errors",
    "what should have another listener or not be there: metrics, debug, docs, .git, .env, backups",
)
def left_open(world: World) -> Outcome:
    paths = (
        "/metrics", "/debug", "/docs", "/redoc", "/openapi.json", "/admin", "/server-status", "/.git/config", "/.env",
        "/admit.toml", "/keys.json", "/static/../admit.toml", "/backup.sqlite", "/setup",
    )  # fmt: skip
    return all_refused((path, world.wire.send("GET", world.wire.base + path)) for path in paths)


@attack("9700-cors", "scripts of another site that read the token endpoint, the session and the account")
def foreign_scripts(world: World) -> Outcome:
    tried = []
    for path in ("/token", "/api/session", "/api/sessions", "/account", "/login", "/userinfo", "/revoke"):
        for origin in (EVIL, "null", f"{world.origin}.evil.example"):
            sent = [("Origin", origin)]
            asks = [*sent, ("Access-Control-Request-Method", "POST")]
            tried.append((f"{path} for {origin}", world.somebody.get(path, sent)))
            tried.append((f"{path} asked before, for {origin}", world.somebody("OPTIONS", path, asks)))
    readable = [name for name, answer in tried if answer.get("access-control-allow-origin")]
    return (
        accepted(f"may read {readable[0]}") if readable else refused("no script of theirs may read an answer")
    )
