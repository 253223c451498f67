"""One view of each shape that a page can take, by the name of its picture."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from admit.issuer.app.pages.views import (
    SECTIONS,
    AccountView,
    AnyView,
    AppItem,
    ClientCard,
    ConsentView,
    ErrorView,
    FormPostView,
    LeavingView,
    LogoutView,
    Notice,
    PasswordView,
    Problem,
    ScopeItem,
    SelectAccountView,
    SessionItem,
    SignedOutView,
    SignInView,
    SignUpView,
    Trouble,
)
from admit.issuer.app.pages.views_mail import (
    EmailNotice,
    EmailView,
    ForgotView,
    ResetView,
    Told,
    ToldView,
    VerifyView,
)
from tests.unit.issuer.app.pages.samples_second_factor import second_factor_views

NOW: Final = 1_795_000_000.0
CSRF: Final = "c5wv0mZkJt9T0w3b3J5m0w"
ORDERS: Final = ClientCard(name="Demo orders", host="localhost:8411", verified=True)
STRANGER: Final = ClientCard(name="Mail merge helper", host="merge.example.net", verified=False)

FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)
EDGE: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
)


def session(
    name: str, user_agent: str, ip: str, started: float, seen: float, *, current: bool = False
) -> SessionItem:
    return SessionItem(
        id=name,
        user_agent=user_agent,
        ip=ip,
        started_at=NOW - started,
        last_seen_at=NOW - seen,
        current=current,
    )


SESSIONS: Final = (
    session("s_phone", IPHONE, "2001:db8:4f::17", 86_400 * 9, 3_600 * 5),
    session("s_work", EDGE, "198.51.100.23", 3_600 * 30, 60 * 7),
    session("s_here", FIREFOX, "192.0.2.14", 60 * 50, 20, current=True),
    session("s_script", "curl/8.14.1", "203.0.113.200", 86_400 * 20, 86_400 * 12),
)


APPS: Final = (
    AppItem(
        client_id="orders",
        client=ORDERS,
        scopes=(
            ScopeItem(name="openid"),
            ScopeItem(name="profile"),
            ScopeItem(name="orders:read", text={"en": "Read your orders", "zh": "查看你的订单"}),
        ),
        since=NOW - 60 * 50,
        last_used_at=NOW - 30,
        offline=False,
        remembered=True,
    ),
    AppItem(
        client_id="merge", client=STRANGER, scopes=(ScopeItem(name="openid"),), since=NOW - 60 * 50,
        last_used_at=NOW - 40, offline=False, acts=False, unverified=True,
    ),
    AppItem(
        client_id="terminal",
        client=ClientCard(name="Orders for the terminal", host=None, verified=True),
        scopes=(ScopeItem(name="offline_access"), ScopeItem(name="openid"), ScopeItem(name="admit:sessions")),
        since=NOW - 86_400 * 31,
        last_used_at=NOW - 86_400 * 3,
        offline=True,
    ),
    AppItem(
        client_id="gone-from-the-settings", client=ClientCard(name="gone-from-the-settings", host=None, verified=False),
        scopes=(), since=NOW - 86_400 * 3, last_used_at=NOW - 86_400 * 3, offline=False,
    ),
)  # fmt: skip


def account(
    *sessions: SessionItem,
    apps: tuple[AppItem, ...] = (),
    notice: Notice | None = None,
    name: str = "Wen Li",
) -> AccountView:
    return AccountView(
        here="/account",
        csrf=CSRF,
        user_name=name,
        user_email="wen.li@example.com",
        email_verified=False,
        since=NOW - 86_400 * 40,
        sessions=sessions,
        apps=apps,
        now=NOW,
        notice=notice,
    )


CONSENT: Final = ConsentView(
    here="/consent?i=Qm9v",
    csrf=CSRF,
    interaction="Qm9v",
    client=ClientCard(name="Orders for the terminal", host=None, verified=False),
    user_name="Wen Li",
    user_email="wen.li@example.com",
    scopes=(
        ScopeItem(name="openid", fixed=True),
        ScopeItem(name="profile", ticked=False),
        ScopeItem(name="orders:read", text={"en": "Read your orders", "zh": "查看你的订单"}, new=True),
    ),
    resource="Orders",
    ticks=True,
    remembered=True,
    switch_url="/login?i=Qm9v",
)
STRANGERS_CONSENT: Final = ConsentView(
    here="/consent?i=Qm9v",
    csrf=CSRF,
    interaction="Qm9v",
    client=STRANGER,
    user_name="Wen Li",
    user_email="wen.li@example.com",
    scopes=(
        ScopeItem(name="openid", fixed=True),
        ScopeItem(name="email"),
        ScopeItem(name="offline_access"),
        ScopeItem(name="merge:send"),
    ),
    ticks=True,
    lasts_seconds=90 * 86_400,
    switch_url="/login?i=Qm9v",
)

CHANGE_PASSWORD: Final = PasswordView(
    here="/account/password", csrf=CSRF, user_name="Wen Li", user_email="wen.li@example.com"
)


VIEWS: Final[Mapping[str, AnyView]] = {
    "sign_in": SignInView(here="/login?i=Qm9v", csrf=CSRF, interaction="Qm9v", client=ORDERS),
    "sign_in_confirm": SignInView(
        here="/login?i=Qm9v", csrf=CSRF, interaction="Qm9v", client=ORDERS, confirms=True, email="wen.li@example.com"
    ),
    "sign_in_plain": SignInView(here="/login", csrf=CSRF, can_sign_up=False),
    "sign_in_username": SignInView(
        here="/login", csrf=CSRF, by_username=True, can_sign_up=False, problem=Problem.WRONG_USERNAME,
        email="ada",
    ),
    "sign_in_username_missing": SignInView(
        csrf=CSRF, by_username=True, can_sign_up=False, fields={"email": Problem.USERNAME_MISSING}
    ),
    "sign_in_wrong": SignInView(
        csrf=CSRF, interaction="Qm9v", client=ORDERS, email="wen.li@example.com", problem=Problem.WRONG_LOGIN
    ),
    "sign_in_too_many": SignInView(
        csrf=CSRF, email="wen.li@example.com", problem=Problem.TOO_MANY, wait_seconds=14 * 60
    ),
    "sign_up": SignUpView(here="/signup?i=Qm9v", csrf=CSRF, interaction="Qm9v", client=ORDERS),
    "sign_up_wrong": SignUpView(
        csrf=CSRF,
        name="Wen Li",
        email="wen.li@example",
        fields={"email": Problem.EMAIL_INVALID, "password": Problem.PASSWORD_SHORT},
    ),
    "consent": CONSENT,
    "consent_unverified": STRANGERS_CONSENT,
    "account": account(*SESSIONS, apps=APPS),
    "account_ended": account(SESSIONS[2], notice=Notice.OTHERS_ENDED),
    "account_new_sign_in": replace(
        account(
            replace(SESSIONS[0], name="Wen’s phone"), replace(SESSIONS[1], unfamiliar=True), SESSIONS[2], apps=APPS[:1]
        ),
        sections=SECTIONS,
    ),
    "account_name_refused": replace(
        account(*SESSIONS[1:3]),
        naming="s_work", name_typed="A name that goes on and on and on and on and on and on", sections=SECTIONS,
        fields={"name": Problem.SESSION_NAME},
    ),
    "sign_in_again": SignInView(
        here="/login?again=1&next=email", csrf=CSRF, email="wen.li@example.com", again=True, next="email"
    ),
    "sign_in_again_wrong": SignInView(
        csrf=CSRF, email="wen.li@example.com", again=True, next="email", problem=Problem.PASSWORD_WRONG
    ),
    "account_stale": AccountView(
        csrf=CSRF, user_name="Wen Li", user_email="wen.li@example.com", email_verified=True, since=NOW,
        sessions=SESSIONS[:3], now=NOW, problem=Problem.FORM_STALE,
    ),
    "account_password": CHANGE_PASSWORD,
    "account_password_wrong": replace(
        CHANGE_PASSWORD, here=None, fields={"current_password": Problem.PASSWORD_WRONG}
    ),
    "account_password_common": replace(
        CHANGE_PASSWORD, here=None, fields={"new_password": Problem.PASSWORD_COMMON}
    ),
    "forgot": ForgotView(here="/forgot", csrf=CSRF),
    "forgot_wrong": ForgotView(csrf=CSRF, email="wen.li", fields={"email": Problem.EMAIL_INVALID}),
    "reset": ResetView(here="/reset?t=Qm9v", csrf=CSRF, token="Qm9v", email="wen.li@example.com"),
    "verify": VerifyView(
        here="/verify?t=Qm9v", csrf=CSRF, token="Qm9v", email="wen.li@example.com", is_new=False, signed_in=False
    ),
    "verify_wrong": VerifyView(
        csrf=CSRF, token="Qm9v", email="wen.li@example.com", is_new=False, signed_in=False,
        problem=Problem.PASSWORD_NOT_OF_ACCOUNT,
    ),
    "verify_new": VerifyView(
        here="/verify?t=Qm9v", csrf=CSRF, token="Qm9v", email="wen.li@example.com", is_new=True, signed_in=True
    ),
    "email": EmailView(
        here="/account/email", csrf=CSRF, user_email="wen.li@example.com", email_verified=False,
        notice=EmailNotice.LINK_SENT,
    ),
    "email_same": EmailView(
        csrf=CSRF, user_email="wen.li@example.com", email_verified=True, email="wen.li@example.com",
        fields={"email": Problem.EMAIL_SAME},
    ),
    "sign_in_unverified": SignInView(
        csrf=CSRF, email="wen.li@example.com", problem=Problem.WRONG_OR_UNVERIFIED, can_reset=True
    ),
    **{f"told_{told.name.lower()}": ToldView(told=told) for told in Told},
    "consent_changed": replace(CONSENT, problem=Problem.CONSENT_CHANGED),
    "select_account": SelectAccountView(
        here="/login/account?i=Qm9v", csrf=CSRF, interaction="Qm9v", client=ORDERS, user_name="Wen Li",
        user_email="wen.li@example.com", switch_url="/login?i=Qm9v",
    ),
    "form_post": FormPostView(
        action="http://localhost:8411/cb", client=ORDERS,
        fields={"code": "Qm9v", "state": "\"><b>a state", "iss": "http://localhost:8410"},
    ),
    "leaving": LeavingView(client=STRANGER, return_url="https://merge.example.net/cb?error=access_denied"),
    "leaving_device": LeavingView(
        client=ClientCard(name="Terminal", host=None, verified=False), return_url="http://127.0.0.1:5123/cb?error=x"
    ),
    "leaving_by_hand": LeavingView(
        client=ClientCard(name="Phone", host=None, verified=False), return_url="com.example.app:/cb?error=x"
    ),
    "logout": LogoutView(here="/logout?i=Qm9v", csrf=CSRF, interaction="Qm9v", user_email="wen.li@example.com",
                         client=ORDERS),
    "logout_unknown": LogoutView(csrf=CSRF, user_email="wen.li@example.com"),
    "signed_out": SignedOutView(client=ORDERS, return_url="http://localhost:8411/"),
    "signed_out_plain": SignedOutView(here="/signed-out"),
    "signed_out_everywhere": SignedOutView(everywhere=True),
    **{
        f"error_{trouble.name.lower()}": ErrorView(
            trouble=trouble, id="7f3a09c2d41be6a8", back_url="/login" if trouble is Trouble.UNAVAILABLE else None
        )
        for trouble in Trouble
    },
    **second_factor_views(CSRF, NOW, ORDERS),
}  # fmt: skip
