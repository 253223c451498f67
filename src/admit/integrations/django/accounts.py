"""Django's own users behind an issuer: `Issuer(settings, accounts=DjangoAccounts())` (contracts §9).

    users = DjangoAccounts()
    issuer = Issuer(Settings(issuer="https://app.example.com/auth"), accounts=users)
    users.watch(issuer.account_changed_soon)    # in AppConfig.ready(): whom you disable is out at once

People sign in on Admit's pages with Django's passwords, through `AUTHENTICATION_BACKENDS`; their users, forms and
admin stay what they are. Derive from the class to say more of a user: `roles`, `email_verified`, `claims_of`.
The issuer knows nothing of Django, and this module nothing of the issuer.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeVar

from django.contrib.auth import authenticate, get_user_model
from django.core.exceptions import ValidationError
from django.db import close_old_connections, models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete

__all__ = ["DjangoAccount", "DjangoAccounts"]

T = TypeVar("T")
SUBJECT: Final = "u_"
"""What the subject of a user's tokens begins with; the key follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoAccount:
    """A user as Django has it now, with nothing of the database behind it. `stamp` changes with the password."""

    key: str
    login: str
    name: str
    email: str | None
    email_verified: bool
    active: bool
    roles: Collection[str] = ()
    groups: Collection[str] = ()
    locale: str | None = None
    stamp: str = field(repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class DjangoAccounts:
    """The users of `AUTH_USER_MODEL`, whatever model that is.

    `login_field`: the field that people sign in with, compared without regard to case, where that is not the model's
    `USERNAME_FIELD`; nobody signs in by a value that two users have. `threads`: look-ups at a time; `password_threads`:
    passwords compared at a time. Queries run in threads of their own, and end as Django's requests do: a connection is
    closed then, or kept for `CONN_MAX_AGE`.

    A user's key is the primary key, which must never be given to another person.
    """

    def __init__(
        self, *, login_field: str | None = None, threads: int = 4, password_threads: int = 2
    ) -> None:
        self._login_field = login_field
        self._lookups = ThreadPoolExecutor(threads, "admit-django")
        self._passwords = ThreadPoolExecutor(password_threads, "admit-django-password")

    # What a user is. Each is called in a thread that may query.

    def key(self, user: Any) -> str:
        """The user's own key, 1 to 64 of letters, digits, `_` and `-`."""
        return str(user.pk)

    def name(self, user: Any) -> str:
        """How the person is called."""
        whole = user.get_full_name() if hasattr(user, "get_full_name") else ""
        return whole or user.get_username()

    def email(self, user: Any) -> str | None:
        """The user's address, if there is one."""
        return getattr(user, user.get_email_field_name(), None) or None

    def email_verified(self, user: Any) -> bool:
        """Whether the address is proven to be the user's. Django does not know, so this says no."""
        return False

    def roles(self, user: Any) -> Collection[str]:
        """Roles that tokens carry: none. `is_staff` and `is_superuser` are Django's own and mean nothing elsewhere."""
        return ()

    def groups(self, user: Any) -> Collection[str]:
        """The names of the user's groups."""
        return tuple(user.groups.values_list("name", flat=True)) if hasattr(user, "groups") else ()

    def locale(self, user: Any) -> str | None:
        """The language that the user is spoken to in."""
        return None

    def claims_of(self, user: Any) -> Mapping[str, Any]:
        """Standard claims of OpenID Connect Core §5.1 beside name, email and language."""
        return {
            "given_name": getattr(user, "first_name", ""),
            "family_name": getattr(user, "last_name", ""),
            "preferred_username": user.get_username(),
        }

    def key_of(self, subject: str) -> str | None:
        """The primary key of whom a token or a session is for, as text; None for who is no user, such as a client."""
        return subject.removeprefix(SUBJECT) if subject.startswith(SUBJECT) else None

    # What the issuer asks

    @property
    def signs_in_by(self) -> Literal["email", "username"]:
        """Whether the field that people sign in with takes addresses."""
        model = get_user_model()
        found = model._meta.get_field(self._login_field or model.USERNAME_FIELD)
        return "email" if isinstance(found, models.EmailField) else "username"

    async def find(self, identifier: str) -> DjangoAccount | None:
        """The user that signs in with this."""
        return await self._in(self._lookups, self._find, identifier)

    async def get(self, key: str) -> DjangoAccount | None:
        """The user with this key, active or not."""
        return await self._in(self._lookups, self._get, key)

    async def check_password(self, account: DjangoAccount | None, password: str) -> bool:
        """Whether a backend of Django takes this password for this user. For nobody it costs the same."""
        return await self._in(self._passwords, self._check, account, password)

    async def claims(self, account: DjangoAccount) -> Mapping[str, Any]:
        """What `claims_of` said of the user."""
        return account.claims

    def watch(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the subject of each user who is saved or deleted here, or whose groups change, are
        renamed or deleted, after COMMIT. For `Issuer.account_changed_soon`; to be called in `AppConfig.ready`. What
        another process changes, or a query changes without signals (`update()`), is found out when the user is looked
        at the next time, by `accounts.recheck`.
        """
        model = get_user_model()

        def say(key: str, using: str | None) -> None:
            transaction.on_commit(partial(tell, SUBJECT + key), using=using, robust=True)

        def saved(instance: Any, using: str | None = None, **more: Any) -> None:
            say(self.key(instance), using)

        def moved(instance: Any, action: str = "", using: str | None = None, **more: Any) -> None:
            if isinstance(instance, model):
                users: Collection[Any] = [instance]
            elif action == "pre_clear":  # of a group, whose members are known for the last time
                users = model._default_manager.filter(groups=instance)
            else:
                users = model._default_manager.filter(pk__in=more.get("pk_set") or ())
            for user in users:
                say(self.key(user), using)

        def renamed(instance: Any, using: str | None = None, **more: Any) -> None:
            for user in model._default_manager.filter(groups=instance):
                say(self.key(user), using)

        post_save.connect(saved, sender=model, weak=False)
        post_delete.connect(saved, sender=model, weak=False)
        if hasattr(model, "groups"):
            m2m_changed.connect(moved, sender=model.groups.through, weak=False)
            group = model._meta.get_field("groups").related_model
            post_save.connect(renamed, sender=group, weak=False)
            pre_delete.connect(renamed, sender=group, weak=False)  # afterwards it has no members

    def close(self) -> None:
        """Let what runs end, and take nothing more."""
        for pool in (self._lookups, self._passwords):
            pool.shutdown(wait=False, cancel_futures=True)

    # In a thread

    def _find(self, identifier: str) -> DjangoAccount | None:
        model = get_user_model()
        users = model._default_manager
        if self._login_field is None:
            try:
                return self._account(users.get_by_natural_key(model.normalize_username(identifier)))
            except model.DoesNotExist:
                return None
        found = list(users.filter(**{f"{self._login_field}__iexact": identifier})[:2])
        return self._account(found[0]) if len(found) == 1 else None

    def _get(self, key: str) -> DjangoAccount | None:
        model = get_user_model()
        try:
            return self._account(model._default_manager.get(pk=key))
        except (model.DoesNotExist, ValueError, OverflowError, ValidationError):
            return None  # gone, or no key of this model

    def _check(self, account: DjangoAccount | None, password: str) -> bool:
        model = get_user_model()
        if account is None:
            model().set_password(
                password
            )  # the time of a comparison, so that nobody learns who has an account
            return False
        who = {model.USERNAME_FIELD: self._username(account.key)}
        user = authenticate(request=None, **who, password=password)
        return user is not None and self.key(user) == account.key

    def _username(self, key: str) -> str:
        model = get_user_model()
        name: str = model._default_manager.values_list(model.USERNAME_FIELD, flat=True).get(pk=key)
        return name

    def _account(self, user: Any) -> DjangoAccount:
        return DjangoAccount(
            key=self.key(user),
            login=str(getattr(user, self._login_field or user.USERNAME_FIELD)),
            name=self.name(user),
            email=self.email(user),
            email_verified=self.email_verified(user),
            active=bool(user.is_active),
            roles=tuple(self.roles(user)),
            groups=tuple(self.groups(user)),
            locale=self.locale(user),
            # The hash of a hash: what is stored is no business of anybody's.
            stamp=hashlib.sha256(str(user.password).encode("utf-8", "surrogatepass")).hexdigest(),
            claims=dict(self.claims_of(user)),
        )

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, partial(closing, work, *given))


def closing(work: Callable[..., T], *given: Any) -> T:
    """Do it as Django does a request: no connection from before that is broken, and none left open afterwards."""
    close_old_connections()
    try:
        return work(*given)
    finally:
        close_old_connections()
