"""On people's passwords: who has an account, how often one may guess, what passwords are taken, who may operate."""

import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from scripts.attack.outcome import NotTriedError, Outcome, accepted, all_refused, attack, refused
from scripts.attack.visitor import Visitor, form_of
from scripts.attack.wire import Answer
from scripts.attack.world import World

SAMPLES: Final = 3
RATIO: Final = 1.8
GUESSES: Final = 16


def _masked(answer: Answer, email: str) -> tuple[int, str, tuple[str, ...]]:
    """What a reader sees, without what is new each time."""
    text = answer.text.replace(email, "EMAIL")
    text = re.sub(r"[A-Za-z0-9_-]{22,}", "VALUE", text)
    names = tuple(sorted(line.partition("=")[0] for line in answer.all("set-cookie")))
    return answer.status, text, names


def _nobody() -> str:
    """An address of the length that our own accounts have, without an account."""
    return f"nobody-{secrets.token_hex(6)}@example.com"


def _guess(world: World, email: str) -> Answer:
    return world.visitor().fill("/login", {"email": email, "password": secrets.token_urlsafe(18)})


@attack(
    "PWD-1", "a wrong password for an account that is there and for one that is not: status, text, cookies"
)
def listed_by_text(world: World) -> Outcome:
    email, nobody = world.account[0], _nobody()
    there, not_there = _guess(world, email), _guess(world, nobody)
    if 429 in (there.status, not_there.status):
        raise NotTriedError("too many tries from here already: run it again in 15 minutes")
    if _masked(there, email) != _masked(not_there, nobody):
        return accepted("the two answers differ")
    return refused("the same answer")


def _seconds(world: World, email: str) -> float:
    """How long a wrong password takes."""
    visitor = world.visitor()
    fields = {**form_of(visitor.get("/login")).fields, "email": email, "password": "a wrong password"}
    began = time.perf_counter()
    if visitor.post("/login", fields).status == 429:
        raise NotTriedError("too many tries from here already: run it again in 15 minutes")
    return time.perf_counter() - began


@attack(
    "PWD-2",
    f"the same, by time: the quickest of {SAMPLES} each, more than {RATIO} times apart (a loose look)",
)
def listed_by_time(world: World) -> Outcome:
    email, there, not_there = world.account[0], [], []
    for _ in range(2):  # who is suspected is asked again: the machine may have been busy
        for _ in range(SAMPLES):
            there.append(_seconds(world, email))
            not_there.append(_seconds(world, _nobody()))
        quickest = (min(there), min(not_there))
        told = " and ".join(f"{seconds * 1000:.0f} ms" for seconds in quickest)
        if max(quickest) <= RATIO * min(quickest):
            return refused(told)
    return accepted(told)


@attack("PWD-1", "a link for a new password asked for both: status, text, cookies")
def listed_by_reset(world: World) -> Outcome:
    if world.visitor().get("/forgot").status == 404:
        raise NotTriedError("no mail is sent here")
    email, nobody = world.account[0], _nobody()
    answers = [_masked(world.visitor().fill("/forgot", {"email": who}), who) for who in (email, nobody)]
    return accepted("the two answers differ") if answers[0] != answers[1] else refused("the same answer")


@attack("PWD-8", "a link for a new password, or a sign-in, for two addresses at once")
def two_addresses(world: World) -> Outcome:
    page = "/login" if world.visitor().get("/forgot").status == 404 else "/forgot"
    email, password = world.account

    def sent(more: str) -> Answer:
        visitor = world.visitor()
        fields = form_of(visitor.get(page)).fields
        body = f"csrf={fields.get('csrf', '')}&password={password}{more}"
        own = [("Origin", world.origin), ("Content-Type", "application/x-www-form-urlencoded")]
        answer = visitor("POST", page, own, body.encode())
        return Answer(200) if world.is_in(visitor) else answer

    nobody = _nobody()
    cases = {
        "twice": f"&email={email}&email={nobody}",
        "array": f"&email[]={nobody}&email={email}&email={nobody}",
    }
    joined = {"comma": ",", "semicolon": ";", "line": "%0d%0aBcc:%20"}
    answers = [(name, sent(more)) for name, more in cases.items()]
    after = [(name, sent(f"&email={email}{sign}{nobody}")) for name, sign in joined.items()]
    told = "a problem is shown"
    # A form is shown again with what is wrong: only the page that says that it was sent is another one.
    let_in = [name for name, answer in answers if answer.ok]
    let_in += [name for name, answer in after if answer.ok and "csrf" not in form_of(answer).fields]
    return accepted(", ".join(let_in)) if let_in else refused(f"{answers[0][1].said}; {told}")


