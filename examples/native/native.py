"""Sign in from a terminal as a native app does: the system browser, a loopback redirect, PKCE. Standard library only.

RFC 8252 §7.3, RFC 7636. It calls the API, refreshes, calls again, logs out, and shows that the API then refuses; or, as
a program that people use day by day, it keeps the refresh token between its runs.

    python examples/native/native.py              beside `make demo`; elsewhere: --issuer URL --api URL
    python examples/native/native.py login        and then  orders  as often as you like, and  logout
"""

import argparse
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID = "demo-native"
SCOPE = "openid profile offline_access orders:own"
WAIT = 300.0


class NoSignInError(Exception):
    """The browser brought no usable answer."""


def main() -> int:
    """What was asked for; without a word, the whole life of a sign-in."""
    parser = argparse.ArgumentParser(description="Sign in like a native app, call an API, refresh, log out.")
    parser.add_argument("--settings", default=".demo/native.json", help="a file that names issuer and API")
    parser.add_argument("--issuer", help="instead of the file's")
    parser.add_argument("--api", help="instead of the file's")
    parser.add_argument(
        "--print-url", action="store_true", help="print the address instead of opening a browser"
    )
    parser.add_argument("do", nargs="?", choices=["tour", "login", "orders", "logout"], default="tour")
    options = parser.parse_args()
    issuer, api = where(options)
    metadata = get_json(f"{issuer}/.well-known/oauth-authorization-server")
    if metadata["issuer"] != issuer:
        raise NoSignInError("the metadata is another issuer's")
    if options.do == "tour":
        return tour(metadata, api, print_url=options.print_url)
    with Kept(issuer).alone() as kept:
        if options.do == "login":
            kept.put(sign_in(metadata, api, print_url=options.print_url)["refresh_token"])
            say("signed in")
        elif options.do == "logout":
            if (held := kept.get()) is not None:
                post(metadata["revocation_endpoint"], token=held, client_id=CLIENT_ID)
            kept.forget()
            say("logged out")
        else:
            say(f"GET /api/orders/mine → {call(api, refreshed(metadata, kept))}")
    return 0


def where(options: argparse.Namespace) -> tuple[str, str]:
    """Issuer and API: as the flags say, else as the demo wrote them down."""
    if options.issuer and options.api:
        return options.issuer, options.api
    given = json.loads(Path(options.settings).read_text("utf-8"))
    return options.issuer or given["issuer"], options.api or given["api"]


def refreshed(metadata: dict[str, Any], kept: "Kept") -> str:
    """An access token for what is kept. Each refresh token works once: the new one is kept before anything is done."""
    held = kept.get()
    if held is None:
        raise NoSignInError("nobody is; begin with login")
    try:
        tokens = token_request(metadata, grant_type="refresh_token", refresh_token=held, client_id=CLIENT_ID)
    except urllib.error.HTTPError as error:
        if error.code != 400 or json.load(error).get("error") != "invalid_grant":
            raise
        kept.forget()  # ended at the issuer, or too old: it is worth nothing
        raise NoSignInError("that is over; begin with login") from error
    kept.put(tokens["refresh_token"])
    return str(tokens["access_token"])


