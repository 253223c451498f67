"""The fixture `admit_issuer` is there wherever Admit is installed."""

import pytest
from orders import app, guard
from starlette.testclient import TestClient

from admit.testing import Client, TestIssuer


@pytest.fixture
def client(admit_issuer: TestIssuer) -> Client[TestClient]:
    return admit_issuer.client(TestClient(app), guard)
