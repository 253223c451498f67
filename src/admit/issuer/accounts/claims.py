"""Standard claims that an account keeps beside name, email and language, OpenID Connect Core §5.1. Pure.

Each has one form, and all of them together a size, so that what a person or another system typed can neither break a
token nor a page that shows it. Two of the claims are told from columns of their own: `updated_at`, `email_verified`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from admit.issuer.accounts.errors import ClaimValueError

Claims = Mapping[str, Any]
NOTHING: Final[Claims] = MappingProxyType({})

MAX_OCTETS: Final = 8_192  # of all claims of one account, as JSON
MAX_LINE: Final = 200
MAX_ADDRESS: Final = 500
MAX_URL: Final = 2_000
_LEAP_YEAR: Final = 2000
_URL: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.\-:\[\]]+", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}", re.ASCII)
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?", re.ASCII)
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}(?:;ext=[0-9]{1,7})?", re.ASCII)
_BETWEEN_DIGITS: Final = re.compile(r"[ ().-]")


def _is_shown(char: str, more: str) -> bool:
    return char in more or (unicodedata.category(char)[0] in "LMNPSZ" and char not in "\u2028\u2029")


def _text(value: object, *, longest: int, more: str = "") -> str:
    """Text in NFC without blanks around it, none of it hidden: `more` are characters that are taken besides."""
    if not isinstance(value, str) or len(value) > 4 * longest:
        raise ValueError
    text = unicodedata.normalize("NFC", value).strip()
    if not 0 < len(text) <= longest or not all(_is_shown(char, more) for char in text):
        raise ValueError
    return text


def _line(value: object) -> str:
    return _text(value, longest=MAX_LINE, more="\u200c\u200d")


def _lines(value: object) -> str:
    """Several lines are told apart by a line feed, §5.1.1."""
    if not isinstance(value, str):
        raise ValueError
    return _text(value.replace("\r\n", "\n"), longest=MAX_ADDRESS, more="\u200c\u200d\n")


def _url(value: object) -> str:
    text = _text(value, longest=MAX_URL)
    if not is_web_url(text):
        raise ValueError
    return text


def is_web_url(text: str) -> bool:
    """An http or https URL, which an application may link to or show: no other scheme, so none that runs; and none with
    a password in it.
    """
    parts = urlsplit(text)
    known = parts.scheme in ("http", "https")
    return known and _URL.fullmatch(text) is not None and _HOST.fullmatch(parts.netloc) is not None


def _birthdate(value: object) -> str:
    """`YYYY-MM-DD`, the year 0000 where it is not told, or the year alone; a day that there was."""
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    year, month, day = found.groups()
    if month is None:
        if year == "0000":
            raise ValueError
    else:
        date(int(year) or _LEAP_YEAR, int(month), int(day))
    return found[0]


def _zone(value: object) -> str:
    """A name of the time zone database, such as Asia/Shanghai."""
    if not isinstance(value, str) or len(value) > 64 or not _ZONE.fullmatch(value):
        raise ValueError
    return value


def _phone(value: object) -> str:
    """E.164, with an extension as RFC 3966 writes it; what people write between the digits is left out."""
    text = _BETWEEN_DIGITS.sub("", _text(value, longest=64))
    if not _PHONE.fullmatch(text):
        raise ValueError
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


_ADDRESS: Final[Mapping[str, Callable[[object], str]]] = MappingProxyType(
    {
        "formatted": _lines,
        "street_address": _lines,
        "locality": _line,
        "region": _line,
        "postal_code": _line,
        "country": _line,
    }
)


def _address(value: object) -> dict[str, str]:
    """§5.1.1: any of its members."""
    if not isinstance(value, Mapping) or not value or not value.keys() <= _ADDRESS.keys():
        raise ValueError
    return {name: _ADDRESS[name](value[name]) for name in _ADDRESS if name in value}


_FORMS: Final[Mapping[str, Callable[[object], Any]]] = MappingProxyType(
    {
        "given_name": _line,
        "family_name": _line,
        "middle_name": _line,
        "nickname": _line,
        "preferred_username": _line,
        "profile": _url,
        "picture": _url,
        "website": _url,
        "gender": _line,
        "birthdate": _birthdate,
        "zoneinfo": _zone,
        "address": _address,
        "phone_number": _phone,
        "phone_number_verified": _flag,
    }
)
KEPT: Final = frozenset(_FORMS)
"""The names of the claims that are kept here."""
FLAGS: Final = frozenset({"phone_number_verified"})
ADDRESS_MEMBERS: Final = tuple(_ADDRESS)

OF_SCOPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "profile": (KEPT - {"address", "phone_number", "phone_number_verified"})
        | {"name", "locale", "updated_at"},
        "email": frozenset({"email", "email_verified"}),
        "address": frozenset({"address"}),
        "phone": frozenset({"phone_number", "phone_number_verified"}),
    }
)
"""The claims that each scope opens, §5.4."""


def check(values: Mapping[str, object]) -> Claims:
    """The claims in the form in which they are kept.

    Raises:
        ClaimValueError: a claim that is not kept, or whose value has another form; all of them are too long.
    """
    kept: dict[str, Any] = {}
    for name, value in values.items():
        form = _FORMS.get(name)
        if form is None:
            raise ClaimValueError("", "no such claim")
        try:
            kept[name] = form(value)
        except ValueError:
            raise ClaimValueError(name) from None
    if "phone_number" in kept:
        kept.setdefault("phone_number_verified", False)
    elif "phone_number_verified" in kept:
        raise ClaimValueError("phone_number_verified", "there is no number")
    if len(msgspec.json.encode(kept)) > MAX_OCTETS:
        raise ClaimValueError("", "all claims together are too long")
    return MappingProxyType(kept)


def changed(before: Claims, changes: Mapping[str, object]) -> Claims:
    """What is kept after some claims were set, and those taken away whose new value is None. Members of the address are
    set one by one (`address.country`). A new number was not proved, unless that is said too.

    Raises:
        ClaimValueError: as `check`.
    """
    after: dict[str, Any] = dict(before)
    address = dict(after.get("address", {}))
    for name, value in changes.items():
        member = name.removeprefix("address.")
        if name == "address":
            address = dict(value) if isinstance(value, Mapping) else {}
            if value is not None and not address:
                raise ClaimValueError("address")
        elif member != name:
            if member not in _ADDRESS:
                raise ClaimValueError("", "no such claim")
            address[member] = value
        else:
            after[name] = value
    if "phone_number" in changes and "phone_number_verified" not in changes:
        after.pop("phone_number_verified", None)
        number = after.get("phone_number")
        if number is not None and "phone_number" in before and _same_number(number, before["phone_number"]):
            after["phone_number_verified"] = before.get("phone_number_verified", False)
    after["address"] = {member: value for member, value in address.items() if value is not None} or None
    return check({name: value for name, value in after.items() if value is not None})


def _same_number(value: object, kept: str) -> bool:
    try:
        return _phone(value) == kept
    except ValueError:
        return False


def write(claims: Claims) -> str | None:
    """How they are stored; None for none at all."""
    return msgspec.json.encode(dict(sorted(claims.items()))).decode() if claims else None


@lru_cache(maxsize=1_024)
def read(text: str | None) -> Claims:
    """What `write` stored."""
    return NOTHING if text is None else MappingProxyType(msgspec.json.decode(text, type=dict[str, Any]))
