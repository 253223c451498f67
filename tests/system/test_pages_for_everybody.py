"""Every page and mail, in every state: fits the screen, is used by keyboard, keeps nobody out (WCAG 2.2 AA by axe).

What is looked at is the table of samples, which `tests/unit/issuer/app/pages/test_samples.py` holds to all that there
is. The test tier sees all of it in two dresses, and shows axe the fullest state of each page once; the soak tier shows
axe all of it in every dress. ADMIT_PICTURES=1 puts a picture of each page in each dress into `.cache/screens/pages`.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from admit.issuer.app.mails.render import Mails
from admit.issuer.app.pages.language import CHINESE, ENGLISH, LANGUAGES
from admit.issuer.app.pages.render import Pages
from admit.issuer.app.pages.views import FormPostView
from admit.issuer.outbox import KINDS, Mail, MailKind, Waiting
from tests.fixtures.axe import PROGRAM, RULES
from tests.fixtures.browser import SCREENS
from tests.fixtures.looks import ORIGIN, Looker, Scheme
from tests.plugins.rounds import TIER
from tests.unit.issuer.app.pages.samples import EDGE
from tests.unit.issuer.app.pages.samples_states import EVERYTHING, LONG_IP

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SUMMARY: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "pages.md"
PICTURES: Final = SCREENS / "pages"
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDTHS: Final = (1280, 360)
DRESSES: Final = tuple(itertools.product(LANGUAGES, SCHEMES, WIDTHS))
IN_TEST: Final = ((ENGLISH, "light", 1280), (CHINESE, "dark", 360))
ISSUER: Final = "https://a-name-that-an-issuer-may-well-have.id.example.com/auth"
LIVES: Final[Mapping[MailKind, timedelta]] = {
    "verify_email": timedelta(hours=24), "confirm_new_email": timedelta(hours=24),
    "reset_password": timedelta(minutes=15),
}  # fmt: skip


def pages_in(lang: str) -> dict[str, str]:
    pages = Pages(issuer=ORIGIN)
    return {name: pages.html(view, lang=lang) for name, view in EVERYTHING.items()}


def mails_in(lang: str) -> dict[str, str]:
    mails = Mails(None, issuer=ISSUER, site="Example", lives=LIVES)
    data = {
        "link": f"{ISSUER}/reset?t={'a' * 43}&ui_locales={lang}",
        "user_agent": EDGE,
        "ip": LONG_IP,
        "left": "2",
        "app": "Orders" * 20,
    }

    def dressed(kind: MailKind) -> str:
        mail = Mail(kind=kind, user_id="u_ada", to="ada@example.com", locale=lang, data=data)
        waiting = Waiting(
            id="c0ffee", mail=mail, created_at=1_795_000_000.0, give_up_at=1_795_090_000.0, tries=1
        )
        return mails.dress(waiting).html

    return {f"mail_{kind}": dressed(kind) for kind in KINDS}


def fullest(shown: Mapping[str, str], group: Callable[[str], str]) -> dict[str, str]:
    """Of each group, the state with most on it."""
    ordered = sorted(shown, key=lambda name: (group(name), len(shown[name])))
    names = [list(some)[-1] for _, some in itertools.groupby(ordered, group)]
    return {name: shown[name] for name in names}


def page_of(name: str) -> str:
    return EVERYTHING[name].page if name in EVERYTHING else "mail"


def shown_to_axe(shown: Mapping[str, str], turn: int) -> Mapping[str, str]:
    """All of it in the soak tier; in the test tier each page once, every other in each dress."""
    if TIER == "soak":
        return shown
    return dict(list(fullest(shown, page_of).items())[turn::2])


@pytest.fixture(scope="module")
def looker(chromium: "Browser", axe: str) -> Iterator[Looker]:
    with Looker(chromium, Pages(issuer=ORIGIN), axe) as made:
        yield made


def test_every_page_and_mail_in_every_state_is_fit_for_everybody(looker: Looker) -> None:
    for turn, (lang, scheme, width) in enumerate(DRESSES if TIER == "soak" else IN_TEST):
        looker.dress(scheme, width)
        shown = pages_in(lang) | mails_in(lang)
        judged = shown_to_axe(shown, turn)
        others = {name: html for name, html in shown.items() if name not in judged}
        assert looker.faults(judged, axe=True) == [], (lang, scheme, width)
        assert looker.faults(others, axe=False) == [], (lang, scheme, width)
    assert looker.complaints == []
    if TIER == "soak":
        summarise(len(pages_in(ENGLISH)), len(mails_in(ENGLISH)))


def summarise(pages: int, mails: int) -> None:
    """Written down only when everything was looked at and nothing was found."""
    version = json.loads((PROGRAM.parent / "package.json").read_text("utf-8"))["version"]
    kinds = sorted({view.page for view in EVERYTHING.values()})
    SUMMARY.write_text(
        f"""# Pages and mails

