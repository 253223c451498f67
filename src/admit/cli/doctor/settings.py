"""What the settings alone say: hosts and cookies, clients, proxies, mail, bounds."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from admit.cli.doctor.findings import Finding, error, good, note, warning
from admit.cli.ended import counted
from admit.issuer import Settings
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.app.config import networks

_LONG_BOUND = timedelta(minutes=2)
_LOOKED_BACK = timedelta(days=180)
"""How far back people look after a break-in: it is often found months later."""
_LOOSER = 10
"""How many times the default a limit on guessing may be before it is hardly one."""


def findings(settings: Settings) -> Iterator[Finding]:
    """All of them."""
    yield from _mode(settings)
    yield from cookies(settings)
    yield from _clients(settings)
    yield from strangers(settings)
    yield from _proxy(settings)
    yield from _listeners(settings)
    yield from _guessing(settings)
    yield from _passwords(settings)
    yield from _audit(settings)
    yield from _mail(settings)
    yield from _bound(settings)


def _mode(settings: Settings) -> Iterator[Finding]:
    if settings.dev:
        yield warning(
            "mode",
            "development: cookies without Secure, http redirect URIs on localhost",
            "what is typed here travels readable, so that this is for your own machine only",
            "set issuer to the https URL that people will use, and leave dev out",
        )
    elif urlsplit(settings.issuer).scheme == "https":
        yield good("mode", f"production, {settings.issuer}")


def cookies(settings: Settings) -> Iterator[Finding]:
    """Do browsers send the session cookie to whoever is to read it?"""
    own = urlsplit(settings.issuer).hostname or ""
    domain = settings.sessions.cookie_domain
    readers = {
        resource.id: host
        for resource in settings.resource
        if resource.secret_hash is not None and (host := urlsplit(resource.id).hostname)
    }
    if domain is None:
        away = {id: host for id, host in readers.items() if host != own}
        for id, host in away.items():
            yield note(
                "cookies",
                f"the session cookie stays at {own}; browsers do not send it to {host}",
                f"the API {id} may look sessions up, but no browser sends it a cookie",
                f'sessions.cookie_domain = "{_shared(own, host)}"'
                if _shared(own, host)
                else f"let it take tokens, or serve it at {own}",
            )
        if not away:
            yield good("cookies", f"the session cookie stays with the issuer's own host, {own}")
        return
    if "." not in domain.strip("."):
        yield error(
            "cookies",
            f"sessions.cookie_domain is {domain}, a top-level domain",
            "browsers refuse such a cookie, so that nobody stays signed in",
            f'sessions.cookie_domain = "{own.partition(".")[2] or own}"',
        )
        return
    if not _within(own, domain):
        yield error(
            "cookies",
            f"sessions.cookie_domain is {domain}, and the issuer's host {own} is not in it",
            "browsers refuse the cookie, so that nobody stays signed in",
            f'sessions.cookie_domain = "{own.partition(".")[2] or own}", or leave it out',
        )
        return
    for id, host in readers.items():
        if not _within(host, domain):
            yield warning(
                "cookies",
                f"browsers do not send the session cookie of {domain} to {host}",
                f"the API {id} may look sessions up, and will never see one",
                "let it take tokens, or give it a host below that domain",
            )
    yield note(
        "cookies",
        f"every host below {domain} is sent the session cookie",
        "whoever runs one of them, or takes over a forgotten name there, reads it and may set one",
        "leave sessions.cookie_domain out where all readers are on the issuer's host",
    )


def _within(host: str, domain: str) -> bool:
    domain = domain.strip(".").lower()
    return host == domain or host.endswith("." + domain)


def _shared(one: str, other: str) -> str:
    """The domain that both lie in; "" where it would be a top-level one."""
    left, right = one.split(".")[::-1], other.split(".")[::-1]
    same = []
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        same.append(a)
    return ".".join(reversed(same)) if len(same) >= 2 and not one.replace(".", "").isdigit() else ""


def _clients(settings: Settings) -> Iterator[Finding]:
    unproven = [client.id for client in settings.client if not client.require_pkce]
    for id in unproven:
        yield warning(
            "clients",
            f"{id} needs no PKCE",
            "a stolen authorization code can be put into another person's sign-in there",
            f"leave require_pkce out for {id}, as soon as it sends a code_challenge",
        )
    loose = [client.id for client in settings.client if client.token_endpoint_audience]
    for id in loose:
        yield warning(
            "clients",
            f"{id} may prove itself by assertions for the token endpoint's URL",
            "what it signs for another server that names our endpoint as its own is good here",
            f"leave token_endpoint_audience out for {id}, as soon as it signs for the issuer",
        )
    for id in (client.id for client in settings.client if client.api_login):
        yield note(
            "clients",
            f"{id} asks people for their passwords itself, by api_login",
            "whoever gets into that application reads them; what passes for it can ask for them, too",
            f"leave api_login out for {id}, where it can send people to the sign-in page",
        )
    strangers = [client.id for client in settings.client if not client.first_party]
    if urlsplit(settings.issuer).path and strangers:
        yield error(
            "clients",
            f"the issuer lies under a path and serves others' applications: {', '.join(strangers[:5])}",
            "it shares its origin with what else that host serves, whose scripts can then act on its pages",
            "give the issuer a host of its own, or mark the clients that are yours first_party = true",
        )
    if settings.client and not unproven:
        yield good("clients", f"{counted(len(settings.client), 'client')}, each with PKCE")


def strangers(settings: Settings) -> Iterator[Finding]:
    """Applications that nobody here lets in."""
    on = [
        name
        for name, is_on in (
            ("registration.open", settings.registration.open),
            ("metadata_documents.enabled", settings.metadata_documents.enabled),
        )
        if is_on
    ]
    known = settings.registration.enabled or settings.metadata_documents.enabled
    if known and (urlsplit(settings.issuer).path or settings.sessions.cookie_domain is not None):
        yield error(
            "clients",
            "others' applications can make themselves known, and the issuer shares its site with an application",
            "scripts of what is served beside it can then act on its pages or read its cookie",
            "give the issuer a host of its own, or leave registration and metadata_documents out",
        )
    for name in on:
        yield note(
            "clients",
            f"{name}: applications come that nobody here has looked at",
            "people are told so, and can be talked into letting one in all the same",
            f"leave {name} out, if every application can be invited (admit client invite add)",
        )
    if settings.registration.enabled and not settings.registration.require_pkce:
        yield warning(
            "clients",
            "registration.require_pkce is off: clients that register with a secret need no PKCE",
            "a stolen authorization code can be put into another person's sign-in there",
            "leave registration.require_pkce out; make invitations with --no-pkce for those that cannot",
        )


def _proxy(settings: Settings) -> Iterator[Finding]:
    trusted = networks(settings.proxy.trusted)
    if trusted:
        yield good("proxy", f"{settings.proxy.header} is believed from {', '.join(map(str, trusted))} only")


def _guessing(settings: Settings) -> Iterator[Finding]:
    """Limits far above the defaults, and none where they are as they come."""
    ours, usual = settings.accounts, AccountsConfig()
    for name in ("tries_per_account", "tries_per_day", "tries_per_network", "tries_per_prefix"):
        value, default = getattr(ours, name), getattr(usual, name)
        if value > _LOOSER * default:
            yield warning(
                "guessing",
                f"accounts.{name} is {value:,}; it comes as {default:,}",
                "whoever tries passwords is hardly slowed down, and each try costs a hash",
                f"leave accounts.{name} out, or name fewer",
            )
    if ours.tries_window * _LOOSER < usual.tries_window:
        yield warning(
            "guessing",
            f"accounts.tries_window is {ours.tries_window.total_seconds():g} s",
            "tries come back so soon that whoever tries passwords is hardly slowed down",
            "leave accounts.tries_window out",
        )


def _passwords(settings: Settings) -> Iterator[Finding]:
    if settings.accounts.pepper:
        yield good(
            "passwords", "hashed with the key file's key: the database alone is no help in guessing them"
        )
    else:
        yield note(
            "passwords",
            "hashed without the key file's key (accounts.pepper is off)",
            "whoever gets the database alone, by a dump or backup, can try common passwords on it",
            "accounts.pepper = true; and a copy of the key file in a safe place, since without it no password is right",
        )


def _audit(settings: Settings) -> Iterator[Finding]:
    kept = settings.audit.kept
    if not kept:
        yield note(
            "audit",
            "what people did, and from which address, is kept for good (audit.kept is 0s)",
            "the law of many places wants such records to have an end, and each is worth stealing",
            'audit.kept = "400d"',
        )
    elif kept < _LOOKED_BACK:
        yield note(
            "audit",
            f"what people did is forgotten after {kept.days} days",
            "a break-in is often found months later, and then nothing tells who was affected",
            'audit.kept = "400d"',
        )
    else:
        yield good("audit", f"what people did is kept for {kept.days} days, what operators did for good")


def _listeners(settings: Settings) -> Iterator[Finding]:
    host, port = settings.address
    if not settings.dev and not settings.tls.cert and not _is_near(host):
        yield warning(
            "listen",
            f"plain http is served at {host}:{port}",
            "whoever is on that network reads passwords, unless only the proxy can reach it",
            f'listen = "127.0.0.1:{port}", or tls.cert and tls.key',
        )
    if settings.metrics.listen and not _is_near(settings.metrics.address[0]):
        yield warning(
            "listen",
            f"metrics are served at {settings.metrics.listen}, not on loopback",
            "whoever reaches it sees how busy the issuer is, and how it is attacked",
            f'metrics.listen = "127.0.0.1:{settings.metrics.address[1]}", or a firewall',
        )


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mail(settings: Settings) -> Iterator[Finding]:
    mail = settings.mail
    if not mail.is_on:
        yield warning(
            "mail",
            "no mail is sent",
            "nobody can prove an address, set a forgotten password anew without an operator's link, or is told of a"
            " sign-in that was not theirs",
            'mail.url = "smtps://user:password@host:465" and mail.sender = "Name <no-reply@your.domain>"',
        )
    elif mail.is_console:
        yield warning(
            "mail",
            "mails go to the log",
            "whoever reads the log has the links that set passwords anew",
            'mail.url = "smtps://user:password@host:465"',
        )
    elif mail.plaintext:
        yield warning(
            "mail",
            "mails are handed in without TLS",
            "whoever is on the way reads the links that set passwords anew",
            "leave mail.plaintext out",
        )
    else:
        yield good("mail", f"handed in at {mail.server.host}:{mail.server.port}")


def _bound(settings: Settings) -> Iterator[Finding]:
    bound = settings.revocation.max_staleness
    told = f"an ended session's tokens are refused within {bound.total_seconds():g} s"
    if bound > _LONG_BOUND:
        yield warning(
            "revocation",
            told,
            "for so long, whoever stole one may go on after its owner signed out everywhere",
            'revocation.max_staleness = "30s", and the same for the verifiers',
        )
    else:
        yield good("revocation", told)
