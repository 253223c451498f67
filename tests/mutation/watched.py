"""What is mutated, and the tests that are to notice: the path of a token from its text to verified claims or octets."""

from pathlib import Path

from tests.mutation.mutants import Mutant, mutants, names

ROOT = Path(__file__).parents[2]
TESTS = [
    f"tests/unit/jose/test_{name}.py"
    for name in (
        "base64url",
        "json",
        "jws",
        "claims",
        "jwks",
        "hot",
        "clauses",
        "hostile",
        "jws_json",
        "wycheproof",
    )
]
WATCHED: dict[str, frozenset[str] | None] = {
    "admit.jose.hot": frozenset({"verify"}),
    "admit.jose.jws": frozenset(
        {
            "__post_init__", "parse", "split", "octets_of", "remember", "choose_key", "check_signature", "verify",
            "verified",
        }
    ),
    "admit.jose.jws_detached": frozenset({"verify_detached", "_split"}),
    "admit.jose.jws_json": frozenset({"__post_init__", "verify_json", "_verify", "_payload", "_signatures", "_read"}),
    "admit.jose.serialisation": frozenset({"read"}),
    "admit.jose.header": None,
    "admit.jose.base64url": frozenset({"decode", "decode_translated"}),
    "admit.jose.json": frozenset(
        {"loads_object", "_read", "check_values", "check_second_reading", "_unique", "_no_constant"}
    ),
    "admit.jose.claims": frozenset(
        {
            "verify", "verify_claims", "plainly_fit", "fold_typ", "check_typ", "check_types", "is_numeric_date",
            "check_issuer", "check_audience", "check_times", "check_required", "_names", "__post_init__",
        }
    ),
    "admit.jose.algorithms": frozenset({"_hmac", "_rsa", "_rsa_pss", "_ecdsa", "read_ecdsa", "_raw"}),
    "admit.jose.jwks": frozenset({"find", "_fill", "only", "_without_rivals"}),
}  # fmt: skip
"""Modules, and their functions: all of them where there is None."""


def source_of(module: str) -> Path:
    """The file of a module of Admit's."""
    return ROOT / "src" / (module.replace(".", "/") + ".py")


def tests_for(module: str) -> list[list[str]]:
    """All of the tests, in the turns to run them in: first the module's own, which are most likely to notice."""
    own = f"tests/unit/jose/test_{module.rpartition('.')[2]}.py"
    turns = [[path for path in TESTS if path == own], [path for path in TESTS if path != own]]
    return [turn for turn in turns if turn]


def every_mutant() -> list[Mutant]:
    """All mutants of the modules watched."""
    return [
        one
        for module, functions in WATCHED.items()
        for one in mutants(module, source_of(module).read_text("utf-8"), functions)
    ]


def every_name() -> set[str]:
    """What they are called; without making them, which takes a while."""
    return {
        name
        for module, functions in WATCHED.items()
        for name in names(module, source_of(module).read_text("utf-8"), functions)
    }
