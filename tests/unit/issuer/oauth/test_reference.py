"""Opaque access tokens: only who wrote one opens it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from admit.issuer.oauth import reference
from admit.issuer.oauth.reference import PREFIX, Reference, References
from admit.issuer.storage import Keyring
from admit.verifier.introspection import is_opaque

REFERENCE = Reference(
    family="a-family",
    scope=frozenset({"openid", "vault:open"}),
    audience=frozenset({"https://vault.example", "https://id.example"}),
    iat=1_800_000_000,
    exp=1_800_000_300,
)
ISSUER = "https://id.example"
OLD, NEW = b"o" * 32, b"n" * 32


def octets_of(token: str) -> bytes:
    return urlsafe_b64decode(token[len(PREFIX) :] + "===")


def token_of(octets: bytes) -> str:
    return PREFIX + urlsafe_b64encode(octets).rstrip(b"=").decode()


def test_a_token_opens_to_what_it_refers_to_and_no_two_are_alike() -> None:
    references = References(Keyring.generate(), ISSUER)
    one, two = references.write(REFERENCE), references.write(REFERENCE)
    assert one != two
    assert is_opaque(one), "a verifier asks about it"
    opened = references.open(one), references.open(two)
    assert opened[0] is not None
    assert opened[1] is not None
    assert opened[0].jti != opened[1].jti
    assert (opened[0].family, opened[0].scope, opened[0].audience) == (
        REFERENCE.family, REFERENCE.scope, REFERENCE.audience,
    )  # fmt: skip
    assert (opened[0].iat, opened[0].exp) == (REFERENCE.iat, REFERENCE.exp)


def test_nothing_of_it_can_be_read() -> None:
    octets = octets_of(References(Keyring.generate(), ISSUER).write(REFERENCE))
    for text in (REFERENCE.family, "vault", "openid", "example"):
        assert text.encode() not in octets


@pytest.mark.threat("6819-4.6.3", off="admit.issuer.oauth.reference:unsealed")
def test_one_with_any_bit_changed_is_nobodys() -> None:
    references = References(Keyring.generate(), ISSUER)
    good = octets_of(references.write(REFERENCE))
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            assert references.open(token_of(bytes(bad))) is None, (place, bit)
    assert references.open(token_of(good)) is not None


def test_one_has_one_spelling() -> None:
    references = References(Keyring.generate(), ISSUER)
    good = references.write(REFERENCE)
    for bad in (
        good + "=", good + "A", good[:-1], good.upper(), good[len(PREFIX) :], "x" + good, good + "\n", good + "é",
        PREFIX, PREFIX + "A", PREFIX + "AAAA", PREFIX + "_" * 8_000, "", good.replace("_", "-"),
    ):  # fmt: skip
        assert references.open(bad) is None
    assert references.open(good) is not None


def test_a_token_of_a_key_that_was_replaced_opens_while_the_key_is_kept() -> None:
    before = References(Keyring({"k1": OLD}), ISSUER).write(REFERENCE)
    assert References(Keyring({"k2": NEW, "k1": OLD}), ISSUER).open(before) is not None
    assert References(Keyring({"k2": NEW}), ISSUER).open(before) is None
    assert References(Keyring({"k1": NEW}), ISSUER).open(before) is None, "another key of that name"


def test_another_purpose_of_the_same_key_opens_nothing() -> None:
    keyring = Keyring({"k1": OLD})
    kid, salt, sealed = reference.taken_apart(References(keyring, ISSUER).write(REFERENCE)) or (b"", b"", b"")
    assert (
        reference.unsealed(
            keyring.derive("refresh-token")[1], sealed, reference.bound_to(kid, ISSUER.encode())
        )
        is None
    )
    assert len(salt) == 24


def test_another_issuer_with_the_same_keys_opens_none_of_ours() -> None:
    keyring = Keyring.generate()
    token = References(keyring, ISSUER).write(REFERENCE)
    assert References(keyring, "https://staging.id.example").open(token) is None
    assert References(keyring, ISSUER).open(token) is not None
