"""A password table without the key file is no help in guessing."""

from collections.abc import AsyncIterator, Callable

import pytest

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.importing.transactions import is_unused
from admit.issuer.accounts.passwords import Match, PasswordHasher, compare, dummy_hash
from admit.issuer.accounts.pepper import PREFIX, bare
from admit.issuer.storage import Keyring

pytestmark = pytest.mark.anyio
PASSWORD = b"three words here"
OLD, NEW = b"o" * 32, b"n" * 32


Make = Callable[..., PasswordHasher]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Hashers by their keys, closed at the end."""
    made: list[PasswordHasher] = []

    def hasher(keys: dict[str, bytes], *, pepper: bool = True) -> PasswordHasher:
        made.append(PasswordHasher.of(AccountsConfig(pepper=pepper), Keyring(keys)))
        return made[-1]

    yield hasher
    for one in made:
        one.close()


@pytest.mark.threat("6819-4.4.3.5", off="admit.issuer.accounts.pepper:mix")
async def test_a_stolen_table_and_the_right_password_do_not_match_without_the_key_file(make: Make) -> None:
    ours, thiefs = make({"a": OLD}), make({"a": NEW})
    stored = await ours.hash(PASSWORD)
    assert stored.startswith(f"{PREFIX}a$argon2id$")
    assert await ours.verify(stored, PASSWORD) is Match.YES
    assert await thiefs.verify(stored, PASSWORD) is Match.NO
    assert compare(bare(stored), PASSWORD) is Match.NO, "nor with what is stored behind it"


async def test_a_wrong_password_is_wrong_and_one_hash_is_not_anothers(make: Make) -> None:
    hasher = make({"a": OLD})
    stored = await hasher.hash(PASSWORD)
    assert await hasher.verify(stored, b"three words hers") is Match.NO
    assert await hasher.verify(bare(stored), PASSWORD) is Match.NO
    assert stored != await hasher.hash(PASSWORD)


async def test_turned_on_and_off_and_with_another_key_each_hash_is_made_anew_at_sign_in(make: Make) -> None:
    without, old, both = make({"a": OLD}, pepper=False), make({"a": OLD}), make({"b": NEW, "a": OLD})
    plain, peppered = await without.hash(PASSWORD), await old.hash(PASSWORD)
    assert plain.startswith("$argon2id$")
    assert await old.verify(plain, PASSWORD) is Match.OUTDATED
    assert await both.verify(peppered, PASSWORD) is Match.OUTDATED
    assert await without.verify(peppered, PASSWORD) is Match.OUTDATED
    assert await both.verify(await both.hash(PASSWORD), PASSWORD) is Match.YES


async def test_a_hash_whose_key_is_gone_is_nobodys_and_no_error(make: Make) -> None:
    stored = await make({"a": OLD}).hash(PASSWORD)
    assert await make({"b": NEW}).verify(stored, PASSWORD) is Match.NO
    assert await make({"b": NEW}).verify(stored.replace("$a$", "$?$"), PASSWORD) is Match.NO


async def test_an_import_does_not_take_it_for_another_systems(make: Make) -> None:
    assert not is_unused(await make({"a": OLD}).hash(PASSWORD))
    assert not is_unused(dummy_hash())
    assert is_unused("$2b$12$" + "a" * 53)
