"""The cookie by which a browser is known again to accounts that signed in with it.

32 random octets and nothing else, of which the SHA-256 is stored: there is nothing in it to sign, and nothing that
another site, another host or a script could read. It signs nobody in; see `admit.issuer.accounts.devices`.
"""

import hashlib
from datetime import timedelta
from functools import lru_cache

from starlette.responses import Response

from admit.credentials import cookies
from admit.errors import CredentialError
from admit.issuer.accounts.records import User
from admit.issuer.app.call import Call
from admit.issuer.app.context import App

LIFE = timedelta(days=400)  # as long as browsers keep any; `accounts.device_life` decides


@lru_cache(maxsize=16)
def cookie_name(issuer: str, dev: bool) -> str:
    """The device cookie's name. It never leaves the issuer's own host, whatever the session's does."""
    digits = hashlib.sha256(issuer.encode()).hexdigest()[:6]
    return f"admit-dev-device-{digits}" if dev else f"__Host-admit-device-{digits}"


def device_of(app: App, call: Call) -> bytes | None:
    """The secret that the browser sent; None for none, a doubled or a malformed one."""
    values = [value for key, value in call.headers if key == b"cookie"]
    try:
        return cookies.session_id(values, cookie_name(app.issuer, app.cookies.dev))
    except CredentialError:
        return None


async def know_device(app: App, call: Call, response: Response, user: User) -> None:
    """The browser is known to this user from now on, under a new secret. To be called when a sign-in is complete,
    second factor and all, and when a mailed link was used: who reads the account's mail may try a password
    undisturbed.
    """
    set_device(
        app,
        response,
        await app.services.accounts.devices.remember(user, device_of(app, call), now=call.now),
    )


def set_device(app: App, response: Response, raw: bytes) -> None:
    """Give the browser its new secret, which was made known in the transaction of the sign-in."""
    name = cookie_name(app.issuer, app.cookies.dev)
    response.headers.append(
        "set-cookie", cookies.set_cookie(name, cookies.encode_session_id(raw), max_age=LIFE)
    )
