"""Every page in every language: whole, escaped, without inline code, fit for screen readers and small hands."""

import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.language import LANGUAGES
from admit.issuer.app.pages.render import FOLDER, Pages
from admit.issuer.app.pages.views import (
    AnyView,
    FormView,
    Problem,
    ScopeItem,
    SignInView,
    SignUpView,
    Trouble,
)
from tests.unit.issuer.app.pages.samples import CONSENT, CSRF, STRANGER, STRANGERS_CONSENT, VIEWS
from tests.unit.issuer.app.pages.samples_states import EVERYTHING

ISSUER = "https://id.example.com/auth"
PAYLOADS = (
    '<script>document.title="taken"</script>',
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'x' %}",
    "{client} {0.__class__}",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "</textarea><base href=https://evil.example/>",
)
EVERY = [pytest.param(name, lang, id=f"{name}-{lang}") for name in VIEWS for lang in LANGUAGES]


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"a doubled attribute on {tag}"
        self.all.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.all if tag in tags]


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(issuer=ISSUER)


def page(name: str, lang: str) -> Elements:
    return Elements(Pages(issuer=ISSUER).html(VIEWS[name], lang=lang))


@pytest.mark.parametrize(("name", "lang"), EVERY)
def test_every_view_is_a_whole_page_in_its_language(pages: Pages, name: str, lang: str) -> None:
    html = pages.html(VIEWS[name], lang=lang)
    elements = Elements(html)
    assert html.startswith("<!doctype html>")
    assert elements.named("html") == [{"lang": lang}]
    assert len(elements.named("h1")) == 1
    assert len(elements.named("main")) == 1
    assert html.count("<title>") == 1
    assert "None" not in elements.text


@pytest.mark.parametrize(("name", "lang"), EVERY)
def test_every_field_has_a_label_and_every_reference_a_goal(pages: Pages, name: str, lang: str) -> None:
    elements = Elements(pages.html(VIEWS[name], lang=lang))
    ids = [attributes["id"] for _, attributes in elements.all if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes["for"] for attributes in elements.named("label")}
    for field in elements.named("input"):
        assert field["type"] == "hidden" or "hidden" in field or field["id"] in labelled
        assert field["type"] == "hidden" or field["autocomplete"]
    for _, attributes in elements.all:
        for reference in ("aria-describedby", "aria-controls", "aria-labelledby", "data-reveals"):
            for goal in (attributes.get(reference) or "").split():
                assert goal in ids
    assert sum("autofocus" in attributes for _, attributes in elements.all) <= 1


@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if isinstance(view, FormView)])
def test_every_form_posts_home_with_its_proof_transaction_and_language(pages: Pages, name: str) -> None:
    view = VIEWS[name]
    assert isinstance(view, FormView)
    html = pages.html(view, lang="zh-Hans")
    forms = re.findall(r"<form.*?</form>", html, re.DOTALL)
    assert forms
    for form in forms:
        elements = Elements(form)
        (attributes,) = elements.named("form")
        assert attributes["method"] == "post"
        assert re.fullmatch(r"/auth/[a-z/-]+\?ui_locales=zh-Hans", str(attributes["action"]))
        hidden = {str(i["name"]): i["value"] for i in elements.named("input") if i["type"] == "hidden"}
        assert hidden["csrf"] == CSRF
        assert hidden.get("i", "") == view.interaction
        assert [b for b in elements.named("button") if b["type"] == "submit"], "works without script"


def test_browsers_are_told_what_to_fill_in() -> None:
    def told(name: str) -> dict[str, str | None]:
        return {
            str(f["name"]): f["autocomplete"]
            for f in page(name, "en").named("input")
            if f["type"] != "hidden"
        }

    assert told("sign_in") == {"email": "username", "password": "current-password"}
    assert told("sign_up") == {"name": "name", "email": "username", "password": "new-password"}


def test_a_problem_stands_beside_its_field_is_tied_to_it_and_takes_the_focus() -> None:
    elements = page("sign_up_wrong", "en")
    fields_by_id = {field.get("id"): field for field in elements.named("input")}
    assert fields_by_id["email"]["aria-invalid"] == "true"
    assert fields_by_id["email"]["aria-describedby"] == "email-problem"
    assert "autofocus" in fields_by_id["email"]
    assert fields_by_id["password"]["aria-describedby"] == "password-hint password-problem"
    assert "aria-invalid" not in fields_by_id["name"]
    assert "Problem: Make an account" in elements.text


