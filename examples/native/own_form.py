"""Sign in without a browser, in an app that its operator trusts with people's passwords. Standard library only.

The client's settings say `api_login = true`, which is for one's own apps alone; all others send people to the browser,
as `native.py` does. Each step names the steps that may follow. The last one gives a code, which is redeemed like any
other: this app refreshes, calls the API, logs out, and shows that the API then refuses.

    python examples/native/own_form.py                 beside `make demo`; it asks for email and password
"""

import argparse
import base64
import getpass
import hashlib
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

CLIENT_ID = "demo-app"
SCOPE = "openid profile offline_access orders:own"
QUESTIONS = {
    "totp": "Code of your app (empty: a recovery code): ",
    "recovery_code": "Recovery code: ",
}


class NoSignInError(Exception):
    """What was typed signs nobody in."""


def main() -> int:
    """The whole life of a sign-in."""
    parser = argparse.ArgumentParser(
        description="Sign in by an app's own form, call an API, refresh, log out."
    )
    parser.add_argument("--settings", default=".demo/native.json", help="a file that names issuer and API")
    parser.add_argument("--issuer", help="instead of the file's")
    parser.add_argument("--api", help="instead of the file's")
    options = parser.parse_args()
    issuer, api = where(options)
    metadata = get_json(f"{issuer}/.well-known/oauth-authorization-server")
    if metadata["issuer"] != issuer:
        raise NoSignInError("the metadata is another issuer's")

    tokens = sign_in(metadata, api)
    say(f"signed in; the access token lives {tokens['expires_in']} s")
    say(f"GET /api/orders/mine → {call(api, tokens['access_token'])}")

    tokens = token_request(
        metadata, grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=CLIENT_ID
    )
    say("refreshed: the old refresh token is spent, this one is new")
    say(f"GET /api/orders/mine → {call(api, tokens['access_token'])}")

    post_form(metadata["revocation_endpoint"], token=tokens["refresh_token"], client_id=CLIENT_ID)
    said = time.monotonic()
    say("logged out: the issuer ended everything of this sign-in")
    while (status := call(api, tokens["access_token"])) == 200 and time.monotonic() - said < 60:
        time.sleep(0.2)
    say(f"GET /api/orders/mine → {status}, {time.monotonic() - said:.1f} s after logging out")
    return 0 if status == 401 else 1


def where(options: argparse.Namespace) -> tuple[str, str]:
    """Issuer and API: as the flags say, else as the demo wrote them down."""
    if options.issuer and options.api:
        return options.issuer, options.api
    given = json.loads(Path(options.settings).read_text("utf-8"))
    return options.issuer or given["issuer"], options.api or given["api"]


def sign_in(metadata: dict[str, Any], api: str) -> dict[str, Any]:
    """Tokens for who shows what each step asks for."""
    endpoint = metadata["admit_login_endpoint"]
    # Only who holds this can redeem the code that the last step gives, RFC 7636.
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    answer = step(endpoint, code_challenge=challenge, code_challenge_method="S256", scope=SCOPE, resource=api)
    while "authorization_code" not in answer:
        answer = step(endpoint, flow=answer["flow"], **shown(answer["next"]))
        if "error" in answer:
            say(answer["error_description"])
            if answer["error"] != "insufficient_authorization":  # over; or to the browser, as in `native.py`
                raise NoSignInError(answer["error"])
    if answer["iss"] != metadata["issuer"]:
        raise NoSignInError("the answer is another issuer's")
    # `answer["device"]` belongs into the system's key store: by it this device is known at the next sign-in.
    return token_request(
        metadata,
        grant_type="authorization_code",
        code=answer["authorization_code"],
        client_id=CLIENT_ID,
        code_verifier=verifier,
    )


def shown(next: list[str]) -> dict[str, str]:
    """What the person types for one of the steps that may follow. On a terminal a password is not shown."""
    if "password" in next:
        return {"step": "password", "username": ask("Email: "), "password": ask("Password: ", hidden=True)}
    for name in next:
        if name in QUESTIONS and (code := ask(QUESTIONS[name])):
            return {"step": name, "code": code}
    raise NoSignInError("nothing was typed")


def ask(question: str, *, hidden: bool = False) -> str:
    """A line that the person types; of what is no terminal, the next line."""
    if not sys.stdin.isatty():
        if not (line := sys.stdin.readline()):
            raise NoSignInError("nothing was typed")
        return line.rstrip("\n")
    return getpass.getpass(question) if hidden else input(question)


def step(endpoint: str, **members: str) -> dict[str, Any]:
    """One step. A refusal has a body as well, and tells how to go on."""
    body = json.dumps({"client_id": CLIENT_ID, **members}).encode()
    request = urllib.request.Request(endpoint, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    return answer


def token_request(metadata: dict[str, Any], **form: str) -> dict[str, Any]:
    """The token endpoint's answer."""
    answer: dict[str, Any] = json.loads(post_form(metadata["token_endpoint"], **form))
    return answer


def post_form(address: str, **form: str) -> bytes:
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
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
    except NoSignInError as error:
        sys.exit(f"not signed in: {error}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{urlsplit(error.url).path} answered {error.code}")
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is not there: is `make demo` running? Elsewhere say --issuer and --api")
    except urllib.error.URLError:
        sys.exit("nobody answers there: is `make demo` running? Elsewhere say --issuer and --api")
