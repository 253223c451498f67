"""What a password for an unknown account is compared with."""

import hashlib
from collections import Counter

import pytest
from argon2 import PasswordHasher as Argon2

from admit.issuer.accounts import foreign
from admit.issuer.accounts.dummies import STEPS, Dummies, shape_of
from admit.issuer.accounts.passwords import PasswordHasher, dummy_hash

pytestmark = pytest.mark.real_hash

KEY = hashlib.sha256(b"a key").digest()
OURS = dummy_hash()
# Of "correct horse", cheap ones.
BCRYPT = "$2b$04$abcdefghijklmnopqrstuuKBFGmdPSAFJZ6lZFFtLyvAyfrzdHVLG"
ARGON2 = Argon2(time_cost=1, memory_cost=64, parallelism=1)


def pbkdf2(iterations: int) -> str:
    found = foreign.read(f"pbkdf2_sha256${iterations}$c2FsdHNhbHQ$" + "q" * 43 + "=")
    return found.encode()


def dummies(*sample: str) -> Dummies:
    made = Dummies(KEY, PasswordHasher().is_ours)
    made.learn(sample)
    return made


def shares(made: Dummies, count: int = 2_000) -> Counter[str | None]:
    found = (made.of(f"person{number}@example.com") for number in range(count))
    return Counter(shape_of(one) if one is not None else None for one in found)


def test_where_all_hashes_are_ours_so_are_all_dummies() -> None:
    assert shares(dummies(OURS, OURS)) == {None: 2_000}
    assert shares(dummies()) == {None: 2_000}


@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.dummies:Dummies.of")
def test_unknown_accounts_cost_what_known_ones_cost_in_the_same_shares() -> None:
    old, older = pbkdf2(600_000), pbkdf2(260_000)
    made = dummies(*[OURS] * 50, *[old] * 25, *[older] * 25)
    found = shares(made)
    assert set(found) == {None, shape_of(old), shape_of(older)}
    for shape, share in ((None, 0.5), (shape_of(old), 0.25), (shape_of(older), 0.25)):
        assert found[shape] / 2_000 == pytest.approx(share, abs=0.05)


def test_one_unknown_account_costs_the_same_every_time_and_on_every_node() -> None:
    sample = [OURS, pbkdf2(600_000)]
    here, there = dummies(*sample), dummies(*sample[::-1])
    for number in range(50):
        found = {shape_of(made.of(f"p{number}@example.com") or OURS) for made in (here, here, there)}
        assert len(found) == 1


def test_a_sort_that_is_rare_is_there_all_the_same() -> None:
    found = shares(dummies(*[OURS] * 500, pbkdf2(600_000)))
    assert found[shape_of(pbkdf2(600_000))] / 2_000 == pytest.approx(1 / STEPS, abs=0.02)


@pytest.mark.parametrize(
    ("stored", "shape"),
    [
        (OURS, "$argon2id$v=19$m=19456,t=2,p=1"),
        (BCRYPT, "$2b$04"),
        ("$bcrypt-sha256-hex" + BCRYPT, "$bcrypt-sha256-hex$2b$04"),
        ("$pbkdf2-sha256$i=600000$c2FsdA$cXFx", "$pbkdf2-sha256$i=600000"),
    ],
    ids=["argon2", "bcrypt", "prehashed bcrypt", "pbkdf2"],
)
def test_the_shape_of_a_hash_is_what_it_costs(stored: str, shape: str) -> None:
    assert shape_of(stored) == shape


@pytest.mark.parametrize(
    "stored", [BCRYPT, ARGON2.hash(b"x"), pbkdf2(1_000)], ids=["bcrypt", "argon2", "pbkdf2"]
)
async def test_a_dummy_is_computed_and_nobodys(stored: str) -> None:
    hasher = PasswordHasher()
    made = dummies(stored)
    dummy = made.of("nobody@example.com")
    assert dummy is not None
    assert (shape_of(dummy), dummy != stored) == (shape_of(stored), True)
    match = await hasher.verify(None, b"correct horse", dummy=dummy)
    hasher.close()
    assert match.value == "no"


def test_what_cannot_be_read_has_no_dummy() -> None:
    assert shares(dummies("nonsense", "$2b$99$x")) == {None: 2_000}