def test_a_wrong_login_names_neither_field_and_never_sends_the_password_back() -> None:
    elements = page("sign_in_wrong", "en")
    (alert,) = [attributes for _, attributes in elements.all if attributes.get("role") == "alert"]
    (password,) = [field for field in elements.named("input") if field.get("id") == "password"]
    assert alert["id"] == password["aria-describedby"]
    assert password["value"] == ""


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_has_words_for_the_form_and_all_but_the_wait_for_a_field(
    pages: Pages, problem: Problem
) -> None:
    for lang in LANGUAGES:
        assert 'role="alert"' in pages.html(
            SignInView(csrf=CSRF, problem=problem, wait_seconds=90), lang=lang
        )
        if problem is not Problem.TOO_MANY:
            view = SignUpView(csrf=CSRF, fields={"email": problem})
            assert 'id="email-problem"' in pages.html(view, lang=lang)


@pytest.mark.parametrize("trouble", Trouble)
def test_an_error_page_has_its_status_and_its_id(pages: Pages, trouble: Trouble) -> None:
    view = VIEWS[f"error_{trouble.name.lower()}"]
    response = pages.response(view, lang="en")
    assert response.status_code == trouble.status
    assert b"7f3a09c2d41be6a8" in response.body


def test_the_account_page_marks_this_session_and_offers_to_end_the_others_only() -> None:
    html = Pages(issuer=ISSUER).html(VIEWS["account"], lang="en")
    assert html.count("This one") == 1
    assert html.index("Firefox on Linux") < html.index("Edge on Windows") < html.index("Safari on iPhone")
    ended = re.findall(r'name="session" value="(\w+)">\s*<button [^>]*value="end"', html)
    assert ended == ["s_work", "s_phone", "s_script"]
    assert "End all others" in html
    assert "End all others" not in Pages(issuer=ISSUER).html(VIEWS["account_ended"], lang="en")


@pytest.mark.threat("6819-4.2.2")
def test_consent_names_the_client_its_host_each_scope_and_how_long() -> None:
    text = page("consent_unverified", "en").text
    for words in (
        "Mail merge helper",
        "merge.example.net",
        "Unverified",
        "See your email address",
        "merge:send",
    ):
        assert words in text
    assert "Up to 90 days" in text
    assert "Until you sign out" in page("consent", "en").text
    assert "查看你的订单" in page("consent", "zh-Hans").text


def test_a_scope_that_reaches_everybody_in_an_operators_hands_says_so() -> None:
    def asked(*, everybodys: bool) -> str:
        scope = ScopeItem(name="admit:sessions", everybodys=everybodys)
        return Elements(Pages(issuer=ISSUER).html(replace(CONSENT, scopes=(scope,)), lang="en")).text

    assert "See and end everybody's sessions" in asked(everybodys=True)
    assert "See and end your sessions" in asked(everybodys=False)
    assert "everybody" not in asked(everybodys=False)


def test_a_verified_client_is_not_called_unverified() -> None:
    verified = replace(STRANGERS_CONSENT, client=replace(STRANGER, verified=True))
    assert "Unverified" not in Pages(issuer=ISSUER).html(verified, lang="en")


def test_a_page_without_an_address_of_its_own_shows_no_language_switch() -> None:
    assert "languages" in Pages(issuer=ISSUER).html(VIEWS["sign_in"], lang="en")
    assert "languages" not in Pages(issuer=ISSUER).html(VIEWS["sign_in_wrong"], lang="en")


def filled(value: Any, text: str, address: str) -> Any:
    """The same view with every text in it replaced, and every address (`here`, `…_url`)."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(filled(item, text, address) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{
                f.name: address
                if f.name.endswith(("here", "_url"))
                else filled(getattr(value, f.name), text, address)
                for f in fields(value)
            },
        )
    return value


SHAPES = {type(view): view for view in VIEWS.values()}


def shape(html: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements of a page and the names of their attributes, values left out."""
    return [(tag, tuple(sorted(attributes))) for tag, attributes in Elements(html).all]


@pytest.mark.threat("WEB-xss", off="admit.issuer.app.pages.render:escapes")
@pytest.mark.parametrize("view", list(SHAPES.values()), ids=[kind.__name__ for kind in SHAPES])
def test_hostile_text_in_every_place_of_a_view_stays_text(view: AnyView) -> None:
    pages = Pages(issuer=ISSUER)
    harmless = shape(pages.html(filled(view, "plain", "/plain"), lang="en"))
    for payload in PAYLOADS:
        hostile = filled(view, payload, "/" + payload.replace(" ", "/"))
        assert shape(pages.html(hostile, lang="en")) == harmless


@pytest.mark.threat("WEB-xss", off="admit.issuer.app.pages.links:safe_href")
@pytest.mark.parametrize(
    "payload", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example"]
)
def test_no_foreign_value_becomes_a_link_that_runs_or_leaves(payload: str) -> None:
    pages = Pages(issuer=ISSUER)
    for view in SHAPES.values():
        for link in Elements(pages.html(filled(view, payload, payload), lang="en")).named("a"):
            # A file in the address itself, which is text and is kept, not shown.
            own = ("/auth/", "#", "data:text/plain;charset=utf-8,") if "download" in link else ("/auth/", "#")
            assert str(link["href"]).startswith(own)


