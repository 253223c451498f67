"""The catalogues: the same keys, the same places, every key used, Chinese written by the rules of Chinese."""

import ast
import re
import string

import pytest

from admit.issuer.app.pages import browser, moments
from admit.issuer.app.pages.catalogue import Text, load, load_all
from admit.issuer.app.pages.language import CHINESE, ENGLISH, LANGUAGES, choose
from admit.issuer.app.pages.render import FOLDER
from admit.issuer.app.pages.views import Notice, Problem, Trouble
from admit.issuer.app.pages.views_mail import EmailNotice, Told
from tests.unit.issuer.app.pages.samples import EDGE, FIREFOX, IPHONE, NOW

EN = load(ENGLISH)
ZH = load(CHINESE)


def places(entry: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(entry) if name is not None}


def test_every_language_has_the_same_keys_and_the_same_places() -> None:
    assert set(load_all()) == set(LANGUAGES)
    assert EN.entries.keys() == ZH.entries.keys()
    # A language may leave a number out ("1 minute"), never ask for a value that is not given.
    assert {key for key in EN.entries if places(EN.entries[key]) != places(ZH.entries[key])} == set()


def used_keys() -> set[str]:
    found: set[str] = set()
    for template in FOLDER.glob("*.html"):
        found |= set(re.findall(r"""\bt\("([a-z0-9_.]+)\"""", template.read_text("utf-8")))
        for counted in re.findall(r"""\bt\.counted\("([a-z0-9_.]+)\"""", template.read_text("utf-8")):
            found |= {f"{counted}.one", f"{counted}.other"}
    for module in FOLDER.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value, f"{node.value}.one", f"{node.value}.other"}
    found |= {f"month.{n}" for n in range(1, 13)}
    found |= {problem.text for problem in Problem} | {notice.text for notice in Notice}
    found |= {notice.text for notice in EmailNotice}
    found |= {f"{told.text}.{part}" for told in Told for part in ("title", "what", "do", "button")}
    for trouble in Trouble:
        found |= {f"{trouble.text}.title", f"{trouble.text}.what", f"{trouble.text}.do"}
        found |= {f"{trouble.text}.developer"} if trouble.for_developers else set()
    return found


def test_every_text_is_used_somewhere() -> None:
    assert set(EN.entries) - used_keys() == set()


def test_every_text_that_is_asked_for_exists() -> None:
    asked = {key for key in used_keys() if re.fullmatch(r"[a-z_]+(\.[a-z0-9_]+)+", key)}
    stems = {key.split(".")[0] for key in EN.entries}
    exact = {key for key in asked if key.split(".")[0] in stems and not key.endswith((".one", ".other"))}
    known = EN.entries.keys()
    missing = {
        key for key in exact if key not in known and f"{key}.one" not in known and f"{key}.title" not in known
    }
    assert missing == set()


@pytest.mark.parametrize("catalogue", [EN, ZH], ids=LANGUAGES)
def test_texts_keep_the_voice(catalogue: Text) -> None:
    for key, entry in catalogue.entries.items():
        assert not re.search(r"[!！]", entry), key
        if not key.endswith(".developer"):
            assert not re.search(r"\b(grant|token|claim|OAuth|OIDC|PKCE)\b", entry, re.IGNORECASE), key


def test_chinese_is_written_in_chinese() -> None:
    for key, entry in ZH.entries.items():
        words = re.sub(r"\{[a-z]+\}|name@example\.com", "", entry)
        if not re.fullmatch(r"[\s\d.·]*", words):
            assert re.search(r"[\u4e00-\u9fff]", words), key
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[\u4e00-\u9fff]\.(\s|$)", entry), (
            f"{key}: half-width punctuation"
        )
        assert "您" not in entry, key


@pytest.mark.parametrize(
    ("ui_locales", "accept", "tag"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        (None, "zh-SG", "zh-Hans"),
        (None, "ZH-hans-CN", "zh-Hans"),
        (None, "en;q=0.1, zh;q=0.9", "zh-Hans"),
        (None, "de, zh;q=0, en;q=0.2", "en"),
        (None, "de-CH, fr", "en"),
        (None, "zh-TW, en;q=0.5", "en"),
        (None, "zh-Hant-HK", "zh-Hans"),
        (None, "fr, *;q=0.5", "en"),
        ("zh-Hans", "en", "zh-Hans"),
        ("fr-CA en", "zh", "en"),
        ("fr", "zh", "zh-Hans"),
        ("english", "zhuang", "en"),
        ("<script>", "en;q=NaN, zh;q=inf", "en"),
        ("", "zh;q=0.5;x, zh;q=-1", "en"),
        ("en-US", "zh", "en"),
        ("x" * 100_000, "," * 100_000, "en"),
    ],
)
@pytest.mark.rfc("4647", "3.4")
def test_the_language_is_the_first_one_wanted_that_is_spoken(
    ui_locales: str | None, accept: str | None, tag: str
) -> None:
    assert choose(ui_locales, accept) == tag


@pytest.mark.parametrize(
    ("gone", "english", "chinese"),
    [
        (-30, "just now", "刚刚"),
        (119, "just now", "刚刚"),
        (120, "2 minutes ago", "2 分钟前"),
        (7_199, "119 minutes ago", "119 分钟前"),
        (7_200, "2 hours ago", "2 小时前"),
        (86_400 * 2, "2 days ago", "2 天前"),
    ],
)
def test_times_are_told_as_people_tell_them(gone: float, english: str, chinese: str) -> None:
    assert moments.ago(EN, NOW - gone, NOW) == english
    assert moments.ago(ZH, NOW - gone, NOW) == chinese


def test_lengths_of_time_round_to_the_unit_that_tells_them() -> None:
    assert [moments.lasting(EN, s) for s in (1, 60, 840, 7_200, 86_400 * 90)] == [
        "1 minute", "1 minute", "14 minutes", "2 hours", "90 days",
    ]  # fmt: skip
    assert [moments.within(EN, s) for s in (0.5, 1, 29.2, 119, 121, 900)] == [
        "1 second", "1 second", "30 seconds", "119 seconds", "3 minutes", "15 minutes",
    ]  # fmt: skip
    assert moments.within(ZH, 30) == "30 秒"
    assert moments.date(EN, 0) == "1 January 1970"
    assert moments.date(ZH, 0) == "1970 年 1 月 1 日"
    assert moments.machine(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.14.1", "Another program"),
        ("", "Another program"),
        ("Firefox/", "Firefox"),
        ("<b>Chrome/1</b> Linux", "Chrome on Linux"),
        ("x" * 10_000 + "Firefox/1", "Another program"),
    ],
)
def test_browsers_are_named_by_known_names_only(user_agent: str, name: str) -> None:
    assert browser.describe(EN, user_agent) == name
