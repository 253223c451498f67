"""`admit.tokens.access`: RFC 9068 access tokens, minted and read by one file."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import (
    AdmitError,
    AudienceError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    InvalidKeyError,
    IssuerError,
    KeyNotFoundError,
    MalformedTokenError,
    NotYetValidError,
    SignatureError,
    TokenTooLargeError,
    TokenTypeError,
)
from admit.jose import JWK, JWKSet, jws
from admit.jose import claims as jose_claims
from admit.principal import ByReference, CredentialKind
from admit.tokens import AccessToken, StatusClaim, access, size

ISSUER = "https://id.example.com"
API = "https://api.example.com"
NOW = 1_800_000_000.0
KEY = JWK.generate("ES256", kid="k1")
OTHER = JWK.generate("ES256", kid="k2")
STATUS = JWK.generate("ES256", kid="status-1")
KEYS = JWKSet([KEY.public(), OTHER.public(), STATUS.public()])


def token(**changed: Any) -> AccessToken:
    whole = AccessToken(
        issuer=ISSUER,
        subject="u_alice",
        audience=API,
        client_id="spa",
        iat=NOW,
        exp=NOW + 300,
        jti="j-1",
        scope=frozenset({"orders:read", "orders:write"}),
        roles=frozenset({"admin"}),
        groups=frozenset({"staff", "ops"}),
        entitlements=frozenset({"beta"}),
        session_id="s-1",
        auth_time=NOW - 10,
        acr="urn:admit:acr:1fa",
        amr=("pwd",),
        status=StatusClaim(f"{ISSUER}/status/0", 7),
        extra={"locale": "en"},
    )
    return replace(whole, **changed)


def verify(text: str, **changed: Any) -> AccessToken:
    arguments: dict[str, Any] = {"issuer": ISSUER, "audience": API, "now": NOW + 1} | changed
    return access.verify(text, arguments.pop("key", KEYS), **arguments)


def signed(typ: str | None = "at+jwt", key: JWK = KEY, **changed: Any) -> str:
    claims = {**access.claims(token()), **changed}
    return jose_claims.encode({n: v for n, v in claims.items() if v is not ...}, key, typ=typ)


@pytest.mark.rfc("9068", "2.2")
def test_a_token_comes_back_as_it_was_minted() -> None:
    assert verify(access.sign(token(), KEY)) == token()


@pytest.mark.rfc("9068", "2.1")
def test_the_header_says_at_jwt_and_the_key() -> None:
    header = jws.peek_unverified_header(access.sign(token(), KEY))
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}


@pytest.mark.rfc("9068", "2.2.3")
def test_scopes_roles_groups_and_entitlements_stand_under_their_registered_names() -> None:
    payload = access.claims(token())
    assert payload["scope"] == "orders:read orders:write"
    assert (payload["roles"], payload["groups"], payload["entitlements"]) == (
        ["admin"],
        ["ops", "staff"],
        ["beta"],
    )
    assert payload["status"] == {"status_list": {"idx": 7, "uri": f"{ISSUER}/status/0"}}


def test_equal_tokens_have_equal_claims_in_equal_order() -> None:
    assert list(access.claims(token()).items()) == list(access.claims(token(extra={"locale": "en"})).items())


def test_a_token_for_two_audiences_comes_back_with_both() -> None:
    both = token(audience=frozenset({API, ISSUER}))
    assert verify(access.sign(both, KEY)).audiences == {API, ISSUER}
    assert verify(access.sign(both, KEY), audience=ISSUER) == both


@pytest.mark.rfc("9068", "4")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"issuer": "https://id.example.com/"}, IssuerError),
        ({"audience": "https://api.example.com/"}, AudienceError),
        ({"audience": frozenset({"a", "b"})}, AudienceError),
        ({"now": NOW + 330}, ExpiredTokenError),
        ({"now": NOW - 31}, NotYetValidError),
        ({"key": OTHER.public()}, SignatureError),
        ({"key": JWKSet([OTHER.public()])}, KeyNotFoundError),
        ({"leeway": timedelta(seconds=61)}, ConfigError),
    ],
)
def test_a_token_is_refused_when_one_thing_is_another(
    changed: dict[str, Any], error: type[AdmitError]
) -> None:
    text = access.sign(token(), KEY)
    assert verify(text, now=NOW + 329) == token()
    with pytest.raises(error):
        verify(text, **changed)


@pytest.mark.rfc("9068", "2.1")
@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at", "application/jwt", "logout+jwt"])
def test_another_typ_is_refused(typ: str | None) -> None:
    with pytest.raises(TokenTypeError):
        verify(signed(typ))


@pytest.mark.rfc("9068", "2.1")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_typ_is_compared_as_a_media_type(typ: str) -> None:
    assert verify(signed(typ)).subject == "u_alice"


@pytest.mark.rfc("9068", "2.2")
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"])
def test_every_required_claim_is_required(name: str) -> None:
    with pytest.raises(ClaimError):
        verify(signed(**{name: ...}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", ""), ("client_id", 7), ("client_id", ""), ("jti", ""), ("jti", 5), ("aud", []), ("aud", [""]),
        ("scope", ["a"]), ("scope", ""), ("scope", "a  b"), ("scope", " a"), ("scope", 'a"b'), ("scope", "a\tb"),
        ("scope", None), ("roles", "admin"), ("roles", [1]), ("roles", {"admin": True}), ("roles", [""]),
        ("groups", None), ("groups", "staff"), ("entitlements", [None]), ("sid", 1), ("sid", ""),
        ("auth_time", "1"), ("auth_time", True), ("auth_time", -1), ("acr", []), ("amr", "pwd"), ("amr", [1]),
        ("act", "bob"), ("act", {}), ("act", {"sub": ""}), ("cnf", "x"), ("status", []), ("status", None),
        ("status", {"status_list": 1}), ("status", {"status_list": {"idx": -1, "uri": "u"}}),
        ("status", {"status_list": {"idx": True, "uri": "u"}}), ("status", {"status_list": {"idx": 1.0, "uri": "u"}}),
        ("status", {"status_list": {"idx": 1}}), ("status", {"status_list": {"idx": 1, "uri": ""}}),
        ("_claim_names", "x"), ("_claim_names", {"groups": "s"}),
    ],
)  # fmt: skip
def test_a_claim_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(ClaimError):
        verify(signed(**{name: value}))


def test_a_status_of_another_mechanism_is_no_status() -> None:
    assert verify(signed(status={"other": 1})).status is None
    assert verify(signed(status=...)).status is None


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": NOW}, {"exp": NOW - 1}, {"subject": ""}, {"client_id": ""}, {"jti": ""}, {"audience": ""},
        {"audience": frozenset()}, {"scope": frozenset({"a b"})}, {"scope": frozenset({""})},
        {"extra": {"scope": "admin"}}, {"extra": {"iss": "x"}}, {"extra": {"nonce": "n"}},
    ],
)  # fmt: skip
def test_what_no_verifier_would_take_is_not_signed(changed: dict[str, Any]) -> None:
    with pytest.raises(ClaimError):
        access.sign(token(**changed), KEY)


def test_a_status_key_signs_no_token() -> None:
    with pytest.raises(InvalidKeyError):
        access.sign(token(), STATUS)
    with pytest.raises(InvalidKeyError):
        access.sign(token(), KEY.public())


@pytest.mark.threat("JWT-kinds", off="admit.tokens.kinds:check_key")
@pytest.mark.parametrize("key", [KEYS, STATUS.public()], ids=["set", "single"])
def test_a_token_that_a_status_key_signed_is_refused(key: JWK | JWKSet) -> None:
    with pytest.raises(TokenTypeError):
        verify(signed(key=STATUS), key=key)


def test_the_principal_says_what_the_token_says() -> None:
    found = access.principal(verify(access.sign(token(), KEY)))
    assert found.key == (ISSUER, "u_alice")
    assert (found.client_id, found.audience, found.token_id) == ("spa", {API}, "j-1")
    assert (found.scopes, found.roles, found.groups) == (
        {"orders:read", "orders:write"},
        {"admin"},
        {"staff", "ops"},
    )
    assert (found.session_id, found.auth_time, found.acr, found.amr) == (
        "s-1",
        NOW - 10,
        "urn:admit:acr:1fa",
        ("pwd",),
    )
    assert (found.expires_at, found.credential, found.is_client) == (NOW + 300, CredentialKind.TOKEN, False)
    assert found.claims["locale"] == "en"
    with pytest.raises(TypeError):
        found.claims["roles"] = ["admin"]  # type: ignore[index]  # that it is read-only is the point


def test_a_token_that_nobody_verified_becomes_no_principal() -> None:
    with pytest.raises(IssuerError):
        access.principal(token())


def test_a_machine_is_told_from_a_user() -> None:
    machine = verify(access.sign(token(subject="batch", client_id="batch"), KEY))
    assert access.principal(machine).is_client


@pytest.mark.rfc("8693", "4.1")
def test_the_actor_is_carried_and_read_only() -> None:
    found = verify(access.sign(token(actor={"sub": "u_bob"}), KEY)).actor
    assert found == {"sub": "u_bob"}
    with pytest.raises(TypeError):
        found["sub"] = "u_eve"  # type: ignore[index]  # as above


def test_a_binding_is_shown_to_the_verifier() -> None:
    bound = verify(access.sign(token(confirmation={"jkt": "abc"}), KEY))
    assert bound.confirmation == {"jkt": "abc"}


def referring(named: Any, source_is: Any, *, source: str = "groups", iss: str = ISSUER) -> dict[str, Any]:
    return {"iss": iss, "_claim_names": {"groups": named}, "_claim_sources": {source: source_is}}


def test_octets_are_taken_for_the_token_that_they_are() -> None:
    text = access.sign(token(), KEY)
    for key in (KEYS, KEY):
        found = access.verify(text.encode(), key, issuer=ISSUER, audience=API, now=NOW)
        assert found == access.verify(text, key, issuer=ISSUER, audience=API, now=NOW)


@pytest.mark.parametrize("odd", [b"\xff.\xff.", b"", b"a.b.c", None, 7, ["a"], bytearray(b"a.b.c")])
def test_what_is_no_token_is_malformed(odd: Any) -> None:
    with pytest.raises(MalformedTokenError):
        access.verify(odd, KEYS, issuer=ISSUER, audience=API, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [{"audience": [API]}, {"audience": {API}}, {"issuer": [ISSUER]}, {"now": 10**400}, {"now": True}],
)
def test_an_argument_that_cannot_work_is_no_fault_of_the_token(changed: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"issuer": ISSUER, "audience": API, "now": NOW}
    assert access.verify(access.sign(token(), KEY), KEYS, **arguments)
    with pytest.raises(ConfigError):
        access.verify(access.sign(token(), KEY), KEYS, **(arguments | changed))


class TestSize:
    """Contracts §1: 3,072 octets, groups by reference beyond, nothing cut, nothing over."""

    many = frozenset(f"group-{n:04d}" for n in range(400))

    def test_groups_that_fit_stay(self) -> None:
        text = access.sign(token(groups=frozenset(f"g{n}" for n in range(100))), KEY)
        assert len(text) <= size.BUDGET
        assert len(verify(text).groups) == 100  # type: ignore[arg-type]  # a set, since they fit

    def test_groups_that_do_not_fit_become_a_reference_and_never_an_empty_set(self) -> None:
        text = access.sign(token(groups=self.many), KEY)
        assert len(text) <= size.BUDGET
        found = verify(text)
        assert found.groups == ByReference(f"{ISSUER}/userinfo")
        assert access.principal(found).groups == ByReference(f"{ISSUER}/userinfo")
        assert found.roles == {"admin"}

    def test_the_reference_goes_where_the_issuer_says(self) -> None:
        text = access.sign(token(groups=self.many), KEY, groups_endpoint="https://id.example.com/groups")
        assert verify(text).groups == ByReference("https://id.example.com/groups")

    def test_a_reference_given_stays_one(self) -> None:
        by_reference = token(groups=ByReference(f"{ISSUER}/userinfo"))
        assert verify(access.sign(by_reference, KEY)).groups == by_reference.groups

    @pytest.mark.parametrize(
        "endpoint",
        [
            "http://169.254.169.254/",
            "http://id.example.com/userinfo",
            "file:///etc/passwd",
            "x",
            "",
            "https://",
            "https:///userinfo",
            "https://user@id.example.com/",
            "https://id.example.com/ a",
            "https://id.example.com/\r\nx: y",
            "https://id.example.com/#f",
            "https://id.example.com:x/",
            "https://id.example.com\\@evil.example",
            "https://id.example.com/" + "a" * 2_048,
            7,
            None,
            ["https://id.example.com/userinfo"],
        ],
    )
    def test_groups_are_never_at_what_is_no_https_url(self, endpoint: Any) -> None:
        with pytest.raises(ClaimError) as caught:
            access.read_groups(referring("groups", {"endpoint": endpoint}))
        assert caught.value.claim == "groups"
        assert str(endpoint) not in caught.value.detail or not endpoint or endpoint == "x"
        if isinstance(endpoint, str):
            with pytest.raises(ClaimError):
                access.sign(token(groups=ByReference(endpoint)), KEY)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://graph.example/users/1/groups?a=b",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1:8000/userinfo",
        ],
    )
    def test_groups_are_at_an_https_url_or_below_the_issuer(self, endpoint: str) -> None:
        claims = referring("groups", {"endpoint": endpoint}, iss="http://127.0.0.1:8000")
        assert access.read_groups(claims) == ByReference(endpoint)

    @pytest.mark.parametrize("named", [1, None, ["a"], {"a": 1}, True])
    def test_a_source_is_named_by_a_string(self, named: Any) -> None:
        for source in ("1", "None", "True", str(named)):
            claims = referring(named, {"endpoint": "https://id.example.com/userinfo"}, source=source)
            with pytest.raises(ClaimError):
                access.read_groups(claims)

    def test_what_is_over_budget_even_so_is_not_signed(self) -> None:
        with pytest.raises(TokenTooLargeError):
            access.sign(token(roles=self.many), KEY)
        with pytest.raises(TokenTooLargeError):
            access.sign(token(roles=self.many, groups=self.many), KEY)

    @pytest.mark.parametrize("alg", ["ES256", "RS256", "HS256"])
    def test_the_budget_holds_to_the_octet_for_every_algorithm(self, alg: str) -> None:
        key = JWK.secret(bytes(range(32)), alg, kid="k") if alg == "HS256" else JWK.generate(alg, kid="k")
        lengths = set()
        for extra in range(1_000, 2_400):
            whole = token(groups=frozenset(), extra={"pad": "x" * extra})
            if not size.fits(access.claims(whole), key, typ="at+jwt"):
                with pytest.raises(TokenTooLargeError):
                    access.sign(whole, key)
                break
            if extra % 50 == 0 or extra > 1_500:
                continue
            lengths.add(extra)
        text = access.sign(token(groups=frozenset(), extra={"pad": "x" * (extra - 1)}), key)
        assert size.BUDGET - 2 <= len(text) <= size.BUDGET

    @given(st.frozensets(st.text(min_size=1, max_size=40), max_size=120))
    def test_whatever_the_groups_the_budget_holds_and_none_is_lost(self, groups: frozenset[str]) -> None:
        try:
            text = access.sign(token(groups=groups), KEY)
        except AdmitError:
            assert any(0xD800 <= ord(c) < 0xE000 for name in groups for c in name)
            return
        assert len(text) <= size.BUDGET
        assert verify(text).groups in (groups, ByReference(f"{ISSUER}/userinfo"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([*sorted(access.claims(token())), "act", "cnf", "_claim_names"]), json_values
    )
)
def test_whatever_the_claims_a_token_or_an_admit_error(changed: dict[str, Any]) -> None:
    try:
        found = access.read({**access.claims(token()), **changed})
    except AdmitError:
        return
    access.principal(found)


def test_no_message_carries_a_claims_value() -> None:
    canary = "canary-7f3a"
    for name in access.claims(token()):
        for value in ([canary], {canary: canary}, f"{canary}  {canary}", canary):
            said = ""
            try:
                verify(signed(**{name: value}))
            except AdmitError as error:
                said = f"{error!r} {error} {error.detail} {error.public}"
            assert canary not in said


def test_importing_reads_no_clock() -> None:
    # `now` is the only time there is: a token of the far future verifies then, whatever the wall says.
    assert time.time() < NOW + 10_000_000_000
    far = token(iat=NOW + 10_000_000_000, exp=NOW + 10_000_000_300)
    assert verify(access.sign(far, KEY), now=NOW + 10_000_000_001) == far
