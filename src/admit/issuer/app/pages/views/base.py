"""What all pages share, and what they say of a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar, TypeAlias

from admit.issuer.app.headers import Kind

Words: TypeAlias = str | Mapping[str, str] | None
"""A text of the settings: one for all languages, or one by language (`en`, `zh`, `zh-Hans`)."""


class Problem(Enum):
    """What is wrong with a form."""

    WRONG_LOGIN = auto()
    WRONG_USERNAME = auto()
    USERNAME_MISSING = auto()
    EMAIL_MISSING = auto()
    EMAIL_INVALID = auto()
    EMAIL_TAKEN = auto()
    NAME_MISSING = auto()
    NAME_INVALID = auto()
    PASSWORD_MISSING = auto()
    PASSWORD_SHORT = auto()
    PASSWORD_LONG = auto()
    PASSWORD_COMMON = auto()
    PASSWORD_CONTEXT = auto()
    PASSWORD_WRONG = auto()
    TOO_MANY = auto()
    TOO_BUSY = auto()
    FORM_STALE = auto()
    SESSION_NAME = auto()
    EMAIL_SAME = auto()
    PASSWORD_NOT_OF_ACCOUNT = auto()
    WRONG_OR_UNVERIFIED = auto()
    CODE_MISSING = auto()
    CODE_WRONG = auto()
    CODE_SPENT = auto()
    RECOVERY_WRONG = auto()
    SIGN_IN_OVER = auto()
    APP_NAME_INVALID = auto()
    FACTORS_CHANGED = auto()
    CONSENT_CHANGED = auto()

    @property
    def text(self) -> str:
        """The key of its text."""
        return f"problem.{self.name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What all pages share. `here` is this page's path and query without `ui_locales`: the language switch leads to
    it; None shows no switch (the page answers a POST, or cannot be asked for again)."""

    page: ClassVar[str]
    kind: ClassVar[Kind] = Kind.PAGE
    here: str | None = None

    @property
    def troubled(self) -> bool:
        """Whether the page shows a problem with what was sent."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView(View):
    """A page with a form: `csrf` and `interaction` (field `i`, "" outside of a transaction) come back with it.

    `problem` is with the whole form, `fields` puts one beside a field; `wait_seconds` belongs to `Problem.TOO_MANY`.
    """

    csrf: str
    interaction: str = ""
    problem: Problem | None = None
    fields: Mapping[str, Problem] = field(default_factory=dict)
    wait_seconds: float = 0

    @property
    def troubled(self) -> bool:
        """Whether the page shows a problem with what was sent."""
        return self.problem is not None or bool(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCard:
    """A client as people see it. `host`: of its redirect URI, None for an app on this device (loopback or a scheme of
    its own). `verified`: an operator of this issuer vouches for it."""

    name: str
    host: str | None
    verified: bool
