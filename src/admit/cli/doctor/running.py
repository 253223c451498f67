"""How a request reaches the running issuer: asked through its public URL, with forged forwarding headers.

The question is one that only a holder of the key file can ask; see `admit.issuer.app.probe`.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from admit.cli.doctor.findings import Finding, error, good, note, warning
from admit.errors import AdmitError, FetchError
from admit.fetch import Fetcher, Response, origin_of
from admit.issuer import Settings
from admit.issuer.app import probe
from admit.issuer.app.config import networks
from admit.issuer.app.keys import load_keyring
from admit.issuer.app.proxy import is_trusted
from admit.issuer.storage import Keyring

FORGED: Final = "192.0.2.1"
"""An address that nobody has, RFC 5737 §3."""
_FORGERY: Final = {
    "x-forwarded-for": FORGED,
    "forwarded": f"for={FORGED};proto=https",
    "x-real-ip": FORGED,
    "x-forwarded-host": "forged.invalid",
}


async def findings(
    settings: Settings, *, ca_file: str | None, clock: Callable[[], float]
) -> AsyncIterator[Finding]:
    """All of them; one note where the issuer does not run."""
    if not settings.keys.file.lstrip().startswith("{") and not settings.keys_path.exists():
        return
    try:
        keyring = load_keyring(settings)
    except AdmitError:
        return  # told where the database is looked at
    nonce = secrets.token_urlsafe(24)
    asked = clock()
    headers = {probe.HEADER: probe.question(keyring, nonce=nonce, now=asked), **_FORGERY}
    fetcher = Fetcher(frozenset({origin_of(settings.issuer)}), ca_file=ca_file)
    try:
        answer = await fetcher.aget(settings.issuer + probe.PATH, headers)
    except FetchError as trouble:
        yield note(
            "running",
            f"{settings.issuer} did not answer ({trouble.detail})",
            "how requests reach the issuer was not checked",
            "run the doctor again while the issuer runs, with --ca-file where its certificate is your own authority's",
        )
        return
    finally:
        await fetcher.aclose()
    for one in judge(settings, keyring, nonce, answer, began=asked, ended=clock()):
        yield one


def judge(
    settings: Settings, keyring: Keyring, nonce: str, answer: Response, *, began: float, ended: float
) -> Iterator[Finding]:
    """What the answer says. Times are seconds since the epoch."""
    yield from _date(answer, began, ended)
    if answer.status != 200:
        yield _without_proof(settings, answer)
        return
    if not probe.is_answer(keyring, nonce, answer.body, answer.headers.get(probe.HEADER, "")):
        yield error(
            "running",
            f"somebody else answers at {settings.issuer}",
            "people type their passwords there",
            "see where that name leads, and which keys.file the issuer there has",
        )
        return
    seen = msgspec.json.decode(answer.body, type=probe.Seen)
    yield good("running", f"the issuer answers at {settings.issuer}")
    yield from _address(settings, seen)
    if settings.proxy.trusted and seen.scheme != urlsplit(settings.issuer).scheme:
        yield note(
            "proxy",
            f"the issuer hears that people come by {seen.scheme or 'nothing'}",
            "it goes by its own URL, so nothing breaks; logs of other programs may be wrong",
            "proxy_set_header X-Forwarded-Proto $scheme (nginx)",
        )


def _without_proof(settings: Settings, answer: Response) -> Finding:
    if answer.status == 421:
        return error(
            "proxy",
            "the issuer is asked for another Host than its own",
            "it refuses every request, since links and cookies would be another host's",
            "proxy_set_header Host $http_host (nginx); haproxy passes it on by itself",
        )
    if answer.status in (502, 503, 504):
        return error(
            "proxy",
            f"{settings.issuer} answers {answer.status}: the proxy does not reach the issuer",
            "nobody can sign in",
            "compare the proxy's upstream address with listen",
        )
    return error(
        "running",
        f"{settings.issuer} answers {answer.status} to a question that its key file allows",
        "another issuer is there, or one with other keys, an older version, or a clock that is minutes off",
        "run the doctor with the settings of the issuer that runs there",
    )


def _date(answer: Response, began: float, ended: float) -> Iterator[Finding]:
    try:
        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return
    # The header is cut to whole seconds, and a server makes it once a second.
    off = max(began - (told + 2.0), told - ended, 0.0)
    if off > 30.0:
        grave = error
    elif off > 1.0:
        grave = warning
    else:
        yield good("time", "this machine and the issuer's answers agree to the second")
        return
    yield grave(
        "time",
        f"this machine and the issuer's answers differ by {off:.0f} s",
        "tokens are refused as not valid yet, or live too long",
        "timedatectl set-ntp true, on both",
    )


def _address(settings: Settings, seen: probe.Seen) -> Iterator[Finding]:
    """Whose address does the issuer go by, and who could have written it?"""
    written = seen.forwarded if settings.proxy.header == "forwarded" else seen.forwarded_for
    last = ",".join(written).rpartition(",")[2].strip()
    proxied = bool(last) and FORGED not in last
    believed = is_trusted(seen.peer or "", networks(settings.proxy.trusted))
    if seen.client == FORGED and proxied:
        yield note(
            "proxy",
            "this machine's own word about addresses is believed, since proxy.trusted names it",
            "so it cannot tell whether a stranger's is",
            "run the doctor on another machine too, with the same key file",
        )
    elif seen.client == FORGED:
        yield error(
            "proxy",
            "the issuer believes an address that a stranger wrote",
            "whoever guesses passwords comes from another address each time, and the audit tells a lie",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for (nginx), option forwardfor (haproxy); "
            "proxy.trusted names these proxies only",
        )
    elif proxied and seen.client == seen.peer and not believed:
        yield warning(
            "proxy",
            f"everybody comes from {seen.peer}: a proxy says whom it speaks for, and is not believed",
            "throttling shuts out all people together, and the audit does not know from where they came",
            f'proxy.trusted = ["{seen.peer}"]',
        )
    elif settings.proxy.trusted and seen.client == seen.peer and not proxied:
        yield warning(
            "proxy",
            f"the proxy at {seen.peer} does not write {settings.proxy.header}",
            "throttling shuts out all people together, and the audit does not know from where they came",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for (nginx), option forwardfor (haproxy)",
        )
    else:
        yield good("proxy", f"forged headers change nothing: this machine comes from {seen.client}")
