"""`/session/lookup`: an API asks by the hash of a session's id, as JSON and in no other way."""

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import pytest

from tests.fixtures.issuer import ADA, API, API_SECRET, Browser
from tests.threats.whole import SESSION_COOKIE

AUTH = (quote(API, safe=""), API_SECRET)
NOBODYS = "A" * 43


def id_hash_of(browser: Browser) -> str:
    raw = base64.urlsafe_b64decode(browser.cookies[SESSION_COOKIE] + "=")
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


async def test_a_session_is_found_by_the_hash_of_its_id(browser: Browser) -> None:
    await browser.sign_in(ADA)
    found = await browser.post("/session/lookup", json={"id_hash": id_hash_of(browser)}, auth=AUTH)
    assert found.status_code == 200
    none = await browser.post("/session/lookup", json={"id_hash": NOBODYS}, auth=AUTH)
    assert (none.status_code, none.json()["error"]) == (404, "session_not_found")


@pytest.mark.parametrize(
    "body",
    [{}, [], {"id_hash": 1}, {"id_hash": "\u00e4"}, {"id_hash": "A" * 42}, {"id_hash": NOBODYS, "more": 1}],
)
async def test_another_body_is_refused(browser: Browser, body: Any) -> None:
    refused = await browser.post("/session/lookup", json=body, auth=AUTH)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


async def test_a_form_is_told_to_be_json(browser: Browser) -> None:
    refused = await browser.post("/session/lookup", data={"id_hash": NOBODYS}, auth=AUTH)
    assert (refused.status_code, refused.json()["error"]) == (415, "invalid_request")
    assert refused.json()["error_description"] == "Send a JSON object as application/json."
