"""The pages of second factors in each shape that they take."""

from dataclasses import replace

from admit.issuer.app.pages.qr import qr_code
from admit.issuer.app.pages.views import AnyView, ClientCard, Notice, Problem
from admit.issuer.app.pages.views_second_factor import (
    AddAppAtSignInView,
    AddAppView,
    AppRow,
    ProveView,
    RecoveryCodesAtSignInView,
    RecoveryCodesView,
    SecondFactorView,
)

HANDLE = "V2FpdGluZw"
SECRET = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
URI = (
    f"otpauth://totp/Admit:wen.li@example.com?secret={SECRET.replace(' ', '')}"
    "&issuer=Admit&algorithm=SHA1&digits=6&period=30"
)
CODES = tuple("-".join(("7Q0M", "4KXV", "9A2C", "HT5R", "E8ZW", f"{n:04}")) for n in range(10))


def second_factor_views(csrf: str, now: float, client: ClientCard) -> dict[str, AnyView]:
    """By the name of its picture."""
    prove = ProveView(csrf=csrf, here=f"/login/second-factor?p={HANDLE}", handle=HANDLE)
    add = AddAppView(
        csrf=csrf, here="/account/second-factor/add?f=f_1", handle="f_1", qr=qr_code(URI), secret=SECRET
    )
    at_sign_in = AddAppAtSignInView(
        csrf=csrf, here=f"/login/second-factor/add?p={HANDLE}", handle=HANDLE, qr=add.qr, secret=SECRET
    )
    codes = RecoveryCodesView(codes=CODES, go_on_url="/account/second-factor", ended=True)
    apps = (
        AppRow(id="f_1", name="Phone", number=1, created_at=now - 86_400 * 40, last_used_at=now - 3_600),
        AppRow(id="f_2", name="", number=2, created_at=now - 86_400 * 3, last_used_at=None),
    )
    page = SecondFactorView(csrf=csrf, here="/account/second-factor", apps=apps, codes_left=8, now=now)
    return {
        "second_factor_prove": replace(
            prove, interaction="Qm9v", client=client, fields={"code": Problem.CODE_WRONG}
        ),
        "second_factor_recovery": replace(prove, recovery=True, problem=Problem.TOO_MANY, wait_seconds=3_000),
        "second_factor_add": replace(add, name="Phone", fields={"code": Problem.CODE_WRONG}),
        "second_factor_add_asked": replace(at_sign_in, interaction="Qm9v", client=client, may_refuse=True),
        "recovery_codes": codes,
        "recovery_codes_sign_in": RecoveryCodesAtSignInView(
            codes=CODES, go_on_url="/login/second-factor/done?i=Qm9v"
        ),
        "second_factor": page,
        "second_factor_none": replace(page, apps=(), codes_left=0),
        "second_factor_must": replace(
            page, apps=apps[:1], codes_left=2, must_have=True, notice=Notice.FACTOR_REMOVED
        ),
    }
