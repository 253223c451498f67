"""What may become of the pages of `samples`: all that can be wrong, and all that is longer than one thinks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from admit.issuer.app.pages.views import (
    SECTIONS,
    AccountView,
    AnyView,
    ClientCard,
    ConsentView,
    ErrorView,
    FormView,
    LogoutView,
    Notice,
    PasswordView,
    Problem,
    ScopeItem,
    SignedOutView,
    SignInView,
    SignUpView,
)
from admit.issuer.app.pages.views_mail import EmailNotice, EmailView, ForgotView, ResetView, VerifyView
from admit.issuer.app.pages.views_second_factor import (
    AddAppAtSignInView,
    AddAppView,
    AppRow,
    ProveView,
    SecondFactorView,
)
from tests.unit.issuer.app.pages.samples import NOW, VIEWS, session

V = TypeVar("V", bound=AnyView)

# As long as the rules let them be, and without a place to break.
LONG_NAME: Final = "Wolfeschlegelsteinhausenbergerdorff" * 2 + "-" + "W" * 29
LONG_EMAIL: Final = "w" * 64 + "@" + ".".join(["verwaltungsgesellschaft" * 2] * 3) + ".example.com"
LONG_HOST: Final = "a-host-that-goes-on." * 6 + "example.net"
LONG_CLIENT: Final = ClientCard(name="Bestellungsverwaltungsanwendung" * 3, host=LONG_HOST, verified=False)
LONG_IP: Final = "2001:db8:1234:5678:9abc:def0:1234:5678"
CHINESE_NAME: Final = "欧阳娜娜的工作电脑在会议室旁边靠窗的那张桌子上谁也不要动它谢谢大家"
ARABIC_NAME: Final = "حاسوب العمل في المكتب"
PROBLEMS: Final[Mapping[str, tuple[Problem | dict[str, Problem], ...]]] = {
    "sign_in": (
        Problem.FORM_STALE, Problem.TOO_BUSY, Problem.SIGN_IN_OVER, {"email": Problem.EMAIL_MISSING},
        {"password": Problem.PASSWORD_MISSING},
    ),
    "sign_in_again": (Problem.TOO_MANY,),
    "sign_up": (
        Problem.TOO_MANY, Problem.TOO_BUSY, {"email": Problem.EMAIL_TAKEN}, {"email": Problem.EMAIL_MISSING},
        {"name": Problem.NAME_INVALID}, {"name": Problem.NAME_MISSING}, {"password": Problem.PASSWORD_LONG},
        {"password": Problem.PASSWORD_CONTEXT},
    ),
    "account_password": (
        Problem.TOO_MANY, Problem.TOO_BUSY, {"current_password": Problem.PASSWORD_MISSING},
        {"new_password": Problem.PASSWORD_MISSING}, {"new_password": Problem.PASSWORD_LONG},
    ),
    "forgot": (Problem.TOO_MANY, Problem.FORM_STALE, {"email": Problem.EMAIL_MISSING}),
    "reset": (Problem.TOO_BUSY, {"password": Problem.PASSWORD_SHORT}, {"password": Problem.PASSWORD_COMMON}),
    "verify": (Problem.TOO_MANY, Problem.FORM_STALE),
    "email": (Problem.TOO_MANY, {"email": Problem.EMAIL_MISSING}),
    "second_factor_prove": ({"code": Problem.CODE_MISSING}, {"code": Problem.CODE_SPENT}),
    "second_factor_recovery": ({"code": Problem.RECOVERY_WRONG},),
    "second_factor_add": ({"name": Problem.APP_NAME_INVALID},),
    "second_factor_add_asked": ({"code": Problem.CODE_WRONG}, Problem.TOO_MANY),
    "second_factor": (Problem.FACTORS_CHANGED,),
}  # fmt: skip
"""By page: with the whole form, or beside a field."""


def of(kind: type[V], name: str) -> V:
    """A page of the samples, as what it is."""
    found = VIEWS[name]
    assert isinstance(found, kind), name
    return found


def with_problems() -> Iterator[tuple[str, AnyView]]:
    """Every form with each of its problems."""
    for name, problems in PROBLEMS.items():
        plain = replace(of(FormView, name), here=None, problem=None, fields={})
        for one in problems:
            if isinstance(one, Problem):
                yield f"{name}_{one.name.lower()}", replace(plain, problem=one, wait_seconds=840)
            else:
                [(field, problem)] = one.items()
                yield f"{name}_{field}_{problem.name.lower()}", replace(plain, fields=one)


def account_at_its_longest() -> AccountView:
    """Thirty sessions under long names, three nobody knows, and apps with long names that may do much."""
    account = of(AccountView, "account")
    here, *others = account.ordered()
    names = (LONG_NAME[:60], CHINESE_NAME, ARABIC_NAME, "")
    many = tuple(
        replace(
            others[n % len(others)],
            id=f"s_{n}",
            name=names[n % len(names)],
            ip=LONG_IP,
            unfamiliar=n % 9 == 8,
        )
        for n in range(29)
    )
    app = account.apps[0]
    scopes = (
        *app.scopes,
        ScopeItem(name="orders:" + "a" * 93),
        ScopeItem(name="admit:sessions", everybodys=True),
    )
    return replace(
        account,
        user_name=LONG_NAME,
        user_email=LONG_EMAIL,
        sessions=(here, *many),
        apps=(replace(app, client=LONG_CLIENT, scopes=scopes, offline=True), *account.apps),
        sections=SECTIONS,
    )


def _states() -> Iterator[tuple[str, AnyView]]:
    account = of(AccountView, "account")
    for notice in Notice:
        yield f"account_notice_{notice.name.lower()}", replace(account, sections=SECTIONS, notice=notice)
    yield "account_long", account_at_its_longest()
    yield (
        "account_unknown_here",
        replace(
            account,
            sessions=tuple(replace(one, unfamiliar=True) for one in account.sessions),
            sections=SECTIONS,
        ),
    )
    alone = session("s_here", "", "192.0.2.14", 5, 5, current=True)
    yield "account_fresh", replace(account, email_verified=True, since=NOW, apps=(), sessions=(alone,))
    yield (
        "sign_in_long",
        replace(of(SignInView, "sign_in"), email=LONG_EMAIL, can_reset=True, client=LONG_CLIENT),
    )
    yield (
        "sign_up_long",
        replace(of(SignUpView, "sign_up"), email=LONG_EMAIL, name=LONG_NAME, client=LONG_CLIENT),
    )
    yield "sign_in_again_long", replace(of(SignInView, "sign_in_again"), email=LONG_EMAIL)
    every = tuple(ScopeItem(name=n) for n in ("openid", "profile", "email", "phone", "address", "admit:keys"))
    yield "consent_long", replace(
        of(ConsentView, "consent_unverified"), user_name=LONG_NAME, user_email=LONG_EMAIL,
        scopes=(*every, *account_at_its_longest().apps[0].scopes), lasts_seconds=3_600.0 * 9, client=LONG_CLIENT,
    )  # fmt: skip
    yield (
        "consent_verified",
        replace(of(ConsentView, "consent"), client=replace(of(ConsentView, "consent").client, verified=True)),
    )
    yield "consent_an_hour", replace(of(ConsentView, "consent_unverified"), lasts_seconds=3_600.0)
    yield "logout_long", replace(of(LogoutView, "logout"), user_email=LONG_EMAIL, client=LONG_CLIENT)
    yield "signed_out_long", replace(of(SignedOutView, "signed_out"), client=LONG_CLIENT)
    yield "signed_out_back", replace(of(SignedOutView, "signed_out"), client=None)
    yield "error_no_id", replace(of(ErrorView, "error_bad_request"), id=None)
    yield "account_password_long", replace(of(PasswordView, "account_password"), user_email=LONG_EMAIL)
    for told in EmailNotice:
        yield (
            f"email_{told.name.lower()}",
            replace(of(EmailView, "email"), notice=told, email_verified=True),
        )
    yield "email_long", replace(of(EmailView, "email"), user_email=LONG_EMAIL, email=LONG_EMAIL)
    yield "forgot_long", replace(of(ForgotView, "forgot_wrong"), email=LONG_EMAIL)
    yield "reset_long", replace(of(ResetView, "reset"), email=LONG_EMAIL)
    yield "verify_long", replace(of(VerifyView, "verify"), email=LONG_EMAIL)
    yield "second_factor_prove_long", replace(of(ProveView, "second_factor_prove"), client=LONG_CLIENT)
    yield (
        "second_factor_recovery_plain",
        replace(of(ProveView, "second_factor_recovery"), problem=None, recovery=True),
    )
    yield "second_factor_add_more", replace(of(AddAppView, "second_factor_add"), fields={}, first=False)
    asked = of(AddAppAtSignInView, "second_factor_add_asked")
    yield "second_factor_add_must", replace(asked, may_refuse=False)
    yield "second_factor_add_long", replace(asked, name=LONG_NAME[:60], client=LONG_CLIENT)
    factors = of(SecondFactorView, "second_factor")
    rows = tuple(
        AppRow(id=f"f_{n}", name=name, number=n, created_at=NOW - 60 * 5, last_used_at=None)
        for n, name in enumerate((LONG_NAME[:60], CHINESE_NAME, ARABIC_NAME, "", "Phone"), 1)
    )
    yield (
        "second_factor_full",
        replace(factors, apps=rows, codes_left=1, full=True, notice=Notice.FACTOR_ADDED),
    )


STATES: Final[Mapping[str, AnyView]] = {**dict(with_problems()), **dict(_states())}
EVERYTHING: Final[Mapping[str, AnyView]] = {**VIEWS, **STATES}
"""Every page in every state, by the name of its picture."""
