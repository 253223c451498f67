"""Static files, their addresses, and the contrast of the colours in them."""

import re
from pathlib import Path

import pytest

from admit.issuer.app.mails.render import FOLDER as MAIL_TEMPLATES
from admit.issuer.app.pages.assets import FOLDER, Assets
from admit.issuer.app.pages.links import in_language, safe_href, with_interaction
from admit.issuer.app.pages.render import FOLDER as PAGE_TEMPLATES


def test_files_are_served_for_ever_under_the_digest_of_all_of_them() -> None:
    assets = Assets()
    _, version, name = assets.path("admit.css").removeprefix("/").split("/")
    reply = assets.response(version, name, https=True)
    assert reply is not None
    assert reply.headers["content-type"] == "text/css; charset=utf-8"
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["x-content-type-options"] == "nosniff"
    script = assets.response(version, "forms.js", https=True)
    assert script is not None
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"


def test_an_address_of_another_release_is_not_kept() -> None:
    reply = Assets().response("0" * 12, "admit.css", https=True)
    assert reply is not None
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["", "none.css", "../render.py", "..%2frender.py", "/etc/passwd", "templates", "admit.css/"]
)
def test_only_the_files_that_were_read_are_served(name: str) -> None:
    assert Assets().response(Assets().version, name, https=True) is None


def test_another_file_is_another_address(tmp_path: Path) -> None:
    (tmp_path / "theme.css").write_text("a {}")
    (tmp_path / "notes.txt").write_text("not for the web")
    own = Assets(tmp_path)
    assert own.version != Assets().version
    assert "notes.txt" not in own.files


def test_scripts_and_stylesheet_load_nothing_from_elsewhere_and_build_no_markup() -> None:
    for path in FOLDER.iterdir():
        source = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"https?://|//[a-z]+\.|innerHTML|eval\(|document\.write|@import|url\(", source
        ), path.name


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_stand_out_enough_from_what_is_behind_them(scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\}", (FOLDER / "admit.css").read_text("utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", roots[scheme == "dark"]))
    texts = [
        (text, ground) for text in ("ink", "muted", "accent", "void", "warn") for ground in ("card", "paper")
    ]
    texts += [("accent-ink", "accent"), ("accent-ink", "accent-strong")]
    texts += [("accent", "accent-wash"), ("void", "void-wash"), ("warn", "warn-wash")]
    for text, ground in texts:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for ground in ("card", "paper"):
        assert contrast(colours["edge"], colours[ground]) >= 3, ground


def test_links_are_web_addresses_or_paths_of_our_own() -> None:
    for fine in ("https://app.example.com/", "http://localhost:8411/x?y", "/account", "/"):
        assert safe_href(fine) == fine
    for odd in (
        "javascript:alert(1)",
        "JavaScript:x",
        "java\nscript:x",
        " https://a",
        "data:,x",
        "//evil",
        "/\\evil",
        "",
        "x",
        "https:",
        "http://[::1",
    ):
        assert safe_href(odd) == ""


def test_the_language_switch_keeps_the_page_and_its_query() -> None:
    assert in_language("/login?i=a", "zh-Hans") == "/login?i=a&ui_locales=zh-Hans"
    assert in_language("/login", "en") == "/login?ui_locales=en"
    assert in_language("https://evil.example/", "en") == ""
    assert with_interaction("/signup", "a&b=c", "en") == "/signup?i=a%26b%3Dc&ui_locales=en"
    assert with_interaction("/signup", "", "en") == "/signup?ui_locales=en"


def test_the_page_about_an_own_look_names_what_there_is() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "pages.md").read_text("utf-8")
    [theme] = re.findall(r"```css\n(.*?)```", page, re.DOTALL)
    style = (FOLDER / "admit.css").read_text("utf-8")
    named = set(re.findall(r"(--[a-z-]+)", page))
    assert theme.count("--accent:") == 2, "light and dark"
    assert {name for name in named if f"{name}:" not in style} == set()
    for template in re.findall(r"`((?:mail/)?[a-z_]+\.(?:html|txt))`", page):
        folder = MAIL_TEMPLATES if template.startswith("mail/") else PAGE_TEMPLATES
        assert (folder / template).is_file(), template
