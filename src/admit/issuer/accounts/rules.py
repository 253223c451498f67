"""What is a good email, name, role and password, and what claims an account gives. Pure."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from admit.errors import AccountError
from admit.issuer.accounts import claims as kept
from admit.issuer.accounts.errors import EmailError, PersonNameError, UserNotFoundError
from admit.issuer.accounts.records import User

EMAIL_MAX_CHARS = 254  # RFC 5321 §4.5.3.1.3 bounds a path to 256 octets, two of them the angle brackets
NAME_MAX_CHARS = 200
LABEL_MAX_CHARS = 128
PASSWORD_MIN_CHARS = 8
PASSWORD_MAX_BYTES = 1024
ADMIN_ROLE = "admit:admin"  # operators of this issuer

# RFC 5322 dot-atom without quoted strings, and a domain of at least two LDH labels. ASCII only: a homograph of another
# person's address cannot be registered, and full-width forms have become ASCII before this is asked.
_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_LOCAL}@(?:{_LABEL}\.)+{_LABEL}", re.ASCII)
_LABEL_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9:._/@-]*[A-Za-z0-9])?", re.ASCII)
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_USER_ID = re.compile(r"u_[A-Za-z0-9_-]{1,64}", re.ASCII)
_BLANKS = " \t\r\n\u00a0\u3000"


def canonical_identifier(text: str) -> str:
    """The one form in which identifiers are compared and counted: NFKC, case-folded, no blanks around it.

    Never fails: a throttle must count malformed input as well. Dots and `+tags` are kept: they are part of the address.
    """
    # Folding can bring back characters that NFKC changes, so it is done once more; blanks can appear by NFKC.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.strip(_BLANKS)


def canonical_email(text: str) -> str:
    """An email address in its canonical form.

    Raises: EmailError unless it is `local@domain` in ASCII of at most 254 characters after NFKC.
    """
    if len(text) > 4 * EMAIL_MAX_CHARS:
        raise EmailError("email too long")
    email = canonical_identifier(text)
    if not is_email(email) or not is_mailed_as_compared(text, email):
        raise EmailError("email is not local@domain in ASCII")
    return email


def is_mailed_as_compared(text: str, canonical: str) -> bool:
    """Whether mail to what was typed reaches the mailbox that it is compared as. Folding makes `ss` of a sharp s, which
    are two mailboxes: whoever took the one would hold the other's name, and its owner would never hear of it.
    """
    return shown_email(text).lower() == canonical


def is_email(canonical: str) -> bool:
    """Whether a canonical identifier is an address that we take."""
    return len(canonical) <= EMAIL_MAX_CHARS and _EMAIL.fullmatch(canonical) is not None


def shown_email(text: str) -> str:
    """The address as typed, in ASCII without blanks around it, for display and mail: its capitals are all in which it
    differs from the canonical one. Call after `canonical_email` took it.
    """
    return unicodedata.normalize("NFKC", text).strip(_BLANKS)


def _is_unprintable(char: str) -> bool:
    # Cc control, Cs surrogate, Co private use, Cn unassigned, Zl/Zp line and paragraph separators. Cf is refused but
    # for the two joiners that Persian, Hindi and emoji need: the others turn text around or hide it.
    category = unicodedata.category(char)
    return category in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") or (
        category == "Cf" and char not in "\u200c\u200d"
    )


# Letters and a symbol by their category, and nothing to look at: the fillers of Hangul, the blank of Braille.
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800"


def _is_seen(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNPS" and char not in _BLANK_LETTERS


def is_user_id(text: str) -> bool:
    """Whether this can be a user's id; anything else is not worth asking the database about."""
    return _USER_ID.fullmatch(text) is not None


def check_user_id(user_id: str) -> None:
    """Raises: UserNotFoundError for what cannot be an id."""
    if not is_user_id(user_id):
        raise UserNotFoundError


def may_sign_in(user: User) -> bool:
    """A disabled user may not; found out after the hash, so that it takes as long as a wrong password."""
    return not user.is_disabled


def clean_name(text: str) -> str:
    """A person's name in NFC without blanks around it.

    Raises: PersonNameError when it shows nothing, is longer than 200 characters, or holds control or direction
    characters.
    """
    if len(text) > 4 * NAME_MAX_CHARS:
        raise PersonNameError("name too long")
    if any(_is_unprintable(char) for char in text):
        raise PersonNameError("name holds an unprintable character")
    name = unicodedata.normalize("NFC", text).strip(_BLANKS)
    if len(name) > NAME_MAX_CHARS or not any(map(_is_seen, name)):
        raise PersonNameError("name is empty or too long")
    return name


def may_operate(user: User) -> bool:
    """Whether this user may see and end what belongs to others."""
    return ADMIN_ROLE in user.roles


def check_label(text: str) -> str:
    """A role or group name: 1 to 128 of letters, digits and `: . _ / @ -`, RFC 9068 §2.2.3.1 leaves the form to us.

    Raises: AccountError.
    """
    if len(text) > LABEL_MAX_CHARS or not _LABEL_WORD.fullmatch(text):
        raise AccountError("role or group name has a form that is not taken")
    return text


def check_locale(text: str | None) -> str | None:
    """A language tag like `en` or `zh-CN`, RFC 5646 §2.1; anything else is as good as none."""
    return text if text is not None and _LANGUAGE_TAG.fullmatch(text) else None


def password_bytes(password: str) -> bytes | None:
    """The octets that are hashed: UTF-8 exactly as sent, nothing cut, folded or trimmed. None: cannot be anybody's."""
    try:
        octets = password.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return octets if len(octets) <= PASSWORD_MAX_BYTES else None


CLAIMS_OF_SCOPES = kept.OF_SCOPES
"""The claims that `standard_claims` has for each scope, OpenID Connect Core §5.4."""


def scopes_holding(names: Collection[str]) -> frozenset[str]:
    """The scopes whose words tell of these claims."""
    return frozenset(scope for scope, held in CLAIMS_OF_SCOPES.items() if not held.isdisjoint(names))


def chosen_claims(user: User, names: Collection[str]) -> Mapping[str, Any]:
    """Of the claims of all scopes those that are named, OpenID Connect Core §5.5, without `sub`."""
    if not names:
        return {}
    whole = standard_claims(user, frozenset(CLAIMS_OF_SCOPES))
    return {name: value for name, value in whole.items() if name in names}


def standard_claims(user: User, scope: frozenset[str]) -> Mapping[str, Any]:
    """The claims of OpenID Connect Core §5.1 that the scopes of §5.4 ask for, without `sub`."""
    claims: dict[str, Any] = {}
    if "profile" in scope:
        claims["name"] = user.name
        claims["updated_at"] = int(user.updated_at)
        if user.locale is not None:
            claims["locale"] = user.locale
    if "email" in scope and not (user.is_elsewhere and not is_email(canonical_identifier(user.email_shown))):
        claims["email"] = user.email_shown
        claims["email_verified"] = user.email_verified_at is not None
    for name, value in user.claims.items():
        if any(name in CLAIMS_OF_SCOPES.get(one, ()) for one in scope):
            claims[name] = value
    return claims
