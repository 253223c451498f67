"""The words of a mail and its two dresses. Jinja2: markup is escaped in HTML, and plain text is plain."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from admit.issuer.app.pages import browser, moments
from admit.issuer.app.pages.catalogue import Text, flat, load_all, one_line
from admit.issuer.app.pages.language import LANGUAGES, choose
from admit.issuer.outbox import KINDS, MailKind, Waiting

TEXTS: Final = Path(__file__).parent / "text"
FOLDER: Final = Path(__file__).parent / "templates"
# Where a stranger gave the address: said at the foot, in place of "your account".
_OF_STRANGERS: Final[frozenset[MailKind]] = frozenset({"verify_email", "confirm_new_email"})
_LIVES: Final[frozenset[MailKind]] = frozenset({"verify_email", "confirm_new_email", "reset_password"})

_LEADS_TO: Final[Mapping[MailKind, str]] = MappingProxyType(
    {"already_registered": "login", "app_allowed": "account", "unknown_app_allowed": "account"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a mail says, in its language. `button` and `link` belong together; a line that is "" is left out."""

    lang: str
    subject: str
    what: str
    facts: tuple[str, ...]
    button: str
    link: str
    by_hand: str
    life: str
    not_you: str
    foot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dressed:
    """A mail's subject and both of its bodies."""

    lang: str
    subject: str
    text: str
    html: str


def escapes(template_name: str | None) -> bool:
    """Whether a template escapes what it is given: HTML does."""
    return template_name is None or not template_name.endswith(".txt")


@cache
def load(tag: str) -> Text:
    """The catalogue of mails in one language; read once a process."""
    entries = dict(flat(tomllib.loads((TEXTS / f"{tag}.toml").read_text("utf-8"))))
    for kind in KINDS:
        for part in ("subject", "what", "not_you"):
            if f"{kind}.{part}" not in entries:
                raise KeyError(f"{tag}: {kind}.{part}")
    return Text(tag, MappingProxyType(entries))


_MAIL_TEXTS: Final[Mapping[str, Text]] = MappingProxyType({tag: load(tag) for tag in LANGUAGES})


class Mails:
    """The mails of one issuer. `templates_dir` is searched first, for `mail/<kind>.html` and `.txt`, then for
    `mail/layout.html` and `.txt`. `lives`: how long the link of a kind works. All links begin with `issuer`.
    """

    def __init__(
        self,
        templates_dir: Path | None = None,
        *,
        issuer: str,
        site: str,
        lives: Mapping[MailKind, timedelta],
    ) -> None:
        self._issuer = issuer
        self._site = site
        self._lives = lives
        self._pages = load_all()
        folders = [FOLDER] if templates_dir is None else [templates_dir, FOLDER]
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            autoescape=lambda name: escapes(name),  # noqa: S701  # by the dress: plain text has no markup
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def dress(self, waiting: Waiting) -> Dressed:
        """A mail's subject and bodies."""
        words = self.words(waiting)
        html, text = (self._render(waiting.mail.kind, suffix, words) for suffix in ("html", "txt"))
        return Dressed(lang=words.lang, subject=words.subject, text=text, html=html)

    def _render(self, kind: str, suffix: str, words: Words) -> str:
        template = self._environment.select_template((f"mail/{kind}.{suffix}", f"mail/layout.{suffix}"))
        return template.render(words=words, kind=kind, site=self._site, issuer=self._issuer)

    def words(self, waiting: Waiting) -> Words:
        """What the mail says. Raises KeyError for a kind that this version does not know."""
        mail = waiting.mail
        about = KINDS[mail.kind]
        lang = choose(mail.locale, None)
        text, page = _MAIL_TEXTS[lang], self._pages[lang]
        places = {name: mail.data[name] for name in about.needs} | {
            "site": self._site,
            "forgot": f"{self._issuer}/forgot",
        }

        def part(name: str) -> str:
            key = f"{mail.kind}.{name}"
            return text(key, **places) if key in text.entries else ""

        button = part("button")
        life = self._lives.get(mail.kind)
        foot = "foot_stranger" if mail.kind in _OF_STRANGERS else "foot"
        return Words(
            lang=lang,
            subject=part("subject"),
            what=part("what"),
            facts=self._facts(waiting, text, page),
            button=button,
            link=self._link(waiting) if button else "",
            by_hand=text("by_hand"),
            life=text("life", time=moments.lasting(page, life.total_seconds())) if life is not None else "",
            not_you=part("not_you"),
            foot=text(foot, site=self._site),
        )

    def _link(self, waiting: Waiting) -> str:
        mail = waiting.mail
        if mail.kind in _LIVES:
            return one_line(mail.data["link"])
        return f"{self._issuer}/{_LEADS_TO.get(mail.kind, 'forgot')}"

    def _facts(self, waiting: Waiting, text: Text, page: Text) -> tuple[str, ...]:
        """When it was, and from where, of what was done with an account."""
        mail, at = waiting.mail, waiting.created_at
        if mail.kind in _LIVES or mail.kind == "already_registered":
            return ()
        clock = datetime.fromtimestamp(at, UTC).strftime("%H:%M")
        facts = [text("at", day=moments.date(page, at), time=clock)]
        if "user_agent" in mail.data:
            seen = browser.describe(page, mail.data["user_agent"])
            facts.append(text("from", browser=seen, ip=mail.data.get("ip", "")))
        return tuple(facts)
