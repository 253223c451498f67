"""A User-Agent header as people name a browser: "Firefox, Linux". Only known names come out, never the header."""

import re
from typing import Final

from admit.issuer.app.pages.catalogue import Text

# In this order: each of these also claims to be the ones below it.
_BROWSERS: Final = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(?:OPR|Opera)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("WeChat", re.compile(r"\bMicroMessenger/")),
    ("Vivaldi", re.compile(r"\bVivaldi/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Headless)?Chrom(?:e|ium)/|\bCriOS/")),
    ("Safari", re.compile(r"\bVersion/[\d.]+ .*\bSafari/")),
)
_SYSTEMS: Final = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("HarmonyOS", re.compile(r"\bHarmonyOS\b|\bOpenHarmony\b")),
    ("Windows", re.compile(r"\bWindows NT\b")),
    ("macOS", re.compile(r"\bMac OS X\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)
_LONGEST: Final = 500


def _first(rules: tuple[tuple[str, re.Pattern[str]], ...], user_agent: str) -> str | None:
    return next((name for name, rule in rules if rule.search(user_agent)), None)


def describe(text: Text, user_agent: str) -> str:
    """The browser and system in words of the page's language."""
    browser = _first(_BROWSERS, user_agent[:_LONGEST])
    system = _first(_SYSTEMS, user_agent[:_LONGEST])
    if browser and system:
        return text("browser.both", browser=browser, system=system)
    return browser or system or text("browser.unknown")
