"""Which language a page speaks, by RFC 4647 §3.4 (lookup) over what the request asks for."""

from collections.abc import Iterator
from typing import Final

ENGLISH: Final = "en"
CHINESE: Final = "zh-Hans"
LANGUAGES: Final = (ENGLISH, CHINESE)

# Whom each catalogue serves. Traditional readers get Simplified only where nothing else they named is to be had.
_SPOKEN: Final = {
    "en": ENGLISH,
    "zh": CHINESE,
    "zh-hans": CHINESE,
    "zh-cn": CHINESE,
    "zh-sg": CHINESE,
    "zh-my": CHINESE,
}
_LAST_RESORT: Final = {"zh": CHINESE}
_MOST_RANGES = 20
_MOST_CHARACTERS = 500


def choose(ui_locales: str | None, accept_language: str | None, *, default: str = ENGLISH) -> str:
    """The language tag of a page.

    `ui_locales` (OpenID Connect Core §3.1.2.1: tags by preference, space separated) goes before Accept-Language
    (RFC 9110 §12.5.4). Unknown, malformed or overlong input is passed over; it is never shown.
    """
    wanted = [*_ui_locales(ui_locales or ""), *_accepted(accept_language or "")]
    for tag in wanted:
        if (found := _lookup(tag)) is not None:
            return found
    for tag in wanted:
        if (found := _LAST_RESORT.get(tag.split("-")[0])) is not None:
            return found
    return default


def _lookup(tag: str) -> str | None:
    parts = tag.split("-")
    while parts:
        if (found := _SPOKEN.get("-".join(parts))) is not None:
            # "zh" says Simplified, "zh-Hant" and "zh-TW" do not: falling back to the bare language would.
            return None if parts == ["zh"] and tag != "zh" else found
        parts.pop()
    return None


def _ui_locales(value: str) -> Iterator[str]:
    yield from (tag.lower() for tag in value[:_MOST_CHARACTERS].split()[:_MOST_RANGES])


def _accepted(value: str) -> list[str]:
    ranked: list[tuple[float, str]] = []
    for item in value[:_MOST_CHARACTERS].split(",")[:_MOST_RANGES]:
        tag, _, parameters = item.strip().partition(";")
        quality = _quality(parameters)
        if tag and tag != "*" and quality > 0:
            ranked.append((quality, tag.strip().lower()))
    ranked.sort(key=lambda pair: -pair[0])  # stable: equals stay in the order given
    return [tag for _, tag in ranked]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value) if name.strip().lower() == "q" and len(value) <= 6 else 0.0
    except ValueError:
        return 0.0
    return quality if 0 < quality <= 1 else 0.0  # NaN compares false, and so counts for nothing
