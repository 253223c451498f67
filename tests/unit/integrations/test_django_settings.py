"""`ADMIT` is read and checked once; `manage.py check` tells what is wrong."""

from collections.abc import Callable
from typing import Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import pytest
from django.core.checks import run_checks
from django.test import override_settings

from admit.integrations.django import AdmitSettings
from admit.integrations.django.conf import SettingError, configure, current
from admit.verifier import AsyncVerifier, TrustedIssuer, Verifier
from tests.contract.services import API, ISSUER, Issuer

assert tests.fixtures.django.APPS
GOOD = {"ISSUER": ISSUER, "AUDIENCE": API}
ADMIT = "admit.integrations.django.AdmitMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
HANDLER = "rest_framework.views.exception_handler"

verifier = Verifier(TrustedIssuer(ISSUER, audience=API))
lookup = Issuer()
NOTHING = 7


def a_verifier() -> AsyncVerifier:
    return AsyncVerifier(TrustedIssuer(ISSUER, audience=[API, "https://other.example"]))


def broken() -> None:
    raise TypeError("a canary-7f3a")


def user_of(principal: Any) -> None:
    """Nobody."""


def ids(*, deploy: bool = False) -> list[str]:
    return [one.id for one in run_checks(include_deployment_checks=deploy) if one.id.startswith("admit.")]


@pytest.mark.parametrize(
    "given",
    [
        GOOD,
        {"VERIFIER": verifier},
        {"VERIFIER": f"{__name__}.verifier"},
        {"VERIFIER": f"{__name__}.a_verifier"},
        {"VERIFIER": a_verifier, "SESSIONS": f"{__name__}.lookup", "SESSION_AUDIENCE": API},
        {**GOOD, "SESSIONS": Issuer, "ORIGINS": ["https://app.example.com"], "COOKIE_MODE": "cookie_domain"},
        {**GOOD, "USER": f"{__name__}.user_of"},
        {**GOOD, "USER": user_of, "REALM": "orders"},
    ],
    ids=["names", "object", "path", "path of a function", "function", "sessions", "user's path", "user"],
)
def test_what_can_be_set(given: dict[str, Any]) -> None:
    made = configure(given)
    assert made.gate.verifier.issuers == {ISSUER}
    assert (made.user_of is not None) == ("USER" in given)
    assert (made.gate.cookie is not None) == ("SESSIONS" in given)
    made.gate.verifier.close()


@pytest.mark.parametrize(
    ("given", "check", "says"),
    [
        (None, "admit.E001", "not set"),
        ([GOOD], "admit.E001", "dict"),
        ({**GOOD, "AUDIENCES": API}, "admit.E002", "AUDIENCES"),
        ({}, "admit.E003", "ISSUER and AUDIENCE"),
        ({"ISSUER": ISSUER}, "admit.E003", "together"),
        ({**GOOD, "VERIFIER": verifier}, "admit.E003", "instead"),
        ({**GOOD, "ISSUER": ""}, "admit.E003", "ISSUER"),
        ({**GOOD, "REALM": 7}, "admit.E003", "REALM"),
        ({**GOOD, "COOKIE_MODE": "anywhere"}, "admit.E003", "COOKIE_MODE"),
        ({**GOOD, "SESSIONS": Issuer, "TOKEN_COOKIE": "token"}, "admit.E003", "not both"),
        ({**GOOD, "TOKEN_COOKIE": "a b"}, "admit.E005", "ADMIT"),
        ({**GOOD, "USER": 7}, "admit.E003", "USER"),
        ({"VERIFIER": "shop.nowhere.verifier"}, "admit.E004", "VERIFIER"),
        ({"VERIFIER": f"{__name__}.NOTHING"}, "admit.E004", "VERIFIER"),
        ({"VERIFIER": verifier, "SESSIONS": f"{__name__}.NOTHING"}, "admit.E004", "SESSIONS"),
        ({**GOOD, "USER": f"{__name__}.nobody"}, "admit.E004", "USER"),
        ({**GOOD, "USER": f"{__name__}.NOTHING"}, "admit.E004", "function"),
        ({**GOOD, "AUDIENCE": []}, "admit.E005", "audience"),
        ({**GOOD, "AUDIENCE": 5}, "admit.E003", "AUDIENCE"),
        ({**GOOD, "AUDIENCE": [5]}, "admit.E003", "AUDIENCE"),
        ({**GOOD, "SESSIONS": f"{__name__}.broken"}, "admit.E004", "raised TypeError"),
        ({**GOOD, "ISSUER": "http://id.example.com"}, "admit.E005", "ADMIT"),
        ({**GOOD, "ORIGINS": ["https://App.example.com/"]}, "admit.E005", "origins"),
        ({**GOOD, "REALM": 'a "b"'}, "admit.E005", "realm"),
        ({"VERIFIER": a_verifier, "SESSIONS": Issuer}, "admit.E005", "audience"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("admit.") else "",
)
def test_what_cannot_be_set_is_told_by_a_check(given: Any, check: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        configure(given)
    with override_settings(ADMIT=given):
        assert ids() == [check]


def test_a_project_that_is_right_has_nothing_to_be_told() -> None:
    assert ids(deploy=True) == []


def test_it_is_read_once_and_anew_when_a_test_changes_it() -> None:
    first = current()
    assert current() is first
    with override_settings(ADMIT={**GOOD, "REALM": "other"}):
        assert current().gate.realm == "other"
    assert current().gate.realm is None
    with override_settings(ALLOWED_HOSTS=["x.example"]):
        again = current()
    assert current() is again


@pytest.mark.parametrize(
    ("middleware", "told"),
    [
        ([AUTHENTICATION, ADMIT], []),
        ([ADMIT, AUTHENTICATION], ["admit.E006"]),
        ([ADMIT], []),
    ],
    ids=["right", "wrong way round", "alone"],
)
def test_the_middleware_has_to_stand_below_djangos(middleware: list[str], told: list[str]) -> None:
    with override_settings(ADMIT={**GOOD, "USER": user_of}, MIDDLEWARE=middleware):
        assert ids() == told
    with override_settings(MIDDLEWARE=middleware):
        assert ids() == []


def test_users_without_the_middleware_are_told_where_nothing_else_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with override_settings(ADMIT={**GOOD, "USER": user_of}, MIDDLEWARE=[]):
        assert ids() == []
        monkeypatch.setattr("admit.integrations.django.checks.apps", _Apps())
        assert ids() == ["admit.W001"]


class _Apps:
    def is_installed(self, name: str) -> bool:
        return False


@pytest.fixture
def rest_framework() -> Callable[..., Any]:
    from django.conf import settings

    def changed(**more: Any) -> Any:
        return override_settings(REST_FRAMEWORK={**settings.REST_FRAMEWORK, **more})

    return changed


def test_rest_frameworks_own_handler_is_told(rest_framework: Callable[..., Any]) -> None:
    with rest_framework(EXCEPTION_HANDLER=HANDLER):
        assert ids() == ["admit.W002"]
        with rest_framework(DEFAULT_AUTHENTICATION_CLASSES=[], EXCEPTION_HANDLER=HANDLER):
            assert ids() == []


def test_an_issuer_without_tls_is_told_before_deployment() -> None:
    with override_settings(ADMIT={**GOOD, "ISSUER": "http://localhost:8000"}):
        assert (ids(), ids(deploy=True)) == ([], ["admit.W003"])


def test_each_setting_is_documented() -> None:
    assert AdmitSettings.__doc__ is not None
    for name in AdmitSettings.__dataclass_fields__:
        assert f"`{name}`" in AdmitSettings.__doc__