Written by `make soak`, {datetime.now(UTC):%Y-%m-%d}; axe-core {version}, {", ".join(RULES)}.

Looked at: {len(kinds)} pages in {pages} states, and {mails} kinds of mail. Each in {len(LANGUAGES)} languages, light
and dark, {" and ".join(f"{width:,}" for width in WIDTHS)} px wide: {(pages + mails) * len(DRESSES):,} times in all.

| looked for | found |
|---|---|
| what axe calls serious or critical | 0 |
| wider than the screen, cut off, or wider than its place | 0 |
| a button or field less than 44 px high | 0 |
| reached by keyboard, and not seen there | 0 |
| a message that no field is tied to | 0 |
| refused by the page's own policy, or thrown by a script | 0 |

States are errors with the form and beside each field, names and addresses as long as the rules let them be, thirty
sessions, three of them unknown, set-up of a second factor with its QR code, recovery codes, and what was just done.
That no page, state or text is missing among them is a test: `tests/unit/issuer/app/pages/test_samples.py`.

Pages: {", ".join(f"`{kind}`" for kind in kinds)}.
Mails: {", ".join(f"`{kind}`" for kind in KINDS)}.
""",
        "utf-8",
    )


WRONG: Final = {
    "image-alt": "<img src=data:,>",
    "color-contrast": "<p style='color: #999; background: #fff'>pale</p>",
    "wider than the screen": "<p style='width: 1400px'>wide</p>",
    "beyond the edge": "<p style='position: absolute; left: -9px; width: 99px'>cut</p>",
    "wider than its place": "<p style='width: 50px; overflow: hidden; white-space: nowrap'>more words than fit</p>",
    "low": "<button>x</button>",
    "focus not seen": "<p><a href=/x style='outline: none'>x</a></p>",
    "a message that no field is tied to": "<p class=wrong id=a-problem>x</p>",
}


def test_what_is_wrong_is_found(looker: Looker) -> None:
    around = "<!doctype html><html lang=en><title>x</title><style>h1 {{ margin: 0 }}</style><main><h1>x</h1>{}</main>"
    looker.dress("light", 1280)
    bad = {what: around.format(html) for what, html in WRONG.items()}
    found = looker.faults({"nothing": around.format("<p>x</p>"), **bad}, axe=True)
    assert {name for name, _, _ in found} == set(WRONG)
    assert {name for name, what, _ in found if what == name} == set(WRONG)


def test_every_page_loads_under_its_own_policy_and_no_script_throws(page: "Page") -> None:
    pages = Pages(issuer=ORIGIN)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def answer(route: "Route") -> None:
        if not route.request.url.startswith(f"{ORIGIN}/"):
            sent.append(route.request.url)  # the application that a page sends itself to
            route.fulfill(body="", content_type="text/html")
            return
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            reply = pages.assets.response(*path.removeprefix("/static/").split("/"), https=False)
            assert reply is not None, path
        else:
            lang, name = path.removeprefix("/").split("/")
            view = EVERYTHING[name]
            leads_to = view.action if isinstance(view, FormPostView) else None
            reply = pages.response(view, lang=lang, status=200, form_target=leads_to)
        route.fulfill(status=200, headers=dict(reply.headers), body=bytes(reply.body))

    sent: list[str] = []
    page.route("**/*", answer)
    for lang in LANGUAGES if TIER == "soak" else LANGUAGES[:1]:
        shown = pages_in(lang)
        for name in shown if TIER == "soak" else fullest(shown, lambda name: EVERYTHING[name].kind.value):
            view = EVERYTHING[name]
            if isinstance(view, FormPostView) and view.by_itself:
                page.goto(f"{ORIGIN}/{lang}/{name}", wait_until="commit")
                page.wait_for_url(view.action)
                assert (sent.pop(), complaints) == (view.action, []), name
                continue
            page.goto(f"{ORIGIN}/{lang}/{name}")
            assert complaints == [], name
            for scheme, width in (
                itertools.product(SCHEMES, WIDTHS) if os.environ.get("ADMIT_PICTURES") else ()
            ):
                page.set_viewport_size({"width": width, "height": 780})
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=PICTURES / f"{name}-{lang}-{scheme}-{width}.png", full_page=True)
