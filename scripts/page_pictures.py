"""Draw docs/images/pages*.png: what people see on a phone, in both languages and both dresses."""

import base64
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from admit.issuer.app.pages.render import Pages
from scripts.palette_png import smaller
from tests.fixtures.browser import ARGUMENTS, find_chromium
from tests.unit.issuer.app.pages.samples_states import EVERYTHING

if TYPE_CHECKING:
    from playwright.sync_api import Route

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
GUARDED: Final = ("account_password", "second_factor_add_more", "recovery_codes", "account_new_sign_in")
ASKED: Final = ("consent", "sign_in_confirm", "second_factor_add_asked", "logout")
Sheet = tuple[str, str, Literal["light", "dark"], str, tuple[str, ...]]
SHEETS: Final[tuple[Sheet, ...]] = (
    ("pages.png", "en", "light", "three words here and more", GUARDED),
    ("pages-dark.png", "zh-Hans", "dark", "三个词连在一起就很好记", GUARDED),
    ("pages-asked.png", "en", "light", "", ASKED),
    ("pages-asked-dark.png", "zh-Hans", "dark", "", ASKED),
)
PHONE: Final = {"width": 360, "height": 760}
ORIGIN: Final = "http://localhost"


def _answer(pages: Pages, lang: str, route: "Route") -> None:
    path = route.request.url.removeprefix(f"{ORIGIN}/")
    if path.startswith("static/"):
        reply = pages.assets.response(*path.removeprefix("static/").split("/"), https=False)
        assert reply is not None, path
    else:
        reply = pages.response(EVERYTHING[path], lang=lang, status=200)
    route.fulfill(status=200, headers=dict(reply.headers), body=bytes(reply.body))


def draw() -> list[Path]:
    """All of them."""
    from playwright.sync_api import ViewportSize, sync_playwright

    pages = Pages(issuer=ORIGIN)
    arguments = [*ARGUMENTS, "--disable-lcd-text", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    drawn = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        for file, lang, scheme, password, shown in SHEETS:
            size = ViewportSize(width=PHONE["width"], height=PHONE["height"])
            page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            page.route("**/*", partial(_answer, pages, lang))
            taken = []
            for name in shown:
                page.goto(f"{ORIGIN}/{name}")
                if name == "account_password":
                    with page.expect_response("**/common.js"):
                        page.locator("#new_password").focus()
                    page.locator("#new_password").fill(password)
                    page.locator("[data-strength][data-level]").wait_for()
                taken.append(page.screenshot())
            sheet = browser.new_page(viewport=ViewportSize(width=1500, height=800))
            frame = "border: 1px solid #85807280; border-radius: 12px"
            phones = "".join(
                f"<img style='{frame}' src='data:image/png;base64,{base64.b64encode(one).decode()}'>"
                for one in taken
            )
            sheet.set_content(
                f"<main style='display: inline-flex; gap: 16px; padding: 8px; background: #fff'>{phones}</main>"
            )
            path = IMAGES / file
            path.write_bytes(smaller(sheet.locator("main").screenshot()))
            drawn.append(path)
        browser.close()
    return drawn
