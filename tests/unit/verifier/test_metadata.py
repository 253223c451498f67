"""Finding an issuer's endpoints."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from admit.errors import AdmitError, FetchError
from admit.fetch import Response
from admit.verifier import metadata

ISS = "https://id.example.com/tenant"
GOOD: dict[str, Any] = {
    "issuer": ISS,
    "jwks_uri": "https://keys.example.com/jwks",
    "admit_status_head_endpoint": ISS + "/status/head",
}


def test_both_well_known_places_are_tried() -> None:
    asked: list[str] = []

    def get(url: str, headers: Mapping[str, str]) -> Response:
        asked.append(url)
        return Response(404, {}, b"") if len(asked) == 1 else Response(200, {}, json.dumps(GOOD).encode())

    found = metadata.discover(get, ISS)
    assert asked == [
        ISS + "/.well-known/openid-configuration",
        "https://id.example.com/.well-known/oauth-authorization-server/tenant",
    ]
    assert (found.jwks, found.head) == (GOOD["jwks_uri"], GOOD["admit_status_head_endpoint"])


@pytest.mark.parametrize("status", [404, 500])
def test_an_issuer_without_metadata_is_a_fetch_error(status: int) -> None:
    with pytest.raises(FetchError):
        metadata.discover(lambda *_: Response(status, {}, b""), ISS)


@pytest.mark.rfc("8414", "3.3")
@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ISS + "/"},
        {"issuer": None},
        {"introspection_endpoint": 7},
        {"jwks_uri": 7},
        {"admit_status_head_endpoint": "https://evil.example/status/head"},
        {"admit_status_head_endpoint": 7},
        {"admit_status_head_endpoint": "x"},
    ],
)
def test_metadata_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AdmitError):
        metadata.read(json.dumps({**GOOD, **changes}).encode(), ISS)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"issuer":1,"issuer":2}', b"<html>"])
def test_what_is_no_metadata_is_refused(body: bytes) -> None:
    with pytest.raises(FetchError):
        metadata.read(body, ISS)


def test_an_issuer_that_is_not_ours_has_no_head() -> None:
    members = {name: value for name, value in GOOD.items() if not name.startswith("admit_")}
    assert metadata.read(json.dumps(members).encode(), ISS).head is None
