"""A program that nobody sits in front of: it gets a token in its own name and calls an API. Standard library only.

RFC 6749 §4.4. What it may do is said by the API's settings, `[resource.clients]`, and no person is asked.

    python examples/machine/machine.py                 beside `make demo`
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit


def main() -> int:
    """A token, an order, and what it has ordered so far."""
    parser = argparse.ArgumentParser(description="Get a token for a program, and call an API with it.")
    parser.add_argument("--settings", default=".demo/machine.json", help="issuer, API, client id and secret")
    given = json.loads(Path(parser.parse_args().settings).read_text("utf-8"))
    metadata = ask(f"{given['issuer']}/.well-known/oauth-authorization-server")
    # RFC 6749 §2.3.1: both are form-encoded before they become a Basic pair.
    pair = f"{quote_plus(given['client_id'])}:{quote_plus(given['client_secret'])}"
    token = ask(
        metadata["token_endpoint"],
        f"Basic {base64.b64encode(pair.encode()).decode()}",
        {"grant_type": "client_credentials", "resource": given["api"], "scope": "orders:own"},
    )
    print(
        f"a token for {given['client_id']}, good for {token['expires_in']} s, with the scope {token['scope']}"
    )
    mine, bearer = f"{given['api']}/api/orders/mine", f"Bearer {token['access_token']}"
    ask(mine, bearer, {})
    print(f"orders in its own name: {len(ask(mine, bearer))}")
    return 0


def ask(address: str, authorization: str | None = None, form: dict[str, str] | None = None) -> Any:
    """What an address answers, as JSON; with a form it is posted."""
    body = None if form is None else urlencode(form).encode()
    request = urllib.request.Request(address, data=body)
    if authorization is not None:
        request.add_header("Authorization", authorization)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or b"null")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is not there: is `make demo` running?")
    except urllib.error.HTTPError as error:
        sys.exit(f"{urlsplit(error.url).path} answered {error.code}")
    except urllib.error.URLError:
        sys.exit("nobody answers there: is `make demo` running?")
