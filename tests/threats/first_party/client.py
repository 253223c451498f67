"""What the client gets to see, and a stand-in for the hash."""

from dataclasses import replace
from typing import Any

import httpx2

from admit.issuer.accounts.passwords import Match
from admit.jose import base64url, json
from tests.fixtures.first_party import APP
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    LiveIssuer,
)
from tests.threats.whole import rows, user_id_of

RIGHT = {who[1].encode() for who in (ADA, BO)}
OTHER = replace(APP, id="other-app", redirect_uris=("http://127.0.0.1/other",))
MACHINE = replace(
    APP, id="backend", public=False, secret_hashes=CLIENTS[2].secret_hashes,
    application_type=CLIENTS[2].application_type, redirect_uris=("https://shop.example/cb",),
)  # fmt: skip


class Counted:
    """Stands for the hash: counts, and knows both passwords without computing anything."""

    def __init__(self) -> None:
        self.tried: list[bytes] = []

    def __call__(self, stored: str, password: bytes) -> Match:
        self.tried.append(password)
        return Match.YES if password in RIGHT else Match.NO


def said(answer: httpx2.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["admit-error-id"]


def claims_of(token: str) -> dict[str, Any]:
    return json.loads_object(base64url.decode(token.split(".")[1].encode()))


async def open_for(issuer: LiveIssuer, email: str = ADA[0]) -> list[str]:
    """Sessions, grants and codes that somebody has."""
    user_id = await user_id_of(issuer, email)
    nodes = [
        row["kind"]
        for row in await rows(issuer, "node")
        if row["user_id"] == user_id and row["ended_at"] is None
    ]
    return nodes + ["code" for row in await rows(issuer, "authorization_code") if row["user_id"] == user_id]
