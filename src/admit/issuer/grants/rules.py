"""Decisions about codes and refresh tokens. Pure: plain values and `now` in, a decision out."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from admit.issuer.grants.records import Family, PresentedCode, PresentedRefresh, Refusal, StoredCode

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


# PKCE


def well_formed_challenge(challenge: str) -> bool:
    """An S256 challenge, RFC 7636 §4.2: base64url of 32 octets."""
    return _CHALLENGE.fullmatch(challenge) is not None


def well_formed_verifier(verifier: str) -> bool:
    """RFC 7636 §4.1: 43 to 128 unreserved characters."""
    return _VERIFIER.fullmatch(verifier) is not None


def challenge_of(verifier: str) -> str:
    """S256 of a verifier, RFC 7636 §4.2."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def verify_pkce(challenge: str | None, verifier: str | None) -> bool:
    """Whether the verifier belongs to the code, RFC 7636 §4.6.

    A verifier where no challenge was stored is refused as well: the challenge may have been taken off the request on
    its way, RFC 9700 §4.8.2.
    """
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    return well_formed_verifier(verifier) and hmac.compare_digest(challenge_of(verifier), challenge)


# Authorization codes


@dataclass(frozen=True, slots=True)
class Spend:
    """The code is good: spend it, and make the grant."""


@dataclass(frozen=True, slots=True)
class Burn:
    """The code is live but in wrong hands: spend it for nothing."""

    reason: Refusal


@dataclass(frozen=True, slots=True)
class EndFamily:
    """It was used before, by whomever: end what it paid out."""

    family: str
    reason: Refusal = Refusal.REUSED


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing changes."""

    reason: Refusal


CodeDecision: TypeAlias = Spend | Burn | EndFamily | Refuse


def belongs_to_client(stored: StoredCode, presented: PresentedCode) -> bool:
    """A code is good for the client that it was issued to, RFC 6749 §4.1.3."""
    return stored.authorization.client_id == presented.client_id


def redirect_uri_repeated(stored: StoredCode, presented: PresentedCode) -> bool:
    """The redirect URI of the authorization request, byte-equal, RFC 6749 §4.1.3. A client that leaves it out, as OAuth
    2.1 has it, is held by PKCE; where the code has no challenge it must be there.
    """
    if presented.redirect_uri is None:
        return stored.authorization.code_challenge is not None
    return presented.redirect_uri == stored.authorization.redirect_uri


def unexpired(stored: StoredCode, now: float) -> bool:
    """RFC 6749 §4.1.2: short-lived."""
    return now < stored.expires_at


def unspent(stored: StoredCode) -> bool:
    """RFC 6749 §4.1.2: used at most once."""
    return stored.spent_at is None


def judge_code(presented: PresentedCode, stored: StoredCode | None, *, now: float) -> CodeDecision:
    """What a code is worth.

    A second use ends the family of the first, whoever sends it and however late (RFC 6749 §10.5). A live code that
    comes with another client, redirect URI or verifier than it was made for has leaked, and is burnt.
    """
    if stored is None:
        return Refuse(Refusal.UNKNOWN)
    if not unspent(stored):
        return Refuse(Refusal.REUSED) if stored.grant_id is None else EndFamily(stored.grant_id)
    if not unexpired(stored, now):
        return Refuse(Refusal.EXPIRED)
    if not belongs_to_client(stored, presented):
        return Burn(Refusal.CLIENT)
    if not redirect_uri_repeated(stored, presented):
        return Burn(Refusal.REDIRECT_URI)
    if not verify_pkce(stored.authorization.code_challenge, presented.code_verifier):
        return Burn(Refusal.PKCE)
    return Spend()


# Refresh tokens


@dataclass(frozen=True, slots=True)
class Rotate:
    """Generation `after` becomes `after + 1`; the answer carries the new one."""

    after: int


@dataclass(frozen=True, slots=True)
class Keep:
    """The stored generation is the answer: a token that does not rotate, or a reply that was lost."""

    generation: int


RefreshDecision: TypeAlias = Rotate | Keep | EndFamily | Refuse


def bound_to(stored: Family, presented: PresentedRefresh) -> Refusal | None:
    """Good for its own client and, where it is bound to one, its own key, RFC 6749 §10.4, RFC 9449 §5."""
    if stored.client_id != presented.client_id:
        return Refusal.CLIENT
    if stored.jkt is not None and stored.jkt != presented.jkt:
        return Refusal.KEY
    return None


def over(stored: Family, *, now: float, idle: timedelta) -> Refusal | None:
    """Whether the family has ended by itself or by somebody."""
    if stored.ended_at is not None:
        return Refusal.ENDED
    if now >= stored.expires_at:
        return Refusal.EXPIRED
    if now >= stored.used_at + idle.total_seconds():
        return Refusal.IDLE
    return None


def is_current(generation: int, stored: Family) -> bool:
    """Whether no successor was made yet: a generation rotates once."""
    return generation == stored.generation


def within_grace(stored: Family, *, now: float, grace: timedelta) -> bool:
    """Whether the last rotation is so near that its reply may have been lost; nodes' clocks may differ a little."""
    return abs(now - stored.rotated_at) < grace.total_seconds()


def sent_again(*, challenge: bool, nonce: bool) -> Literal["code_challenge", "nonce"] | None:
    """What of a request its client sent before, told once: who sends a whole request again sends both again."""
    if challenge:
        return "code_challenge"
    return "nonce" if nonce else None


def is_reuse(generation: int, stored: Family, *, now: float, grace: timedelta) -> bool:
    """Whether an old generation gives a theft away: any but the direct predecessor of an unused successor, and that one
    too when the grace is over, RFC 9700 §4.14.2.
    """
    return generation < stored.generation - 1 or not within_grace(stored, now=now, grace=grace)


def judge_refresh(
    presented: PresentedRefresh, stored: Family | None, *, now: float, grace: timedelta, idle: timedelta
) -> RefreshDecision:
    """What a refresh token is worth, RFC 9700 §4.14.2.

    Only the genuine token of the right client and key can end a family, so that garbage cannot. A generation that the
    database has not reached yet means that the database went back in time: refused and told, but nothing is ended.
    """
    if stored is None:
        return Refuse(Refusal.UNKNOWN)
    if not presented.genuine:
        return Refuse(Refusal.FORGED)
    wrong = bound_to(stored, presented) or over(stored, now=now, idle=idle)
    if wrong is not None:
        return Refuse(wrong)
    if presented.generation > stored.generation:
        return Refuse(Refusal.AHEAD)
    if is_current(presented.generation, stored):
        return Rotate(stored.generation) if presented.rotates else Keep(stored.generation)
    if is_reuse(presented.generation, stored, now=now, grace=grace):
        return EndFamily(stored.id)
    return Keep(stored.generation)
