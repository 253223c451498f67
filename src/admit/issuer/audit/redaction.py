"""The one place that blanks what must not be written: credentials that slipped into a text on its way to a log."""

import re
from collections.abc import Mapping
from typing import Any, Final

BLANK: Final = "[blanked]"

_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*")
_AFTER_A_SCHEME: Final = re.compile(r"\b(Bearer|DPoP|Basic)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"\b((?:password|passwd|client_secret|code_verifier|assertion|cookie|authorization)\"?\s*[=:]"
    r"|(?:code|state|csrf|token|access_token|refresh_token|id_token|id_token_hint)=)"
    r"(\s*[\"']?)([^\s&;,\"'<>]{1,4096})",
    re.IGNORECASE,
)
_IN_A_URL: Final = re.compile(r"(\w+://)[^/\s:@]{1,256}:[^/\s@]{1,256}@")
# What 32 random octets look like as base64url: long, in both cases. Our ids and trace ids are hex in one case, words of
# programs have one case between underscores.
_RANDOM: Final = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
_LONGEST: Final = 16_384


def redacted(text: str) -> str:
    """`text` without tokens, codes, cookies, passwords of URLs and named secrets."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    text = _TOKEN.sub(BLANK, text)
    text = _AFTER_A_SCHEME.sub(rf"\1 {BLANK}", text)
    text = _IN_A_URL.sub(rf"\1{BLANK}@", text)
    text = _NAMED.sub(rf"\1\2{BLANK}", text)
    return _RANDOM.sub(_if_random, text)


def _if_random(match: re.Match[str]) -> str:
    kept = [part for part in re.split(r"[/+=]", match[0]) if len(part) >= 32 and _mixed(part)]
    text = match[0]
    for part in kept:
        text = text.replace(part, BLANK)
    return text


def _mixed(part: str) -> bool:
    """Whether both cases and a digit are in it, or both cases change too often for a word."""
    upper, lower = sum(map(str.isupper, part)), sum(map(str.islower, part))
    return bool(upper and lower) and (any(map(str.isdigit, part)) or upper >= len(part) // 4)


def redacted_value(value: Any) -> Any:
    """The same for all texts inside lists and dicts."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_value(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_value(inside) for inside in value]
    return value
