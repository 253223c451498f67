"""Twins of the pages and of the header table."""

import asyncio
from typing import Any

from admit.issuer.app.headers import Kind
from admit.issuer.sessions.rules import hash_id


def no_row(kind: Kind, *, https: bool, status: int = 200, form_target: str | None = None) -> dict[str, str]:
    return {"content-type": "text/html"}


def framed() -> tuple[str, str]:
    return "frame-ancestors *", "ALLOWALL"


def forms_anywhere(kind: Kind, form_target: str | None) -> str:
    return "form-action *"


def any_source(redirect_uri: str) -> str | None:
    return redirect_uri


def scripts_anywhere(kind: Kind) -> str:
    return "default-src * 'unsafe-inline'"


def kept(kind: Kind, status: int) -> str:
    return "public, max-age=600"


def no_transport(*, https: bool) -> dict[str, str]:
    return {}


def trusts(template_name: str | None) -> bool:
    return False


def any_href(url: str) -> str:
    return url


def as_given(value: object) -> str:
    return str(value)


CURRENT: dict[str, bytes | None] = {}


async def of_whoever_came_last(self: Any, call: Any) -> Any:
    """A "current user" of the whole process, as a global or a pooled connection would keep it."""
    CURRENT["raw"] = self.cookies.session(call)
    await asyncio.sleep(0)
    raw = CURRENT["raw"]
    found = await self.services.sessions.find(hash_id(raw), call.now) if raw is not None else None
    return (raw, found) if found is not None else None


def nothing_forgotten() -> str:
    return '"cookies"'


TWINS = {
    "admit.issuer.app.cookies:forgotten_at_sign_out": nothing_forgotten,
    "admit.issuer.app.context:App.session": of_whoever_came_last,
    "admit.issuer.app.headers:table": no_row,
    "admit.issuer.app.headers:framing": framed,
    "admit.issuer.app.headers:form_action": forms_anywhere,
    "admit.issuer.app.headers:form_source": any_source,
    "admit.issuer.app.headers:content_sources": scripts_anywhere,
    "admit.issuer.app.headers:caching": kept,
    "admit.issuer.app.headers:transport": no_transport,
    "admit.issuer.app.pages.render:escapes": trusts,
    "admit.issuer.app.pages.links:safe_href": any_href,
    "admit.issuer.app.pages.catalogue:one_line": as_given,
}
