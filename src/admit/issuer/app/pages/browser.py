"""A User-Agent header as people name a browser: "Firefox, Linux". Only known names come out, never the header."""

from admit.issuer.app.pages.catalogue import Text
from admit.issuer.sessions.agents import family


def describe(text: Text, user_agent: str) -> str:
    """The browser and system in words of the page's language."""
    browser, system = family(user_agent)
    if browser and system:
        return text("browser.both", browser=browser, system=system)
    return browser or system or text("browser.unknown")
