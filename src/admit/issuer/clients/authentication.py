"""What a client must have registered to prove itself with, and how its keys are read. Pure.

RFC 7591 §2, RFC 7523 §3, OpenID Connect Core §9. The algorithms are those of the keys: what an assertion says of itself
chooses nothing.
"""

import hashlib
import re
from typing import Final
from urllib.parse import urlsplit

from admit.errors import ConfigError, InvalidKeyError
from admit.issuer.clients import profiles
from admit.issuer.clients.hosts import is_host
from admit.issuer.clients.key_sets import KeySets
from admit.issuer.clients.profiles import settled
from admit.issuer.clients.records import AuthMethod, Client
from admit.jose import JWS_ALGS, JWKSet
from admit.jose.jwks import OKP_ALGS

SIGNING_ALGS: Final = profiles.ASYMMETRIC
"""What assertions may be signed with, as far as the client's profile takes it."""
SECRET_METHODS: Final = frozenset({AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST})
_LOOPBACK_HTTP = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}/[^#]*", re.ASCII)
_MAX_URI = 2048


def may_use(client: Client, method: AuthMethod) -> bool:
    """Whether the client may prove itself so. Who has a secret may send it in either of the two ways, unless the
    profile wants exactly the method that is registered.
    """
    registered = client.auth_method
    if method is registered:
        return True
    return settled(client).either_secret_method and {method, registered} <= SECRET_METHODS


def algorithms(client: Client) -> frozenset[str]:
    """What the client's assertions may be signed with."""
    if client.token_endpoint_auth_signing_alg is not None:
        return frozenset({client.token_endpoint_auth_signing_alg})
    return settled(client).assertion_algs


def assumed(client: Client) -> tuple[str, str]:
    """The algorithms of the client's RSA and its Ed25519 or Ed448 keys, where such a key names none."""
    alg = client.token_endpoint_auth_signing_alg
    rsa = alg if alg is not None and JWS_ALGS[alg].kty == "RSA" else settled(client).assumed_rsa_alg
    return rsa, alg if alg in OKP_ALGS else "EdDSA"


_READ: Final = KeySets()


def read_keys(published: str | bytes, rsa_alg: str, okp_alg: str) -> JWKSet:
    """The usable keys of a client's set, RFC 7517 §5; the same object for the same text.

    Raises:
        InvalidKeyError: not a key set, or no usable key in it.
    """
    data = published.encode("utf-8", "surrogatepass") if isinstance(published, str) else published
    name = (data, rsa_alg, okp_alg)
    found = _READ.get(name)
    if found is not None:
        return found
    keys = JWKSet.load_foreign(data, rsa_alg=rsa_alg, okp_alg=okp_alg)
    if not len(keys):
        raise InvalidKeyError("no usable key in the set")
    _READ.put(name, keys)
    return keys


def check(client: Client, where: str, *, dev: bool) -> None:
    """Hold that a client has what its method needs, and nothing that another one would need.

    Raises:
        ConfigError: one line that says which rule is broken.
    """
    method = client.auth_method
    if client.public is not (method is AuthMethod.NONE):
        raise ConfigError(
            f"{where}: token_endpoint_auth_method none and public = true go together; all else wants public = false"
        )
    alg = client.token_endpoint_auth_signing_alg
    if alg is not None and alg not in settled(client).assertion_algs:
        raise ConfigError(f"{where}: token_endpoint_auth_signing_alg is not one that this profile takes")
    if client.jwks_uri is not None and not _is_jwks_uri(
        client.jwks_uri, dev=dev
    ):  # whether it is used now or not
        raise ConfigError(f"{where}: jwks_uri wants an https URL without fragment")
    if client.public and client.secret_hashes:
        raise ConfigError(f"{where}: a public client has no secret; set public = false, or remove the secret")
    if method is AuthMethod.PRIVATE_KEY_JWT:
        _check_keys(client, where, dev=dev)
        return
    if not client.public and not 1 <= len(client.secret_hashes) <= 2:
        raise ConfigError(
            f"{where}: a confidential client has one secret, or two while one is being replaced"
        )
    if any(len(kept) != hashlib.sha256().digest_size for kept in client.secret_hashes):
        raise ConfigError(f"{where}: secret_hashes are SHA-256, 32 bytes each")


def _check_keys(client: Client, where: str, *, dev: bool) -> None:
    if client.secret_hashes:
        raise ConfigError(f"{where}: private_key_jwt and a secret do not go together; remove secret_hashes")
    if (client.jwks is None) is (client.jwks_uri is None):
        raise ConfigError(f"{where}: private_key_jwt wants jwks or jwks_uri, and not both")
    if client.jwks is not None:
        try:
            keys = read_keys(client.jwks, *assumed(client))
        except InvalidKeyError as error:
            raise ConfigError(f"{where}: jwks: {error.detail}") from None
        if keys.private_seen:
            raise ConfigError(
                f"{where}: jwks holds a private or secret key: publish the public half, and make a new key"
            )
        if not len(keys.only(algorithms(client))):
            raise ConfigError(f"{where}: jwks has no key of an algorithm that the client may sign with")


def _is_jwks_uri(uri: str, *, dev: bool) -> bool:
    """https; for development also http on this very machine, which has to be named in `egress.allow` as well."""
    if len(uri) > _MAX_URI or not uri.isascii() or not uri.isprintable() or "#" in uri or " " in uri:
        return False
    if dev and _LOOPBACK_HTTP.fullmatch(uri):
        return True
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  # reading it is what checks it
    except ValueError:
        return False
    return parts.scheme == "https" and is_host(parts.hostname or "") and "@" not in parts.netloc
