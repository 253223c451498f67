"""The parity of the two ways to carry one principal (contracts §1): for one user, audience and instant."""

from admit.principal import CredentialKind, Principal

EQUAL = ("issuer", "subject", "roles", "groups", "session_id", "auth_time", "acr", "amr", "actor")


def assert_parity(token: Principal, session: Principal, *, all_granted: bool) -> None:
    """Hold the rule. `all_granted`: the token was asked with every scope that the user may have, and got it."""
    assert (token.credential, session.credential) == (CredentialKind.TOKEN, CredentialKind.SESSION)
    assert token.key == session.key
    for name in EQUAL:
        assert getattr(token, name) == getattr(session, name), name
    assert token.scopes <= session.scopes
    if all_granted:
        assert token.scopes == session.scopes
    assert session.audience <= token.audience
    assert session.client_id == "admit"
    assert token.client_id != "admit"
    assert session.token_id is None
