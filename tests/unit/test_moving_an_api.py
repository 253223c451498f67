"""docs/protect/moving.md: its verifier takes access tokens in the forms of those that it names, and no others."""

import re
import secrets
import time
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

from admit import Verifier
from admit.errors import AdmitError, ClaimError, InvalidKeyError
from admit.jose import JWK

PAGE = (Path(__file__).parents[2] / "docs/protect/moving.md").read_text("utf-8")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    found = re.search(r"<!-- example: both -->\n```python\n(.*?)```", PAGE, re.S)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # the page's own example
    return names


def signed(example: dict[str, Any], **changed: Any) -> str:
    """As Flask-JWT-Extended and simplejwt write them, once issuer and audience are set."""
    now = int(time.time())
    said = {
        "fresh": False, "iat": now, "jti": "a", "type": "access", "sub": "7", "nbf": now, "exp": now + 900,
        "iss": "https://shop.example.com", "aud": "https://api.example.com", "roles": ["admin"],
    }  # fmt: skip
    claims = {name: value for name, value in {**said, **changed}.items() if value is not None}
    return pyjwt.encode(claims, example["old_secret"], algorithm="HS256")


def test_tokens_that_are_out_there_are_taken(example: dict[str, Any]) -> None:
    verifier: Verifier = example["verifier"]
    found = verifier.verify(signed(example))
    assert (found.key, found.roles) == (("https://shop.example.com", "7"), {"admin"})


def test_refresh_tokens_and_tokens_that_do_not_say_for_whom_are_not(example: dict[str, Any]) -> None:
    verifier: Verifier = example["verifier"]
    with pytest.raises(ClaimError):
        verifier.verify(signed(example, type="refresh"))
    for missing in ("iss", "aud", "exp", "sub"):
        with pytest.raises(AdmitError):
            verifier.verify(signed(example, **{missing: None}))


def test_a_secret_that_somebody_made_up_is_refused_as_the_page_says_and_the_one_it_makes_is_not() -> None:
    made = re.search(r"python -c 'import secrets; print\((.*?)\)'", PAGE)
    assert made is not None
    JWK.secret(eval(made[1], {"secrets": secrets}).encode(), "HS256")  # the page's own
    for weak in (b"short", b"my-super-secret-key-for-production-2024", b"changeme" * 4):
        with pytest.raises(InvalidKeyError):
            JWK.secret(weak, "HS256")