@attack("6819-4.4.3.6", f"{GUESSES} wrong passwords for one account, one after the other")
def guessing(world: World) -> Outcome:
    email = _nobody()
    for number in range(1, GUESSES + 1):
        answer = _guess(world, email)
        if answer.status == 429:
            if not answer.get("retry-after"):
                return accepted("429 without Retry-After")
            return refused(f"429 from guess {number} on, try again in {answer.get('retry-after')} s")
    return accepted(f"all {GUESSES} were weighed")


@attack("PWD-4", f"{GUESSES} wrong passwords for one account, all at once")
def guessing_at_once(world: World) -> Outcome:
    email, visitors = _nobody(), [world.visitor() for _ in range(GUESSES)]
    forms = [form_of(visitor.get("/login")).fields for visitor in visitors]

    def guess(one: tuple[Visitor, dict[str, str]]) -> int:
        return one[0].post("/login", {**one[1], "email": email, "password": "a wrong password"}).status

    with ThreadPoolExecutor(GUESSES) as pool:
        statuses = list(pool.map(guess, zip(visitors, forms, strict=True)))
    weighed = sum(status not in (429, 503) for status in statuses)
    return (
        accepted(f"all {weighed} were weighed")
        if weighed == GUESSES
        else refused(f"{weighed} weighed, then 429")
    )


@attack("PWD-5", "an account with a common password, a short one, and its own address as password")
def weak_passwords(world: World) -> Outcome:
    tried = []
    for name in ("password1", "short", "their own address"):
        visitor, email = world.visitor(), _nobody()
        password = email if name == "their own address" else name
        page = visitor.get("/signup")
        if page.status != 200 or "password" not in form_of(page).fields:
            raise NotTriedError("nobody makes accounts here")
        answer = visitor.fill("/signup", {"name": "Attack", "email": email, "password": password})
        # A form is shown again with what is wrong.
        taken = answer.status in (301, 302, 303) or "password" not in form_of(answer).fields
        tried.append((name, Answer(200) if answer.status < 400 and taken else Answer(422)))
    let_in = [name for name, answer in tried if answer.ok]
    return (
        accepted(f"taken: {', '.join(let_in)}")
        if let_in
        else refused("the form is shown again, and says why")
    )


@attack("INF-defaults", "accounts that nobody made: admin, root, test, with the passwords that those have")
def default_accounts(world: World) -> Outcome:
    pairs = (("admin", "admin"), ("admin@example.com", "admin"), ("root@localhost", "password"))
    for email, password in pairs:
        visitor = world.visitor()
        visitor.fill("/login", {"email": email, "password": password})
        if world.is_in(visitor):
            return accepted(f"{email} is signed in")
    return refused("no such account")


@attack("ADM-route", "what only operators may do, by somebody who is none, with cookie and token")
def not_an_operator(world: World) -> Outcome:
    token = world.csrf_of(world.somebody)
    sent = [("Origin", world.origin), ("X-CSRF-Token", token)]
    calls = [("GET", "/api/users/0/sessions"), ("DELETE", "/api/users/0/sessions")]
    calls += [("DELETE", "/api/clients/0/grants"), ("DELETE", "/api/keys/0")]
    answers = [(f"{method} {path}", world.somebody(method, path, sent)) for method, path in calls]
    return all_refused(answers, lets_in=lambda answer: answer.status not in (401, 403, 405))
