"""The fixture `admit_issuer`, in every run of pytest where Admit is installed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from admit.testing.issuer import TestIssuer


@pytest.fixture
def admit_issuer() -> "Iterator[TestIssuer]":
    """The issuer of this test: `admit_issuer.client(client, guard)`, `.token(principal)`, `.end(principal)`."""
    from admit.testing.issuer import TestIssuer  # only tests that use it pay for it

    with TestIssuer() as issuer:
        yield issuer
