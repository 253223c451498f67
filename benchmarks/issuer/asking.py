"""What the endpoints of OAuth are asked, of this issuer, of a floor and of a peer alike: scripts for one connection."""

import base64
import hashlib
import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from benchmarks.harness.load import Answer, Script, expect, request
from benchmarks.issuer.serving import API, CALLBACK, SCOPE, SECRET, SHOP_SCOPE

FORM = ("content-type", "application/x-www-form-urlencoded")
VERIFIER = secrets.token_urlsafe(32)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a program has its endpoints."""

    authorize: str = "/authorize"
    token: str = "/token"
    introspect: str = "/introspect"


def basic(name: str) -> tuple[str, str]:
    """The Basic header of a client or API, its id form-encoded (RFC 6749 §2.3.1)."""
    quoted = name.replace(":", "%3A").replace("/", "%2F")
    return "authorization", "Basic " + base64.b64encode(f"{quoted}:{SECRET}".encode()).decode()


def post(host: str, path: str, form: dict[str, str], *headers: tuple[str, str]) -> bytes:
    """A form as a client sends it."""
    return request("POST", path, host=host, headers=(FORM, *headers), body=urlencode(form).encode())


def gets(host: str, path: str) -> Script:
    """The same document again and again."""
    asked = request("GET", path, host=host)
    while True:
        expect((yield asked), 200)


def machines(host: str, paths: Paths) -> Script:
    """A client that asks for a token of its own each time."""
    form = {"grant_type": "client_credentials", "scope": SCOPE}
    asked = post(host, paths.token, form, basic("robot"))
    while True:
        expect((yield asked), 200)


def introspections(host: str, paths: Paths, tokens: Sequence[str], caller: str) -> Script:
    """Tokens of many people, asked about in turn."""
    asked = [post(host, paths.introspect, {"token": token}, basic(caller)) for token in tokens]
    for one in itertools.cycle(asked):
        answer = expect((yield one), 200)
        if b'"active":true' not in answer.body:
            raise SystemExit(f"a good token was told to be none: {answer.body[:200]!r}")


def refreshes(host: str, paths: Paths, token: str) -> Script:
    """A public client that rotates its refresh token again and again."""
    while True:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "spa"}
        answer = expect((yield post(host, paths.token, form)), 200)
        token = json.loads(answer.body)["refresh_token"]


def sign_ons(host: str, paths: Paths, cookies: Sequence[str]) -> Script:
    """Browsers that are signed in already come from the shop and go back at once, and the shop gets its tokens: two
    requests for each.
    """
    query = {
        "response_type": "code", "client_id": "shop", "redirect_uri": CALLBACK, "scope": SHOP_SCOPE, "state": "s",
        "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": API,
    }  # fmt: skip
    path = f"{paths.authorize}?{urlencode(query)}"
    asked = [request("GET", path, host=host, headers=(("cookie", cookie),)) for cookie in cookies]
    for one in itertools.cycle(asked):
        code = code_of((yield one))
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER
        }  # fmt: skip
        answer = expect((yield post(host, paths.token, form, basic("shop"))), 200)
        if b'"id_token"' not in answer.body or b'"refresh_token"' not in answer.body:
            raise SystemExit("a token is missing")


def location_of(answer: Answer) -> str:
    """Where a redirect leads."""
    if answer.status not in (302, 303):
        raise SystemExit(f"an answer {answer.status} where a redirect was due: {answer.body[:200]!r}")
    line = next(line for line in answer.head.split(b"\r\n") if line[:10].lower() == b"location: ")
    return line[10:].decode()


def code_of(answer: Answer) -> str:
    """The code of a redirect back to the shop."""
    found = location_of(answer)
    code = next((item[5:] for item in urlsplit(found).query.split("&") if item.startswith("code=")), None)
    if code is None or not found.startswith(CALLBACK):
        raise SystemExit("a page was shown, or an error told, where a code was due")
    return code
