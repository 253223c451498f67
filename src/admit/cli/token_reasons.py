"""Why a token would be refused, each reason with the clause that says so."""

from dataclasses import dataclass

from admit import errors


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `error` is the class of what the library raises for it."""

    text: str
    clause: str
    error: str

    def __str__(self) -> str:
        return f"{self.text} ({self.clause})"


CLAIM_CLAUSES = {
    "iss": "RFC 7519 §4.1.1",
    "sub": "RFC 7519 §4.1.2",
    "aud": "RFC 7519 §4.1.3",
    "exp": "RFC 7519 §4.1.4",
    "nbf": "RFC 7519 §4.1.5",
    "iat": "RFC 7519 §4.1.6",
    "jti": "RFC 7519 §4.1.7",
}
NO_EXP = "RFC 9068 §2.2; RFC 7519 §4.1.4 leaves it open, Admit does not"
_CLAUSES: dict[type[errors.AdmitError], str] = {
    errors.MalformedTokenError: "RFC 7515 §5.2",
    errors.AlgorithmError: "RFC 8725 §3.1",
    errors.KeyNotFoundError: "RFC 7515 §4.1.4",
    errors.SignatureError: "RFC 7515 §5.2",
    errors.DecryptionError: "RFC 7516 §5.2",
    errors.CriticalHeaderError: "RFC 7515 §4.1.11",
    errors.TokenTypeError: "RFC 8725 §3.11",
    errors.IssuerError: CLAIM_CLAUSES["iss"],
    errors.AudienceError: CLAIM_CLAUSES["aud"],
    errors.ExpiredTokenError: CLAIM_CLAUSES["exp"],
}
_KEY_CLAUSES = (
    ("too small", "RFC 7518 §3.2, §3.3; RFC 8725 §3.5"),
    ("bits is", "RFC 7518 §3.3, §4.2"),
    ("RSA keys have", "RFC 7518 §3.3, §4.2; RFC 8725 §3.5"),
    ("can be broken", "RFC 8725 §3.5"),
    ("the secret", "RFC 8725 §3.1, §3.5"),
    ("use is not", "RFC 7517 §4.2"),
    ("key_ops", "RFC 7517 §4.3"),
    ("names no algorithm", "RFC 8725 §3.1"),
    ("alg", "RFC 7517 §4.4"),
    ("x5c", "RFC 7517 §4.7"),
)
_WORDS = {
    "the key names no algorithm: pass alg": "it names no algorithm",
    "alg is not the key's": "alg is not that of the key",
    "no key of that kid and alg": "no key of the set has that kid and alg",
    "the signature does not verify": "the signature does not hold under the key",
    "iss is missing or another": "iss is missing or names another issuer",
    "aud is missing or names others": "aud is missing or names other APIs",
    "crit cannot be met": "crit asks for something that is not understood",
    "another kind of token": "typ says another kind of token than is asked for by --typ",
    "cty does not say that a token stands inside": "nobody signed it: cty does not say that a token stands inside",
    "a token stands inside, and nobody is named who may have signed it": (
        "a signed token stands inside: give the keys that verify it, --key or --jwks"
    ),
}
_UNSIGNED, _REPLICATED = "RFC 8725 §3.3", "RFC 7519 §5.3"
_CLAUSE_OF = {
    "cty does not say that a token stands inside": _UNSIGNED,
    "a token stands inside, and nobody is named who may have signed it": _UNSIGNED,
}


def of_error(error: errors.AdmitError) -> Reason:
    """The reason that the library gave, with its clause."""
    name = type(error).__name__
    if isinstance(error, errors.InvalidKeyError):
        return Reason(f"unusable key: {_WORDS.get(error.detail, error.detail)}", key_clause(error), name)
    if isinstance(error, errors.NotYetValidError) or type(error) is errors.ClaimError:
        told = f"{error.claim}: {error.detail}" if error.claim not in error.detail else error.detail
        clause = CLAIM_CLAUSES.get(error.claim, "RFC 7519 §4")
        if error.claim == "exp" and "missing" in error.detail:
            clause = NO_EXP
        if "of the header" in error.detail:
            clause = _REPLICATED
        return Reason(told, clause, name)
    clause = _CLAUSE_OF.get(error.detail) or next(
        (_CLAUSES[cls] for cls in type(error).__mro__ if cls in _CLAUSES), "RFC 7519 §7.2"
    )
    return Reason(_WORDS.get(error.detail, error.detail) or error.public, clause, name)


def alg_hint(error: errors.InvalidKeyError) -> str:
    """What to do about a key that does not say what it is for."""
    return ": give --alg, such as RS256" if "names no algorithm" in error.detail else ""


def key_clause(error: errors.InvalidKeyError) -> str:
    """The clause that a key offends."""
    return next((clause for words, clause in _KEY_CLAUSES if words in error.detail), "RFC 7517 §4")
