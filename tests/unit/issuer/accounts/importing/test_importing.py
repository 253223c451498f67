"""Importing accounts: from lines to rows, from rows to accounts, and into both databases."""

import io
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import ConfigError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.foreign.schemes import Pbkdf2
from admit.issuer.accounts.importing import Importer, Refused, Summary, driver
from admit.issuer.accounts.importing.records import ImportedUser, Row
from admit.issuer.accounts.importing.rows import FIELDS, read_row
from admit.issuer.accounts.importing.tables import read_table
from admit.issuer.accounts.links.store import SET_VERIFIED
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.audit.store import forget
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Database, bound_once
from tests.fixtures.people import INFO, NOW, Parts

pytestmark = pytest.mark.real_hash

PASSWORD = "correct horse battery"


def pbkdf2(password: str = PASSWORD) -> str:
    import hashlib

    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salty salt", 100)
    return Pbkdf2.of("sha256", 100, b"salty salt", key).encode()


def table(text: str | bytes) -> list[Row | Refused]:
    return list(read_table(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def one(**values: Any) -> ImportedUser | Refused:
    row = Row(7, {"email": "ada@example.com", **values})
    return read_row(row, now=NOW, new_id=lambda: "u_1")


def why(**values: Any) -> str:
    found = one(**values)
    assert isinstance(found, Refused), found
    assert found.line == 7
    return found.why


# Lines and tables


def test_json_lines_are_rows_with_their_numbers_and_empty_lines_are_none() -> None:
    text = '\ufeff{"email": "a@example.com"}\n\n  {"email":"b@example.com","roles":["x"]}  \r\n'
    first, second = table(text)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.line, second.line) == (1, 3)
    assert second.values == {"email": "b@example.com", "roles": ["x"]}


@pytest.mark.parametrize("bad", ["{", "[]", "null", '{"a":1,"a":2}', "{}{}", '{"email":NaN}', '"text"'])
def test_a_line_that_is_not_one_object_is_refused_and_the_next_is_read(bad: str) -> None:
    found = table('{"email":"a@example.com"}\n' + bad + '\n{"email":"b@example.com"}\n')
    assert [type(row) for row in found] == [Row, Refused, Row]
    assert (found[1].line, found[2].line) == (2, 3)


def test_csv_names_its_fields_in_the_first_line_and_empty_values_say_nothing() -> None:
    text = 'email,name,roles,disabled\r\na@example.com,"Ada, Countess",admin clerk,\r\n\r\nb@example.com,,,true\r\n'
    first, second = table(text)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first.values == {"email": "a@example.com", "name": "Ada, Countess", "roles": "admin clerk"}
    assert second.values == {"email": "b@example.com", "disabled": "true"}
    assert (first.line, second.line) == (2, 4)


@pytest.mark.parametrize(
    "head",
    ["name\n", "email,email\n", "email,password\n", "email,is_admin\n", '"email\n', "email;name\n", "\0\n"],
)
def test_csv_whose_first_line_names_other_fields_is_not_read_at_all(head: str) -> None:
    with pytest.raises(ConfigError, match="first line") as caught:
        table(head + "a@example.com,hush\n")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("bad", ["a@example.com", "a@example.com,Ada,more", '"a@example.com"x,Ada'])
def test_a_csv_line_of_another_form_is_refused_and_the_next_is_read(bad: str) -> None:
    found = table(f"email,name\n{bad}\nb@example.com,Bo\n")
    assert [type(row) for row in found] == [Refused, Row]
    assert (found[0].line, found[1].line) == (2, 3)


def test_a_quote_that_never_closes_costs_its_lines_and_no_more_memory_than_a_field_may() -> None:
    found = table('email,name\na@example.com,"open\n' + "b@example.com,Bo\n" * 9_000)
    assert isinstance(found[0], Refused)
    assert any(isinstance(row, Row) for row in found)


@pytest.mark.parametrize("head", ["", "email,name\n"], ids=["json", "csv"])
def test_lines_that_are_no_text_or_too_long_are_refused_by_number(head: str) -> None:
    good = '{"email":"a@example.com"}' if not head else "a@example.com,Ada"
    lines = [good.encode(), b"\xff\xfe", b"x" * 70_000, good.encode()]
    found = table(head.encode() + b"\n".join(lines))
    assert [type(row) for row in found] == [Row, Refused, Refused, Row]
    start = 1 if head else 0
    assert [row.line - start for row in found] == [1, 2, 3, 4]
    assert isinstance(found[1], Refused)
    assert "UTF-8" in found[1].why


def test_an_empty_file_has_no_rows() -> None:
    assert table("") == table("\n \n") == []


@given(st.binary(max_size=400))
def test_any_octets_are_rows_refusals_or_a_file_that_is_none(octets: bytes) -> None:
    try:
        rows = table(octets)
    except ConfigError:
        return
    for row in rows:
        if isinstance(row, Row):
            read_row(row, now=NOW, new_id=lambda: "u_1")


# Rows


def test_a_row_is_an_account_with_what_it_says() -> None:
    found = one(
        email="Ada@Example.com", name="Ada", locale="zh-CN", email_verified=True, disabled="yes",
        roles=["admin"], groups="red, blue", password_hash=pbkdf2(),
    )  # fmt: skip
    assert isinstance(found, ImportedUser)
    user = found.user
    assert (user.email, user.email_shown, user.name) == ("ada@example.com", "Ada@Example.com", "Ada")
    assert (user.roles, user.groups) == (frozenset({"admin"}), frozenset({"red", "blue"}))
    assert (user.email_verified_at, user.locale) == (NOW, "zh-CN")
    assert found.disabled
    assert found.password_hash == pbkdf2()


def test_a_row_has_standard_claims_by_their_names() -> None:
    said = {"given_name": "Ada", "phone_number": "+1 425 555 1212", "address": {"country": "UK"}}
    found = one(email="a@example.com", **said)
    assert isinstance(found, ImportedUser)
    assert found.user.claims == {**said, "phone_number": "+14255551212", "phone_number_verified": False}
    by_table = {"address.country": "UK", "phone_number": "+14255551212", "phone_number_verified": "true"}
    found = one(email="a@example.com", **by_table)
    assert isinstance(found, ImportedUser)
    assert found.user.claims["address"] == {"country": "UK"}
    assert found.user.claims["phone_number_verified"] is True
    for name, bad in (("birthdate", "today"), ("picture", "javascript:x"), ("phone_number_verified", "true")):
        assert why(email="a@example.com", **{name: bad}).startswith(f"{name}: ")
        assert bad not in why(email="a@example.com", **{name: bad})
    assert "a field is none of" in why(email="a@example.com", **{"address.planet": "Mars"})


def test_what_a_row_does_not_say_is_the_least() -> None:
    found = one()
    assert isinstance(found, ImportedUser)
    assert found.user.name == "ada"
    assert found.user.email_verified_at is None
    assert (found.user.roles, found.password_hash, found.disabled) == (frozenset(), None, False)
    assert isinstance(one(password_hash="!unusable"), ImportedUser)
    assert isinstance(one(name=None, roles=None), ImportedUser)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"email": None}, "email: missing"),
        ({"email": "ada"}, "email: not an address"),
        ({"email": ["ada@example.com"]}, "email: want text"),
        ({"email": "ada@example.com,eve@example.com"}, "email: not an address"),
        ({"name": "line\nbreak"}, "name:"),
        ({"name": 5}, "name: want text"),
        ({"locale": "<b>"}, "locale:"),
        ({"email_verified": "maybe"}, "email_verified: want true or false"),
        ({"email_verified": 1}, "email_verified: want true or false"),
        ({"disabled": []}, "disabled: want true or false"),
        ({"roles": {"admin": True}}, "roles: want a list"),
        ({"roles": [1]}, "roles: want a list"),
        ({"roles": ["no good"]}, "roles: want letters"),
        ({"groups": ["x"] * 1_001}, "groups: more than 1,000"),
        ({"password": "secret"}, "password: none is taken in clear"),
        ({"is_admin": True}, "a field is none of"),
        ({"id": "u_mine"}, "a field is none of"),
        ({"password_hash": "md5$x$y"}, "password_hash: the password hash is of a kind that is guessed"),
        ({"password_hash": "$2b$31$" + "a" * 53}, "password_hash: the password hash would cost more"),
        ({"password_hash": 5}, "password_hash: want text"),
        ({"password_salt": "c2FsdA=="}, "password_salt: is Firebase's"),
        ({"secret_data": "{}"}, "password_hash: want it alone"),
        ({"secret_data": "{}", "credential_data": "{}", "password_hash": "x"}, "password_hash: want it alone"),
        ({"secret_data": "{}", "credential_data": "{}"}, "password_hash: the password hash is damaged"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_row_that_is_no_account_says_which_field_and_never_its_value(
    values: dict[str, Any], word: str
) -> None:
    told = why(**values)
    assert told.startswith(word)
    for value in values.values():
        assert str(value) not in told or len(str(value)) < 3


@pytest.mark.threat("ADM-delegate", off="admit.issuer.accounts.importing.rows:check_roles")
@pytest.mark.parametrize("roles", [["admit:admin"], "clerk admit:admin", ["clerk", "admit:admin"]], ids=str)
def test_no_file_makes_an_operator(roles: Any) -> None:
    assert why(roles=roles).startswith("roles: an operator is made by hand")


@given(
    st.dictionaries(
        st.sampled_from(list(FIELDS)), st.none() | st.booleans() | st.text() | st.lists(st.text())
    )
)
def test_any_row_is_an_account_or_refused(values: dict[str, Any]) -> None:
    found = read_row(Row(1, values), now=NOW, new_id=lambda: "u_1")
    assert isinstance(found, ImportedUser | Refused)


# Into the database


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.fixture
async def accounts(parts: Parts) -> AsyncIterator[Accounts]:
    hasher = PasswordHasher()
    yield Accounts(parts.db, parts.lists, hasher)
    hasher.close()


async def load(parts: Parts, *people: dict[str, Any], **options: Any) -> tuple[Summary, list[Refused]]:
    text = "".join(json.dumps(person) + "\n" for person in people)
    refused: list[Refused] = []
    importer = Importer(parts.db, parts.lists, **options)
    return await importer.run(io.BytesIO(text.encode()), tell=refused.append, info=INFO, now=NOW), refused


async def check(accounts: Accounts, email: str, password: str = PASSWORD) -> User | None:
    return await accounts.check_password(email=email, password=password, info=INFO, now=NOW)


def person(name: str, /, **more: Any) -> dict[str, Any]:
    return {"email": f"{name}@example.com", "name": name.title(), "password_hash": pbkdf2(), **more}


async def stored(parts: Parts) -> dict[str, Any]:
    return {row["email"].partition("@")[0]: row for row in await parts.rows("user_account")}


@pytest.mark.slow
@pytest.mark.threat("6819-4.4.3.5", off="admit.issuer.accounts.passwords:PasswordHasher.is_ours")
async def test_who_was_imported_signs_in_with_the_old_password_once_and_has_our_hash_then(
    parts: Parts, accounts: Accounts
) -> None:
    summary, refused = await load(parts, person("ada", roles=["admin"], email_verified=True), person("bo"))
    assert (summary.made, refused) == (2, [])
    before = (await stored(parts))["ada"]["password_hash"]
    assert before.startswith("$pbkdf2-sha256$i=100$")
    assert await check(accounts, "ada@example.com", "not the one") is None
    assert (await stored(parts))["ada"]["password_hash"] == before, "a wrong one replaces nothing"
    ada = await check(accounts, "ada@example.com")
    assert ada is not None
    assert (ada.roles, ada.email_verified_at) == (frozenset({"admin"}), NOW)
    after = await stored(parts)
    assert after["ada"]["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert after["bo"]["password_hash"] == pbkdf2(), "who did not sign in is not touched"
    assert await check(accounts, "ada@example.com") is not None
    assert await check(accounts, "ada@example.com", PASSWORD.upper()) is None
    assert (await parts.events()).count("user.added") == 2


@pytest.mark.slow
async def test_who_has_no_password_or_is_disabled_is_not_let_in(parts: Parts, accounts: Accounts) -> None:
    summary, _ = await load(parts, {"email": "none@example.com"}, person("off", disabled=True), person("ada"))
    assert (summary.made, summary.without_password) == (3, 1)
    for password in (PASSWORD, "", "\0" * 8, "A" * 43):
        assert await check(accounts, "none@example.com", password) is None
    assert await check(accounts, "off@example.com") is None
    none = await accounts.find("none@example.com")
    assert none is not None
    await accounts.set_password(none.id, PASSWORD, info=INFO, now=NOW)
    assert await check(accounts, "none@example.com") is not None


@pytest.mark.slow
async def test_an_import_begun_again_makes_the_rest_and_leaves_who_is_there(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "AT_ONCE", 10)
    people = [person(f"u{n:03}") for n in range(45)]
    first, _ = await load(parts, *people[:25])
    again, _ = await load(parts, *people, person("u000", name="Another"))
    assert (first.made, again.made, again.skipped) == (25, 20, 26)
    rows = await stored(parts)
    assert len(rows) == 45
    assert rows["u000"]["name"] == "U000"
    assert (await parts.events()).count("user.added") == 45


@pytest.mark.slow
async def test_a_dry_run_says_what_would_be_and_writes_nothing(parts: Parts) -> None:
    await load(parts, person("ada"))
    people = [person("ada"), person("bo"), person("bo"), {"email": "no"}, {"email": "cy@example.com"}]
    before = (await parts.rows("user_account"), await parts.rows("audit"))
    dry, refused = await load(parts, *people, dry_run=True)
    assert (await parts.rows("user_account"), await parts.rows("audit")) == before
    wet, _ = await load(parts, *people)
    assert dry == wet
    assert (dry.made, dry.skipped, dry.refused, dry.without_password) == (2, 2, 1, 1)
    assert [one.line for one in refused] == [4]


@pytest.mark.slow
async def test_an_update_changes_what_the_file_says_and_ends_what_it_took(
    parts: Parts, accounts: Accounts
) -> None:
    await load(parts, person("ada", roles=["clerk", "buyer"], groups=["red"]), person("bo"))
    ada = await check(accounts, "ada@example.com")
    assert ada is not None
    session = await parts.sign_in(ada)
    mine = (await stored(parts))["ada"]["password_hash"]
    summary, _ = await load(
        parts,
        person("ada", roles=["clerk", "boss"], email_verified=True, password_hash=pbkdf2("another one")),
        {"email": "bo@example.com", "password_hash": pbkdf2("another one")},
        person("cy"),
        update=True,
    )
    assert (summary.made, summary.updated, summary.skipped) == (1, 2, 0)
    changed = await accounts.get(ada.id)
    assert changed is not None
    assert changed.roles == {"clerk", "boss"}
    assert changed.groups == {"red"}, "the file does not speak of groups"
    assert changed.email_verified_at == NOW
    assert (await stored(parts))["ada"]["password_hash"] == mine, "a password that was used here stays"
    assert await parts.sessions.find(hash_id(session.raw), NOW) is None, "roles were taken"
    assert await check(accounts, "bo@example.com", "another one") is not None
    again, _ = await load(parts, {"email": "bo@example.com", "name": "Bo"}, update=True)
    assert (again.updated, again.skipped) == (0, 1)


@pytest.mark.slow
async def test_an_update_changes_the_claims_that_the_file_names_and_no_others(
    parts: Parts, accounts: Accounts
) -> None:
    kept = {"given_name": "A", "phone_number": "+14255551212", "phone_number_verified": True}
    await load(parts, person("a", **kept, picture="https://a.example/a"))
    summary, _ = await load(parts, person("a", given_name="B", phone_number="+14255551212"), update=True)
    assert (summary.updated, summary.skipped) == (1, 0)
    summary, _ = await load(parts, person("a", given_name="B"), update=True)
    assert (summary.updated, summary.skipped) == (0, 1), "nothing new"
    user = await accounts.find("a@example.com")
    assert user is not None
    assert user.claims == {**kept, "given_name": "B", "picture": "https://a.example/a"}


async def test_an_update_lets_nobody_in_who_was_kept_out_and_leaves_operators_theirs(
    parts: Parts, accounts: Accounts
) -> None:
    await load(parts, person("ada"), person("op"))
    ada, op = await accounts.find("ada@example.com"), await accounts.find("op@example.com")
    assert ada is not None
    assert op is not None
    await accounts.disable(ada.id, info=INFO, now=NOW)
    await accounts.add_role(op.id, "admit:admin", info=INFO, now=NOW)
    await load(parts, person("ada", disabled=False), person("op", roles=["clerk"]), update=True)
    assert await check(accounts, "ada@example.com") is None
    held = await accounts.get(op.id)
    assert held is not None
    assert held.roles == {"admit:admin", "clerk"}
    await load(parts, person("op", disabled=True), update=True)
    assert await check(accounts, "op@example.com") is None


@pytest.mark.threat("FED-link", off="admit.issuer.accounts.importing.transactions:strangers")
async def test_an_update_gives_nothing_to_whoever_took_the_address_before_its_owner_came(
    parts: Parts, accounts: Accounts
) -> None:
    """Anybody may sign up with anybody's address. What another system says of its owner is not said of him."""
    new: dict[str, Any] = {"name": "Bo", "password": PASSWORD, "info": INFO, "now": NOW}
    stranger = await accounts.sign_up(email="Bo@example.com", **new)
    proven = await accounts.sign_up(email="cy@example.com", **new)
    await parts.db.run(bound_once, SET_VERIFIED(of_user=proven.id, now=NOW))
    assert await parts.db.run(forget, 0.0, NOW, 99) == 2, "what people did is on record for a while only"
    people = [
        {"email": f"{name}@example.com", "roles": ["clerk"], "email_verified": True} for name in ("bo", "cy")
    ]
    for dry_run in (True, False):
        summary, refused = await load(parts, *people, update=True, dry_run=dry_run)
        assert (summary.updated, summary.refused) == (1, 1)
        assert [one.line for one in refused] == [1]
    left, given = await accounts.get(stranger.id), await accounts.get(proven.id)
    assert left == stranger
    assert given is not None
    assert given.roles == {"clerk"}


class Endless(io.RawIOBase):
    """A file of so many lines that is never whole in memory."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            self._rest = next(self._lines, b"")
            if not self._rest:
                return 0
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


async def read_many(count: int) -> int:
    """The most memory that reading and checking so many lines takes, in octets."""
    hashed = pbkdf2()
    lines = (
        b'{"email":"u%d@example.com","name":"Somebody","roles":["a"],"password_hash":"%s"}\n'
        % (n, hashed.encode())
        for n in range(count)
    )

    class Counting(Importer):
        async def _write(self, accounts: list[ImportedUser], tell: Any, info: Any, now: float) -> None:
            self.summary.made += len(accounts)

    importer = Counting(None, None)  # type: ignore[arg-type]  # nothing is written
    tracemalloc.start()
    try:
        summary = await importer.run(io.BufferedReader(Endless(lines)), tell=print, info=INFO, now=NOW)
        assert summary.made == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_what_a_file_takes_in_memory_does_not_grow_with_its_lines() -> None:
    small, large = await read_many(400), await read_many(1_200)
    assert large < small * 1.5 + 100_000, (small, large)


@pytest.mark.soak
async def test_a_hundred_thousand_lines_take_no_more_memory_than_a_few() -> None:
    small, large = await read_many(600), await read_many(100_000)
    assert large < small * 1.5 + 100_000, (small, large)


def test_the_marks_of_no_password_and_of_an_imported_one() -> None:
    from admit.issuer.accounts.importing.transactions import is_unused

    assert is_unused(passwords.no_password())
    assert is_unused(pbkdf2())
    assert not is_unused(passwords.dummy_hash())