class Kept:
    """The refresh token between two runs: in the system's keyring where there is one (`pip install keyring`), else in a
    file that nobody but its owner reads. The access token is worth five minutes, and is not kept.
    """

    def __init__(self, issuer: str) -> None:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self._folder = Path(home) / "orders-for-the-terminal"
        self._issuer = issuer
        self._file = self._folder / hashlib.sha256(issuer.encode()).hexdigest()[:16]
        self._keyring = system_keyring()

    @contextlib.contextmanager
    def alone(self) -> Iterator["Kept"]:
        """Hold it for this run: two at once would use one refresh token twice."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self._folder / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self

    def get(self) -> str | None:
        """What is kept."""
        if self._keyring is not None:
            found: str | None = self._keyring.get_password(CLIENT_ID, self._issuer)
            return found
        with contextlib.suppress(FileNotFoundError):
            return self._file.read_text("ascii")
        return None

    def put(self, token: str) -> None:
        """Keep this one instead, whole or not at all."""
        if self._keyring is not None:
            self._keyring.set_password(CLIENT_ID, self._issuer, token)
            return
        draft = self._file.with_suffix(".new")
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(token)
        draft.replace(self._file)

    def forget(self) -> None:
        """Keep none."""
        if self._keyring is not None:
            with contextlib.suppress(Exception):  # each keyring has its own way to say that there is none
                self._keyring.delete_password(CLIENT_ID, self._issuer)
        self._file.unlink(missing_ok=True)


def system_keyring() -> Any:
    """The module `keyring`, where it is installed and finds a keyring to use."""
    try:
        import keyring
        from keyring.backends import fail
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else keyring


def tour(metadata: dict[str, Any], api: str, *, print_url: bool) -> int:
    """The whole life of a sign-in."""
    tokens = sign_in(metadata, api, print_url=print_url)
    say(f"signed in; the access token lives {tokens['expires_in']} s")
    say(f"GET /api/orders/mine → {call(api, tokens['access_token'])}")

    tokens = token_request(
        metadata, grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=CLIENT_ID
    )
    say("refreshed: the old refresh token is spent, this one is new")
    say(f"GET /api/orders/mine → {call(api, tokens['access_token'])}")

    post(metadata["revocation_endpoint"], token=tokens["refresh_token"], client_id=CLIENT_ID)
    said = time.monotonic()
    say("logged out: the issuer ended everything of this sign-in")
    while (status := call(api, tokens["access_token"])) == 200 and time.monotonic() - said < 60:
        time.sleep(0.2)
    say(f"GET /api/orders/mine → {status}, {time.monotonic() - said:.1f} s after logging out")
    return 0 if status == 401 else 1


def sign_in(metadata: dict[str, Any], api: str, *, print_url: bool) -> dict[str, Any]:
    """Tokens for what a person allows in the browser."""
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with HTTPServer(("127.0.0.1", 0), Callback) as server:  # any free port: RFC 8252 §7.3
        redirect_uri = f"http://127.0.0.1:{server.server_port}/callback"
        query = urlencode(
            {
                "response_type": "code",
                "client_id": CLIENT_ID,
                "redirect_uri": redirect_uri,
                "scope": SCOPE,
                "resource": api,
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        address = f"{metadata['authorization_endpoint']}?{query}"
        if print_url or not webbrowser.open(address):
            say(f"open {address}")
        else:
            say("sign in, in the browser that just opened")
        answer = wait_for_answer(server)
    # RFC 9207: the answer names who gave it. Another issuer's answer must not reach this one's token endpoint.
    if answer.get("state") != state or answer.get("iss") != metadata["issuer"]:
        raise NoSignInError("the answer belongs to another sign-in")
    if "code" not in answer:
        raise NoSignInError(answer.get("error", "no code"))
    return token_request(
        metadata,
        grant_type="authorization_code",
        code=answer["code"],
        redirect_uri=redirect_uri,
        client_id=CLIENT_ID,
        code_verifier=verifier,
    )


class Callback(BaseHTTPRequestHandler):
    """Takes one answer and tells the person to go back."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/callback":
            self.send_error(404)
            return
        values = parse_qs(parts.query)
        self.server.answer = {name: found[0] for name, found in values.items() if len(found) == 1}  # type: ignore[attr-defined]  # the handler's only way to hand a value over
        body = b"<!doctype html><title>Admit</title><p>Done. Go back to the terminal."
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The address holds the code: not for the log."""


def wait_for_answer(server: HTTPServer) -> dict[str, str]:
    """What the browser brings, within five minutes."""
    until = time.monotonic() + WAIT
    server.timeout = 1.0
    while time.monotonic() < until:
        server.handle_request()
        answer: dict[str, str] | None = getattr(server, "answer", None)
        if answer is not None:
            return answer
    raise NoSignInError("nobody signed in")


def token_request(metadata: dict[str, Any], **form: str) -> dict[str, Any]:
    """The token endpoint's answer."""
    answer: dict[str, Any] = json.loads(post(metadata["token_endpoint"], **form))
    return answer


def post(address: str, **form: str) -> bytes:
    """A form, posted."""
    with urllib.request.urlopen(address, data=urlencode(form).encode(), timeout=10) as response:
        content: bytes = response.read()
    return content


def get_json(address: str) -> dict[str, Any]:
    """A JSON object, fetched."""
    with urllib.request.urlopen(address, timeout=10) as response:
        value: dict[str, Any] = json.load(response)
    return value


def call(api: str, access_token: str) -> int:
    """The status of one API call with this token."""
    request = urllib.request.Request(
        f"{api}/api/orders/mine", headers={"Authorization": f"Bearer {access_token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def say(line: str) -> None:
    """A line, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except NoSignInError as error:
        sys.exit(f"not signed in: {error}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{urlsplit(error.url).path} answered {error.code}")
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is not there: is `make demo` running? Elsewhere say --issuer and --api")
    except urllib.error.URLError:
        sys.exit("nobody answers there: is `make demo` running? Elsewhere say --issuer and --api")
