"""What people see when a sign-in comes to nothing: one small page, in English or Simplified Chinese."""

from html import escape
from typing import Final

from admit.relying_party.bff.http import NO_STORE, Answer

_TEXTS: Final = {
    "en": ("Not signed in", "Signing in did not work, or took too long.", "Sign in again"),
    "zh-Hans": ("未登录", "登录没有成功，或者用时过长。", "重新登录"),
}
_STYLE: Final = (
    ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}"
    "body{margin:0;display:grid;min-height:100vh;place-items:center}"
    "main{box-sizing:border-box;width:100%;max-width:26rem;padding:1.5rem}"
    "h1{font-size:1.25rem}a{display:inline-block;padding:.75rem 0}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def not_signed_in(accept_language: str, login_url: str, status: int) -> Answer:
    """The page. It says nothing of why: that is in the log."""
    language = "zh-Hans" if _prefers_chinese(accept_language) else "en"
    title, text, link = _TEXTS[language]
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>"
        f'<p><a href="{escape(login_url)}">{link}</a></p></main></body></html>'
    )
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", _POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("vary", "accept-language"),
        NO_STORE,
    )
    return Answer(status, headers, page.encode())


def _prefers_chinese(accept_language: str) -> bool:
    """Whether Chinese stands before English; weights are what browsers sort by."""
    for part in accept_language.lower().split(","):
        language = part.partition(";")[0].strip()
        if language.startswith("zh"):
            return True
        if language.startswith("en"):
            return False
    return False
