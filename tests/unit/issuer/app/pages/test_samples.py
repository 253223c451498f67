"""Nothing that people can be shown is missing among the samples, so that every test of pages sees all of them.

A new page, a new mail, or a new text on an old page makes these fail until there is a sample of it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import admit.issuer
from admit.issuer.app.pages import catalogue
from admit.issuer.app.pages.language import ENGLISH
from admit.issuer.app.pages.render import FOLDER, Pages
from admit.issuer.app.pages.views import FormView, View
from tests.unit.issuer.app.pages.samples_states import EVERYTHING

SOURCES = Path(admit.issuer.__file__).parent


def kinds(of: type[View]) -> Iterator[type[View]]:
    for kind in of.__subclasses__():
        if (
            getattr(sys.modules[kind.__module__], kind.__name__) is kind
        ):  # slots leave a first draft of each behind
            yield kind
        yield from kinds(kind)


def test_every_kind_of_view_has_a_sample() -> None:
    shown = {type(view) for view in EVERYTHING.values()}
    assert {kind for kind in kinds(View) if kind is not FormView and kind not in shown} == set()


def test_every_template_of_a_page_has_a_sample() -> None:
    whole = {
        path.stem for path in FOLDER.glob("*.html") if '{% extends "base.html" %}' in path.read_text("utf-8")
    }
    assert whole == {view.page for view in EVERYTHING.values()}


def test_every_text_of_the_pages_is_shown_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    given = catalogue.Text.__call__

    def noted(self: catalogue.Text, key: str, /, **values: object) -> str:
        asked.add(key)
        return given(self, key, **values)

    monkeypatch.setattr(catalogue.Text, "__call__", noted)
    pages = Pages(issuer="https://id.example.com")
    for view in EVERYTHING.values():
        pages.html(view, lang=ENGLISH)
    # Those of times follow from the clock.
    spoken = {key for key in catalogue.load(ENGLISH).entries if not re.match(r"(month|time|span)\.", key)}
    assert spoken - asked == set()


def test_no_other_place_makes_a_page() -> None:
    """What leaves as HTML leaves through the pages, or through the mails: the two that are looked at."""
    makers = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(r"HTMLResponse|text/html|subtype=.html", path.read_text("utf-8"))
    }
    assert makers == {"app/pages/render.py", "app/mails/message.py"}
