"""docs/first-party-sign-in.md: what it sends is answered as it says."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from admit.issuer.app import settings_file
from admit.issuer.clients.records import Client
from admit.issuer.oauth import errors
from admit.issuer.storage import Keyring
from admit.jose import json
from tests.fixtures.issuer import ISSUER, make_issuer, settings_for
from tests.fixtures.second_factor import with_app

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "first-party-sign-in.md").read_text("utf-8")
BLOCKS: Final = re.findall(r"^```(json|toml) ?([^\n]*)\n(.*?)^```", PAGE, re.M | re.S)
MADE: Final = {"flow", "authorization_code", "device"}  # another one each time


@pytest.mark.anyio
async def test_the_steps_are_answered_as_the_page_says(furnished_sqlite: str, keyring: Keyring) -> None:
    client: Client = settings_file.build(Client, settings_of("client"), where="client.")
    allowed = replace(client, scopes=client.scopes | {"offline_access"})
    issuer = make_issuer(settings_for(furnished_sqlite, client=(allowed,)), keyring)
    async with issuer.lifespan():
        phone, browser = await with_app(issuer), issuer.browser()
        answer: Any = None
        flow: Any = None
        for kind, told, text in BLOCKS:
            if kind == "toml":
                continue
            members = json.loads_object(text.encode())
            if told.startswith("request"):
                assert answer is None or "session" in told, "each request is followed by its answer"
                if "flow" in members:
                    members["flow"] = flow
                if "code" in members:
                    members["code"] = phone.code(issuer.clock())
                headers = {"origin": ISSUER} if "session" in told else {}
                answer = await browser.post("/api/login", json=members, headers=headers)
                if "session" in told:
                    assert answer.status_code == 200, answer.text
                continue
            got, answer = answer.json() | {"status": answer.status_code}, None
            if "iss" in members:
                members["iss"] = ISSUER
            assert {name: "…" if name in MADE else value for name, value in got.items()} == members | {
                "status": int(told)
            }
            flow = got.get("flow")
        await browser.aclose()


def settings_of(table: str) -> dict[str, Any]:
    """The one table of this kind on the page."""
    (text,) = [text for kind, _, text in BLOCKS if kind == "toml"]
    found: dict[str, Any] = tomllib.loads(text)[table][0]
    return found


def test_every_error_of_its_own_is_on_the_page() -> None:
    own = (
        errors.InsufficientAuthorizationError, errors.InvalidSessionError, errors.RedirectToWebError,
        errors.ApiLoginNotAllowedError,
    )  # fmt: skip
    for one in own:
        assert f"{one.status} `{one.code}`" in PAGE
