"""A row of the file as an account: every field checked, none unknown. Pure but for the ids that it makes."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from admit.errors import AccountError
from admit.issuer.accounts import claims, foreign, rules
from admit.issuer.accounts.errors import ClaimValueError, EmailError, PersonNameError
from admit.issuer.accounts.foreign import FirebaseProject, ForeignHashError
from admit.issuer.accounts.importing.records import ImportedUser, Refused, Row
from admit.issuer.accounts.records import User

MAX_LABELS: Final = 1_000  # roles, or groups, of one person
_BETWEEN_LABELS: Final = re.compile(r"[\s,;|]+")
_TRUE: Final = frozenset({"true", "1", "yes", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "f", "n"})

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "email": "The address; needed.",
        "name": "What the person is called; else the address before the @.",
        "locale": "A language tag such as zh-CN.",
        "email_verified": "true or false; false unless said.",
        "disabled": "true or false; false unless said.",
        "roles": "Role names: a JSON list, or in CSV separated by spaces.",
        "groups": "Group names, as roles.",
        "password_hash": "The hash as the other system stores it.",
        "password_salt": "Firebase's `salt`, which it stores beside the hash.",
        "credential_data": "Keycloak's credentialData, beside secret_data.",
        "secret_data": "Keycloak's secretData.",
        **dict.fromkeys(sorted(claims.KEPT - {"address"}), "As OpenID Connect Core §5.1 has it."),
        "address": "An object with the members that follow; JSON only.",
        **{f"address.{member}": "A member of the address." for member in claims.ADDRESS_MEMBERS},
    }
)


class RowError(Exception):
    """Why a row is refused: one fixed sentence."""


def read_row(
    row: Row, *, now: float, new_id: Callable[[], str], firebase: FirebaseProject | None = None
) -> ImportedUser | Refused:
    """The account that a row tells, or why it tells none."""
    try:
        return _account(row, now, new_id, firebase)
    except RowError as error:
        return Refused(row.line, str(error))


def _account(
    row: Row, now: float, new_id: Callable[[], str], firebase: FirebaseProject | None
) -> ImportedUser:
    values = {name: value for name, value in row.values.items() if value is not None}
    if "password" in values:
        raise RowError("password: none is taken in clear; leave it out, and let people set a new one")
    if not values.keys() <= FIELDS.keys():
        raise RowError(f"a field is none of {', '.join(FIELDS)}")
    typed = _text(values, "email")
    if typed is None:
        raise RowError("email: missing")
    try:
        email = rules.canonical_email(typed)
    except EmailError:
        raise RowError("email: not an address that is taken") from None
    try:
        name = rules.clean_name(_text(values, "name") or email.partition("@")[0])
    except PersonNameError:
        raise RowError("name: empty, too long, or with characters that cannot be shown") from None
    locale = _text(values, "locale")
    if locale is not None and rules.check_locale(locale) is None:
        raise RowError("locale: not a language tag")
    user = User(
        id=new_id(),
        email=email,
        email_shown=rules.shown_email(typed),
        name=name,
        roles=_labels(values, "roles"),
        groups=_labels(values, "groups"),
        locale=locale,
        created_at=now,
        updated_at=now,
        email_verified_at=now if _flag(values, "email_verified") else None,
        claims=_claims(values),
    )
    check_roles(user.roles)
    return ImportedUser(
        line=row.line,
        user=user,
        password_hash=_hash(values, firebase),
        disabled=_flag(values, "disabled"),
        said=frozenset(values),
    )


def check_roles(roles: frozenset[str]) -> None:
    """No file makes operators: another system's role of that name was given by people who were no operators here.

    Raises:
        RowError: one would.
    """
    if rules.ADMIN_ROLE in roles:
        raise RowError("roles: an operator is made by hand, with: admit user role add")


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise RowError(f"{name}: want text")
    return value


def _claims(values: Mapping[str, Any]) -> claims.Claims:
    said = {
        name: _flag(values, name) if name in claims.FLAGS else value
        for name, value in values.items()
        if name in claims.KEPT or name.startswith("address.")
    }
    try:
        return claims.changed(claims.NOTHING, said)
    except ClaimValueError as error:
        raise RowError(
            f"{error.claim or 'claims'}: another form than OpenID Connect Core §5.1 gives it"
        ) from None


def _flag(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name, False)
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    if not isinstance(value, bool):
        raise RowError(f"{name}: want true or false")
    return value


def _labels(values: Mapping[str, Any], name: str) -> frozenset[str]:
    value = values.get(name, [])
    if isinstance(value, str):
        value = [word for word in _BETWEEN_LABELS.split(value) if word]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RowError(f"{name}: want a list of names")
    if len(value) > MAX_LABELS:
        raise RowError(f"{name}: more than {MAX_LABELS:,}")
    try:
        return frozenset(map(rules.check_label, value))
    except AccountError:
        raise RowError(f"{name}: want letters, digits and : . _ / @ - only, at most 128") from None


def _hash(values: Mapping[str, Any], firebase: FirebaseProject | None) -> str | None:
    text, salt = _text(values, "password_hash"), _text(values, "password_salt")
    how, what = _text(values, "credential_data"), _text(values, "secret_data")
    if (how is None) != (what is None) or (how is not None and text is not None):
        raise RowError("password_hash: want it alone, or credential_data and secret_data together")
    if salt is not None and (firebase is None or text is None):
        raise RowError("password_salt: is Firebase's alone; give --firebase and the project's parameters")
    try:
        if how is not None and what is not None:
            return foreign.read_keycloak(how, what).encode()
        if (
            text is None or text == "" or text.startswith("!")
        ):  # Django's mark of an account without a password
            return None
        if firebase is not None:
            return firebase.read(text, salt or "").encode()
        return foreign.read(text).encode()
    except ForeignHashError as error:
        raise RowError(f"password_hash: {_lower_first(error.public)}") from None


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
