"""What a user let which application do, as the account page tells it: one entry an application, however often it was
let in.
"""

from collections.abc import Iterable, Mapping, Sequence

from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import may_operate, scopes_holding
from admit.issuer.app.pages.views import AppItem, ClientCard, ScopeItem, Words
from admit.issuer.clients.records import Client
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import SESSIONS_SCOPE, grantable_scopes, loopback_parts
from admit.issuer.consents.records import Remembered
from admit.issuer.grants.records import Family, GrantedClaims
from admit.issuer.oauth.authorize.respond import host


def items(
    families: Iterable[Family],
    remembered: Iterable[Remembered],
    clients: Mapping[str, Client],
    registry: Registry,
    user: User,
) -> tuple[AppItem, ...]:
    """The applications, the one used last first: those that may act now, and those that would not ask again."""
    grants: dict[str, list[Family]] = {}
    for family in families:
        grants.setdefault(family.client_id, []).append(family)
    answers: dict[str, list[Remembered]] = {}
    for answer in remembered:
        answers.setdefault(answer.client_id, []).append(answer)
    found = (
        _item(one, clients.get(one), grants.get(one, ()), answers.get(one, ()), registry, user)
        for one in {**grants, **answers}
    )
    return tuple(sorted(found, key=lambda item: (-item.last_used_at, item.client_id)))


def _item(
    client_id: str,
    client: Client | None,
    grants: Sequence[Family],
    answers: Sequence[Remembered],
    registry: Registry,
    user: User,
) -> AppItem:
    texts: dict[str, Words] = {}
    let = [(one.audience, one.scope | told_of(one.claims)) for one in grants]
    let += [(one.audience, one.granted) for one in answers]
    for audience, allowed in let:
        resource = registry.resource(audience)
        # As a token would say now: what was granted, cut to what client and user may still have.
        scopes = allowed if client is None else allowed & grantable_scopes(client, resource, user.roles)
        texts |= {name: None if resource is None else resource.scopes.get(name) for name in scopes}
    asked = [one.given_at for one in answers]
    return AppItem(
        client_id=client_id,
        client=_card(client_id, client),
        scopes=tuple(
            ScopeItem(name=name, text=texts[name], everybodys=reaches_everybody(name, user))
            for name in sorted(texts)
        ),
        since=min([family.created_at for family in grants] + asked),
        last_used_at=max([family.used_at for family in grants] + asked),
        offline=any(family.offline for family in grants),
        acts=bool(grants),
        remembered=bool(answers),
        unverified=client is not None and not client.trusted,
    )


def told_of(claims: GrantedClaims) -> frozenset[str]:
    """The scopes in whose words the person was asked about claims that were asked for one by one."""
    return scopes_holding(claims.userinfo | claims.id_token)


def reaches_everybody(scope: str, user: User) -> bool:
    """Whether a scope that is about one's own lets its bearer see and end what belongs to others: who is asked for it
    must be told, since what the user may do is what the application may do.
    """
    return scope == SESSIONS_SCOPE and may_operate(user)


def _card(client_id: str, client: Client | None) -> ClientCard:
    """One that the settings name no more is shown by its id: what it was granted can still be ended."""
    if client is None:
        return ClientCard(name=client_id, host=None, verified=False)
    shown = next((host(uri) for uri in client.redirect_uris if loopback_parts(uri) is None), None)
    return ClientCard(name=client.name, host=shown, verified=client.trusted)
