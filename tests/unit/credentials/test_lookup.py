"""`admit.credentials.lookup`: a session's principal goes over the wire and comes back equal."""

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials.lookup import Found, StatusRef, decode, encode
from admit.errors import AdmitError, LookupUnavailableError
from admit.jose import json
from admit.principal import ByReference, CredentialKind, Principal

FULL = Principal(
    issuer="https://id.example.com",
    subject="u_alice",
    client_id="admit",
    audience=frozenset({"https://api.example.com"}),
    scopes=frozenset({"orders:read", "orders:write"}),
    roles=frozenset({"admin"}),
    groups=frozenset({"ops", "staff"}),
    actor=MappingProxyType({"sub": "u_bob"}),
    session_id="s-1",
    token_id="t-1",
    auth_time=1_800_000_000.5,
    acr="urn:admit:acr:1fa",
    amr=("pwd", "otp"),
    expires_at=1_800_003_600.0,
    credential=CredentialKind.SESSION,
    claims=MappingProxyType({"name": "Alice", "amr": ("pwd",), "deep": MappingProxyType({"a": 1})}),
)
PLAIN = Principal(
    issuer="i", subject="s", client_id="c", audience=frozenset({"a"}), groups=ByReference("https://x/y")
)
FOUND = Found(FULL, StatusRef(3, 77), 1_800_003_600.0)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
sets = st.frozensets(texts, max_size=4)
times = st.none() | st.floats(0, 2**40)
principals = st.builds(
    Principal,
    issuer=texts,
    subject=texts,
    client_id=texts,
    audience=sets,
    scopes=sets,
    roles=sets,
    groups=sets | st.builds(ByReference, texts),
    actor=st.none() | st.dictionaries(texts, texts, max_size=2),
    session_id=st.none() | texts,
    token_id=st.none() | texts,
    auth_time=times,
    acr=st.none() | texts,
    amr=st.lists(texts, max_size=3).map(tuple),
    expires_at=times,
    credential=st.sampled_from(CredentialKind),
    claims=st.dictionaries(texts, texts | st.integers(0, 9) | st.lists(texts, max_size=2), max_size=3),
)


def test_what_was_found_comes_back() -> None:
    back = decode(encode(FOUND))
    assert (back.status, back.expires_at) == (FOUND.status, FOUND.expires_at)
    assert back.principal.claims == {"name": "Alice", "amr": ["pwd"], "deep": {"a": 1}}
    for name in (
        "issuer",
        "subject",
        "scopes",
        "groups",
        "actor",
        "session_id",
        "auth_time",
        "amr",
        "credential",
    ):
        assert getattr(back.principal, name) == getattr(FULL, name)
    assert decode(encode(Found(PLAIN, StatusRef(0, 0), 0))) == Found(PLAIN, StatusRef(0, 0), 0)


def test_the_form_is_the_contracts() -> None:
    whole = json.loads_object(encode(FOUND))
    assert set(whole) == {"principal", "status", "expires_at"}
    assert whole["status"] == {"n": 3, "idx": 77}


@given(principals, st.integers(0, 2**40), st.integers(0, 2**20 - 1), st.floats(0, 2**40))
def test_whatever_the_principal_it_comes_back(
    principal: Principal, n: int, position: int, expires: float
) -> None:
    found = Found(principal, StatusRef(n, position), expires)
    assert decode(encode(found)) == found


def test_what_came_back_is_read_only() -> None:
    with pytest.raises(TypeError):
        decode(encode(FOUND)).principal.claims["roles"] = []  # type: ignore[index]  # that it is refused is the point


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), None), (("status",), []), (("status", "n"), -1), (("status", "n"), True),
        (("status", "idx"), "1"),
        (("expires_at",), "1"), (("expires_at",), None), (("expires_at",), -1), (("principal",), None),
        (("principal", "issuer"), ""), (("principal", "subject"), 1), (("principal", "audience"), "a"),
        (("principal", "scopes"), None), (("principal", "scopes"), [1]), (("principal", "roles"), {"admin": 1}),
        (("principal", "groups"), None), (("principal", "groups"), {}), (("principal", "groups"), {"endpoint": ""}),
        (("principal", "credential"), "x"), (("principal", "claims"), []), (("principal", "auth_time"), "now"),
        (("principal", "amr"), "pwd"), (("principal", "actor"), "bob"), (("principal", "session_id"), 7),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_answer(path: tuple[str, ...], value: object) -> None:
    whole = json.loads_object(encode(FOUND))
    place: dict[str, Any] = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(LookupUnavailableError):
        decode(json.dumps_object(whole))


@given(st.binary(max_size=200))
def test_whatever_the_octets_an_answer_or_an_admit_error(data: bytes) -> None:
    with pytest.raises(AdmitError):
        decode(data)
