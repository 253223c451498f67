"""The cases of `tests/contract/cases.py`, by every integration; and what holds for each answer."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import adapter as adapting
from tests.contract import table
from tests.contract.adapter import Adapter, Request, Setting
from tests.contract.case import MODES, Case, Framework, In, Out, Stranger
from tests.contract.cases import CASES
from tests.contract.running import Services
from tests.contract.services import Answer

ADAPTERS = tuple(adapter for adapter in adapting.found() if not adapter.elsewhere)


def each(adapters: Iterable[Adapter]) -> Iterator[Any]:
    """One test for the cases of a row that have the same marks: a test more costs as much as a case."""
    for adapter in adapters:
        for mode in MODES:
            together: dict[tuple[str, str], list[Case]] = {}
            for case in CASES:
                if adapter.has(case, mode):
                    together.setdefault((case.row, repr(case.marks)), []).append(case)
            for (row, _), cases in together.items():
                name = f"{adapter.name}-{mode}-{row}" + (f": {cases[0].name}" if cases[0].marks else "")
                yield pytest.param(adapter, mode, cases, marks=cases[0].marks, id=name.replace(" ", "_"))


@pytest.mark.parametrize(("adapter", "mode", "cases"), list(each(ADAPTERS)))
def test_the_answer_is_that_of_the_list(
    services: Services,
    adapter: Adapter,
    mode: str,
    cases: list[Case],
    record_property: Callable[[str, object], None],
) -> None:
    record_property(table.PROPERTY, [adapter.name, mode, cases[0].row])
    for case in cases:
        try:
            hold(services, adapter, mode, case)
        except Exception as error:
            error.add_note(f"in the case {case.id!r}")
            raise


def hold(services: Services, adapter: Adapter, mode: str, case: Case) -> None:
    """One case, by one integration, in one mode."""
    setting, service = services.of(adapter, mode, waived=case.waived, **case.options)
    issuer = setting.issuer
    for name, value in case.having.items():
        setattr(issuer, name, value)
    headers = case.by[mode](issuer) + (case.also if isinstance(case.also, list) else case.also(issuer))
    path = case.path if case.query is None else f"{case.path}?{case.query(issuer)}"
    request = Request(path, headers, case.method, socket=case.socket, denial=case.denial)
    if case.then is not None:
        assert service(request).status == 200
        setting.reached.clear()
        case.then(issuer)
    answer = service(request)
    assert b"canary" not in answer.body + repr(answer.headers).encode()
    match case.answer_in(mode):
        case In() as wanted:
            let_in(answer, setting, wanted, wanted.carried or mode, case)
            if case.caches:
                told_to_caches(answer, case.caches, mode)
            if case.waived:
                kept_private(answer, case)
            if wanted.questions is not None:
                assert (services.verified, issuer.questions)[mode == "session"] == wanted.questions
        case Stranger():
            assert (answer.status, setting.reached) == (200, [None])
            assert answer.json is None
            assert "cache-control" not in answer.headers, "everybody's page"
            if case.caches:
                told_what_it_goes_by(answer, mode)
        case Framework(statuses):
            assert answer.status in statuses
            assert setting.reached == []
        case Out() as refused:
            assert setting.reached == [], "what was refused reached the route"
            if refused.error == "csrf_failed":
                assert issuer.questions == refused.looked_up, "a forged request costs no look-up"
            refused_by(answer, refused, case, adapter.adds)


def told_to_caches(answer: Answer, control: str, mode: str) -> None:
    """What one person gets is nobody else's, RFC 9111 §4.1."""
    told_what_it_goes_by(answer, mode)
    assert answer.headers["cache-control"] == control


def told_what_it_goes_by(answer: Answer, mode: str) -> None:
    names = [one.strip().lower() for one in answer.headers["vary"].split(",")]
    assert ("authorization" if mode == "token" else "cookie") in names


def kept_private(answer: Answer, case: Case) -> None:
    """What a request says whose URL had a token, RFC 6750 §2.3."""
    if not case.socket:
        told = answer.headers
        assert (told["cache-control"], told["referrer-policy"]) == ("private, no-store", "no-referrer")


def let_in(answer: Answer, setting: Setting, wanted: In, carried: str, case: Case) -> None:
    assert answer.status == (101 if case.socket else 200), answer
    assert len(setting.reached) == wanted.parts
    for who in setting.reached:
        assert who is not None
        assert (who.subject, who.credential.value) == ("u_alice", carried)
    if wanted.parts > 1:
        assert (answer.body, answer.parts) == (b"u_alice\n" * wanted.parts, wanted.parts)
    elif case.method != "HEAD":
        assert answer.json["subject"] == "u_alice"


def refused_by(answer: Answer, wanted: Out, case: Case, adds: str = "") -> None:
    """The same answer by all: status, challenge, body and what caches may do with it, RFC 6750 §3."""
    if case.socket and not case.denial:
        assert answer.closed == 1008
        return
    assert answer.status == wanted.status, answer
    challenge = None
    if wanted.challenge is not None:
        challenge = ", ".join(part for part in ('Bearer realm="orders"', wanted.challenge, adds) if part)
    assert answer.headers.get("www-authenticate") == challenge
    assert answer.headers["cache-control"] in ("no-store", "private, no-store" if case.waived else "")
    assert answer.headers["content-type"] == "application/json"
    if wanted.status == 503:
        assert int(answer.headers["retry-after"]) > 0
    if case.method == "HEAD":
        return  # servers send none, whatever the framework makes
    assert set(answer.json) == {"error", "error_description"}
    assert answer.json["error"] == wanted.error


def test_a_case_for_one_mode_only_says_why() -> None:
    with pytest.raises(pytest.UsageError):
        Case("good", "by token", "/any", In(), by={"token": lambda _: []})
    with pytest.raises(pytest.UsageError):
        Case("good", "by neither", "/any", In(), by={}, why="no")
    for case in CASES:
        assert set(case.by) == set(MODES) or case.why


def test_each_integration_is_held_to_the_list_somewhere() -> None:
    for adapter in adapting.found():
        if adapter.elsewhere:
            text = (Path(__file__).parents[2] / adapter.elsewhere).read_text("utf-8")
            assert f"each([{adapter.name.lower()}.ADAPTER])" in text
    known = {need for case in CASES for need in (case.needs, case.path.partition("?")[0], *case.options)}
    for adapter in adapting.found():
        assert adapter.lacks.keys() <= {*known, *MODES, "waived"}, "it lacks what nobody asks for"
        assert all(adapter.lacks.values())


def test_every_row_is_told_once_and_each_case_has_a_name_of_its_own() -> None:
    names = [(case.row, case.name) for case in CASES]
    assert len(set(names)) == len(names)
    rows = [case.row for case in CASES]
    # Rows stand together, so that the list reads as the table does.
    together = [row for row, before in zip(rows, [None, *rows[:-1]], strict=True) if row != before]
    assert len(together) == len(set(together))
