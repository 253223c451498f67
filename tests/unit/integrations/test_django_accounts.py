"""Django's users as an issuer asks for them: found, compared by Django's backends, and never a connection left open."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.django import override_settings  # before Django's models: it configures

# isort: split
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections

from admit.integrations.django import accounts
from admit.integrations.django.accounts import DjangoAccounts


class Router:
    """Everything in the test's own file."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "people"

    db_for_write = db_for_read


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Django's tables in a file, with Ada, Bo twice by address, and Cat who is inactive."""
    path: Path = tmp_path_factory.mktemp("django") / "people.db"
    connections.settings["people"] = {**connections.settings["default"], "NAME": str(path)}
    changed = override_settings(
        DATABASE_ROUTERS=[Router()], PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]
    )
    with changed:
        with connections["people"].schema_editor() as editor:
            for model in (ContentType, Permission, Group, User):
                editor.create_model(model)
        ada = User.objects.create_user(
            "ada", "ada@example.com", "of her own", first_name="Ada", last_name="L"
        )
        ada.groups.add(Group.objects.create(name="clerks"))
        User.objects.create_user("bo", "bo@example.com", "of his own")
        User.objects.create_user("bob", "Bo@example.com", "of his own")
        User.objects.create_user("cat", None, "of its own", is_active=False)
        yield
        connections["people"].close()
    del connections.settings["people"]


@pytest.fixture
def users(people: None) -> Iterator[DjangoAccounts]:
    made = DjangoAccounts()
    yield made
    made.close()


def test_a_user_is_found_by_name_and_by_key_with_what_django_knows(users: DjangoAccounts) -> None:
    found = asyncio.run(users.find("ada"))
    assert found is not None
    assert (found.login, found.name, found.email, found.email_verified) == (
        "ada",
        "Ada L",
        "ada@example.com",
        False,
    )
    assert (found.active, found.roles, found.groups) == (True, (), ("clerks",))
    assert asyncio.run(users.claims(found))["given_name"] == "Ada"
    assert asyncio.run(users.get(found.key)) == found
    assert users.key_of(f"u_{found.key}") == found.key
    assert users.key_of("a-client") is None
    assert users.signs_in_by == "username"
    assert "of her own" not in repr(found)
    for nobody in ("nobody", "ADA"):
        assert asyncio.run(users.find(nobody)) is None
    for key in ("999", "ada", "-", "9" * 60):
        assert asyncio.run(users.get(key)) is None


def test_an_address_that_two_users_have_is_nobodys(people: None) -> None:
    users = DjangoAccounts(login_field="email")
    found = asyncio.run(users.find("ADA@example.com"))
    assert found is not None
    assert found.login == "ada@example.com"
    assert asyncio.run(users.check_password(found, "of her own"))
    assert asyncio.run(users.find("bo@example.com")) is None
    assert users.signs_in_by == "email"
    users.close()


def test_a_password_is_compared_by_django_and_nobodys_costs_a_hash(
    users: DjangoAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, cat = asyncio.run(users.find("ada")), asyncio.run(users.find("cat"))
    assert asyncio.run(users.check_password(ada, "of her own"))
    assert not asyncio.run(users.check_password(ada, "of his own"))
    assert cat is not None
    assert not cat.active
    assert not asyncio.run(users.check_password(cat, "of its own"))
    hashed: list[str] = []
    monkeypatch.setattr(User, "set_password", lambda self, password: hashed.append(password))
    assert not asyncio.run(users.check_password(None, "whatever"))
    assert hashed == ["whatever"]


def test_the_stamp_changes_with_the_password_and_says_nothing_of_it(users: DjangoAccounts) -> None:
    before = asyncio.run(users.find("bo"))
    user = User.objects.get(username="bo")
    assert before is not None
    assert user.password not in before.stamp
    user.first_name = "Bo"
    user.save()
    same = asyncio.run(users.find("bo"))
    user.set_password("another")
    user.save()
    after = asyncio.run(users.find("bo"))
    assert same is not None
    assert after is not None
    assert same.stamp == before.stamp != after.stamp


def test_no_connection_is_left_open_in_a_thread(users: DjangoAccounts) -> None:
    def is_open() -> bool:
        return connections["people"].connection is not None

    assert accounts.closing(lambda: User.objects.count()) == 4
    connections["people"].ensure_connection()
    assert users._lookups.submit(is_open).result() is False
    asyncio.run(users.find("ada"))
    assert users._lookups.submit(is_open).result() is False


def test_whom_django_saves_deletes_or_moves_between_groups_is_told_after_the_commit(
    users: DjangoAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import transaction
    from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete

    kept = [(signal, list(signal.receivers)) for signal in (post_save, post_delete, pre_delete, m2m_changed)]
    told: list[str] = []
    users.watch(told.append)
    try:
        ada = User.objects.get(username="ada")
        with transaction.atomic(using="people"):
            ada.save()
            assert told == []
        assert set(told) == {f"u_{ada.pk}"}
        clerks = Group.objects.get(name="clerks")
        for change in (
            lambda: ada.groups.remove(clerks), lambda: clerks.user_set.add(ada), lambda: clerks.user_set.clear(),
        ):  # fmt: skip
            told.clear()
            change()
            assert set(told) == {f"u_{ada.pk}"}
        others, passing = Group.objects.create(name="others"), Group.objects.create(name="passing")
        told.clear()
        others.save()
        others.delete()
        assert told == [], "nobody is in it"
        ada.groups.add(passing)
        passing.name = "past"
        for change_name in ("save", "delete"):
            told.clear()
            getattr(passing, change_name)()
            assert set(told) == {f"u_{ada.pk}"}
        told.clear()
        with transaction.atomic(using="people"):
            ada.save()
            transaction.set_rollback(True, using="people")
        assert told == []
    finally:
        for signal, receivers in kept:
            signal.receivers = receivers
            signal.sender_receivers_cache.clear()
