"""What a request's token costs with other libraries, each as its documentation shows it, and what that buys."""

import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from admit.jose import base64url
from benchmarks.harness import figures
from benchmarks.harness.figures import Noise
from benchmarks.harness.turns import Job, Turns, statement
from benchmarks.verifier.site import API, ISSUER, KEY, Site, token

TIMES = 150
SERVER = Path(__file__).with_name("answering.py")
HEADS = (
    "a request's bearer token",
    "µs, median",
    "best to worst",
    "× signature",
    "looks at",
    "a revoked token is refused",
)
HOW = """\
The same ES256 key and the same claims for all (Flask-JWT-Extended and fastapi-users mint their own, whose claims are
fixed). No application is around them but where a library cannot do without: Flask's row has a test request context,
whose own cost is the row above. PyJWKClient fetched its keys once, over loopback. Introspection is the cheapest there
can be: one connection kept open over loopback to a process that looks nothing up. The users of fastapi-users are in a
dict. What the last two columns say of Admit is what `benchmarks/delay` measures and the tests show."""

NEVER = "no: good until exp"
BARE, CONTEXT = "floor: the ES256 signature alone", "floor: Flask's request context alone"


class Row(NamedTuple):
    job: Job
    looks_at: str = ""
    refused: str = ""


def measure(rounds: int, noise: Noise) -> str:
    """The table; one sentence where the peers are not installed."""
    text = token()
    site, anew = Site(), Site(remember=0)
    site.verifier.verify(text)
    rules = (
        "signature, typ, kid, iss, aud, times, RFC 9068's claims, bound or not, key given up, family ended"
    )
    soon = "within max_staleness (30 s), mostly at once by the stream; nobody is asked"
    with ExitStack() as stack:
        try:
            rows = _peers(text, stack)
        except ModuleNotFoundError as missing:
            return f"No {missing.name} here (requirements/bench.txt): the table is left out."
        rows["Admit, a token not seen before"] = Row(
            statement("verify(token)", {"verify": anew.verifier.verify, "token": text}, TIMES), rules, soon
        )
        rows["Admit, a token seen before"] = Row(
            statement("verify(token)", {"verify": site.verifier.verify, "token": text}, TIMES * 100),
            "SHA-256 of the token; times, keys, key given up, family ended",
            soon,
        )
        turns = Turns({name: row.job for name, row in rows.items()}).run(rounds, noise)
    listed = [
        (
            name,
            f"{turns.median(name):.1f}",
            turns.range(name),
            f"{turns.ratio(name, BARE):.2f}",
            row.looks_at,
            row.refused,
        )
        for name, row in rows.items()
    ]
    names = ("pyjwt", "authlib", "flask-jwt-extended", "fastapi-users")
    return f"{figures.table(HEADS, listed)}\n\n{', '.join(f'{name} {version(name)}' for name in names)}."


def _peers(text: str, stack: ExitStack) -> dict[str, Row]:
    port = _answering(stack)
    data, _, tail = text.encode().rpartition(b".")
    check = KEY.public().verifier
    assert check is not None
    names = {"check": check, "signature": base64url.decode(tail), "data": data}
    with_context, context = _flask(stack)
    return {
        BARE: Row(statement("check(signature, data)", names, TIMES)),
        "PyJWT with PyJWKClient": Row(
            _pyjwt(text, f"http://127.0.0.1:{port}/jwks"), "signature, kid, iss, aud, times", NEVER
        ),
        "Authlib, resource protector (RFC 9068)": Row(
            _authlib(text), "signature, iss, aud, times, RFC 9068's claims, scope", NEVER
        ),
        CONTEXT: Row(context),
        "Flask-JWT-Extended, in that context": Row(
            with_context,
            "signature, iss, aud, times, kind",
            "no; with a blocklist callback of one's own, one look-up a request",
        ),
        "fastapi-users, JWT strategy": Row(
            _fastapi_users(stack),
            "signature, aud, exp, user loaded",
            "no; a user who was disabled is, being loaded each time",
        ),
        "introspection at every request": Row(
            _introspection(text, port), "what the server says", "at once; without the server nobody gets in"
        ),
    }


