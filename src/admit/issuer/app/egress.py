"""What can be wrong with `egress` and only shows when the issuer starts."""

import ssl

from admit.errors import ConfigError


def check_ca_file(path: str) -> None:
    """Hold that `egress.ca_file` has certificates: else everything that the issuer dials would fail, one by one.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"egress.ca_file: {path} cannot be used ({type(error).__name__})") from None
    if not context.cert_store_stats()["x509_ca"]:
        raise ConfigError(f"egress.ca_file: {path} holds no certificate of an authority")
