"""A browser of one person: keeps cookies, reads forms, follows nothing."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from scripts.attack.wire import Answer, Pairs, Wire

FORM = "application/x-www-form-urlencoded"


class _Form(HTMLParser):
    """The fields of the first form that posts, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post" and not self._done:
            self.action, self._inside = given.get("action", ""), True
        elif tag == "input" and self._inside and given.get("type") != "checkbox" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._inside:
            self._inside, self._done = False, True


@dataclass
class Visitor:
    """Sends its cookies with each request, and takes what answers set."""

    wire: Wire
    cookies: dict[str, str] = field(default_factory=dict)
    set_by: list[str] = field(default_factory=list)
    """Every Set-Cookie so far."""

    def __call__(
        self, method: str, target: str, headers: Pairs = (), body: bytes = b"", *, host: str | None = None
    ) -> Answer:
        """A request with the cookies; `target` is below the issuer."""
        sent = list(headers)
        if self.cookies and not any(name.lower() == "cookie" for name, _ in sent):
            sent.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        answer = self.wire.send(method, self.wire.base + target, sent, body, host=host)
        for line in answer.all("set-cookie"):
            self.set_by.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            if value.strip('"') and "max-age=0" not in line.lower():
                self.cookies[name.strip()] = value
            else:
                self.cookies.pop(name.strip(), None)
        return answer

    def get(self, target: str, headers: Pairs = ()) -> Answer:
        """A page."""
        return self("GET", target, headers)

    def post(self, target: str, fields: dict[str, str], headers: Pairs | None = None) -> Answer:
        """A form, as the issuer's own page sends it unless `headers` say where it comes from."""
        origin = "://".join(urlsplit(self.wire.url)[:2])
        sent = [("Origin", origin), ("Sec-Fetch-Site", "same-origin")] if headers is None else list(headers)
        return self("POST", target, [*sent, ("Content-Type", FORM)], urlencode(fields).encode())

    def fill(self, page: str, fields: dict[str, str], headers: Pairs | None = None) -> Answer:
        """Open a page, fill its form in and send it."""
        form = form_of(self.get(page))
        action = urlsplit(form.action)
        here = page if not action.path else action.path.removeprefix(self.wire.base)
        if action.query:
            here = f"{here.partition('?')[0]}?{action.query}"
        return self.post(here, {**form.fields, **fields}, headers)


def form_of(page: Answer) -> _Form:
    """The first form of a page that posts; without action and fields where there is none."""
    form = _Form()
    form.feed(page.text)
    return form