def repeated(work: Callable[[], object]) -> Job:
    """A call, so many times a turn."""
    return statement("work()", {"work": work}, TIMES)


def _pyjwt(text: str, url: str) -> Job:
    import jwt

    client = jwt.PyJWKClient(url)

    def verify() -> Any:
        key = client.get_signing_key_from_jwt(text)
        return jwt.decode(text, key, algorithms=["ES256"], audience=API, issuer=ISSUER)

    assert verify()["iss"] == ISSUER
    return repeated(verify)


def _authlib(text: str) -> Job:
    from authlib.oauth2.rfc6749.resource_protector import ResourceProtector  # type: ignore[import-untyped]  # has none
    from authlib.oauth2.rfc9068 import JWTBearerTokenValidator  # type: ignore[import-untyped]  # has none
    from joserfc.jwk import KeySet

    keys = KeySet.import_key_set({"keys": [KEY.public().to_dict()]})

    class Validator(JWTBearerTokenValidator):  # type: ignore[misc]  # the library has no types
        def get_jwks(self) -> Any:
            return keys

    protector = ResourceProtector()
    protector.register_token_validator(Validator(ISSUER, API))
    request = SimpleNamespace(headers={"Authorization": f"Bearer {text}"})

    def verify() -> Any:
        return protector.validate_request(["orders:read"], request)

    assert verify()["iss"] == ISSUER
    return repeated(verify)


def _flask(stack: ExitStack) -> tuple[Job, Job]:
    """With the library, and the context alone."""
    from flask import Flask
    from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, verify_jwt_in_request

    app = Flask("bench")
    app.config.update(
        JWT_ALGORITHM="ES256",
        JWT_PRIVATE_KEY=KEY.to_pem(private=True),
        JWT_PUBLIC_KEY=KEY.to_pem(),
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=API,
        JWT_DECODE_AUDIENCE=API,
    )
    JWTManager(app)
    with app.app_context():
        headers = {"Authorization": f"Bearer {create_access_token('u_248289761001')}"}

    def verify() -> Any:
        with app.test_request_context(headers=headers):
            verify_jwt_in_request()
            return get_jwt_identity()

    def alone() -> None:
        with app.test_request_context(headers=headers):
            pass

    assert verify() == "u_248289761001"
    return repeated(verify), repeated(alone)


def _fastapi_users(stack: ExitStack) -> Job:
    from fastapi_users import BaseUserManager
    from fastapi_users.authentication import JWTStrategy

    user = SimpleNamespace(id="u_248289761001", is_active=True)
    users = {user.id: user}

    class Users:
        async def get(self, id: str) -> Any:
            return users.get(id)

    class Manager(BaseUserManager[Any, str]):
        def parse_id(self, value: Any) -> str:
            return str(value)

    strategy: Any = JWTStrategy(
        KEY.to_pem(private=True).decode(), 3600, algorithm="ES256", public_key=KEY.to_pem().decode()
    )
    manager: Any = Manager(Users())  # type: ignore[arg-type]  # as much of a store as reading needs
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)
    text = loop.run_until_complete(strategy.write_token(user))

    async def read(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            found: Awaitable[Any] = strategy.read_token(text, manager)
            assert await found is user
        return (time.perf_counter() - began) / times

    return lambda: loop.run_until_complete(read(TIMES))


def _introspection(text: str, port: int) -> Job:
    wire = http.client.HTTPConnection("127.0.0.1", port)
    body = f"token={text}"
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": "Basic b3JkZXJzOnNlY3JldA==",
    }

    def verify() -> Any:
        wire.request("POST", "/introspect", body, headers)
        with wire.getresponse() as answer:
            claims = json.loads(answer.read())
        assert claims["active"] is True
        return claims

    verify()
    return repeated(verify)


def _answering(stack: ExitStack) -> int:
    """A process that answers introspection and gives the keys; its port."""
    keys = json.dumps({"keys": [KEY.public().to_dict()]})
    child = stack.enter_context(
        subprocess.Popen([sys.executable, str(SERVER), keys, API], stdout=subprocess.PIPE, text=True)
    )
    stack.callback(child.kill)
    assert child.stdout is not None
    return int(child.stdout.readline())
