"""RSA keys, RFC 7518 §6.3."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from admit.errors import InvalidKeyError
from admit.jose.material.base import MAX_NUMBER, KeyMaterial, number, unsigned

MIN_BITS = 2048
# Verification time grows with the square of the size; a published key may not make it arbitrarily slow.
MAX_BITS = 8 * MAX_NUMBER
# Whether `d` alone is right takes the time of the size cubed, 1.3 s with 8192 bits; then its primes are to be found.
MAX_BITS_OF_D_ALONE = 4096
MAX_EXPONENT_BITS = 64
_SPARE_BITS = (
    64  # by which one prime may be longer than half of the modulus; generators make them of one size
)


def read(members: Mapping[str, Any]) -> KeyMaterial:
    """The checked key of a JWK, RFC 7518 §6.3."""
    if "oth" in members:
        raise InvalidKeyError("RSA keys of more than two primes are not supported")
    n, e = unsigned(members, "n"), unsigned(members, "e")
    check_rsa_size(n, e)
    numbers = rsa.RSAPublicNumbers(e, n)
    parts = [name for name in ("p", "q", "dp", "dq", "qi") if name in members]
    if "d" not in members:
        if parts:
            raise InvalidKeyError("d is missing")
        return of_key(numbers.public_key())
    d = unsigned(members, "d")
    if parts and len(parts) != 5:
        raise InvalidKeyError("p, q, dp, dq and qi belong together")
    if parts:
        p, q, dp, dq, qi = (unsigned(members, name) for name in ("p", "q", "dp", "dq", "qi"))
    else:
        if n.bit_length() > MAX_BITS_OF_D_ALONE:
            raise InvalidKeyError("a private RSA key of more than 4096 bits needs p, q, dp, dq and qi")
        check_belongs(n, e, d)
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    check_primes(n, p, q)
    return of_key(rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, numbers).private_key())


def check_rsa_size(n: int, e: int) -> None:
    """Refuse moduli below 2048 bits, RFC 7518 §3.3, and exponents that sign nothing."""
    if not MIN_BITS <= n.bit_length() <= MAX_BITS:
        raise InvalidKeyError("RSA keys have 2048 to 8192 bits")
    if n % 2 == 0 or e % 2 == 0 or e < 3 or e.bit_length() > MAX_EXPONENT_BITS:
        raise InvalidKeyError("the RSA modulus or exponent cannot be right")


def check_belongs(n: int, e: int, d: int) -> None:
    """Refuse a `d` that undoes nothing, before its primes are looked for: that search takes minutes to find none."""
    if not 1 < d < n or pow(2, e * d, n) != 2:
        raise InvalidKeyError("d does not belong to the public key")


def check_primes(n: int, p: int, q: int) -> None:
    """Refuse primes that are not those of the modulus, or not half as long, before each is proved to be one.

    That takes the time of a prime's size cubed, and so most where one of them has nearly all of the bits.
    """
    if p * q != n:
        raise InvalidKeyError("p and q do not belong to the public key")
    if max(p, q).bit_length() > n.bit_length() // 2 + _SPARE_BITS:
        raise InvalidKeyError("the primes of the RSA key are not of one size")


def check_rsa_origin(n: int) -> None:
    """Refuse moduli of the generator whose primes are powers of 65537 modulo a primorial (CVE-2017-15361).

    Such a modulus is a power of 65537 modulo each small prime; another one is with a chance of about 2^-28.
    """
    if all(n % prime in powers for prime, powers in _roca_marks()):
        raise InvalidKeyError("the RSA key was made by a generator that can be broken")


@cache
def _roca_marks() -> tuple[tuple[int, frozenset[int]], ...]:
    primes = [p for p in range(3, 168) if all(p % q for q in range(2, int(p**0.5) + 1))]
    marks = []
    for prime in primes:
        powers, power = {1}, 65537 % prime
        while power not in powers:
            powers.add(power)
            power = power * 65537 % prime
        if len(powers) < prime - 1:  # where 65537 reaches everything, the prime tells nothing
            marks.append((prime, frozenset(powers)))
    return tuple(marks)


def of_key(key: Any) -> KeyMaterial:
    """An RSA key object, RFC 7518 §6.3."""
    private = key if isinstance(key, rsa.RSAPrivateKey) else None
    public = key.public_key() if private else key
    numbers = public.public_numbers()
    check_rsa_size(numbers.n, numbers.e)
    check_rsa_origin(numbers.n)
    members = {"e": number(numbers.e), "kty": "RSA", "n": number(numbers.n)}
    secret: dict[str, str] = {}
    if private:
        own = private.private_numbers()
        secret = {
            "d": number(own.d),
            "p": number(own.p),
            "q": number(own.q),
            "dp": number(own.dmp1),
            "dq": number(own.dmq1),
            "qi": number(own.iqmp),
        }
    return KeyMaterial(
        "RSA", None, public.key_size, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def generate(_: str | None, bits: int) -> KeyMaterial:
    """A new key pair of a size in bits."""
    return of_key(rsa.generate_private_key(65537, bits))
