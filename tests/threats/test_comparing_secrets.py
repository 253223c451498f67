"""INF-timing: what a stranger sends is never compared with a secret octet by octet.

Most secrets are looked up by their hash, which says nothing of the secret when it is a little slower. The others are
compared in constant time: that is what is seen here, since a difference of nanoseconds cannot be measured reliably on
a machine that does something else as well.
"""

import ast
import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import admit
from admit.credentials import csrf
from admit.errors import CsrfError
from admit.issuer.clients import rules as clients
from admit.issuer.factors import rules as factors
from admit.issuer.grants import refresh_token
from admit.verifier.ends import receiver

SOURCE = Path(admit.__file__).parent
RAW, KEY, NOW = b"r" * 32, b"k" * 32, 1_800_000_000.0


def csrf_token(sent: str) -> bool:
    try:
        csrf.check_token([(csrf.HEADER, sent.encode())], RAW, None)
    except CsrfError:
        return False
    return True


def refresh(sent: str) -> bool:
    token = refresh_token.RefreshToken(kid="a", family="f", generation=1, mac=sent)
    return refresh_token.is_genuine(token, KEY, b"s" * 16)


def client_secret(sent: str) -> bool:
    return clients.verify_secret([clients.hash_secret("right"), clients.hash_secret("older")], sent)


def one_time_code(sent: str) -> bool:
    return factors.matching_step(RAW, sent, NOW) is not None


def transmitter(sent: str) -> bool:
    return receiver.is_authorized([(b"authorization", sent.encode())], b"right")


@pytest.mark.parametrize(("place", "right"), [
    pytest.param(csrf_token, csrf.token(RAW), id="csrf", marks=pytest.mark.threat(
        "INF-timing", off="admit.credentials.csrf:check_token")),
    pytest.param(refresh, refresh_token.compute_mac(KEY, "f", 1, b"s" * 16), id="refresh", marks=pytest.mark.threat(
        "INF-timing", off="admit.issuer.grants.refresh_token:is_genuine")),
    pytest.param(client_secret, "right", id="client", marks=pytest.mark.threat(
        "INF-timing", off="admit.issuer.clients.rules:verify_secret")),
    pytest.param(one_time_code, factors.code_at(RAW, factors.step_of(NOW)), id="code", marks=pytest.mark.threat(
        "INF-timing", off="admit.issuer.factors.rules:matching_step")),
    pytest.param(transmitter, "right", id="transmitter", marks=pytest.mark.threat(
        "INF-timing", off="admit.verifier.ends.receiver:is_authorized")),
])  # fmt: skip
def test_a_secret_is_compared_in_constant_time_whether_it_is_right_or_not(
    place: Callable[[str], bool], right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bool] = []
    compare = hmac.compare_digest

    def seen(one: Any, other: Any) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", seen)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    assert place(right)
    assert True in compared
    first = len(compared)
    assert not place(wrong)
    assert len(compared) == 2 * first, "a wrong one takes as many"


SECRET = re.compile(r"(^|_)(secret|mac|csrf|password|signature|digest|hash|challenge|verifier|token|raw)$")
PUBLIC = {
    # Tokens of this process, compared with each other: nobody else sends one of the two.
    "client/source.py": ["held.token == token", "found.refresh_token != self._refresh_token"],
    "relying_party/bff/sessions.py": ["held.token != refused"] * 2,
    # An import compares two stored hashes, neither of which a stranger sends.
    "issuer/accounts/importing/transactions.py": ["one.password_hash != stored"],
    # Of a published key set.
    "verifier/follower_keys.py": ["digest == self._digest"],
}


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return name_of(func)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
    return ""


def plainly_compared(source: str) -> list[str]:
    """Comparisons by `==` of something that is called like a secret with something that is no constant."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if any(SECRET.search(name_of(side)) for side in sides):
                found.append(ast.unparse(node))
    return found


def test_nothing_called_like_a_secret_is_compared_by_equality() -> None:
    """Stores compare in SQL, and there hashes of what has 256 random bits."""
    found = {
        path.relative_to(SOURCE).as_posix(): lines
        for path in sorted(SOURCE.rglob("*.py"))
        if "store" not in path.relative_to(SOURCE).as_posix()
        and (lines := plainly_compared(path.read_text("utf-8")))
    }
    assert found == PUBLIC


def test_the_rule_sees_what_it_looks_for() -> None:
    assert plainly_compared("if client_secret == kept: ...") == ["client_secret == kept"]
    assert plainly_compared("x = sent['csrf'] != token(raw)") == ["sent['csrf'] != token(raw)"]
    assert plainly_compared("if digest == b'': ...") == []
