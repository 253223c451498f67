"""Writes hashes.json anew: python make.py > hashes.json; with Django, passlib, Werkzeug, argon2-cffi and bcrypt<4.1."""

import base64
import hashlib
import json
import sys
from importlib.metadata import version

import argon2
import bcrypt
import django
from django.conf import settings

settings.configure(PASSWORD_HASHERS=[])
django.setup()
from django.contrib.auth import hashers  # noqa: E402
from passlib import hash as passlib  # noqa: E402
from werkzeug.security import generate_password_hash  # noqa: E402

ONE, TWO = "correct horse battery", "pässwörd 密码 🔑"
LONG = "a password that is longer than bcrypt reads, which is seventy-two octets and not one more"
texts = []


def add(source: str, password: str, made: str) -> None:
    texts.append({"from": source, "password": password, "hash": made})


django_version = django.get_version()
for cls, password, options in (
    (hashers.PBKDF2PasswordHasher, TWO, {"iterations": 1000}),
    (hashers.PBKDF2SHA1PasswordHasher, ONE, {"iterations": 1000}),
    (hashers.ScryptPasswordHasher, TWO, {"n": 1024}),
):
    one = cls()
    add(f"Django {one.algorithm} {django_version}", password, one.encode(password, one.salt(), **options))
for cls, password in (
    (hashers.BCryptSHA256PasswordHasher, LONG),
    (hashers.BCryptPasswordHasher, ONE),
    (hashers.Argon2PasswordHasher, TWO),
):
    one = cls()
    one.rounds, one.memory_cost, one.parallelism = 4, 64, 1
    add(f"Django {one.algorithm} {django_version}", password, one.encode(password, one.salt()))

passlib_version = version("passlib")
for name, password, options in (
    ("pbkdf2_sha1", ONE, {"rounds": 1000}),
    ("pbkdf2_sha256", TWO, {"rounds": 1000}),
    ("pbkdf2_sha512", ONE, {"rounds": 1000}),
    ("scrypt", TWO, {"rounds": 10}),
    ("bcrypt", TWO, {"rounds": 4}),
    ("argon2", ONE, {"rounds": 2, "memory_cost": 512}),
):
    add(f"passlib {name} {passlib_version}", password, getattr(passlib, name).using(**options).hash(password))
for number in (1, 2):
    made = passlib.bcrypt_sha256.using(rounds=4, version=number).hash(LONG)
    add(f"passlib bcrypt_sha256 version {number} {passlib_version}", LONG, made)

werkzeug_version = version("werkzeug")
for method in ("pbkdf2:sha256:1000", "pbkdf2:sha1:1000", "pbkdf2:sha512:1000", "scrypt:1024:8:1"):
    add(f"Werkzeug {method} {werkzeug_version}", TWO, generate_password_hash(TWO, method=method))

argon2_version = version("argon2-cffi")
for kind in argon2.low_level.Type:
    made = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2, type=kind).hash(TWO)
    add(f"argon2-cffi {kind.name} {argon2_version}", TWO, made)
bcrypt_version = version("bcrypt")
add(f"bcrypt {bcrypt_version}", TWO, bcrypt.hashpw(TWO.encode(), bcrypt.gensalt(4)).decode())
add("bcrypt 72 octets", "y" * 72, bcrypt.hashpw(b"y" * 72, bcrypt.gensalt(4)).decode())
phc = hashlib.pbkdf2_hmac("sha512", TWO.encode(), b"a salt of sixteen", 1000)
encoded = [base64.b64encode(part).rstrip(b"=").decode() for part in (b"a salt of sixteen", phc)]
add("PHC string format", TWO, f"$pbkdf2-sha512$i=1000,l=64${'$'.join(encoded)}")

keycloak = [
    {
        "from": "Keycloak argon2",
        "password": "iceberg",
        "secretData": '{"value":"BuViHNDGmCq80fvpty/QoggTI8NSt0CuNDGgeoa5f5A=","salt":"RJ0aLMQ2qKbZuROs7qQhcA==",'
        '"additionalParameters":{}}',
        "credentialData": '{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],'
        '"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}',
    }
]
for algorithm, name, size in (("pbkdf2", "sha1", 64), ("pbkdf2-sha256", "sha256", 64), ("pbkdf2-sha512", "sha512", 64)):
    value = hashlib.pbkdf2_hmac(name, ONE.encode(), b"salt of 16 bytes", 1000, size)
    keycloak.append(
        {
            "from": f"Keycloak {algorithm}",
            "password": ONE,
            "secretData": json.dumps(
                {
                    "value": base64.b64encode(value).decode(),
                    "salt": base64.b64encode(b"salt of 16 bytes").decode(),
                    "additionalParameters": {},
                }
            ),
            "credentialData": json.dumps(
                {"hashIterations": 1000, "algorithm": algorithm, "additionalParameters": {}}
            ),
        }
    )

firebase = {
    "password": "user1password",
    "salt": "42xEC+ixf3L2lw==",
    "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    "project": {
        "base64_signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        "base64_salt_separator": "Bw==",
        "rounds": 8,
        "mem_cost": 14,
    },
}
json.dump(
    {"texts": texts, "keycloak": keycloak, "firebase": firebase}, sys.stdout, indent=1, ensure_ascii=False
)
print()
