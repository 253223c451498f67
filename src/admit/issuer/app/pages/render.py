"""Views to HTML replies: Jinja2 with everything escaped, the texts of one language, the row of the header table."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from admit.issuer.accounts.policy import context_words, host_words
from admit.issuer.app import headers as header_table
from admit.issuer.app.pages import browser, links, moments, scopes
from admit.issuer.app.pages.assets import THEME, Assets
from admit.issuer.app.pages.catalogue import load_all, one_line
from admit.issuer.app.pages.language import CHINESE, ENGLISH
from admit.issuer.app.pages.views import AnyView, ErrorView, FormView

FOLDER: Final = Path(__file__).parent / "templates"
_NAMES: Final = ((ENGLISH, "English"), (CHINESE, "简体中文"))


def escapes(template_name: str | None) -> bool:
    """Whether a template escapes what it is given. Every one does; none is trusted with markup."""
    return True


class Pages:
    """The rendering layer. `issuer` is the issuer's URL: its path goes before every link, its scheme decides HSTS.

    `templates_dir` is searched before Admit's own templates; its `static` folder before Admit's static files, and a
    `theme.css` there is linked on every page. `site` is the name people know this issuer by. `refused_within` is the
    bound, in seconds, that pages tell for what is ended.
    """

    def __init__(
        self,
        templates_dir: Path | None = None,
        *,
        issuer: str,
        site: str = "Admit",
        refused_within: float = 30.0,
    ) -> None:
        parts = urlsplit(issuer)
        self.https = parts.scheme == "https"
        self.base = parts.path.rstrip("/")
        self.site = site
        self.assets = Assets(templates_dir / "static" if templates_dir is not None else None)
        self._texts = load_all()
        self._within = {tag: moments.within(text, refused_within) for tag, text in self._texts.items()}
        folders = [FOLDER] if templates_dir is None else [templates_dir, FOLDER]
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            autoescape=lambda name: escapes(name),  # noqa: S701  # always true; asked at each compilation
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(
            site=site,
            known_words=sorted(context_words(site, host_words(issuer))),
            base=self.base,
            languages=_NAMES,
            asset=lambda name: self.base + self.assets.path(name),
            theme=self.base + self.assets.path(THEME) if THEME in self.assets.files else "",
            safe_href=lambda url: links.safe_href(url),
            in_language=links.in_language,
            with_interaction=self._with_interaction,
            scope_words=scopes.words,
            one_line=one_line,
            machine=moments.machine,
        )

    def html(self, view: AnyView, *, lang: str) -> str:
        """The page of a view. `lang` is what `language.choose` gave. Raises KeyError for an unknown one."""
        text = self._texts[lang]
        return self._environment.get_template(f"{view.page}.html").render(
            view=view,
            lang=lang,
            t=text,
            ago=partial(moments.ago, text),
            date=partial(moments.date, text),
            lasting=partial(moments.lasting, text),
            browser=partial(browser.describe, text),
            within=self._within[lang],
        )

    def response(
        self,
        view: AnyView,
        *,
        lang: str,
        status: int | None = None,
        form_target: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The reply with a view's page, complete with its row of the header table.

        `status` defaults to 200, to 400 for a form with a problem, and to an error's own. `form_target` is the redirect
        URI of this transaction, which the page's form may lead to (flow pages only). `headers` are added to the row.
        """
        if status is None:
            status = _status(view)
        row = header_table.table(view.kind, https=self.https, status=status, form_target=form_target)
        return HTMLResponse(
            self.html(view, lang=lang),
            status_code=status,
            headers={**row, "content-language": lang, **(headers or {})},
        )

    def _with_interaction(self, path: str, view: FormView, lang: str) -> str:
        return links.with_interaction(self.base + path, view.interaction, lang)


def _status(view: AnyView) -> int:
    if isinstance(view, ErrorView):
        return int(view.trouble.status)
    return 400 if view.troubled else 200
