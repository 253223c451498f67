"""What a User-Agent header says of browser and system, by the names that people know. Only known names come out."""

import re
from typing import Final

# In this order: each of these also claims to be the ones below it.
BROWSERS: Final = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(?:OPR|Opera)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("WeChat", re.compile(r"\bMicroMessenger/")),
    ("Vivaldi", re.compile(r"\bVivaldi/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Headless)?Chrom(?:e|ium)/|\bCriOS/")),
    ("Safari", re.compile(r"\bVersion/[\d.]+ .*\bSafari/")),
)
SYSTEMS: Final = (
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


def family(user_agent: str) -> tuple[str | None, str | None]:
    """Browser and system; None for what has no name here. Versions are left out: they change every few weeks."""
    return _first(BROWSERS, user_agent[:_LONGEST]), _first(SYSTEMS, user_agent[:_LONGEST])


def _first(rules: tuple[tuple[str, re.Pattern[str]], ...], user_agent: str) -> str | None:
    return next((name for name, rule in rules if rule.search(user_agent)), None)
