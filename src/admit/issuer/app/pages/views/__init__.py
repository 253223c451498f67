"""What each page is told, and nothing more. Values are raw: the templates escape, and name times and browsers.

`base` what all share · one module for each part of the pages.
"""

from typing import TypeAlias

from admit.issuer.app.pages.views.account import SECTIONS, AccountView, AppItem, Notice, Section, SessionItem
from admit.issuer.app.pages.views.base import ClientCard, FormView, Problem, View, Words
from admit.issuer.app.pages.views.consent import ConsentView, LeavingView, ScopeItem
from admit.issuer.app.pages.views.error import ErrorView, Trouble
from admit.issuer.app.pages.views.form_post import FormPostView
from admit.issuer.app.pages.views.logout import LogoutView, SignedOutView
from admit.issuer.app.pages.views.password import PasswordView
from admit.issuer.app.pages.views.sign_in import SelectAccountView, SignInView, SignUpView

AnyView: TypeAlias = View
"""Whatever can be shown: each view names its page and its row of the header table."""

__all__ = [
    "SECTIONS",
    "AccountView",
    "AnyView",
    "AppItem",
    "ClientCard",
    "ConsentView",
    "ErrorView",
    "FormPostView",
    "FormView",
    "LeavingView",
    "LogoutView",
    "Notice",
    "PasswordView",
    "Problem",
    "ScopeItem",
    "Section",
    "SelectAccountView",
    "SessionItem",
    "SignInView",
    "SignUpView",
    "SignedOutView",
    "Trouble",
    "View",
    "Words",
]