@pytest.mark.threat("WEB-xss", off="admit.issuer.app.pages.catalogue:one_line")
def test_a_name_cannot_reorder_or_break_the_sentence_around_it() -> None:
    hostile = replace(STRANGERS_CONSENT, client=replace(STRANGER, name="Bank\u202e\u2066\n\x07x"))
    text = Elements(Pages(issuer=ISSUER).html(hostile, lang="en")).text
    assert "Let Bankx in?" in text
    assert not set(text) & set("\u202e\u2066\x07")


@pytest.mark.parametrize("template", sorted(FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_no_template_holds_inline_code_or_gives_up_escaping(template: Path) -> None:
    source = template.read_text("utf-8")
    for tag in re.findall(r"<script[^>]*>[^<]*", source):
        assert "src=" in tag
        assert tag.endswith(">")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", source)
    assert not re.search(r"\|\s*safe|autoescape|Markup", source)
    assert not re.search(r"\s[a-z-]+=\{\{", source), "an unquoted attribute escapes nothing"


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:content_sources")
@pytest.mark.parametrize("name", VIEWS)
def test_a_page_comes_with_the_whole_row_of_its_kind(name: str) -> None:
    view = VIEWS[name]
    got = Pages(issuer=ISSUER).response(view, lang="en", form_target="https://app.example.com/cb").headers
    assert got["content-type"] == "text/html; charset=utf-8"
    assert got["content-language"] == "en"
    assert got["cache-control"] == "no-store"
    assert "strict-transport-security" in got
    assert "script-src 'self'" in got["content-security-policy"]
    assert ("https://app.example.com" in got["content-security-policy"]) == (view.kind is Kind.FLOW)
    assert ("cross-origin-opener-policy" in got) == (view.kind is Kind.ACCOUNT)


def test_a_form_with_a_problem_is_no_success() -> None:
    pages = Pages(issuer=ISSUER)
    assert pages.response(VIEWS["sign_in"], lang="en").status_code == 200
    assert pages.response(VIEWS["sign_in_wrong"], lang="en").status_code == 400
    assert pages.response(VIEWS["sign_in_wrong"], lang="en", status=429).status_code == 429


def test_own_templates_and_theme_go_before_ours(tmp_path: Path) -> None:
    (tmp_path / "signed_out.html").write_text(
        '{% extends "base.html" %}{% set title = "Bye" %}{% block main %}Bye{% endblock %}'
    )
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "theme.css").write_text(":root { --accent: #123456 }")
    pages = Pages(tmp_path, issuer=ISSUER, site="Example")
    html = pages.html(VIEWS["signed_out"], lang="en")
    assert "Bye · Example" in html
    assert pages.assets.path("theme.css") in html
    assert pages.assets.path("theme.css") != "/static//theme.css"
    assert "theme.css" not in Pages(issuer=ISSUER).html(VIEWS["signed_out"], lang="en")


def test_scopes_without_words_are_shown_by_name() -> None:
    odd = replace(
        CONSENT,
        scopes=(ScopeItem(name="x:y"), ScopeItem(name="z", text={}), ScopeItem(name="w", text="Weigh")),
    )
    text = Elements(Pages(issuer=ISSUER).html(odd, lang="en")).text
    assert "Use “x:y”" in text
    assert "Use “z”" in text
    assert "Weigh" in text


AUTOCOMPLETE = {
    "email": {"username", "email"},
    "username": {"username"},
    "name": {"name", "off"},
    "password": {"current-password", "new-password"},
    "current_password": {"current-password"},
    "new_password": {"new-password"},
    "code": {"one-time-code", "off"},
}


@pytest.mark.parametrize("name", [name for name, view in EVERYTHING.items() if isinstance(view, FormView)])
def test_in_every_state_fields_are_known_to_browsers_and_messages_to_their_fields(
    pages: Pages, name: str
) -> None:
    elements = Elements(pages.html(EVERYTHING[name], lang="en"))
    typed = [field for field in elements.named("input") if field["type"] not in ("hidden", "checkbox")]
    for field in typed:
        assert field["autocomplete"] in AUTOCOMPLETE[str(field["name"])], field
        if field["name"] == "code":
            assert (field["autocomplete"] == "one-time-code") == (field.get("inputmode") == "numeric")
    # A password manager has to be told whose password it is.
    if any(field["type"] == "password" for field in typed):
        assert [field for field in typed if field["autocomplete"] == "username"]
    tied = " ".join(f["aria-describedby"] or "" for f in typed if f.get("aria-invalid") == "true").split()
    said = [a for _, a in elements.all if a.get("class") == "wrong" or a.get("role") == "alert"]
    wrong = {a["id"] for a in said if a.get("class") == "wrong"}
    assert wrong <= set(tied)
    if wrong:
        [first] = [field for field in typed if "autofocus" in field]
        assert set((first.get("aria-describedby") or "").split()) & wrong, "typing starts where it is wrong"
