"""The one gate: what a sign-in has reached, and what it has to reach before there is a session. Pure.

Every way in asks the same functions here: the password page, sign-up, re-authentication, an application that asks for
more, the look-up of a session, and the minting of tokens. `acr` and `amr` are made here and nowhere else, so that what
is told is what was shown (OpenID Connect Core §2, RFC 8176 §2).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final

from admit.issuer.accounts.config import SecondFactor
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import may_operate
from admit.issuer.clients.records import ACR_1FA, ACR_2FA, ACRS

_RANK: Final[Mapping[str, int]] = MappingProxyType({acr: rank for rank, acr in enumerate(ACRS, 1)})


class Proof(StrEnum):
    """What a person has shown in one sign-in."""

    PASSWORD = "password"  # noqa: S105  # the name of a kind of proof
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"


# RFC 8176 §2. A recovery code is a one-time password as well: random, given out beforehand, good for one use. `kba`
# would say that something was known by heart. No registered value tells the two apart, so one of ours says it too.
_AMR: Final[Mapping[Proof, tuple[str, ...]]] = MappingProxyType(
    {
        Proof.TOTP: ("otp", "mfa"),
        Proof.RECOVERY_CODE: ("otp", "mfa", "urn:admit:amr:recovery"),
    }
)


@dataclass(frozen=True, slots=True)
class Assurance:
    """How surely a sign-in told who it is: the class, and the methods."""

    acr: str
    amr: tuple[str, ...]


class Next(Enum):
    """What follows a right password."""

    SESSION = auto()
    PROVE = auto()
    """A code of an app that the person has."""
    ENROL = auto()
    """An app has to be added first."""


def reached(proofs: Collection[Proof]) -> Assurance:
    """What these proofs amount to.

    Raises:
        ValueError: there is no sign-in without a password so far.
    """
    if Proof.PASSWORD not in proofs:
        raise ValueError("no sign-in without a password")
    for proof, methods in _AMR.items():
        if proof in proofs:
            return Assurance(ACR_2FA, ("pwd", *methods))
    return Assurance(ACR_1FA, ("pwd",))


def suffices(acr: str, wanted: str) -> bool:
    """Whether a class is at least another. One that is not known reaches nothing, and is reached by nothing."""
    return wanted in _RANK and _RANK.get(acr, 0) >= _RANK[wanted]


def demanded(policy: SecondFactor, user: User) -> str:
    """The class that this user's sign-ins have to reach by the settings, whatever else the user has."""
    must = policy is SecondFactor.REQUIRED or (policy is SecondFactor.OPERATORS and may_operate(user))
    return ACR_2FA if must else ACR_1FA


def admits(policy: SecondFactor, user: User, acr: str) -> bool:
    """Whether what was reached is enough for this user: asked of every session that is looked up, and of every grant
    that tokens are made of. A session from before the settings asked for more is none any more.
    """
    return suffices(acr, demanded(policy, user))


def next_step(
    policy: SecondFactor, user: User, proofs: Collection[Proof], *, has_app: bool, asked: str = ACR_1FA
) -> Next:
    """What has to happen before there is a session. `asked` is what the application wants at least.

    Whoever has an app is always asked for it: nobody's second factor is left out because nobody asked for it.
    """
    now = reached(proofs).acr
    if has_app and not suffices(now, ACR_2FA):
        return Next.PROVE
    if suffices(now, asked) and admits(policy, user, now):
        return Next.SESSION
    return Next.ENROL
