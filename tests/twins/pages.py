"""Twins of the pages and of the header table."""

from admit.issuer.app.headers import Kind


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


TWINS = {
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
