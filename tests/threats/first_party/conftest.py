"""An issuer with clients that see passwords."""

from collections.abc import AsyncIterator

import pytest

from admit.issuer.accounts import passwords
from admit.issuer.storage import Keyring
from tests.fixtures.first_party import WITH_APP, Caller
from tests.fixtures.issuer import (
    LiveIssuer,
    make_issuer,
    settings_for,
)
from tests.threats.first_party.client import MACHINE, OTHER, Counted


@pytest.fixture(autouse=True)
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(passwords, "compare", counted)
    return counted


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    settings = settings_for(furnished_sqlite, client=(*WITH_APP, OTHER, MACHINE))
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
def app(issuer: LiveIssuer) -> Caller:
    return Caller(issuer)
